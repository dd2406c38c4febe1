//! The step machine: how a pipeline run moves.
//!
//! [`create`] lays a run out, [`advance`] moves it by one event. Both are plain functions over the whole state of one
//! run: what to start, stop, look up and remember comes back as a value, and somebody else carries it out. Events may
//! come late or twice; those that no longer fit the state change nothing. Nothing here reads a clock or a file.

mod advance;
mod create;
mod graph;
mod key;
mod look;

use std::collections::BTreeMap;

use windlass_kinds::{
    AttemptId, Digest, Micros, StepRunId,
    manifest::{PipelineSpec, Resolved},
    record::{ActionBody, Actor, Attempt, AttemptResult, CacheEntry, PipelineRun, PrepareFailure, StepRun},
};

pub use advance::advance;
pub use create::{create, step_parameters};
pub use graph::predecessors;
pub use key::{PartDifference, explain, key};

/// Everything that changes in one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    /// The run.
    pub run: PipelineRun,
    /// Its step runs: steps in the order of the file, items in the order of their list.
    pub steps: Vec<StepRun>,
    /// The current attempt of each step run that is `Running`.
    pub attempts: BTreeMap<AttemptId, Attempt>,
}

/// What is true around the run while it is decided over.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The pipeline at the run's revision.
    pub spec: &'a PipelineSpec,
    /// What its paths meant.
    pub resolved: &'a Resolved,
    /// The present instant.
    pub now: Micros,
    /// How many attempts may start now, over all runs.
    pub free_slots: u32,
    /// Whether everything else is idle and it is this run's turn to go on.
    pub idle: bool,
    /// Answers to earlier [`Decision::lookups`].
    pub cache: &'a BTreeMap<Digest, Option<CacheEntry>>,
    /// The machine's architecture, such as `x86_64`.
    pub architecture: &'a str,
    /// Runs of this pipeline that were created earlier and are not final.
    pub active_before: u32,
}

/// What may move a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Look again: time passed, a place is free, answers about the cache came.
    Look,
    /// A step's Python environment was resolved, or could not be.
    Prepared {
        /// The step run.
        step_run: StepRunId,
        /// The lock's digest, or why there is none.
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
    /// Somebody wants a failed or cancelled run to go on.
    Retry {
        /// Who.
        by: Actor,
    },
}

/// What was decided: the new state, which parts of it changed, and what is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The state after the event.
    pub state: RunState,
    /// Indices of step runs that changed.
    pub changed_steps: Vec<usize>,
    /// Whether the run itself changed.
    pub run_changed: bool,
    /// Attempts that began or ended.
    pub changed_attempts: Vec<Attempt>,
    /// What to carry out.
    pub actions: Vec<ActionBody>,
    /// Results to remember for later runs.
    pub cache_puts: Vec<(Digest, CacheEntry)>,
    /// Keys to look up; then look again.
    pub lookups: Vec<Digest>,
    /// Whether the run began to move with this event.
    pub began: bool,
    /// Whether the run became final with this event.
    pub ended: bool,
    /// When to look again at the latest.
    pub wake_at: Option<Micros>,
    /// Step runs that succeeded by an attempt with this event.
    pub committed: Vec<StepRunId>,
    /// Step runs that failed or were cancelled for good with this event.
    pub abandoned: Vec<StepRunId>,
}
