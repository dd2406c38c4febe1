//! One event moves a run: what the event itself says is taken in here, then [`super::look`] starts what may start.

use std::time::Duration;

use windlass_kinds::{
    Digest, Micros, StepRunId,
    manifest::RetrySpec,
    record::{
        ActionBody, Actor, Attempt, AttemptEnd, AttemptResult, AttemptState, CacheEntry, PipelineRunState,
        PrepareFailure, StepRun, StepState,
    },
};

use super::{Decision, Event, Facts, RunState, graph::Graph, look};

/// Rounds of resolving an environment before a failure that might pass is taken as final.
const PREPARE_ROUNDS: u32 = 5;
/// The wait before the second round; doubles.
const PREPARE_BACKOFF: Duration = Duration::from_secs(2);

/// Returns what follows from an event.
pub fn advance(state: RunState, event: Event, facts: &Facts<'_>) -> Decision {
    let graph = Graph::new(facts.spec, &state.steps);
    let mut draft = Draft::new(state);
    match event {
        Event::Look => {}
        Event::Prepared { step_run, outcome } => draft.prepared(&step_run, outcome, facts),
        Event::AttemptEnded { attempt, result } => {
            if let Some(attempt) = draft.decision.state.attempts.remove(&attempt) {
                draft.attempt_ended(attempt, result, &graph, facts);
            }
        }
        Event::Cancel { by } => draft.cancel(by, facts.now),
        Event::Retry { by } => draft.retry(&by),
    }
    look::look(&mut draft, &graph, facts);
    draft.finish(facts.now);
    draft.decision
}

/// A decision in the making.
pub(super) struct Draft {
    pub(super) decision: Decision,
    changed: Vec<bool>,
}

impl Draft {
    fn new(state: RunState) -> Self {
        let changed = vec![false; state.steps.len()];
        let decision = Decision {
            state,
            changed_steps: Vec::new(),
            run_changed: false,
            changed_attempts: Vec::new(),
            actions: Vec::new(),
            cache_puts: Vec::new(),
            lookups: Vec::new(),
            began: false,
            ended: false,
            wake_at: None,
            committed: Vec::new(),
            abandoned: Vec::new(),
        };
        Self { decision, changed }
    }

    /// Returns a step run to change.
    pub(super) fn change(&mut self, index: usize) -> &mut StepRun {
        self.changed[index] = true;
        &mut self.decision.state.steps[index]
    }

    /// Sets why a step stands where it stands; a reason it has already is no change.
    pub(super) fn say(&mut self, index: usize, reason: String) {
        if self.decision.state.steps[index].reason != reason {
            self.change(index).reason = reason;
        }
    }

    /// Moves a step to a final state.
    pub(super) fn end_step(&mut self, index: usize, state: StepState, reason: String, now: Micros) {
        let step = self.change(index);
        step.state = state;
        step.reason = reason;
        step.ended_at = Some(now);
        step.not_before = None;
        let id = step.id.clone();
        if matches!(state, StepState::Failed | StepState::Cancelled) {
            self.decision.abandoned.push(id);
        }
    }

    /// Notes that the run must be looked at again at `at`.
    pub(super) fn wake(&mut self, at: Micros) {
        let wake = &mut self.decision.wake_at;
        *wake = Some(wake.map_or(at, |earlier| earlier.min(at)));
    }

    fn index_of(&self, id: &StepRunId) -> Option<usize> {
        self.decision.state.steps.iter().position(|step| step.id == *id)
    }

