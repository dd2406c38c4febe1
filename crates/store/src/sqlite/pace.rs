//! How long the disk took lately: whether one may wait for it in place.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How long a commit may take for a thread that has other things to do too. A disk without moving parts takes a tenth of
/// it; the others would hold up what that thread serves besides.
const QUICK: Duration = Duration::from_millis(5);
/// How many commits the average reaches back.
const REACH: u64 = 16;

/// A running average of what commits took, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    /// Takes a commit into account. Two at once may lose one, which an average bears.
    pub(super) fn note(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX / REACH).min(u64::MAX / REACH);
        let before = self.0.load(Ordering::Relaxed);
        self.0.store((before * (REACH - 1)).saturating_add(took) / REACH, Ordering::Relaxed);
    }

    /// Returns whether one may wait for the next commit in place.
    pub(super) fn is_quick(&self) -> bool {
        u128::from(self.0.load(Ordering::Relaxed)) < QUICK.as_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_commit_is_borne_and_many_are_not() {
        let pace = Pace::default();
        let note = |times: u32, millis: u64| (0..times).for_each(|_| pace.note(Duration::from_millis(millis)));
        assert!(pace.is_quick());
        note(1, 40);
        assert!(pace.is_quick());
        note(16, 40);
        assert!(!pace.is_quick());
        note(64, 1);
        assert!(pace.is_quick());
        pace.note(Duration::MAX);
        assert!(!pace.is_quick());
    }
}
