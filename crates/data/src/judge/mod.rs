//! Judges one file of a dataset: its digest, its rows, and the expectations it fails.
//!
//! The file is opened once. Its stamp is taken before the first byte and after the last: what was replaced or written
//! to meanwhile is no state of the file at all, and the caller lists again. Whatever the bytes are, the answer is a
//! failure in words, never a panic, and memory stays bounded.

mod cell;
mod checks;
mod column;
mod unique;

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use windlass_kinds::{
    Digest, Hasher,
    manifest::{DatasetSpec, Expectations},
    record::{ExpectationFailure, FileStamp},
};

pub(crate) use self::{
    cell::{Cell, Family, FoundColumn, shown},
    checks::Checks,
    column::{Place, listed},
};
use crate::{
    ListedFile,
    format::{self, Unreadable},
    listing::stamp_of,
};

/// What one file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its rows, where the format counts them and the file can be read.
    pub rows: Option<u64>,
    /// The expectations it does not meet; empty means it meets them all.
    pub failures: Vec<ExpectationFailure>,
    /// The state of the file that this is about.
    pub stamp: FileStamp,
}

/// Why a file could not be judged; says nothing about what it holds.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// It was replaced or written to while it was read, or since it was listed: list again.
    #[error("`{path}` changed while it was read")]
    Changed {
        /// The path relative to the dataset's folder.
        path: String,
    },
    /// It is not there any more: list again.
    #[error("`{path}` is gone")]
    Gone {
        /// The path relative to the dataset's folder.
        path: String,
    },
    /// The operating system refused.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The whole path.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
}

/// Reads the file `listed` in `folder` and measures it against the expectations of `spec`.
pub fn judge(folder: &Path, listed: &ListedFile, spec: &DatasetSpec) -> Result<Judged, JudgeError> {
    let path = folder.join(&listed.path);
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => JudgeError::Gone { path: listed.path.clone() },
        _ => JudgeError::Read { path: path.clone(), source },
    };
    let changed = || JudgeError::Changed { path: listed.path.clone() };
    // Without O_NONBLOCK a pipe that took the file's place would hold us until somebody writes.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(&path).map_err(fail)?;
    let before = file.metadata().map_err(fail)?;
    if !before.is_file() || stamp_of(&before) != listed.stamp {
        return Err(changed());
    }
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    let mut reader = &file;
    loop {
        match io::Read::read(&mut reader, &mut buffer) {
            Ok(0) => break,
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fail(error)),
        }
    }
    let measured = measure(&file, listed, spec);
    // What the system refused matters only where the file is still the one we opened.
    let after = fs::metadata(&path).map_err(fail)?;
    if stamp_of(&after) != listed.stamp {
        return Err(changed());
    }
    let (rows, failures) = measured.map_err(fail)?;
    Ok(Judged { digest: hasher.finish(), size: listed.stamp.size, rows, failures, stamp: listed.stamp })
}

/// Returns the rows of an open file and what it fails.
fn measure(
    file: &fs::File,
    listed: &ListedFile,
    spec: &DatasetSpec,
) -> Result<(Option<u64>, Vec<ExpectationFailure>), io::Error> {
    let mut checks = Checks::new(&listed.path, &spec.expectations);
    let Some(format) = spec.format.or_else(|| format::by_ending(&listed.path)) else {
        // Files of other kinds are data too, as long as nothing is expected of their rows.
        let failures = match spec.expectations == Expectations::default() {
            true => Vec::new(),
            false => checks.unreadable("a file whose ending tells no format; set the dataset's `format`, or `include`"),
        };
        return Ok((None, failures));
    };
    if listed.stamp.size == 0 {
        return Ok((None, checks.unreadable("an empty file, 0 bytes")));
    }
    let mut rows = 0;
    loop {
        match format::read(format, file, listed.stamp.size, &mut checks) {
            Ok(read) => rows = rows.max(read),
            Err(Unreadable::Bytes(problem)) => return Ok((None, checks.unreadable(problem))),
            Err(Unreadable::System(error)) => return Err(error),
        }
        if !checks.next_reading() {
            return Ok((Some(rows), checks.finish(rows)));
        }
    }
}
