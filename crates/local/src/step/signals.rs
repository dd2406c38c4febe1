//! Signals as something that can be waited for.
//!
//! `SIGTERM`, `SIGINT` and `SIGHUP` ask the shim to end its step; `SIGCHLD` says that a process ended. Each writes a
//! byte to a socket that the loop polls. Handlers (unlike a blocked mask) are not inherited by the step.

use std::{
    io::{self, Read as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::process::Signal;

/// The signals that came.
pub(super) struct Signals {
    wake: UnixStream,
    stop: Arc<AtomicBool>,
}

impl Signals {
    /// Takes the signals over for the rest of the process's life.
    pub(super) fn install() -> io::Result<Self> {
        let (wake, sender) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            // The flag first: whoever is woken finds it set.
            signal_hook::flag::register(signal.as_raw(), Arc::clone(&stop))?;
            signal_hook::low_level::pipe::register(signal.as_raw(), sender.try_clone()?)?;
        }
        signal_hook::low_level::pipe::register(Signal::CHILD.as_raw(), sender)?;
        Ok(Self { wake, stop })
    }

    /// Forgets the wake-ups so far; to be called before looking at what they were about.
    pub(super) fn clear(&self) {
        let mut buffer = [0; 64];
        while matches!((&self.wake).read(&mut buffer), Ok(count) if count == buffer.len()) {}
    }

    /// Returns whether the shim was asked to end its step.
    pub(super) fn stop_asked(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
