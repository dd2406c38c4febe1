//! Decides which listed files are written to their end.
//!
//! Nobody tells us that a writer is done. A file counts as settled once it was left alone for the dataset's `settle`:
//! by its own modification time where that lies far enough back, else by what we saw ourselves. The second rule is
//! what holds on file systems whose clock is not ours. Nothing here reads a clock or a file.

use std::{collections::BTreeMap, time::Duration};

use windlass_kinds::{Micros, record::FileStamp};

use crate::{ListedFile, Listing};

/// What is remembered between listings of one dataset. Losing it costs one more `settle`, nothing else.
#[derive(Debug, Clone, Default)]
pub struct Settling {
    /// Files that are not settled yet: their stamp, and when it was first seen.
    waiting: BTreeMap<String, (FileStamp, Micros)>,
}

/// The files of a listing, told apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ready {
    /// Left alone long enough to be read, sorted by path.
    pub settled: Vec<ListedFile>,
    /// Possibly still being written, sorted by path.
    pub waiting: Vec<ListedFile>,
}

impl Settling {
    /// Tells the files of `listing` that were left alone for `settle` from those that were not.
    ///
    /// Where the clock was set back, a file waits one `settle` from then, not until the old time comes again.
    pub fn settled(&mut self, listing: &Listing, settle: Duration, now: Micros) -> Ready {
        let mut ready = Ready::default();
        let mut still_waiting = BTreeMap::new();
        for file in &listing.files {
            let modified = Micros(file.stamp.modified_ns.div_euclid(1000));
            let first_seen = match self.waiting.get(&file.path) {
                Some((stamp, at)) if *stamp == file.stamp && *at <= now => *at,
                _ => now,
            };
            // An equal or future modification time says nothing; `since` is zero then.
            if now.since(modified) >= settle.max(Duration::from_micros(1)) || now.since(first_seen) >= settle {
                ready.settled.push(file.clone());
            } else {
                still_waiting.insert(file.path.clone(), (file.stamp, first_seen));
                ready.waiting.push(file.clone());
            }
        }
        self.waiting = still_waiting;
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(10);

    /// Each step lists one file with a modification time at a moment, both in seconds, and says whether it is settled.
    fn check(name: &str, steps: &[(i64, i64, bool)]) {
        let mut settling = Settling::default();
        for (index, (modified, now, expected)) in steps.iter().enumerate() {
            let stamp = FileStamp { size: 1, modified_ns: modified * 1_000_000_000, inode: 1 };
            let listing = Listing { files: vec![ListedFile { path: "a".into(), stamp }], problems: Vec::new() };
            let ready = settling.settled(&listing, SETTLE, Micros(now * 1_000_000));
            assert_eq!(ready.settled.len() == 1, *expected, "{name}, step {index}");
            assert_eq!(ready.settled.len() + ready.waiting.len(), 1);
        }
    }

    #[test]
    fn files_settle() {
        check("old already", &[(100, 110, true)]);
        check("just written", &[(100, 101, false), (100, 109, false), (100, 110, true), (100, 111, true)]);
        check("written again", &[(100, 105, false), (108, 112, false), (108, 117, false), (108, 118, true)]);
        check("dated in the future", &[(9000, 100, false), (9000, 109, false), (9000, 110, true)]);
        check("clock set back", &[(1000, 1005, false), (1000, 400, false), (1000, 409, false), (1000, 410, true)]);
        check("clock set forward", &[(1000, 1005, false), (1000, 5000, true)]);
    }

    #[test]
    fn no_settle_time_means_at_once() {
        let stamp = FileStamp { size: 1, modified_ns: i64::MAX, inode: 1 };
        let listing = Listing { files: vec![ListedFile { path: "a".into(), stamp }], problems: Vec::new() };
        assert_eq!(Settling::default().settled(&listing, Duration::ZERO, Micros(5)).settled.len(), 1);
    }
}
