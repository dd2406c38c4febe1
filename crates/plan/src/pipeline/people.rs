//! What people do to a run: cancel it, retry it.

use windlass_kinds::record::{ActionBody, Actor, PipelineRunState, StepRun, StepState};

use super::machine::Machine;

impl Machine<'_> {
    pub(super) fn cancel(&mut self, by: Actor) {
        if self.state.run.state.is_final() || self.state.run.cancelled_by.is_some() {
            return;
        }
        for place in 0..self.state.steps.len() {
            match self.step(place).state {
                StepState::Waiting | StepState::Preparing | StepState::Ready => {
                    self.enter(place, StepState::Cancelled, format!("cancelled by {by}"));
                }
                StepState::Running => {
                    let attempt = self.step(place).attempt.clone();
                    self.actions.extend(attempt.map(|attempt| ActionBody::StopAttempt { attempt }));
                    self.reason(place, &format!("is being ended: cancelled by {by}"));
                }
                StepState::Succeeded
                | StepState::Cached
                | StepState::Skipped
                | StepState::Failed
                | StepState::Blocked
                | StepState::Cancelled => {}
            }
        }
        self.run_reason(&format!("is being ended: cancelled by {by}"));
        self.state.run.cancelled_by = Some(by);
        self.run_changed = true;
    }

    pub(super) fn retry(&mut self, by: &Actor) {
        match self.state.run.state {
            PipelineRunState::Failed | PipelineRunState::Cancelled => {}
            PipelineRunState::Pending | PipelineRunState::Running | PipelineRunState::Succeeded => return,
        }
        for place in 0..self.state.steps.len() {
            match self.step(place).state {
                StepState::Failed | StepState::Blocked | StepState::Cancelled => self.again(place),
                StepState::Waiting
                | StepState::Preparing
                | StepState::Ready
                | StepState::Running
                | StepState::Succeeded
                | StepState::Cached
                | StepState::Skipped => {}
            }
        }
        let run = &mut self.state.run;
        run.ended_at = None;
        run.cancelled_by = None;
        self.run_state(PipelineRunState::Pending);
        self.run_reason(&format!("retried by {by}"));
    }

    /// Lets a step begin anew. Its environment stays, since a lock once resolved is what the run began with; its
    /// attempts go on being counted, so that none gets an id twice.
    fn again(&mut self, place: usize) {
        // No `..`: a new field must be kept or cleared here or this stops compiling.
        let StepRun {
            id: _,
            run: _,
            step: _,
            item: _,
            state,
            reason,
            environment: _,
            key,
            cached_from,
            outputs,
            preparations: _,
            attempts: _,
            failures,
            attempt,
            not_before,
            started_at,
            ended_at,
        } = self.change(place);
        *state = StepState::Waiting;
        *reason = "waits for the run to go on".to_owned();
        *key = None;
        *cached_from = None;
        outputs.clear();
        *failures = 0;
        *attempt = None;
        *not_before = None;
        *started_at = None;
        *ended_at = None;
    }
}
