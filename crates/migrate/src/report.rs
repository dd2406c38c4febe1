//! What came of an import.

use std::collections::BTreeMap;

use serde::Serialize;
use windlass_kinds::record::ImportOutcome;

/// How many of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Count {
    /// How many the source has.
    pub source: u64,
    /// How many are new here.
    pub imported: u64,
    /// How many were here, and took over what had changed.
    pub updated: u64,
    /// How many were here, unchanged.
    pub there: u64,
    /// How many were not brought over.
    pub left_out: u64,
}

impl Count {
    /// Returns how many of the source's are here now.
    pub fn here(&self) -> u64 {
        self.imported + self.updated + self.there
    }
}

/// Something that was not brought over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// Something that is called otherwise here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// What it was called.
    pub from: String,
    /// What it is called here.
    pub to: String,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Where from.
    pub source: String,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// By kind: `experiments`, `runs`, `files`, …, in the order they were brought.
    pub counts: Vec<(String, Count)>,
    /// Points of metrics that were sent.
    pub points: u64,
    /// Bytes of files that were sent.
    pub bytes: u64,
    /// Experiments and models that have another id or name here.
    pub renamed: Vec<Renamed>,
    /// What was not brought over.
    pub left_out: Vec<LeftOut>,
}

impl Report {
    /// Returns the counts of a kind, to change.
    pub(crate) fn count(&mut self, kind: &str) -> &mut Count {
        let place = match self.counts.iter().position(|(name, _)| name == kind) {
            Some(place) => place,
            None => {
                self.counts.push((kind.to_owned(), Count::default()));
                self.counts.len() - 1
            }
        };
        &mut self.counts[place].1
    }

    /// Notes what became of one thing.
    pub(crate) fn take(&mut self, kind: &str, what: impl Into<String>, outcome: &ImportOutcome) {
        let count = self.count(kind);
        count.source += 1;
        match outcome {
            ImportOutcome::Imported => count.imported += 1,
            ImportOutcome::Updated => count.updated += 1,
            ImportOutcome::There => count.there += 1,
            ImportOutcome::LeftOut(why) => {
                count.left_out += 1;
                self.leave(what, why);
            }
        }
    }

    /// Lists something that was not brought over.
    pub(crate) fn leave(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.left_out.push(LeftOut { what: what.into(), why: why.into() });
    }

    /// Returns how many of each kind were brought over or changed; empty where nothing was.
    pub fn changes(&self) -> BTreeMap<String, u64> {
        let changed = self.counts.iter().map(|(kind, count)| (kind.clone(), count.imported + count.updated));
        changed.filter(|(_, changed)| *changed > 0).collect()
    }
}
