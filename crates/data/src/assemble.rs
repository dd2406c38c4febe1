//! Turns what was observed in a dataset's folder into versions. Pure.
//!
//! At most two versions follow from one observation, in this order:
//! 1. a **rejected** one, where files failed that were not rejected before. It holds all files that were not rejected
//!    before, the failing ones too, and says what failed;
//! 2. an **accepted** one, where the files that meet every expectation are not those of the last accepted version. It
//!    says which files it leaves out, and for which rejected version.
//!
//! An empty set makes no version. A folder without files is far more often one that is not mounted, not filled yet or
//! wholly rejected than data that ended, and nothing useful starts on it; when the files come back unchanged, nothing
//! happened. The last accepted version stays the last.

use std::collections::BTreeMap;

use windlass_kinds::{
    Digest, Micros, Name, canonical,
    record::{DatasetVersion, DatasetVersionState, ExpectationFailure, FileEntry, ObservedFile, OmittedFile},
};

use crate::Judged;

/// The longest reason that an omitted file carries, in characters.
const REASON_MAX: usize = 300;

/// What follows from an observation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assembled {
    /// The versions to create, in order, numbered on from `next`.
    pub versions: Vec<DatasetVersion>,
    /// What to remember of the files, with `rejected_in` filled where a version was rejected for one.
    pub observed: Vec<ObservedFile>,
}

/// Returns what to remember of the file at `path` after it was judged.
///
/// Where it has the bytes and the failures it had before (somebody only touched it), the version that was rejected
/// for it stays, so that it is not rejected twice.
pub fn observed(path: &str, judged: Judged, previous: Option<&ObservedFile>) -> ObservedFile {
    let Judged { digest, size: _, rows, failures, stamp } = judged;
    let rejected_in = previous
        .filter(|previous| previous.digest == digest && previous.failures == failures)
        .and_then(|previous| previous.rejected_in);
    ObservedFile { path: path.to_owned(), stamp, digest, rows, failures, rejected_in }
}

/// Decides which versions of a dataset follow from all files `observed` in its folder.
///
/// `accepted` is the last accepted version and `next` the number that the next version takes. Asking again with the
/// answer's `observed` and its accepted version gives no further version.
pub fn assemble(
    project: &Name,
    dataset: &Name,
    accepted: Option<&DatasetVersion>,
    mut observed: Vec<ObservedFile>,
    next: u32,
    now: Micros,
) -> Assembled {
    observed.sort_by(|a, b| a.path.cmp(&b.path));
    let base = Base { project, dataset, accepted, now };
    let mut versions = Vec::new();

    let newly_failed: Vec<ExpectationFailure> = observed
        .iter()
        .filter(|file| file.rejected_in.is_none())
        .flat_map(|file| file.failures.iter().cloned())
        .collect();
    if !newly_failed.is_empty() {
        let files = observed.iter().filter(|file| file.failures.is_empty() || file.rejected_in.is_none());
        let omitted = omitted(&observed);
        let state = DatasetVersionState::Rejected;
        versions.push(base.version(next, state, files, omitted, newly_failed));
        for file in observed.iter_mut().filter(|file| !file.failures.is_empty() && file.rejected_in.is_none()) {
            file.rejected_in = Some(next);
        }
    }

    let good: Vec<&ObservedFile> = observed.iter().filter(|file| file.failures.is_empty()).collect();
    let digest = canonical::digest(&entries(good.iter().copied()));
    if !good.is_empty() && accepted.is_none_or(|version| version.digest != digest) {
        let number = next.saturating_add(u32::try_from(versions.len()).unwrap_or(u32::MAX));
        let state = DatasetVersionState::Accepted;
        versions.push(base.version(number, state, good.into_iter(), omitted(&observed), Vec::new()));
    }
    Assembled { versions, observed }
}

struct Base<'a> {
    project: &'a Name,
    dataset: &'a Name,
    accepted: Option<&'a DatasetVersion>,
    now: Micros,
}

impl Base<'_> {
    fn version<'f>(
        &self,
        number: u32,
        state: DatasetVersionState,
        observed: impl Iterator<Item = &'f ObservedFile> + Clone,
        omitted: Vec<OmittedFile>,
        failures: Vec<ExpectationFailure>,
    ) -> DatasetVersion {
        let files = entries(observed.clone());
        // One file without a count (opaque, or unreadable) leaves the sum unknown.
        let rows = observed.map(|file| file.rows).try_fold(0_u64, |sum, rows| Some(sum.saturating_add(rows?)));
        let before: BTreeMap<&str, &Digest> = self
            .accepted
            .map(|version| version.files.iter().map(|file| (file.path.as_str(), &file.digest)).collect())
            .unwrap_or_default();
        let (mut added, mut changed) = (Vec::new(), Vec::new());
        let mut removed = before.clone();
        for file in &files {
            match removed.remove(file.path.as_str()) {
                None => added.push(file.path.clone()),
                Some(digest) if *digest != file.digest => changed.push(file.path.clone()),
                Some(_) => {}
            }
        }
        DatasetVersion {
            project: self.project.clone(),
            dataset: self.dataset.clone(),
            number,
            state,
            digest: canonical::digest(&files),
            files,
            rows,
            added,
            changed,
            removed: removed.into_keys().map(str::to_owned).collect(),
            omitted,
            failures,
            created_at: self.now,
        }
    }
}

fn entries<'f>(observed: impl Iterator<Item = &'f ObservedFile>) -> Vec<FileEntry> {
    observed
        .map(|file| FileEntry { path: file.path.clone(), digest: file.digest.clone(), size: file.stamp.size })
        .collect()
}

/// The files that were rejected before, each with its first failure.
fn omitted(observed: &[ObservedFile]) -> Vec<OmittedFile> {
    let omit = |file: &ObservedFile| {
        let (first, rejected_in) = (file.failures.first()?, file.rejected_in?);
        let mut reason = match &first.column {
            Some(column) => format!("column {column}: expected {}, found {}", first.expectation, first.observed),
            None => format!("expected {}, found {}", first.expectation, first.observed),
        };
        if file.failures.len() > 1 {
            reason.push_str(&format!(" (and {} more)", file.failures.len() - 1));
        }
        let reason = reason.chars().take(REASON_MAX).collect();
        Some(OmittedFile { path: file.path.clone(), rejected_in, reason })
    };
    observed.iter().filter_map(omit).collect()
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
