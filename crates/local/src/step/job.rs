//! What the shim is told, and what it tells: three small JSON files in the attempt's work folder.
//!
//! `job.json` and `stop.json` are written by the executor, `result.json` by the shim (or, where the shim is gone, by
//! whoever found that out). A result is written once, atomically, and never changes.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The most bytes a log may take on disk unless the job says otherwise.
pub const LOG_LIMIT: u64 = 64 << 20;

/// The time from `SIGTERM` to `SIGKILL` in milliseconds (the step contract of the design).
pub const GRACE_MILLIS: u64 = 30_000;

/// What the shim is to run. Complete: the step gets `environment` and nothing else.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepJob {
    /// The attempt's id, for the processes' `WINDLASS_ATTEMPT`.
    pub attempt: String,
    /// The program, an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// All variables of the step.
    pub environment: BTreeMap<String, String>,
    /// The working directory.
    pub directory: PathBuf,
    /// The log, appended to.
    pub log: PathBuf,
    /// The most bytes the log may take; of a longer one, the beginning and the end are kept.
    pub log_limit: u64,
    /// Texts that appear as `***` in the log.
    pub secrets: Vec<String>,
    /// The longest the step may take, in milliseconds.
    pub timeout_millis: Option<u64>,
    /// From TERM to KILL, in milliseconds.
    pub grace_millis: u64,
    /// The most memory all its processes may hold together, in bytes.
    pub memory: Option<u64>,
}

/// The wish that an attempt end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StopRequest {
    /// Whose wish.
    pub reason: StopReason,
    /// From TERM to KILL, in milliseconds.
    pub grace_millis: u64,
}

/// Why an attempt is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StopReason {
    /// Somebody cancelled it.
    Cancelled,
    /// The server stops in good order.
    Interrupted,
}

/// How a step ended, and what it used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepResult {
    /// What happened.
    pub end: StepEnd,
    /// Processor time of all processes reaped, user and system, in microseconds.
    pub cpu_micros: u64,
    /// Peak resident memory of the largest process, in bytes.
    pub peak_memory: u64,
    /// Wall time in microseconds.
    pub wall_micros: u64,
    /// Bytes written to standard output and error.
    pub log_bytes: u64,
    /// Bytes of those that the log left out.
    pub log_dropped: u64,
    /// Processes that were still there when the step ended, and were killed.
    pub left_behind: u64,
}

impl StepResult {
    /// Returns a result that used nothing.
    pub fn bare(end: StepEnd) -> Self {
        Self { end, cpu_micros: 0, peak_memory: 0, wall_micros: 0, log_bytes: 0, log_dropped: 0, left_behind: 0 }
    }
}

/// The ways a step ends, as seen from right beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "how")]
pub enum StepEnd {
    /// The program could not be started.
    NotStarted {
        /// Why, in one line.
        reason: String,
        /// Whether trying again could help.
        retryable: bool,
    },
    /// It ended by itself.
    Exited {
        /// The exit code.
        code: i32,
    },
    /// A signal that the shim did not send ended it.
    Killed {
        /// The signal's number.
        signal: i32,
    },
    /// It took longer than its time-out.
    TimedOut,
    /// It was asked to end, and did, or was killed.
    Stopped,
    /// It went over its memory limit.
    OutOfMemory {
        /// The limit and what was held, in one line.
        reason: String,
    },
    /// Its shim vanished.
    Lost {
        /// What is known, in one line.
        reason: String,
    },
}

/// Reads one of these files.
pub fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let bytes = fs::read(path)?;
    serde_json::from_slice(&bytes).map_err(|source| io::Error::new(io::ErrorKind::InvalidData, source))
}

/// The room that [`reserve`] takes, in bytes: more than any result has.
const RESERVED: u64 = 4096;

/// Takes room on disk for what [`turn_into`] will write over `file`: a disk that is full by then is no reason to forget
/// how a step ended, and run it again.
pub(super) fn reserve(file: &fs::File) -> io::Result<()> {
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, RESERVED) {
        // Some file systems cannot; then it is as good as it gets.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Makes an open file, now at `from`, one of these files at `path`, by rename as [`write`] does, and without new room
/// where some is reserved.
pub(super) fn turn_into<T: Serialize>(file: &fs::File, from: &Path, path: &Path, value: &T) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    // Over what is there, and only then cut: in this order it takes no new room.
    file.write_all_at(&bytes, 0)?;
    file.set_len(bytes.len() as u64)?;
    fs::rename(from, path)
}

/// Writes one of these files by rename, readable by its owner alone; a reader sees all of it or none.
///
/// It is not forced to disk: that would cost each step more than all else we do. After a power failure a file may be
/// gone or cut, which a reader takes for gone; an attempt is then lost and made again. A step that succeeded is not
/// believed after a new start of the machine in any case, because its outputs are not forced to disk either.
pub fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let bytes = serde_json::to_vec(value)?;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(&bytes)?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn reserved_room_is_written_over_and_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let (alive, path) = (folder.path().join("alive"), folder.path().join("result.json"));
        fs::write(&alive, "12345").unwrap();
        let file = fs::OpenOptions::new().write(true).open(&alive).unwrap();
        reserve(&file).unwrap();
        assert_eq!(fs::read_to_string(&alive).unwrap(), "12345");
        assert!(file.metadata().unwrap().blocks() * 512 >= RESERVED);
        let result = StepResult::bare(StepEnd::TimedOut);
        turn_into(&file, &alive, &path, &result).unwrap();
        assert!(!alive.exists());
        assert_eq!(read::<StepResult>(&path).unwrap(), result);
    }
}
