//! How often tracking clients have written: what an open page asks to learn whether it is still true.
//!
//! A count and no more, because it stands on the way of every logged metric; nobody is woken by it.

use std::sync::atomic::{AtomicU64, Ordering};

/// The count of writes since the start.
#[derive(Debug, Default)]
pub(crate) struct Pulse(AtomicU64);

impl Pulse {
    /// Counts a write.
    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the count.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
