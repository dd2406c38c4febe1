//! One segment file: written at its end, read back in whole, cut where a crash tore it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
};

use super::frame::{self, Frame};

/// What a segment begins with.
const MAGIC: &[u8; 16] = b"windlass log 1\n\0";

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct OpenSegment {
    file: Arc<File>,
    /// How long it is, up to its last complete frame.
    length: u64,
}

impl OpenSegment {
    /// Makes the file, which nobody but our user may read. Nothing is left of it where that fails.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        if let Err(error) = (&file).write_all(MAGIC) {
            let _ = fs::remove_file(path);
            return Err(error);
        }
        Ok(Self { file: Arc::new(file), length: MAGIC.len() as u64 })
    }

    /// Hands complete frames to the system. What was written of them in vain is cut off again; `Err` with true says that
    /// not even that worked, so the file must not be written to any more.
    pub(super) fn append(&mut self, frames: &[u8]) -> Result<(), (io::Error, bool)> {
        match (&*self.file).write_all(frames) {
            Ok(()) => {
                self.length += frames.len() as u64;
                Ok(())
            }
            Err(error) => Err((error, self.file.set_len(self.length).is_err())),
        }
    }

    /// Returns the file, for forcing it to disk.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Returns its length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

/// A segment's bytes, and how many of them are whole.
#[derive(Debug)]
pub(super) struct Contents {
    bytes: Vec<u8>,
    whole: usize,
}

impl Contents {
    /// Reads a segment.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        let mut whole = 0;
        if bytes.starts_with(MAGIC) {
            whole = MAGIC.len();
            while let Some((_, length)) = frame::first(&bytes[whole..]) {
                whole += length;
            }
        }
        Ok(Self { bytes, whole })
    }

    /// Returns how many bytes at the end are no frames.
    pub(super) fn torn(&self) -> usize {
        self.bytes.len() - self.whole
    }

    /// Returns its frames in order.
    pub(super) fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut rest = self.bytes[..self.whole].get(MAGIC.len()..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (frame, length) = frame::first(rest)?;
            rest = &rest[length..];
            Some(frame)
        })
    }
}

/// Cuts what a crash tore off the end of a segment. Returns how many bytes that were.
pub(super) fn repair(path: &Path) -> io::Result<usize> {
    let contents = Contents::read(path)?;
    if contents.torn() > 0 {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(contents.whole as u64)?;
        file.sync_data()?;
    }
    Ok(contents.torn())
}
