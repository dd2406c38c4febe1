//! The cache key of a step run.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::json;
use windlass_kinds::{
    canonical,
    manifest::{InputSource, Resolved, StepSpec},
    record::{CacheKey, PipelineRun, StepRun},
};

use super::{graph::Graph, step_parameters};

/// Returns the cache key of a step run whose inputs and environment are known.
///
/// Two step runs with the same key are taken to give the same result, so whatever can change a result must be in it,
/// and whatever cannot must stay out, or nothing would ever match. What enters, and why:
///
/// - `command`: program and arguments, as written. The program's own bytes are covered by code and environment.
/// - `code`: the tree digest of the whole code folder. Finer would be better for hits (one script changed, all steps
///   run again), but which files a script imports cannot be known without running it, and a stale result is the worse
///   mistake.
/// - `environment`: the digest of the lock of the Python environment: every package at its version and hash, and the
///   interpreter. The requirements as written do not enter; two ways to write the same lock are the same.
/// - `parameter.*`: each parameter as the step sees it, one part each, so that `why` can name the one that differs.
///   All of them, also those a script may not read: what it reads cannot be known.
/// - `input.*`: the digest of each input: a dataset version's digest (its files' paths and digests), or the tree
///   digest of an earlier step's output. Digests, never times or run numbers: that is what makes an unchanged
///   upstream step harmless.
/// - `settings`: what of the step's settings (and its template's, which the parser merged in) changes the result:
///   environment variables and the names of declared outputs. Retries, time-outs, resources and queue do not enter:
///   they change whether and when a result comes, not what it is. That is the template's semantic digest.
/// - `architecture` and `world`: floating-point results differ between instruction sets, and between numbers of
///   workers. A local step's world is 1.
/// - `project` and `environment-name`: no result crosses a project (who may read it differs), nor from one place to
///   another (drivers and system libraries differ in ways no lock sees).
///
/// Nothing else enters: no clock, no host name, no user, no run id.
pub fn key(run: &PipelineRun, step: &StepSpec, step_run: &StepRun, steps: &[StepRun], facts: &super::Facts<'_>) -> CacheKey {
    let graph = Graph::new(facts.spec, steps);
    key_in(&graph, run, step, step_run, steps, facts)
}

/// Like [`key`], over a graph that is there already.
pub(super) fn key_in(
    graph: &Graph<'_>,
    run: &PipelineRun,
    step: &StepSpec,
    step_run: &StepRun,
    steps: &[StepRun],
    facts: &super::Facts<'_>,
) -> CacheKey {
    let Resolved { base: _, code, requirements: _ } = facts.resolved;
    let text = |value: &serde_json::Value| String::from_utf8(canonical::to_bytes(value)).expect("JSON is UTF-8");
    let mut parts = BTreeMap::new();
    let mut part = |name: &str, value: String| parts.insert(name.to_owned(), value);
    part("command", text(&json!(step.command)));
    part("code", code.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string));
    part("environment", step_run.environment.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string));
    part("settings", canonical::digest(&json!({"env": step.settings.env, "outputs": step.outputs})).to_string());
    part("architecture", facts.architecture.to_owned());
    part("world", "1".to_owned());
    part("project", run.project.to_string());
    part("environment-name", facts.spec.environment.to_string());
    for (name, value) in step_parameters(run, step, step_run.item.as_ref()) {
        part(&format!("parameter.{name}"), text(&value));
    }
    for (name, source) in &step.inputs {
        let digest = match source {
            InputSource::Dataset(dataset) => {
                run.datasets.get(dataset).map_or_else(|| "none".to_owned(), |frozen| frozen.digest.to_string())
            }
            InputSource::Step { step: from, output } => {
                let trees: Vec<_> = graph
                    .sources(step, step_run, from)
                    .into_iter()
                    .map(|index| (steps[index].item.as_ref().map(|item| &item.label), steps[index].outputs.get(output)))
                    .collect();
                match trees.as_slice() {
                    [(None, Some(one))] => one.tree.to_string(),
                    [(Some(_), Some(one))] if step_run.item.is_some() => one.tree.to_string(),
                    many => canonical::digest(many).to_string(),
                }
            }
        };
        part(&format!("input.{name}"), digest);
    }
    CacheKey { digest: canonical::digest(&parts), parts }
}

/// A part that two keys differ in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartDifference {
    /// The part's name.
    pub part: String,
    /// What it is here; `None` where this key lacks it.
    pub this: Option<String>,
    /// What it is there.
    pub other: Option<String>,
}

impl fmt::Display for PartDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".to_owned());
        write!(f, "{}: {} was {}", self.part, show(&self.this), show(&self.other))
    }
}

/// Returns the parts in which two keys differ, by name.
pub fn explain(this: &CacheKey, other: &CacheKey) -> Vec<PartDifference> {
    let mut names: Vec<&String> = this.parts.keys().chain(other.parts.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| PartDifference {
            part: name.clone(),
            this: this.parts.get(name).cloned(),
            other: other.parts.get(name).cloned(),
        })
        .filter(|difference| difference.this != difference.other)
        .collect()
}
