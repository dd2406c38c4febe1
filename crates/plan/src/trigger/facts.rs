//! What two events of one dataset say together.

use std::collections::{BTreeMap, BTreeSet};

use windlass_kinds::record::TriggerFacts;

/// What became of a file, compared with the state before both events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Added,
    Changed,
    Removed,
}

/// Returns the newer event's facts with the files of the older one, which was never acted on. Files that came and went
/// in between are left out; events that are not about files are just the newer one.
pub(super) fn joined(older: &TriggerFacts, newer: &TriggerFacts) -> TriggerFacts {
    let (Some(before), Some(after)) = (older.version, newer.version) else { return newer.clone() };
    if after <= before {
        // A late delivery: the newer version was seen already.
        return older.clone();
    }
    let mut fates: BTreeMap<&str, Fate> = listed(older).collect();
    for (path, fate) in listed(newer) {
        let together = match (fates.get(path), fate) {
            (None, fate) => Some(fate),
            (Some(Fate::Added), Fate::Added | Fate::Changed) => Some(Fate::Added),
            (Some(Fate::Added), Fate::Removed) => None,
            (Some(Fate::Removed), Fate::Added | Fate::Changed) => Some(Fate::Changed),
            (Some(Fate::Changed), Fate::Added | Fate::Changed) => Some(Fate::Changed),
            (Some(Fate::Changed | Fate::Removed), Fate::Removed) => Some(Fate::Removed),
        };
        match together {
            Some(fate) => fates.insert(path, fate),
            None => fates.remove(path),
        };
    }
    let of = |wanted: Fate| -> Vec<String> {
        fates.iter().filter(|(_, fate)| **fate == wanted).map(|(path, _)| (*path).to_owned()).collect()
    };
    let (added, changed, removed) = (of(Fate::Added), of(Fate::Changed), of(Fate::Removed));
    let others = count(older, &[&added, &changed, &removed]);
    let text = match others {
        0 => newer.text.clone(),
        1 => format!("{}, and 1 file since version {before}", newer.text),
        others => format!("{}, and {others} files since version {before}", newer.text),
    };
    TriggerFacts { text, added, changed, removed, ..newer.clone() }
}

fn listed(facts: &TriggerFacts) -> impl Iterator<Item = (&str, Fate)> {
    let lists = [(&facts.added, Fate::Added), (&facts.changed, Fate::Changed), (&facts.removed, Fate::Removed)];
    lists.into_iter().flat_map(|(paths, fate)| paths.iter().map(move |path| (path.as_str(), fate)))
}

/// Returns how many files of `older` still count.
fn count(older: &TriggerFacts, together: &[&[String]]) -> usize {
    let all: BTreeSet<&String> = together.iter().copied().flatten().collect();
    let paths = older.added.iter().chain(&older.changed).chain(&older.removed);
    paths.filter(|path| all.contains(path)).count()
}
