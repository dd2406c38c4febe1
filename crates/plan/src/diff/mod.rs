//! What applying manifests would change: a value that can be printed, kept, compared and refused.
//!
//! A plan says for each manifest whether its object is new, changed (field by field) or the same already, and carries
//! a fingerprint of the state it was made from. It promises that the same state and the same manifests give the same
//! plan. It does not check manifests; that was done before.

mod fields;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use windlass_kinds::{
    Digest, Kind, Name, ObjectRef, canonical,
    manifest::{Manifest, Resolved, to_value},
    record::Revision,
};

pub use fields::{FieldChange, diff};

/// What applying a set of manifests would change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The state it was made from: see [`fingerprint`].
    pub fingerprint: Digest,
    /// One entry a manifest, in the order given.
    pub changes: Vec<ObjectChange>,
}

impl Plan {
    /// Returns whether applying it would change anything.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.action == ChangeAction::Unchanged)
    }
}

/// What would happen to one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectChange {
    /// The project.
    pub project: Name,
    /// The object.
    pub object: ObjectRef,
    /// What would be done to it.
    pub action: ChangeAction,
    /// The fields that differ, where it is changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// What can happen to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeAction {
    /// There is none of that name yet, or it was deleted.
    Create,
    /// A new revision is made.
    Update,
    /// What is wanted is there already.
    Unchanged,
    /// It is deleted. Applying never deletes; a deletion is planned by itself.
    Delete,
}

/// Returns what applying `wanted` over the live revisions `current` would change.
pub fn plan(current: &[Revision], wanted: &[(Manifest, Resolved)]) -> Plan {
    let changes: Vec<ObjectChange> = wanted
        .iter()
        .map(|(manifest, resolved)| {
            let object = manifest.object();
            let found = find(current, &manifest.project, &object);
            let (action, fields) = match found {
                None => (ChangeAction::Create, Vec::new()),
                Some(revision) if revision.digest == Revision::content_digest(manifest, resolved) => {
                    (ChangeAction::Unchanged, Vec::new())
                }
                Some(revision) => {
                    let old = view(&revision.manifest, &revision.resolved);
                    (ChangeAction::Update, diff(Some(&old), &view(manifest, resolved)))
                }
            };
            ObjectChange { project: manifest.project.clone(), object, action, fields }
        })
        .collect();
    Plan { fingerprint: fingerprint(current, &changes), changes }
}

/// Returns what deleting `object` would change.
pub fn plan_deletion(current: &[Revision], project: &Name, object: &ObjectRef) -> Plan {
    let gone = find(current, project, object).is_none();
    let action = if gone { ChangeAction::Unchanged } else { ChangeAction::Delete };
    let changes = vec![ObjectChange { project: project.clone(), object: object.clone(), action, fields: Vec::new() }];
    Plan { fingerprint: fingerprint(current, &changes), changes }
}

/// Returns whether the state has moved on since the plan was made, so that it must be made anew.
pub fn is_stale(plan: &Plan, current: &[Revision]) -> bool {
    plan.fingerprint != fingerprint(current, &plan.changes)
}

/// Returns the digest of all live revisions of the projects that the changes are in. Other projects do not count:
/// what happens there cannot change what the plan means.
fn fingerprint(current: &[Revision], changes: &[ObjectChange]) -> Digest {
    let mut state: Vec<(&Name, Kind, &Name, u32, &Digest)> = current
        .iter()
        .filter(|revision| !revision.deleted && changes.iter().any(|change| change.project == revision.project))
        .map(|revision| (&revision.project, revision.kind, &revision.name, revision.number, &revision.digest))
        .collect();
    state.sort();
    canonical::digest(&state)
}

fn find<'a>(current: &'a [Revision], project: &Name, object: &ObjectRef) -> Option<&'a Revision> {
    current.iter().find(|revision| {
        !revision.deleted
            && revision.project == *project
            && revision.kind == object.kind
            && revision.name == object.name
    })
}

/// Returns a manifest in the form people write, with the content behind its paths, so that edited code shows.
fn view(manifest: &Manifest, resolved: &Resolved) -> Value {
    // The base folder is no part of an object: the same files elsewhere are the same object.
    let Resolved { base: _, code, requirements } = resolved;
    let mut value = to_value(manifest);
    if let Value::Object(fields) = &mut value {
        fields.insert("content".to_owned(), json!({"code": code, "requirements": requirements}));
    }
    value
}

#[cfg(test)]
mod tests;
