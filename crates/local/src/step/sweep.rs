//! Ends everything that a step left behind.
//!
//! The shim is a subreaper (prctl(2), `PR_SET_CHILD_SUBREAPER`): whatever loses its parent becomes its child, daemons
//! in sessions of their own included. So killing children until there are none reaches every descendant.

use std::{
    collections::BTreeSet,
    io,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    process::{Pid, WaitOptions, WaitStatus},
};

use super::signals::Signals;
use crate::process;

/// How long a killed process may take to go; one that hangs in the kernel is left to it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes note of every process that ended; returns the status of `main` where it is among them, and whether any child
/// is left.
pub(super) fn reap(main: Pid) -> io::Result<(Option<WaitStatus>, bool)> {
    let mut ended = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == main => ended = Some(status),
            Ok(Some(_)) => {}
            Ok(None) => return Ok((ended, true)),
            Err(rustix::io::Errno::CHILD) => return Ok((ended, false)),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills all children, and theirs as they come, until none is left; returns how many there were.
pub(super) fn sweep(main: Pid, signals: &Signals) -> io::Result<u64> {
    let me = rustix::process::getpid();
    let deadline = Instant::now() + PATIENCE;
    let mut killed = BTreeSet::new();
    loop {
        signals.clear();
        if !reap(main)?.1 || Instant::now() >= deadline {
            return Ok(killed.len() as u64);
        }
        for pid in process::children(me) {
            process::kill(pid);
            killed.insert(pid.as_raw_nonzero());
        }
        let pause = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        match rustix::event::poll(&mut [PollFd::new(signals, PollFlags::IN)], Some(&pause)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
