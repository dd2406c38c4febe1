//! What an endpoint's next revision is, and what becomes of its revisions: pure answers.
//!
//! Numbers of revisions only go up, also where a version comes back. A later revision that answers beats an earlier
//! one, in whatever order their news arrives.

use windlass_kinds::{
    Digest, Micros,
    record::{EndpointRevision, EndpointState},
};

/// What an endpoint should serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Desired {
    /// A version of a model.
    Version(Target),
    /// Nothing can be said to be right now, and why: whatever answers goes on answering.
    Unclear(String),
    /// Nothing: the endpoint was deleted.
    Gone,
}

/// A version to serve under a revision of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) revision: u32,
    pub(crate) model: String,
    pub(crate) version: u32,
    pub(crate) manifest: Digest,
}

impl Target {
    fn is(&self, of: &EndpointRevision) -> bool {
        let Self { revision, model, version, manifest } = self;
        *revision == of.revision && *model == of.model && *version == of.version && *manifest == of.manifest
    }
}

/// What to do about an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// All is as it should be, or on its way.
    Keep,
    /// Start this, as a revision with this number.
    Start(Target, u32),
    /// Stop serving.
    Retire,
}

/// Returns what to do where `revisions` (oldest first) are the endpoint's newest and all that start or answer.
pub(crate) fn next_step(desired: &Desired, revisions: &[EndpointRevision]) -> Step {
    let newest = revisions.last();
    match desired {
        Desired::Unclear(_) => Step::Keep,
        Desired::Gone if revisions.iter().any(is_open) => Step::Retire,
        Desired::Gone => Step::Keep,
        Desired::Version(target) => {
            let number = newest.map_or(1, |newest| newest.number + 1);
            let settled = newest.is_some_and(|newest| match newest.state {
                EndpointState::Starting | EndpointState::Ready => target.is(newest),
                // What failed fails again, until something about it changes. What answers beside it may be right.
                EndpointState::Failed => target.is(newest) || is_answering(target, revisions),
                EndpointState::Retired => false,
            });
            if settled { Step::Keep } else { Step::Start(target.clone(), number) }
        }
    }
}

fn is_answering(target: &Target, revisions: &[EndpointRevision]) -> bool {
    let answering = revisions.iter().rev().find(|revision| revision.state == EndpointState::Ready);
    answering.is_some_and(|answering| target.is(answering))
}

/// Returns the revisions that change, changed, where revision `number` answers or cannot be started.
pub(crate) fn served(
    revisions: &[EndpointRevision],
    number: u32,
    outcome: &Result<(), String>,
    now: Micros,
) -> Vec<EndpointRevision> {
    let Some(subject) = revisions.iter().find(|revision| revision.number == number) else { return Vec::new() };
    let mut changed = Vec::new();
    match (subject.state, outcome) {
        // Retired meanwhile, or said before.
        (EndpointState::Retired, _) | (EndpointState::Ready, Ok(())) | (EndpointState::Failed, Err(_)) => {}
        (EndpointState::Starting | EndpointState::Failed, Ok(())) => {
            let later = revisions.iter().find(|other| other.number > number && other.state == EndpointState::Ready);
            if let Some(later) = later {
                changed.push(retired(subject, &format!("revision {} was faster", later.number), now));
            } else {
                let before = revisions.iter().filter(|other| other.number < number && is_open(other));
                let reason = format!("revision {number} took its place");
                changed.extend(before.map(|other| retired(other, &reason, now)));
                let reason = String::new();
                changed.push(EndpointRevision {
                    state: EndpointState::Ready,
                    reason,
                    ready_at: Some(now),
                    ..subject.clone()
                });
            }
        }
        (EndpointState::Starting | EndpointState::Ready, Err(reason)) => {
            let reason = reason.clone();
            changed.push(EndpointRevision { state: EndpointState::Failed, reason, ..subject.clone() });
        }
    }
    changed
}

/// Returns the revisions that start or answer, retired.
pub(crate) fn retire_all(revisions: &[EndpointRevision], reason: &str, now: Micros) -> Vec<EndpointRevision> {
    revisions.iter().filter(|revision| is_open(revision)).map(|revision| retired(revision, reason, now)).collect()
}

/// Returns whether a revision starts or answers.
pub(crate) fn is_open(revision: &EndpointRevision) -> bool {
    match revision.state {
        EndpointState::Starting | EndpointState::Ready => true,
        EndpointState::Failed | EndpointState::Retired => false,
    }
}

