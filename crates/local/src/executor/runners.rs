//! Shims of ours: started, given one attempt after another, and let go.
//!
//! The start of a shim costs more than all else we do for a short step, so one that an attempt left as good as new
//! takes the next (see `step::turns`). An attempt is one line to the shim; its end is one byte back, or the end of the
//! line where the shim is gone. A shim serves one project only, so that nothing of one is ever in the memory of what
//! runs another's steps; it serves a bounded number of attempts, and one that has had nothing to do for a while goes.

use std::{
    io,
    os::{fd::OwnedFd, unix::net},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use rustix::{
    net::{SendFlags, send},
    process::Pid,
};
use tokio::{
    net::UnixStream,
    task::spawn_blocking,
    time::{Instant, sleep},
};
use windlass_kinds::{AttemptId, Name};

use crate::step::READY;

/// Attempts that one shim serves at most: whatever may add up in a process ends with it.
const MOST_TURNS: u32 = 200;

/// Shims that wait for an attempt at most.
const MOST_IDLE: usize = 16;

/// How long a shim waits for an attempt before it is let go, and up to twice that.
const IDLE: Duration = Duration::from_secs(5);

/// How often we look whether a shim that left its line is gone altogether: its line ends moments before it does.
const INTERVAL: Duration = Duration::from_millis(2);

/// A shim that this process started.
pub(super) struct Runner {
    child: Child,
    line: UnixStream,
    project: Name,
    turns: u32,
    last: Instant,
}

impl Runner {
    /// Starts a shim for the attempts of a project. It is detached: no terminal, no environment, and no pipe whose
    /// other end it would miss.
    pub(super) fn start(binary: &Path, attempts: &Path, project: &Name) -> io::Result<Self> {
        let (ours, theirs) = net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = Command::new(binary)
            .arg("step")
            .arg("--attempts")
            .arg(attempts)
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let line = UnixStream::from_std(ours)?;
        Ok(Self { child, line, project: project.clone(), turns: 0, last: Instant::now() })
    }

    /// Returns its process number.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Gives it an attempt, whose folder is laid out. It fails where the shim is gone, and then nothing has begun.
    pub(super) fn assign(&mut self, attempt: &AttemptId) -> io::Result<()> {
        self.turns += 1;
        let line = format!("{attempt}\n");
        // Past the runtime, which cannot tell that there is room on a line it has just met.
        match send(&self.line, line.as_bytes(), SendFlags::NOSIGNAL)? {
            sent if sent == line.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Returns once the attempt is over: true where it is ready for another, false where it is gone, and reaped.
    pub(super) async fn over(&mut self) -> bool {
        let mut answer = [0];
        loop {
            if self.line.readable().await.is_err() {
                // The runtime is going down, and this task with it.
                return std::future::pending().await;
            }
            match self.line.try_read(&mut answer) {
                Ok(1) if answer == [READY] => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(_) | Err(_) => break,
            }
        }
        // How it exited says nothing that the result does not.
        while matches!(self.child.try_wait(), Ok(None)) {
            sleep(INTERVAL).await;
        }
        false
    }

    /// Ends a shim that has no attempt. It holds nothing that would be lost.
    fn end(mut self) {
        // Errors say that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The shims that wait for an attempt.
#[derive(Default)]
pub(super) struct Runners(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    runners: Vec<Runner>,
    /// Whether a task looks after those that wait too long.
    is_watched: bool,
    is_closed: bool,
}

impl Runners {
    fn lock(&self) -> MutexGuard<'_, Idle> {
        // Nothing panics while it is held; were it so, the list is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a shim that takes attempts of the project; `None` where none waits. It may be gone by now.
    pub(super) fn take(&self, project: &Name) -> Option<Runner> {
        let runners = &mut self.lock().runners;
        let at = runners.iter().rposition(|runner| runner.project == *project)?;
        Some(runners.remove(at))
    }

    /// Takes a shim back that is ready for another attempt.
    pub(super) fn keep(self: &Arc<Self>, mut runner: Runner) {
        let mut idle = self.lock();
        if runner.turns >= MOST_TURNS || idle.runners.len() >= MOST_IDLE || idle.is_closed {
            drop(idle);
            return let_go(vec![runner]);
        }
        runner.last = Instant::now();
        idle.runners.push(runner);
        if !std::mem::replace(&mut idle.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Ends those that have waited too long; returns whether others still wait.
    fn end_stale(&self) -> bool {
        let mut idle = self.lock();
        let stale = idle.runners.extract_if(.., |runner| runner.last.elapsed() >= IDLE).collect();
        idle.is_watched = !idle.runners.is_empty();
        let_go(stale);
        idle.is_watched
    }

    /// Ends all that wait, and all that will; returns when they are gone.
    pub(super) async fn close(&self) {
        let runners = {
            let mut idle = self.lock();
            idle.is_closed = true;
            std::mem::take(&mut idle.runners)
        };
        let _ = spawn_blocking(move || runners.into_iter().for_each(Runner::end)).await;
    }
}

impl Drop for Runners {
    fn drop(&mut self) {
        std::mem::take(&mut self.lock().runners).into_iter().for_each(Runner::end);
    }
}

/// Ends shims that have no attempt, without waiting for it.
pub(super) fn let_go(runners: Vec<Runner>) {
    if !runners.is_empty() {
        spawn_blocking(move || runners.into_iter().for_each(Runner::end));
    }
}

async fn watch(runners: Weak<Runners>) {
    loop {
        sleep(IDLE).await;
        let Some(runners) = runners.upgrade() else { return };
        if !runners.end_stale() {
            return;
        }
    }
}
