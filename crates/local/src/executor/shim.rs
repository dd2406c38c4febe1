//! Shims as the executor sees them: given an attempt, found again, asked to end, and outlived.
//!
//! A shim holds a lock on the file `alive` of a work folder for as long as it is at work there, and the kernel releases
//! it whatever ends the shim. So whoever gets the lock knows that no shim is there, and, holding it, that none will be.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::{sleep, timeout},
};
use windlass_kinds::{AttemptId, Name};

use super::runners::{self, Runner, Runners};
use crate::{
    layout::AttemptFolder,
    process,
    step::{self, StepEnd, StepResult, StopRequest},
};

/// The variable by which processes of an attempt are recognised: its value is a path of this data folder. Attempt ids
/// follow from what started them, so that another data folder on this machine may well have the same.
const MARK: &str = "WINDLASS_OUTPUTS";

/// What a shim may take beyond the grace of its step before it is killed itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a shim is looked at where the kernel has no process descriptors.
const INTERVAL: Duration = Duration::from_millis(50);

/// A shim that is at work on an attempt, or was a moment ago.
pub(super) struct Shim {
    pid: Pid,
    hold: Hold,
    /// Whether it was told to end, which it may yet do.
    is_told: bool,
}

/// What we have of a shim.
enum Hold {
    /// This process started it.
    Ours { runner: Runner, is_ready: bool },
    /// A server before us did, and with that one gone it ends with its attempt.
    Found {
        /// Becomes readable at its end; `None` on kernels without pidfd_open(2).
        descriptor: Option<AsyncFd<OwnedFd>>,
        folder: AttemptFolder,
    },
}

/// What [`find`] finds.
pub(super) enum Found {
    /// A shim that lives.
    Alive(Shim),
    /// None lives, and none will while this file is open.
    Ended(File),
}

impl Shim {
    /// Gives an attempt, whose work folder holds `job.json`, to a shim of its project.
    pub(super) fn start(
        runners: &Runners,
        binary: &Path,
        attempts: &Path,
        project: &Name,
        attempt: &AttemptId,
    ) -> io::Result<Self> {
        let runner = loop {
            match runners.take(project) {
                Some(mut runner) => match runner.assign(attempt) {
                    Ok(()) => break runner,
                    // Somebody ended it while it waited.
                    Err(_) => runners::let_go(vec![runner]),
                },
                None => {
                    let mut runner = Runner::start(binary, attempts, project)?;
                    runner.assign(attempt)?;
                    break runner;
                }
            }
        };
        Ok(Self { pid: runner.pid(), hold: Hold::Ours { runner, is_ready: false }, is_told: false })
    }

    fn found(pid: Pid, descriptor: Option<AsyncFd<OwnedFd>>, folder: &AttemptFolder) -> Self {
        Self { pid, hold: Hold::Found { descriptor, folder: folder.clone() }, is_told: false }
    }

    /// Returns once it is over with its attempt.
    pub(super) async fn ended(&mut self) {
        match &mut self.hold {
            Hold::Ours { runner, is_ready } => *is_ready = runner.over().await,
            Hold::Found { descriptor: Some(descriptor), folder: _ } => {
                if descriptor.readable().await.is_err() {
                    // The runtime is going down, and this task with it.
                    std::future::pending().await
                }
            }
            Hold::Found { descriptor: None, folder } => {
                while matches!(try_alive(folder), Ok(None)) {
                    sleep(INTERVAL).await;
                }
            }
        }
    }

    /// Asks it to end its step and returns once it is over; kills it where it takes far too long.
    pub(super) async fn end(&mut self, folder: &AttemptFolder, request: StopRequest) {
        // First the reason, then the signal: whoever finds the shim gone finds the reason too.
        if step::write(&folder.stop(), &request).is_err() {
            tracing::warn!(folder = %folder.path().display(), "failed to write why the attempt is to end");
        }
        self.is_told = true;
        self.signal(Signal::TERM);
        let limit = Duration::from_millis(request.grace_millis).saturating_add(PATIENCE);
        if timeout(limit, self.ended()).await.is_err() {
            self.signal(Signal::KILL);
            self.ended().await;
        }
    }

