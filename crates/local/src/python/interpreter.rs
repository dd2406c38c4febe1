//! Finds the interpreter that a request asks for, through uv.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use windlass_kinds::record::PrepareFailure;

use super::{failure, uv::Uv};

/// Says version, implementation and platform in one line, whatever the interpreter's surroundings.
const QUESTION: &str = "import sys, sysconfig; v = sys.version_info; \
    print('.'.join(map(str, v[:3])), sys.implementation.name, sysconfig.get_platform())";

/// An interpreter on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interpreter {
    /// Its path.
    pub(super) path: PathBuf,
    /// Version, implementation and platform: `3.11.7 cpython linux-x86_64`.
    pub(super) identity: String,
    /// Size, modification time and inode of its binary, so that an untouched one is not asked again.
    stamp: [i64; 3],
}

impl Interpreter {
    /// Returns whether the binary is still the one that was asked.
    pub(super) fn is_unchanged(&self) -> bool {
        stamp(&self.path).is_some_and(|stamp| stamp == self.stamp)
    }

    /// Returns the version alone.
    pub(super) fn version_of(identity: &str) -> &str {
        identity.split(' ').next().unwrap_or(identity)
    }
}

/// Returns the interpreter for a version as uv understands it (`3.11`, `>=3.10`), or the one uv finds first.
pub(super) async fn find(uv: &Uv, wanted: Option<&str>) -> Result<Interpreter, PrepareFailure> {
    let mut arguments = vec!["python", "find", "--system", "--no-project"];
    // After `--`, so that whatever stands in a manifest is no option.
    arguments.extend(wanted.into_iter().flat_map(|wanted| ["--", wanted]));
    let outcome = uv.run(&arguments, Path::new("/"), None, &|_| {}).await?;
    let path = PathBuf::from(outcome.output.trim());
    if !outcome.is_success || path.as_os_str().is_empty() {
        let what = wanted.map_or_else(|| "Python".to_owned(), |wanted| format!("Python {wanted}"));
        return Err(failure::lasting(format!(
            "{what} is not on this machine: {}\nwhat to do: install it (Debian: apt install python3) or ask for another \
             `python.version`",
            outcome.words.trim().trim_start_matches("error: ")
        )));
    }
    let unusable = |why: String| failure::lasting(format!("the interpreter `{}` does not work: {why}", path.display()));
    let outcome = uv
        .run_program(&path, &["-I", "-S", "-c", QUESTION], Path::new("/"), None, &|_| {})
        .await
        .map_err(|error| unusable(error.to_string()))?;
    let identity = outcome.output.trim().to_owned();
    if !outcome.is_success || identity.split(' ').count() != 3 {
        return Err(unusable(outcome.words));
    }
    let stamp = stamp(&path).ok_or_else(|| unusable("it vanished".to_owned()))?;
    Ok(Interpreter { path, identity, stamp })
}

fn stamp(path: &Path) -> Option<[i64; 3]> {
    let metadata = fs::metadata(path).ok()?;
    let modified = metadata.mtime().wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec());
    Some([metadata.len().cast_signed(), modified, metadata.ino().cast_signed()])
}
