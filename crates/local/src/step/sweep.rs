//! Takes note of processes that ended, and ends everything that a step left behind.
//!
//! The shim is a subreaper (prctl(2), `PR_SET_CHILD_SUBREAPER`): whatever loses its parent becomes its child, daemons
//! in sessions of their own included. So killing children until there are none reaches every descendant.
//!
//! What each process used is asked of the kernel as it is reaped (wait4(2)): the sums that the kernel keeps for us
//! would mix the attempts that a shim serves.

use std::{
    collections::BTreeSet,
    io,
    process::ExitStatus,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    process::{Pid, WaitId, WaitIdOptions, waitid},
};

use super::signals::Signals;
use crate::process;

/// How long a killed process may take to go; one that hangs in the kernel is left to it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the processes of a step used that were reaped so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    /// Processor time, user and system.
    pub(super) processor: Duration,
    /// Peak resident memory of the largest process, in bytes.
    pub(super) peak_memory: u64,
}

impl Used {
    /// Reaps a child that ended; `None` where it has not.
    fn reap(&mut self, child: Pid) -> io::Result<Option<ExitStatus>> {
        let Some(ended) = wait4::try_wait4_pid(child.as_raw_pid().unsigned_abs())? else { return Ok(None) };
        self.processor += ended.rusage.utime + ended.rusage.stime;
        self.peak_memory = self.peak_memory.max(ended.rusage.maxrss);
        Ok(Some(ended.status))
    }
}

/// Takes note of every process that ended; returns the status of `main` where it did. Others may then be unseen: see
/// [`sweep`].
pub(super) fn reap(main: Pid, used: &mut Used) -> io::Result<Option<ExitStatus>> {
    match used.reap(main)? {
        Some(status) => Ok(Some(status)),
        None => reap_others(Some(main), used).map(|_| None),
    }
}

/// Takes note of every process but `main` that ended; returns whether any child is left.
fn reap_others(main: Option<Pid>, used: &mut Used) -> io::Result<bool> {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::All, ended) {
            Ok(None) => return Ok(true),
            Ok(Some(_)) => {}
            Err(Errno::CHILD) => return Ok(false),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let mut reaped = false;
        for child in process::children(rustix::process::getpid()) {
            reaped |= Some(child) != main && used.reap(child)?.is_some();
        }
        if !reaped {
            // It is `main`, just now: its signal is on its way.
            return Ok(true);
        }
    }
}

/// Kills all children, and theirs as they come, until none is left; returns how many there were. The step's first
/// process was reaped before.
pub(super) fn sweep(signals: &Signals, used: &mut Used) -> io::Result<u64> {
    let me = rustix::process::getpid();
    let deadline = Instant::now() + PATIENCE;
    let mut killed = BTreeSet::new();
    loop {
        signals.clear();
        if !reap_others(None, used)? || Instant::now() >= deadline {
            return Ok(killed.len() as u64);
        }
        for pid in process::children(me) {
            process::kill(pid);
            killed.insert(pid.as_raw_nonzero());
        }
        let pause = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        match rustix::event::poll(&mut [PollFd::new(signals, PollFlags::IN)], Some(&pause)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