    fn signal(&self, signal: Signal) {
        // Errors say that it is gone.
        let _ = match &self.hold {
            Hold::Found { descriptor: Some(descriptor), folder: _ } => pidfd_send_signal(descriptor.get_ref(), signal),
            // Nobody else has the number before we reap it, and then we are over with it.
            Hold::Ours { .. } | Hold::Found { descriptor: None, folder: _ } => {
                rustix::process::kill_process(self.pid, signal)
            }
        };
    }

    /// Lets go of a shim whose attempt is over, for the next attempt where it is ready for one. Returns the session of
    /// the step where the shim is gone.
    pub(super) fn release(self, runners: &Arc<Runners>) -> Option<Pid> {
        match self.hold {
            Hold::Ours { runner, is_ready: true } => {
                if self.is_told {
                    runners::let_go(vec![runner]);
                } else {
                    runners.keep(runner);
                }
                None
            }
            Hold::Ours { .. } | Hold::Found { .. } => Some(self.pid),
        }
    }
}

/// Hands a process descriptor to the runtime; `None` where that has no room, and polling must do.
fn watched(descriptor: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    #[expect(deprecated, reason = "its successor is unsafe, and an OwnedFd keeps what that one asks for anyway")]
    AsyncFd::with_interest(descriptor, Interest::READABLE).ok()
}

/// Looks for the shim of a work folder. Fails with `NotFound` where there is no work folder.
pub(super) fn find(folder: &AttemptFolder) -> io::Result<Found> {
    for _ in 0..500 {
        if let Some(lock) = try_alive(folder)? {
            return Ok(Found::Ended(lock));
        }
        let number = match fs::read_to_string(folder.alive()) {
            Ok(text) => text.parse().ok().and_then(Pid::from_raw),
            // It just became the result, or went with its folder: the next look tells which.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(pid) = number {
            match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(descriptor) => {
                    // Still locked: then it lived when we opened it, and the descriptor is its own.
                    if try_alive(folder)?.is_none() {
                        return Ok(Found::Alive(Shim::found(pid, watched(descriptor), folder)));
                    }
                }
                Err(Errno::SRCH) => {}
                Err(_) => {
                    return Ok(Found::Alive(Shim::found(pid, None, folder)));
                }
            }
        }
        // It just locked the file and has not written its number, or is writing the result over it, or just went.
        #[expect(clippy::disallowed_methods, reason = "runs on a blocking thread")]
        std::thread::sleep(Duration::from_millis(2));
    }
    Err(io::Error::other("somebody holds the lock of its shim and does not say who"))
}

/// Takes the lock that a living shim holds; `None` where one does.
fn try_alive(folder: &AttemptFolder) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(folder.alive())?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Returns how a step ended whose shim is gone. Where the shim did not write it, kills whatever is left of the step
/// and writes it. `session` is the shim's number where it died just now, so that nobody else can have it yet.
pub(super) fn outcome(attempt: &AttemptId, folder: &AttemptFolder, session: Option<Pid>) -> StepResult {
    if let Ok(result) = step::read::<StepResult>(&folder.result()) {
        return result;
    }
    let killed = process::kill_all(|pid| {
        let Some(stat) = process::stat(pid) else { return false };
        process::has_variable(pid, MARK, &folder.outputs())
            // A step that cleared its environment; not a person who looks around there.
            || (process::works_in(pid, folder.path()) && !stat.has_terminal)
            || (session.is_some() && stat.session == session)
    });
    let end = if folder.stop().exists() {
        StepEnd::Stopped
    } else if folder.job().exists() {
        let left = match killed {
            0 => String::new(),
            1 => "; a process of the step was killed".to_owned(),
            count => format!("; {count} processes of the step were killed"),
        };
        StepEnd::Lost { reason: format!("its shim vanished{left}") }
    } else {
        StepEnd::Lost { reason: "the server ended before the step began".to_owned() }
    };
    let mut result = StepResult::bare(end);
    result.left_behind = killed as u64;
    if let Err(error) = step::write(&folder.result(), &result) {
        tracing::warn!(%attempt, %error, "failed to write how an attempt ended");
    }
    result
}