fn retired(revision: &EndpointRevision, reason: &str, now: Micros) -> EndpointRevision {
    EndpointRevision {
        state: EndpointState::Retired,
        reason: reason.to_owned(),
        retired_at: Some(now),
        ..revision.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns revisions from words such as `1:v3:ready`; the manifest's revision is 1 unless a fourth word says else.
    fn revisions(text: &str) -> Vec<EndpointRevision> {
        text.split_whitespace()
            .map(|word| {
                let parts: Vec<&str> = word.split(':').collect();
                let version = parts[1].trim_start_matches('v').parse().unwrap();
                EndpointRevision {
                    project: "default".parse().unwrap(),
                    endpoint: "flights".parse().unwrap(),
                    number: parts[0].parse().unwrap(),
                    revision: parts.get(3).map_or(1, |text| text.parse().unwrap()),
                    model: "flights".to_owned(),
                    version,
                    manifest: Digest::sha256(version.to_string()),
                    created_at: Micros(1),
                    state: serde_json::from_value(parts[2].into()).unwrap(),
                    reason: String::new(),
                    ready_at: None,
                    retired_at: None,
                }
            })
            .collect()
    }

    fn words(revisions: &[EndpointRevision]) -> String {
        let word = |revision: &EndpointRevision| {
            let state = serde_json::to_value(revision.state).unwrap();
            format!("{}:v{}:{}", revision.number, revision.version, state.as_str().unwrap())
        };
        revisions.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_next_step_follows_from_what_is_wanted_and_there() {
        let version = |version: u32, revision: u32| {
            Desired::Version(Target {
                revision,
                model: "flights".to_owned(),
                version,
                manifest: Digest::sha256(version.to_string()),
            })
        };
        let unclear = || Desired::Unclear("nothing".to_owned());
        for (desired, there, expected) in [
            (version(1, 1), "", "start v1 as 1"),
            (version(1, 1), "1:v1:starting", "keep"),
            (version(1, 1), "1:v1:ready", "keep"),
            (version(2, 1), "1:v1:ready", "start v2 as 2"),
            // The alias moves on while a start is under way.
            (version(3, 1), "1:v1:ready 2:v2:starting", "start v3 as 3"),
            (version(1, 1), "1:v1:ready 2:v2:starting", "start v1 as 3"),
            // Another manifest of the same version.
            (version(1, 2), "1:v1:ready", "start v1 as 2"),
            // What failed is not tried again and again; what answers may be right already.
            (version(2, 1), "1:v1:ready 2:v2:failed", "keep"),
            (version(1, 1), "1:v1:ready 2:v2:failed", "keep"),
            (version(3, 1), "1:v1:ready 2:v2:failed", "start v3 as 3"),
            (version(2, 2), "1:v1:ready 2:v2:failed", "start v2 as 3"),
            (version(1, 1), "4:v1:retired", "start v1 as 5"),
            (unclear(), "", "keep"),
            (unclear(), "1:v1:ready", "keep"),
            (Desired::Gone, "1:v1:ready", "retire"),
            (Desired::Gone, "1:v1:ready 2:v2:failed", "retire"),
            (Desired::Gone, "2:v2:failed", "keep"),
            (Desired::Gone, "2:v2:retired", "keep"),
            (Desired::Gone, "", "keep"),
        ] {
            let found = match next_step(&desired, &revisions(there)) {
                Step::Keep => "keep".to_owned(),
                Step::Retire => "retire".to_owned(),
                Step::Start(target, number) => format!("start v{} as {number}", target.version),
            };
            assert_eq!(found, expected, "{desired:?} with `{there}`");
        }
    }

    #[test]
    fn news_of_a_revision_changes_it_and_those_before() {
        for (there, number, outcome, expected) in [
            ("1:v1:starting", 1, Ok(()), "1:v1:ready"),
            ("1:v1:ready 2:v2:starting", 2, Ok(()), "1:v1:retired 2:v2:ready"),
            ("1:v1:ready 2:v2:starting", 2, Err("no"), "2:v2:failed"),
            // News out of order: the later one stays.
            ("2:v2:starting 3:v3:ready", 2, Ok(()), "2:v2:retired"),
            ("1:v1:ready 2:v2:starting 3:v3:starting", 3, Ok(()), "1:v1:retired 2:v2:retired 3:v3:ready"),
            // Told again, after a restart: nothing new, or gone bad, or good again.
            ("1:v1:ready", 1, Ok(()), ""),
            ("1:v1:ready", 1, Err("its files are gone"), "1:v1:failed"),
            ("1:v1:failed", 1, Err("still"), ""),
            ("1:v1:failed", 1, Ok(()), "1:v1:ready"),
            ("1:v1:retired", 1, Ok(()), ""),
            ("", 1, Ok(()), ""),
        ] {
            let outcome = outcome.map_err(str::to_owned);
            let changed = served(&revisions(there), number, &outcome, Micros(9));
            assert_eq!(words(&changed), expected, "{number} {outcome:?} with `{there}`");
            assert!(
                changed
                    .iter()
                    .all(|revision| (revision.state == EndpointState::Retired)
                        == (revision.retired_at == Some(Micros(9))))
            );
        }
        let all = retire_all(&revisions("1:v1:failed 2:v2:ready 3:v3:starting"), "deleted", Micros(9));
        assert_eq!(words(&all), "2:v2:retired 3:v3:retired");
    }
}
