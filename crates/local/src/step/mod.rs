//! The step runner, `windlass step`: a small process between server and step.
//!
//! It runs one attempt, or one after another (see [`turns`]), and never two at a time. It promises, whatever happens to the server: the step runs in a session and process group of its own; all its
//! output is in the log, bounded and without secrets; time-out and memory limit are held; when it ends, every process
//! it left behind is killed; and how it ended is in `result.json`, written once and atomically. Until then it
//! holds a lock on the file `alive`, so that anybody can tell, without trusting process numbers, that it is there.
//!
//! It knows nothing of pipelines, stores or networks: `job.json` says everything. It is synchronous, has one thread
//! and does little, because one runs beside each step.

mod cgroup;
mod job;
mod log;
mod mask;
mod memory;
mod signals;
mod supervise;
mod sweep;
mod turns;

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::ExitCode,
};

pub use job::{GRACE_MILLIS, LOG_LIMIT, StepEnd, StepJob, StepResult, StopReason, StopRequest, read, write};
pub(crate) use log::LogWriter;
pub use log::tail_folder;
pub use turns::{READY, turns_main};

use crate::layout::AttemptFolder;

/// Runs the step that `<folder>/job.json` describes and returns when it ended and its result is written.
///
/// The exit code says only whether the shim did its work, not how the step ended. A second shim on the same folder,
/// or one that comes after a result, does nothing.
pub fn step_main(folder: &Path) -> ExitCode {
    exit_code(Runner::begin().and_then(|runner| runner.step(&AttemptFolder::new(folder))))
}

fn exit_code(outcome: Result<Outcome, StepError>) -> ExitCode {
    match outcome {
        Ok(Outcome::Good | Outcome::Odd) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be reading.
            let _ = writeln!(io::stderr(), "windlass step: {}", windlass_control::chain(&error));
            ExitCode::from(3)
        }
    }
}

/// How an attempt left its shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// As good as new: the step ended by itself, whatever it said, and left nothing behind.
    Good,
    /// Such that it is better not trusted with another.
    Odd,
}

/// Why a shim could not do its work.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("failed to take signals over")]
    Signals(#[source] io::Error),
    #[error("failed to talk to the server")]
    Line(#[source] io::Error),
    #[error("`{0}` is no attempt's folder")]
    Folder(String),
    #[error("failed to lock `{0}`")]
    Lock(String, #[source] io::Error),
    #[error("failed to read `{0}`")]
    Job(String, #[source] io::Error),
    #[error("failed to open the log `{0}`")]
    Log(String, #[source] io::Error),
    #[error("failed to become the parent of what the step leaves behind")]
    Subreaper(#[source] io::Error),
    #[error("failed to wait for the step")]
    Wait(#[source] io::Error),
    #[error("failed to write the result `{0}`")]
    Result(String, #[source] io::Error),
}

/// The state of this process that serves every attempt.
struct Runner {
    signals: signals::Signals,
}

impl Runner {
    /// Makes this process one that can run steps.
    fn begin() -> Result<Self, StepError> {
        let signals = signals::Signals::install().map_err(StepError::Signals)?;
        // Fails where the caller made us a group leader already, which serves as well.
        let _ = rustix::process::setsid();
        Ok(Self { signals })
    }

    /// Takes an attempt to its end, and writes how it ended.
    fn step(&self, folder: &AttemptFolder) -> Result<Outcome, StepError> {
        let alive = lock(&folder.alive()).map_err(|source| StepError::Lock(show(&folder.alive()), source))?;
        let Some(alive) = alive else { return Ok(Outcome::Odd) };
        if folder.result().exists() {
            return Ok(Outcome::Odd);
        }
        let result = begin(folder, &alive).and_then(|job| supervise::supervise(folder, &job, &self.signals));
        let (result, trouble) = match result {
            Ok(result) => (result, None),
            Err(error @ StepError::Wait(_)) => return Err(error),
            // Told as an end that counts: as lost, it would be tried again for ever.
            Err(error) => {
                let end = StepEnd::NotStarted { reason: windlass_control::chain(&error), retryable: true };
                (StepResult::bare(end), Some(error))
            }
        };
        // The file that says that we live becomes the result: whoever takes its lock from here on finds the result
        // there.
        let written = job::turn_into(&alive, &folder.alive(), &folder.result(), &result);
        match trouble {
            Some(error) => return Err(error),
            None => written.map_err(|source| StepError::Result(show(&folder.result()), source))?,
        }
        let StepResult { end, left_behind, .. } = result;
        let is_good = matches!(end, StepEnd::Exited { .. }) && left_behind == 0 && !self.signals.stop_asked();
        Ok(if is_good { Outcome::Good } else { Outcome::Odd })
    }
}

/// Reads the job and makes ready for it.
fn begin(folder: &AttemptFolder, alive: &File) -> Result<StepJob, StepError> {
    let job = read(&folder.job()).map_err(|source| StepError::Job(show(&folder.job()), source))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|source| StepError::Subreaper(source.into()))?;
    job::reserve(alive).map_err(|source| StepError::Result(show(&folder.result()), source))?;
    Ok(job)
}

/// Locks the file that says that a shim lives, and writes our number into it; `None` where another holds it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    file.write_all(std::process::id().to_string().as_bytes())?;
    Ok(Some(file))
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
