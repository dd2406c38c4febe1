//! Whether a prediction is fast enough to be made between two requests.
//!
//! Handing one to another thread costs more than most models take for a row. So short ones are made where they are
//! asked for, and only those that would keep others waiting go elsewhere: judged by what the last ones took.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The longest that a prediction may keep other requests waiting.
const SHORT: Duration = Duration::from_millis(2);

/// What predictions take.
#[derive(Debug)]
pub(super) struct Pace {
    /// Nanoseconds a row, of late; nothing known is "slow".
    per_row: AtomicU64,
}

impl Pace {
    /// Returns a pace of which nothing is known.
    pub(super) fn new() -> Self {
        Self { per_row: AtomicU64::new(u64::MAX) }
    }

    /// Tells whether that many rows are likely to take long.
    pub(super) fn is_slow(&self, rows: usize) -> bool {
        let expected = self.per_row.load(Ordering::Relaxed).saturating_mul(rows as u64);
        u128::from(expected) > SHORT.as_nanos()
    }

    /// Learns from a prediction. A slow one counts at once, faster ones little by little.
    pub(super) fn learn(&self, rows: usize, took: Duration) {
        let now = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / (rows as u64).max(1);
        let before = self.per_row.load(Ordering::Relaxed);
        let after = match before {
            u64::MAX => now,
            before => now.max(before - before / 8),
        };
        self.per_row.store(after, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_counts_at_once_and_fast_little_by_little() {
        let pace = Pace::new();
        assert!(pace.is_slow(1));
        pace.learn(10, Duration::from_micros(100));
        assert!(!pace.is_slow(200));
        assert!(pace.is_slow(201));
        pace.learn(1, Duration::from_millis(3));
        assert!(pace.is_slow(1));
        for _ in 0..4 {
            pace.learn(1, Duration::from_micros(10));
        }
        assert!(!pace.is_slow(1));
    }
}
