//! The machine's bench: the run being decided over, and what was decided so far.
//!
//! The rules are in `settle` (what follows by itself), `attempt` (ends and answers) and `people` (cancel, retry); all
//! of them change steps only through here, so that no change goes unnoticed.

use std::collections::BTreeSet;

use windlass_kinds::{
    Digest, Micros, StepRunId,
    manifest::StepSpec,
    record::{ActionBody, Attempt, CacheEntry, PipelineRunState, StepRun, StepState},
};

use super::{Decision, Facts, RunState, graph::Graph};

/// One decision in the making.
pub(super) struct Machine<'a> {
    pub(super) state: RunState,
    pub(super) facts: &'a Facts<'a>,
    pub(super) graph: &'a Graph<'a>,
    /// Places left for attempts.
    pub(super) slots: u32,
    pub(super) run_changed: bool,
    pub(super) began: bool,
    pub(super) ended: bool,
    pub(super) changed_attempts: Vec<Attempt>,
    pub(super) actions: Vec<ActionBody>,
    pub(super) cache_puts: Vec<(Digest, CacheEntry)>,
    pub(super) lookups: BTreeSet<Digest>,
    pub(super) committed: Vec<StepRunId>,
    pub(super) abandoned: Vec<StepRunId>,
    wake_at: Option<Micros>,
    touched: Vec<bool>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(state: RunState, facts: &'a Facts<'a>, graph: &'a Graph<'a>) -> Self {
        let touched = vec![false; state.steps.len()];
        Self {
            state,
            facts,
            graph,
            slots: facts.free_slots,
            run_changed: false,
            began: false,
            ended: false,
            changed_attempts: Vec::new(),
            actions: Vec::new(),
            cache_puts: Vec::new(),
            lookups: BTreeSet::new(),
            committed: Vec::new(),
            abandoned: Vec::new(),
            wake_at: None,
            touched,
        }
    }

    pub(super) fn decision(self) -> Decision {
        // No `..`: whatever is decided must be handed over or this stops compiling.
        let Self {
            state,
            facts: _,
            graph: _,
            slots: _,
            run_changed,
            began,
            ended,
            changed_attempts,
            actions,
            cache_puts,
            lookups,
            committed,
            abandoned,
            wake_at,
            touched,
        } = self;
        Decision {
            state,
            changed_steps: touched
                .iter()
                .enumerate()
                .filter(|(_, touched)| **touched)
                .map(|(place, _)| place)
                .collect(),
            run_changed,
            changed_attempts,
            actions,
            cache_puts,
            lookups: lookups.into_iter().collect(),
            began,
            ended,
            wake_at,
            committed,
            abandoned,
        }
    }

    pub(super) fn step(&self, place: usize) -> &StepRun {
        &self.state.steps[place]
    }

    /// Returns a step to change it.
    pub(super) fn change(&mut self, place: usize) -> &mut StepRun {
        self.touched[place] = true;
        &mut self.state.steps[place]
    }

    /// Returns what the manifest says of a step.
    pub(super) fn spec(&self, place: usize) -> &'a StepSpec {
        &self.facts.spec.steps[self.graph.step_of[place]]
    }

    /// Says why a step stands where it does; says nothing twice.
    pub(super) fn reason(&mut self, place: usize, reason: &str) {
        if self.step(place).reason != reason {
            self.change(place).reason = reason.to_owned();
        }
    }

    pub(super) fn enter(&mut self, place: usize, state: StepState, reason: impl Into<String>) {
        let now = self.facts.now;
        let step = self.change(place);
        step.state = state;
        step.reason = reason.into();
        if state.is_final() {
            step.ended_at = Some(now);
            step.not_before = None;
        }
        let gone = matches!(state, StepState::Failed | StepState::Cancelled) && step.attempts > 0;
        if gone {
            let id = step.id.clone();
            self.abandoned.push(id);
        }
    }

    pub(super) fn run_reason(&mut self, reason: &str) {
        if self.state.run.reason != reason {
            self.state.run.reason = reason.to_owned();
            self.run_changed = true;
        }
    }

    pub(super) fn run_state(&mut self, state: PipelineRunState) {
        self.state.run.state = state;
        self.run_changed = true;
    }

    pub(super) fn wake(&mut self, at: Micros) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}
