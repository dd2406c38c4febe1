//! What freeing the deleted and the unneeded did, or would do.

use serde::{Deserialize, Serialize};

/// What one collection freed. In a rehearsal: what it would free.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Collection {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Experiments that had been deleted.
    pub experiments: u64,
    /// Tracking runs that had been deleted, with their points, params, tags and artifacts.
    pub runs: u64,
    /// Logged models that had been deleted.
    pub logged_models: u64,
    /// Artifacts of those.
    pub artifacts: u64,
    /// Pieces of content that nothing refers to.
    pub blobs: u64,
    /// How many bytes those had.
    pub bytes: u64,
    /// What had been deleted long enough ago and is still needed, at most [`Collection::KEPT`] of it.
    pub kept: Vec<Kept>,
    /// How many were kept in all.
    pub kept_in_all: u64,
}

impl Collection {
    /// How many of the kept are named.
    pub const KEPT: usize = 100;

    /// Notes something that stays.
    pub fn keep(&mut self, kept: Kept) {
        self.kept_in_all += 1;
        if self.kept.len() < Self::KEPT {
            self.kept.push(kept);
        }
    }
}

/// Something that had been deleted and stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What it is, such as `run 4f…`.
    pub what: String,
    /// Who needs it.
    pub why: String,
}
