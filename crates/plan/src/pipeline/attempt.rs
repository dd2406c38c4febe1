//! What the end of an attempt, or the answer about an environment, means for its step.

use std::time::Duration;

use windlass_kinds::{
    AttemptId, Digest, Micros, StepRunId,
    manifest::RetrySpec,
    record::{
        ActionBody, Attempt, AttemptEnd, AttemptResult, AttemptState, CacheEntry, PrepareFailure, StepState, Usage,
    },
};

use super::machine::Machine;

/// How often an environment is asked for again where that can help.
const PREPARE_RETRIES: u32 = 5;
/// The wait before an environment is asked for again; doubles each time.
const PREPARE_BACKOFF: Duration = Duration::from_secs(2);
/// The longest such wait.
const PREPARE_BACKOFF_MAX: Duration = Duration::from_secs(60);
/// The least time between the starts of an attempt that was lost and the next: a place that loses every attempt at
/// once must not keep everybody busy.
const LOST_PAUSE: Duration = Duration::from_secs(1);

impl Machine<'_> {
    pub(super) fn prepared(&mut self, step_run: &StepRunId, outcome: Result<Digest, PrepareFailure>) {
        let waits = |step: &windlass_kinds::record::StepRun| {
            step.id == *step_run && step.state == StepState::Preparing && step.environment.is_none()
        };
        let Some(place) = self.state.steps.iter().position(waits) else { return };
        match outcome {
            Ok(lock) => {
                let step = self.change(place);
                step.environment = Some(lock);
                // Failures counted the rounds; attempts begin without any.
                step.failures = 0;
                step.not_before = None;
            }
            // A round that waits for its time was answered already: this is the answer once more.
            Err(_) if self.step(place).not_before.is_some() => {}
            Err(PrepareFailure { reason, retryable }) => {
                let now = self.facts.now;
                let step = self.change(place);
                step.failures += 1;
                let failures = step.failures;
                if !retryable || failures > PREPARE_RETRIES {
                    self.enter(place, StepState::Failed, reason);
                    return;
                }
                let at = now.plus(backoff(PREPARE_BACKOFF, PREPARE_BACKOFF_MAX, failures));
                let step = self.change(place);
                step.not_before = Some(at);
                step.reason = format!("{reason}; asks again at {at} ({failures} of {PREPARE_RETRIES})");
            }
        }
    }

    /// Asks for a step's environment.
    pub(super) fn prepare(&mut self, place: usize) {
        let step = self.change(place);
        step.preparations += 1;
        step.not_before = None;
        let action = ActionBody::Prepare { step_run: step.id.clone(), round: step.preparations };
        self.actions.push(action);
        self.enter(place, StepState::Preparing, "its Python environment is being resolved");
    }

    /// Starts an attempt.
    pub(super) fn start(&mut self, place: usize) {
        self.slots -= 1;
        let now = self.facts.now;
        let number = self.step(place).attempts + 1;
        let attempt = self.new_attempt(place, number);
        let first = self.ran_because(place);
        let step = self.change(place);
        step.attempts = number;
        step.attempt = Some(attempt.id.clone());
        step.not_before = None;
        step.started_at.get_or_insert(now);
        self.enter(place, StepState::Running, if number == 1 { first } else { format!("attempt {number}") });
        self.actions.push(ActionBody::StartAttempt { attempt: attempt.id.clone() });
        self.changed_attempts.push(attempt.clone());
        self.state.attempts.insert(attempt.id.clone(), attempt);
    }

    fn new_attempt(&self, place: usize, number: u32) -> Attempt {
        let step = self.step(place);
        let id = Attempt::derive_id(&step.id, number);
        Attempt {
            tracking_run: Attempt::derive_tracking_run(&id),
            id,
            step_run: step.id.clone(),
            run: step.run.clone(),
            project: self.state.run.project.clone(),
            number,
            state: AttemptState::Running,
            reason: String::new(),
            usage: None,
            started_at: self.facts.now,
            ended_at: None,
        }
    }

    /// Returns why a step ran rather than came from the cache.
    fn ran_because(&self, place: usize) -> String {
        let cache = self.spec(place).cache;
        if cache { "no earlier result stands under its key".to_owned() } else { "it is never cached".to_owned() }
    }

    pub(super) fn attempt_ended(&mut self, id: &AttemptId, result: AttemptResult) {
        let current = |step: &windlass_kinds::record::StepRun| {
            step.state == StepState::Running && step.attempt.as_ref() == Some(id)
        };
        let Some(place) = self.state.steps.iter().position(current) else { return };
        let AttemptResult { end, outputs, usage } = result;
        let started_at = self.close(place, id, &end, usage);
        let cancelled_by = self.state.run.cancelled_by.clone();
        match (end, cancelled_by) {
            (AttemptEnd::Succeeded, _) => {
                let reason = self.ran_because(place);
                let cache = self.spec(place).cache;
                let step = self.change(place);
                step.outputs = outputs;
                let id = step.id.clone();
                let key = step.key.as_ref().filter(|_| cache).map(|key| key.digest.clone());
                let entry = CacheEntry { step_run: id.clone(), outputs: step.outputs.clone() };
                self.cache_puts.extend(key.map(|key| (key, entry)));
                self.committed.push(id);
                self.enter(place, StepState::Succeeded, reason);
            }
            (_, Some(by)) => self.enter(place, StepState::Cancelled, format!("cancelled by {by}")),
            (AttemptEnd::Failed { reason, retryable }, None) => self.failed(place, reason, retryable),
            (AttemptEnd::TimedOut { limit }, None) => self.failed(place, took_longer(&limit), true),
            (AttemptEnd::Lost { reason }, None) => {
                let next = started_at.plus(LOST_PAUSE).min(self.facts.now.plus(LOST_PAUSE));
                self.change(place).not_before = Some(next).filter(|next| *next > self.facts.now);
                self.enter(place, StepState::Ready, format!("lost: {reason}; starts again, uncounted"));
            }
            (AttemptEnd::Interrupted, None) => {
                self.enter(place, StepState::Ready, "interrupted by a stop; starts again, uncounted");
            }
            (AttemptEnd::Cancelled, None) => self.enter(place, StepState::Cancelled, "its attempt was cancelled"),
        }
    }

    /// Writes an attempt's end into its record and returns when it started.
    fn close(&mut self, place: usize, id: &AttemptId, end: &AttemptEnd, usage: Usage) -> Micros {
        let number = self.step(place).attempts;
        let mut attempt = self.state.attempts.remove(id).unwrap_or_else(|| self.new_attempt(place, number));
        let (state, reason) = match end {
            AttemptEnd::Succeeded => (AttemptState::Succeeded, String::new()),
            AttemptEnd::Failed { reason, retryable: _ } => (AttemptState::Failed, reason.clone()),
            AttemptEnd::TimedOut { limit } => (AttemptState::Failed, took_longer(limit)),
            AttemptEnd::Lost { reason } => (AttemptState::Lost, reason.clone()),
            AttemptEnd::Interrupted => (AttemptState::Interrupted, "ended by a stop of the server".to_owned()),
            AttemptEnd::Cancelled => (AttemptState::Cancelled, "cancelled".to_owned()),
        };
        attempt.state = state;
        attempt.reason = reason;
        attempt.usage = Some(usage);
        attempt.ended_at = Some(self.facts.now);
        let started_at = attempt.started_at;
        self.changed_attempts.push(attempt);
        started_at
    }

    /// A counted failure: once more after a wait, or for good.
    fn failed(&mut self, place: usize, reason: String, retryable: bool) {
        let RetrySpec { limit, backoff: first, max_backoff } = self.spec(place).settings.retries.unwrap_or_default();
        let now = self.facts.now;
        let step = self.change(place);
        step.failures += 1;
        let failures = step.failures;
        if !retryable {
            self.enter(place, StepState::Failed, reason);
        } else if failures > limit {
            let retried = match limit {
                0 => String::new(),
                1 => ", also when tried again".to_owned(),
                limit => format!(", also when tried {limit} times again"),
            };
            self.enter(place, StepState::Failed, format!("{reason}{retried}"));
        } else {
            let wait = backoff(first.0, max_backoff.0, failures);
            self.change(place).not_before = (!wait.is_zero()).then(|| now.plus(wait));
            self.enter(place, StepState::Ready, format!("{reason}; retry {failures} of {limit} at {}", now.plus(wait)));
        }
    }
}

fn took_longer(limit: &str) -> String {
    format!("took longer than {limit}")
}

/// Returns the wait after the `failures`-th failure in a row, from 1: `first`, doubled each time, at most `longest`.
pub(super) fn backoff(first: Duration, longest: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    first.saturating_mul(1 << doublings).min(longest)
}
