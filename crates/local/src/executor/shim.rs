//! Shims as the executor sees them: started, found again, asked to end, and outlived.
//!
//! A shim holds a lock on the file `alive` of its work folder for as long as it lives, and the kernel releases it
//! whatever ends the shim. So whoever gets the lock knows that no shim is there, and, holding it, that none will be.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
    path::Path,
    process::{Child, Command, Stdio},
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
use windlass_kinds::AttemptId;

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

/// A shim that lives, or lived a moment ago.
pub(super) struct Shim {
    pid: Pid,
    /// Ours to reap, where this process started it.
    child: Option<Child>,
    /// Becomes readable at its end; `None` on kernels without pidfd_open(2).
    descriptor: Option<AsyncFd<OwnedFd>>,
    folder: AttemptFolder,
}

/// What [`find`] finds.
pub(super) enum Found {
    /// A shim that lives.
    Alive(Shim),
    /// None lives, and none will while this file is open.
    Ended(File),
}

impl Shim {
    /// Starts a shim on a work folder that holds `job.json`. It is detached: no pipe, no terminal, no environment.
    pub(super) fn start(binary: &Path, attempt: &AttemptId, folder: &AttemptFolder, log: &Path) -> io::Result<Self> {
        let complaints = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
        let child = Command::new(binary)
            .arg("step")
            .arg("--dir")
            .arg(folder.path())
            .env_clear()
            .env("WINDLASS_ATTEMPT", attempt.as_str())
            .env(MARK, folder.outputs())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(complaints)
            .spawn()?;
        let pid = Pid::from_child(&child);
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok().and_then(watched);
        Ok(Self { pid, child: Some(child), descriptor, folder: folder.clone() })
    }

    /// Returns its process number, which is also the session of its step.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Returns once it is gone.
    pub(super) async fn ended(&mut self) {
        if let Some(descriptor) = &self.descriptor {
            if descriptor.readable().await.is_err() {
                // The runtime is going down, and this task with it.
                return std::future::pending().await;
            }
        } else {
            while !self.is_gone() {
                sleep(INTERVAL).await;
            }
        }
        if let Some(child) = &mut self.child {
            // Reaps it; how it exited says nothing that the result does not.
            let _ = child.try_wait();
        }
    }

    fn is_gone(&mut self) -> bool {
        match &mut self.child {
            Some(child) => !matches!(child.try_wait(), Ok(None)),
            None => matches!(try_alive(&self.folder), Ok(Some(_)) | Err(_)),
        }
    }

    /// Asks it to end its step and returns once it is gone; kills it where it takes far too long.
    pub(super) async fn end(&mut self, folder: &AttemptFolder, request: StopRequest) {
        // First the reason, then the signal: whoever finds the shim gone finds the reason too.
        if step::write(&folder.stop(), &request).is_err() {
            tracing::warn!(folder = %folder.path().display(), "failed to write why the attempt is to end");
        }
        self.signal(Signal::TERM);
        let limit = Duration::from_millis(request.grace_millis).saturating_add(PATIENCE);
        if timeout(limit, self.ended()).await.is_err() {
            self.signal(Signal::KILL);
            self.ended().await;
        }
    }

    fn signal(&self, signal: Signal) {
        // Errors say that it is gone.
        let _ = match &self.descriptor {
            Some(descriptor) => pidfd_send_signal(descriptor.get_ref(), signal),
            None => rustix::process::kill_process(self.pid, signal),
        };
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
                        let folder = folder.clone();
                        return Ok(Found::Alive(Shim { pid, child: None, descriptor: watched(descriptor), folder }));
                    }
                }
                Err(Errno::SRCH) => {}
                Err(_) => {
                    return Ok(Found::Alive(Shim { pid, child: None, descriptor: None, folder: folder.clone() }));
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