    fn prepared(&mut self, id: &StepRunId, outcome: Result<Digest, PrepareFailure>, facts: &Facts<'_>) {
        let Some(index) = self.index_of(id) else { return };
        let step = &self.decision.state.steps[index];
        if step.state != StepState::Preparing || step.environment.is_some() {
            return;
        }
        match outcome {
            Ok(lock) => self.change(index).environment = Some(lock),
            Err(PrepareFailure { reason, retryable: true }) if step.preparations < PREPARE_ROUNDS => {
                let wait = PREPARE_BACKOFF * 2u32.saturating_pow(step.preparations.saturating_sub(1));
                let at = facts.now.plus(wait);
                let step = self.change(index);
                step.state = StepState::Waiting;
                step.not_before = Some(at);
                step.reason = format!("its environment could not be resolved yet (again at {at}): {reason}");
            }
            Err(PrepareFailure { reason, retryable: _ }) => {
                self.end_step(index, StepState::Failed, reason, facts.now);
            }
        }
    }

    fn attempt_ended(&mut self, attempt: Attempt, result: AttemptResult, graph: &Graph<'_>, facts: &Facts<'_>) {
        let now = facts.now;
        let AttemptResult { end, outputs, usage } = result;
        let (attempt_state, attempt_reason) = match &end {
            AttemptEnd::Succeeded => (AttemptState::Succeeded, String::new()),
            AttemptEnd::Failed { reason, retryable: _ } => (AttemptState::Failed, reason.clone()),
            AttemptEnd::TimedOut { limit } => (AttemptState::Failed, format!("took longer than {limit}")),
            AttemptEnd::Lost { reason } => (AttemptState::Lost, reason.clone()),
            AttemptEnd::Interrupted => (AttemptState::Interrupted, "the server was stopped".to_owned()),
            AttemptEnd::Cancelled => (AttemptState::Cancelled, "cancelled".to_owned()),
        };
        let (id, number) = (attempt.step_run.clone(), attempt.number);
        self.decision.changed_attempts.push(Attempt {
            state: attempt_state,
            reason: attempt_reason.clone(),
            usage: Some(usage),
            ended_at: Some(now),
            ..attempt
        });
        let Some(index) = self.index_of(&id) else { return };
        if self.decision.state.steps[index].state != StepState::Running {
            return;
        }
        let spec = graph.spec(&self.decision.state.steps[index].step);
        let cancelling = self.decision.state.run.cancelled_by.is_some();
        let retries = spec.and_then(|spec| spec.settings.retries).unwrap_or_default();
        match end {
            AttemptEnd::Succeeded => {
                self.end_step(index, StepState::Succeeded, String::new(), now);
                let step = self.change(index);
                step.outputs = outputs;
                let entry = CacheEntry { step_run: step.id.clone(), outputs: step.outputs.clone() };
                if let (Some(key), true) = (step.key.clone(), spec.is_some_and(|spec| spec.cache)) {
                    self.decision.cache_puts.push((key.digest, entry));
                }
                self.decision.committed.push(id);
            }
            AttemptEnd::Failed { .. } | AttemptEnd::TimedOut { .. } | AttemptEnd::Lost { .. } | AttemptEnd::Interrupted
                if cancelling =>
            {
                self.end_step(index, StepState::Cancelled, "cancelled".to_owned(), now);
            }
            AttemptEnd::Cancelled => self.end_step(index, StepState::Cancelled, "cancelled".to_owned(), now),
            AttemptEnd::Failed { reason, retryable } => self.failed(index, number, reason, retryable, retries, now),
            AttemptEnd::TimedOut { .. } => self.failed(index, number, attempt_reason, true, retries, now),
            AttemptEnd::Lost { reason } => {
                let step = self.change(index);
                step.state = StepState::Ready;
                step.reason = format!("attempt {number} was lost and does not count: {reason}");
            }
            AttemptEnd::Interrupted => {
                let step = self.change(index);
                step.state = StepState::Ready;
                step.reason = format!("attempt {number} was ended by a stop of the server and does not count");
            }
        }
    }

