//! What a log tells of itself, counted where it happens and read anywhere.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use windlass_kinds::Micros;

/// How a prediction log fares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogStatus {
    /// Rows handed to the system since the process began.
    pub written: u64,
    /// Rows that were answered without having been logged, since the process began.
    pub lost: u64,
    /// Since when predictions are not logged, and why; none where all is well.
    pub trouble: Option<(Micros, String)>,
    /// Why the last try to force predictions to disk failed; none where it did not.
    pub syncing: Option<String>,
    /// Why the last try to make Parquet of closed segments, or to remove old ones, failed; none where it did not.
    pub closing: Option<String>,
    /// Bytes at the end of segments that a crash had torn, cut at the start.
    pub torn: u64,
}

/// The counted side of [`LogStatus`].
#[derive(Debug, Default)]
pub(super) struct Counts {
    written: AtomicU64,
    lost: AtomicU64,
    torn: AtomicU64,
    /// Whether the writer was waited for in vain and has not moved since.
    stands_still: AtomicBool,
    trouble: Mutex<Option<(Micros, String)>>,
    pub(super) syncing: Trouble,
    pub(super) closing: Trouble,
}

impl Counts {
    pub(super) fn status(&self) -> LogStatus {
        LogStatus {
            written: self.written.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            trouble: self.trouble.lock().expect("not poisoned").clone(),
            syncing: self.syncing.get(),
            closing: self.closing.get(),
            torn: self.torn.load(Ordering::Relaxed),
        }
    }

    /// Notes that the writer was waited for in vain. Returns whether that is news.
    pub(super) fn stand_still(&self) -> bool {
        !self.stands_still.swap(true, Ordering::Relaxed)
    }

    /// Returns whether the writer was waited for in vain and has not moved since.
    pub(super) fn stands_still(&self) -> bool {
        self.stands_still.load(Ordering::Relaxed)
    }

    /// Counts rows that the system has. Returns the time since which none were, where these are the first.
    pub(super) fn add_written(&self, rows: u64) -> Option<Micros> {
        self.written.fetch_add(rows, Ordering::Relaxed);
        self.trouble.lock().expect("not poisoned").take().map(|(since, _)| since)
    }

    /// Counts rows that were not logged. Returns how many they are by now.
    pub(super) fn add_lost(&self, rows: u64, now: Micros, why: impl FnOnce() -> String) -> u64 {
        self.trouble.lock().expect("not poisoned").get_or_insert_with(|| (now, why()));
        self.lost.fetch_add(rows, Ordering::Relaxed) + rows
    }

    /// Notes that the writer moved.
    pub(super) fn move_on(&self) {
        self.stands_still.store(false, Ordering::Relaxed);
    }

    /// Counts bytes that a crash had torn.
    pub(super) fn add_torn(&self, bytes: usize) {
        self.torn.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// How the last try of something went.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Trouble {
    fn get(&self) -> Option<String> {
        self.0.lock().expect("not poisoned").clone()
    }

    /// Notes how it went. Returns whether that is news.
    pub(super) fn note(&self, outcome: Option<String>) -> bool {
        let mut last = self.0.lock().expect("not poisoned");
        let is_news = *last != outcome;
        *last = outcome;
        is_news
    }
}
