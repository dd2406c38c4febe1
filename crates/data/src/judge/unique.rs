//! Finds rows that repeat the key of an earlier row, in bounded memory.
//!
//! Keys are kept as 128 bits of a SHA-256, which no data makes collide by chance or by intent. Where a file has more
//! distinct keys than fit ([`KEYS_MAX`], about 60 MB), the keys are divided by their bits into parts and the file is
//! read again, once for each part, up to 64 times; beyond that (about 115 million rows) the rule fails by saying so.

use std::collections::HashMap;

use super::{cell::short_hash, column::Place};

/// The most keys held at once.
pub(crate) const KEYS_MAX: usize = 1_800_000;

/// The most parts that keys are divided into.
const PARTS: usize = 64;

/// The repeats found in one part.
#[derive(Debug, Clone, Copy, Default)]
struct Repeats {
    count: u64,
    /// The first row that repeats, and the row that it repeats.
    first: Option<(Place, u64)>,
}

/// The keys seen so far.
#[derive(Debug)]
pub(crate) struct Unique {
    seen: HashMap<[u8; 16], u64>,
    keys_max: usize,
    /// Which part this reading of the file looks at.
    pass: usize,
    /// One less than the number of parts, a power of two.
    mask: usize,
    repeats: [Repeats; PARTS],
    overflow: bool,
}

impl Unique {
    /// Starts with no key seen; `keys_max` is [`KEYS_MAX`] but in tests.
    pub(crate) fn new(keys_max: usize) -> Self {
        let repeats = [Repeats::default(); PARTS];
        Self { seen: HashMap::new(), keys_max, pass: 0, mask: 0, repeats, overflow: false }
    }

    /// Takes in the key of one row.
    pub(crate) fn see(&mut self, key: &[u8], place: Place) {
        let hash = short_hash(key);
        let bits = usize::from(hash[0]) % PARTS;
        if self.overflow || bits & self.mask != self.pass {
            return;
        }
        if let Some(earlier) = self.seen.get(&hash) {
            let repeats = &mut self.repeats[bits];
            repeats.count += 1;
            repeats.first.get_or_insert((place, *earlier));
            return;
        }
        self.seen.insert(hash, place.row);
        if self.seen.len() > self.keys_max {
            self.divide();
        }
    }

    /// Halves what this reading looks at; later readings look at the rest.
    fn divide(&mut self) {
        if self.pass > 0 || self.mask + 1 == PARTS {
            // In later readings the parts are as even as a hash makes them, so some room above the limit is enough.
            self.overflow = self.seen.len() > self.keys_max * 2 || self.pass == 0;
            return;
        }
        self.mask = self.mask * 2 + 1;
        let mask = self.mask;
        self.seen.retain(|hash, _| usize::from(hash[0]) & mask == 0);
        for (bits, repeats) in self.repeats.iter_mut().enumerate() {
            // Found again by the reading that looks at that part.
            if bits & mask != 0 {
                *repeats = Repeats::default();
            }
        }
    }

    /// Moves to the next part. Returns whether the file must be read once more.
    pub(crate) fn next_pass(&mut self) -> bool {
        self.seen = HashMap::new();
        self.pass += 1;
        !self.overflow && self.pass <= self.mask
    }

    /// Returns what was found, where the rule is broken.
    pub(crate) fn observed(&self) -> Option<String> {
        if self.overflow {
            let most = self.keys_max * PARTS;
            return Some(format!("more than {most} rows, the most whose keys are compared; split the file"));
        }
        let count: u64 = self.repeats.iter().map(|repeats| repeats.count).sum();
        let firsts = self.repeats.iter().filter_map(|repeats| repeats.first);
        let (place, earlier) = firsts.min_by_key(|(place, _)| place.row)?;
        let more = if count > 1 { format!("; {count} rows in all") } else { String::new() };
        Some(format!("{place} repeats row {earlier}{more}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `keys` as often as is asked and returns what was found.
    fn run(keys: &[u32], keys_max: usize) -> (Option<String>, usize) {
        let mut unique = Unique::new(keys_max);
        let mut readings = 0;
        loop {
            readings += 1;
            for (index, key) in keys.iter().enumerate() {
                unique.see(&key.to_le_bytes(), Place { row: index as u64 + 1, line: None });
            }
            if !unique.next_pass() {
                return (unique.observed(), readings);
            }
        }
    }

    #[test]
    fn repeats_are_found_whatever_the_memory() {
        let distinct: Vec<u32> = (0..1000).collect();
        let mut twice = distinct.clone();
        twice[900] = 3;
        twice[950] = 3;
        twice[999] = 998;
        let found = Some("row 901 repeats row 4; 3 rows in all".to_owned());
        for keys_max in [2000, 1000, 999, 500, 100, 20] {
            let (observed, readings) = run(&distinct, keys_max);
            assert_eq!(observed, None, "{keys_max}");
            assert_eq!(readings > 1, keys_max < 1000, "{keys_max}");
            assert_eq!(run(&twice, keys_max).0, found, "{keys_max}");
        }
        let (observed, _) = run(&distinct, 4);
        assert!(observed.unwrap().starts_with("more than 256 rows"));
    }
}