    /// A counted failure: again after a backoff, or for good.
    fn failed(&mut self, index: usize, number: u32, reason: String, retryable: bool, retries: RetrySpec, now: Micros) {
        let RetrySpec { limit, backoff, max_backoff } = retries;
        let step = self.change(index);
        step.failures += 1;
        if !retryable || step.failures > limit {
            let reason = match (retryable, limit) {
                (false, 1..) => format!("{reason}; trying again would not help"),
                (true, 1..) => format!("{reason}; attempt {number}, no retry left"),
                (_, 0) => reason,
            };
            return self.end_step(index, StepState::Failed, reason, now);
        }
        let doublings = (step.failures - 1).min(20);
        let wait = backoff.0.saturating_mul(1 << doublings).min(max_backoff.0);
        let at = now.plus(wait);
        step.state = StepState::Ready;
        step.not_before = Some(at);
        step.reason = format!("attempt {number} failed ({reason}); again at {at}");
    }

    fn cancel(&mut self, by: Actor, now: Micros) {
        let run = &self.decision.state.run;
        if run.state.is_final() || run.cancelled_by.is_some() {
            return;
        }
        for index in 0..self.decision.state.steps.len() {
            let step = &self.decision.state.steps[index];
            if step.state.is_final() {
                continue;
            }
            match (step.state, &step.attempt) {
                (StepState::Running, Some(attempt)) => {
                    self.decision.actions.push(ActionBody::StopAttempt { attempt: attempt.clone() });
                    self.say(index, format!("being cancelled by {by}"));
                }
                _ => self.end_step(index, StepState::Cancelled, format!("cancelled by {by}"), now),
            }
        }
        let run = &mut self.decision.state.run;
        run.reason = format!("cancelled by {by}");
        run.cancelled_by = Some(by);
        self.decision.run_changed = true;
    }

    fn retry(&mut self, by: &Actor) {
        let run = &mut self.decision.state.run;
        match run.state {
            PipelineRunState::Failed | PipelineRunState::Cancelled => {}
            PipelineRunState::Pending | PipelineRunState::Running | PipelineRunState::Succeeded => return,
        }
        run.state = PipelineRunState::Running;
        run.reason = format!("goes on, asked for by {by}");
        run.cancelled_by = None;
        run.ended_at = None;
        self.decision.run_changed = true;
        for index in 0..self.decision.state.steps.len() {
            match self.decision.state.steps[index].state {
                StepState::Failed | StepState::Blocked | StepState::Cancelled => {
                    let step = self.change(index);
                    step.state = StepState::Waiting;
                    step.reason = String::new();
                    step.failures = 0;
                    step.key = None;
                    step.not_before = None;
                    step.ended_at = None;
                }
                StepState::Waiting
                | StepState::Preparing
                | StepState::Ready
                | StepState::Running
                | StepState::Succeeded
                | StepState::Cached
                | StepState::Skipped => {}
            }
        }
    }

    /// Ends the run where every step is final, and lists what changed.
    fn finish(&mut self, now: Micros) {
        let RunState { run, steps, .. } = &mut self.decision.state;
        if !run.state.is_final() && steps.iter().all(|step| step.state.is_final()) {
            let first = |wanted: StepState| steps.iter().find(|step| step.state == wanted);
            let (state, reason) = if let Some(by) = &run.cancelled_by {
                (PipelineRunState::Cancelled, format!("cancelled by {by}"))
            } else if let Some(step) = first(StepState::Failed) {
                (PipelineRunState::Failed, format!("{}: {}", step.display_name(), step.reason))
            } else if let Some(step) = first(StepState::Cancelled) {
                (PipelineRunState::Cancelled, format!("{}: {}", step.display_name(), step.reason))
            } else {
                (PipelineRunState::Succeeded, String::new())
            };
            run.state = state;
            run.reason = reason;
            run.started_at = run.started_at.or(Some(now));
            run.ended_at = Some(now);
            self.decision.run_changed = true;
            self.decision.ended = true;
        }
        self.decision.changed_steps = (0..self.changed.len()).filter(|index| self.changed[*index]).collect();
    }
}
