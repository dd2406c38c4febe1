//! The step machine: what becomes of a pipeline run when something happens.
//!
//! [`create`] lays a run out, one step run for each step and each item of a fan-out; [`advance`] takes a run, one
//! event and the facts of the moment, and returns the run as it is afterwards with everything that must be done. It is
//! total: an event that comes late, twice, or about something else changes nothing. It promises that a step never has
//! two attempts at once, that an attempt's end counts once, and that every step that waits says for what.
//!
//! # The rules
//! - A run is `Pending` while as many earlier runs of its pipeline are going on as its concurrency allows.
//! - A step waits until all it needs is final; what became of that decides in the order of the file, not of time, so
//!   that two undisturbed runs are the same. Something failed, blocked or cancelled: `Blocked`. Else something skipped,
//!   or an optional output it reads is missing: `Skipped`. Between steps fanned out over equal values an input is
//!   needed item by item; `needs`, and everything else, means all items.
//! - Then its condition is asked, then whether every dataset it reads has a version, then (`wait: idle`) it waits
//!   until all else is idle: a quiet moment lets one step of one run go on.
//! - A step with a Python environment is `Preparing` until the environment's lock is known. Its key follows; where it
//!   may be cached, the key is looked up. Otherwise it is `Ready`, and starts when a place is free.
//! - A failed attempt counts against the retry limit, with a wait that doubles; so does a time-out. An attempt that was
//!   lost or interrupted does not count. A failure that cannot get better is not retried.
//! - An environment that could not be resolved for want of network is asked for five more times, with growing waits;
//!   this counts against no limit. Any other failure of the resolver is final.
//! - A failure blocks what needs it; everything else still runs. The run then fails with the first failure in the
//!   order of the file.
//! - A cancelled run ends once its attempts did. An attempt that succeeded all the same keeps its outputs.
//! - A person can retry a failed or cancelled run: what failed, was blocked or was cancelled waits again; what
//!   succeeded stays.

mod attempt;
mod create;
mod graph;
mod inputs;
mod key;
mod machine;
mod people;
mod settle;

use std::collections::BTreeMap;

use windlass_kinds::{
    AttemptId, Digest, Micros, StepRunId,
    manifest::{PipelineSpec, Resolved},
    record::{ActionBody, Actor, Attempt, AttemptResult, CacheEntry, PipelineRun, PrepareFailure, StepRun},
};

pub use create::{create, step_parameters};
pub use graph::predecessors;
pub use key::{KeyFacts, PartDifference, explain, key};

/// A run as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    /// The run.
    pub run: PipelineRun,
    /// Its steps in the order of the file, items of a fan-out in the order of the list.
    pub steps: Vec<StepRun>,
    /// The attempt of each step that is running.
    pub attempts: BTreeMap<AttemptId, Attempt>,
}

/// What is so at the moment of deciding.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The pipeline at the run's revision.
    pub spec: &'a PipelineSpec,
    /// What its paths meant.
    pub resolved: &'a Resolved,
    /// The time.
    pub now: Micros,
    /// How many attempts may start now, over all runs.
    pub free_slots: u32,
    /// Whether all else is idle and it is this run's turn.
    pub idle: bool,
    /// The keys looked up so far, and what was there.
    pub cache: &'a BTreeMap<Digest, Option<CacheEntry>>,
    /// The architecture of the place where steps run: `x86_64`.
    pub architecture: &'a str,
    /// How many runs of this pipeline go before it: created earlier, or later and begun already (it is retried), and
    /// not final.
    pub active_before: u32,
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Look again: time passed, a place is free, lookups were answered, all is idle.
    Look,
    /// A step's Python environment was resolved, or not.
    Prepared {
        /// The step run.
        step_run: StepRunId,
        /// The digest of the lock, or why there is none.
        outcome: Result<Digest, PrepareFailure>,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The attempt.
        attempt: AttemptId,
        /// How.
        result: AttemptResult,
    },
    /// Somebody wants the run to end.
    Cancel {
        /// Who.
        by: Actor,
    },
    /// Somebody wants a run that failed or was cancelled to go on.
    Retry {
        /// Who.
        by: Actor,
    },
}

/// The run afterwards, and all that must be written and done.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The run afterwards.
    pub state: RunState,
    /// The steps that changed, by place, ascending.
    pub changed_steps: Vec<usize>,
    /// Whether the run's own record changed.
    pub run_changed: bool,
    /// Attempts that began or ended.
    pub changed_attempts: Vec<Attempt>,
    /// What to do.
    pub actions: Vec<ActionBody>,
    /// Results to remember under their keys.
    pub cache_puts: Vec<(Digest, CacheEntry)>,
    /// Keys to look up; once they are among the facts, ask again with [`Event::Look`].
    pub lookups: Vec<Digest>,
    /// Whether the run began with this.
    pub began: bool,
    /// Whether the run ended with this.
    pub ended: bool,
    /// When to look again even if nothing happens.
    pub wake_at: Option<Micros>,
    /// Steps that succeeded by an attempt with this: the model versions they registered are final.
    pub committed: Vec<StepRunId>,
    /// Steps that failed or were cancelled for good with this: the versions they registered go away.
    pub abandoned: Vec<StepRunId>,
}

/// Decides what follows from an event.
pub fn advance(state: RunState, event: Event, facts: &Facts<'_>) -> Decision {
    let graph = graph::Graph::new(facts.spec, &state.steps);
    let mut machine = machine::Machine::new(state, facts, &graph);
    match event {
        Event::Look => {}
        Event::Prepared { step_run, outcome } => machine.prepared(&step_run, outcome),
        Event::AttemptEnded { attempt, result } => machine.attempt_ended(&attempt, result),
        Event::Cancel { by } => machine.cancel(by),
        Event::Retry { by } => machine.retry(&by),
    }
    machine.settle();
    machine.decision()
}

#[cfg(test)]
mod tests;
