//! Starts whatever may start: runs that have their turn, steps whose inputs are there, attempts that have a place.

use windlass_kinds::{
    manifest::{InputSource, StepSpec},
    record::{ActionBody, Attempt, AttemptState, CacheEntry, PipelineRunState, StepRun, StepState},
};

use super::{Facts, advance::Draft, graph::Graph, key::key_in, step_parameters};
use crate::condition;

/// Looks at the run and each of its steps until nothing more moves.
pub(super) fn look(draft: &mut Draft, graph: &Graph<'_>, facts: &Facts<'_>) {
    if !begin(draft, facts) {
        return;
    }
    let mut free = facts.free_slots;
    let mut idle = facts.idle;
    loop {
        let mut moved = false;
        for index in 0..draft.decision.state.steps.len() {
            moved |= look_at(draft, index, graph, facts, &mut free, &mut idle);
        }
        if !moved {
            return;
        }
    }
}

/// Lets a pending run begin when it is its turn; returns whether it is under way.
fn begin(draft: &mut Draft, facts: &Facts<'_>) -> bool {
    let run = &mut draft.decision.state.run;
    match run.state {
        PipelineRunState::Running => true,
        PipelineRunState::Succeeded | PipelineRunState::Failed | PipelineRunState::Cancelled => false,
        PipelineRunState::Pending if facts.active_before < facts.spec.concurrency => {
            run.state = PipelineRunState::Running;
            run.started_at = Some(facts.now);
            run.reason = String::new();
            draft.decision.run_changed = true;
            draft.decision.began = true;
            true
        }
        PipelineRunState::Pending => {
            let reason = format!(
                "waits for {} earlier runs of {} (concurrency {})",
                facts.active_before, run.pipeline, facts.spec.concurrency
            );
            if run.reason != reason {
                run.reason = reason;
                draft.decision.run_changed = true;
            }
            false
        }
    }
}

/// Moves one step as far as it goes; returns whether it became final or started.
fn look_at(
    draft: &mut Draft,
    index: usize,
    graph: &Graph<'_>,
    facts: &Facts<'_>,
    free: &mut u32,
    idle: &mut bool,
) -> bool {
    let step = &draft.decision.state.steps[index];
    match step.state {
        StepState::Waiting => {
            if step.key.is_some() {
                return keyed(draft, index, graph, facts, free);
            }
            if !ready_to_prepare(draft, index, graph, facts, idle) {
                return draft.decision.state.steps[index].state.is_final();
            }
            give_key(draft, index, graph, facts);
            keyed(draft, index, graph, facts, free)
        }
        StepState::Preparing if step.environment.is_some() => {
            if step.key.is_none() {
                give_key(draft, index, graph, facts);
            }
            keyed(draft, index, graph, facts, free)
        }
        StepState::Ready => start(draft, index, facts, free),
        StepState::Preparing
        | StepState::Running
        | StepState::Succeeded
        | StepState::Cached
        | StepState::Skipped
        | StepState::Failed
        | StepState::Blocked
        | StepState::Cancelled => false,
    }
}

/// Checks everything a waiting step waits for; returns whether its key can be made. May end the step, or ask for its
/// environment.
fn ready_to_prepare(draft: &mut Draft, index: usize, graph: &Graph<'_>, facts: &Facts<'_>, idle: &mut bool) -> bool {
    let now = facts.now;
    let steps = &draft.decision.state.steps;
    let step = &steps[index];
    let Some(spec) = graph.spec(&step.step) else {
        let reason = "the pipeline's revision has no such step".to_owned();
        draft.end_step(index, StepState::Failed, reason, now);
        return false;
    };
    let needed = graph.needed(step);
    if let Some((state, reason)) = hindrance(steps, &needed) {
        match state {
            Some(state) => draft.end_step(index, state, reason, now),
            None => draft.say(index, reason),
        }
        return false;
    }
    if let Some(at) = step.not_before.filter(|at| *at > now) {
        draft.wake(at);
        return false;
    }
    // A step that had its environment asked for has passed all below already.
    if step.preparations == 0 {
        if spec.wait_idle && !std::mem::take(idle) {
            draft.say(index, "waits for idle".to_owned());
            return false;
        }
        if let Some(end) = condition_says_no(draft, index, spec) {
            draft.end_step(index, end.0, end.1, now);
            return false;
        }
        let missing = spec.inputs.values().find_map(|input| match input {
            InputSource::Dataset(name) if !draft.decision.state.run.datasets.contains_key(name) => Some(name),
            InputSource::Dataset(_) | InputSource::Step { .. } => None,
        });
        if let Some(name) = missing {
            let reason = format!("dataset {name} has no accepted version");
            draft.end_step(index, StepState::Failed, reason, now);
            return false;
        }
    }
    if spec.settings.python.is_some() && draft.decision.state.steps[index].environment.is_none() {
        let step = draft.change(index);
        step.state = StepState::Preparing;
        step.reason = "its Python environment is being resolved".to_owned();
        step.preparations += 1;
        step.not_before = None;
        let action = ActionBody::Prepare { step_run: step.id.clone(), round: step.preparations };
        draft.decision.actions.push(action);
        return false;
    }
    true
}

/// Returns what hinders a step: a final state with its reason, or just what it waits for.
fn hindrance(steps: &[StepRun], needed: &[usize]) -> Option<(Option<StepState>, String)> {
    let mut waits = None;
    for step in needed.iter().map(|index| &steps[*index]) {
        let name = step.display_name();
        match step.state {
            StepState::Succeeded | StepState::Cached => {}
            StepState::Failed => return Some((Some(StepState::Blocked), format!("needs {name}, which failed"))),
            StepState::Blocked => return Some((Some(StepState::Blocked), format!("needs {name}, which was blocked"))),
            StepState::Cancelled => return Some((Some(StepState::Blocked), format!("needs {name}, which was cancelled"))),
            StepState::Skipped => return Some((Some(StepState::Skipped), format!("needs {name}, which was skipped"))),
            StepState::Waiting | StepState::Preparing | StepState::Ready | StepState::Running => {
                waits.get_or_insert(name);
            }
        }
    }
    waits.map(|name| (None, format!("waits for {name}")))
}

/// Returns how a step ends where its condition does not hold or cannot be evaluated.
fn condition_says_no(draft: &Draft, index: usize, spec: &StepSpec) -> Option<(StepState, String)> {
    let expression = spec.when.as_ref()?;
    let state = &draft.decision.state;
    let parameters = step_parameters(&state.run, spec, state.steps[index].item.as_ref());
    match condition::eval_step(expression, &parameters) {
        Ok(true) => None,
        Ok(false) => Some((StepState::Skipped, format!("its condition is false: {expression}"))),
        Err(error) => Some((StepState::Failed, format!("its condition `{expression}` cannot be evaluated: {error}"))),
    }
}

fn give_key(draft: &mut Draft, index: usize, graph: &Graph<'_>, facts: &Facts<'_>) {
    let state = &draft.decision.state;
    let step = &state.steps[index];
    let Some(spec) = graph.spec(&step.step) else { return };
    let key = key_in(graph, &state.run, spec, step, &state.steps, facts);
    draft.change(index).key = Some(key);
}

/// Asks for an earlier result, takes it, or makes the step ready.
fn keyed(draft: &mut Draft, index: usize, graph: &Graph<'_>, facts: &Facts<'_>, free: &mut u32) -> bool {
    let step = &draft.decision.state.steps[index];
    let (Some(spec), Some(key)) = (graph.spec(&step.step), &step.key) else { return false };
    if spec.cache {
        match facts.cache.get(&key.digest) {
            None => {
                let digest = key.digest.clone();
                if !draft.decision.lookups.contains(&digest) {
                    draft.decision.lookups.push(digest);
                }
                return false;
            }
            Some(Some(CacheEntry { step_run, outputs })) => {
                let (from, outputs) = (step_run.clone(), outputs.clone());
                let reason = "every part of its key matches an earlier run".to_owned();
                draft.end_step(index, StepState::Cached, reason, facts.now);
                let step = draft.change(index);
                step.cached_from = Some(from);
                step.outputs = outputs;
                step.started_at = step.started_at.or(Some(facts.now));
                return true;
            }
            Some(None) => {}
        }
    }
    let step = draft.change(index);
    step.state = StepState::Ready;
    step.reason = "ready".to_owned();
    start(draft, index, facts, free);
    true
}

/// Starts an attempt of a ready step where there is a place and its time has come.
fn start(draft: &mut Draft, index: usize, facts: &Facts<'_>, free: &mut u32) -> bool {
    let now = facts.now;
    if let Some(at) = draft.decision.state.steps[index].not_before.filter(|at| *at > now) {
        draft.wake(at);
        return false;
    }
    if *free == 0 {
        draft.say(index, "waits for a free place: as many steps run as may at once".to_owned());
        return false;
    }
    *free -= 1;
    let project = draft.decision.state.run.project.clone();
    let step = draft.change(index);
    step.attempts += 1;
    let id = Attempt::derive_id(&step.id, step.attempts);
    step.state = StepState::Running;
    step.reason = String::new();
    step.attempt = Some(id.clone());
    step.not_before = None;
    step.started_at = step.started_at.or(Some(now));
    let attempt = Attempt {
        tracking_run: Attempt::derive_tracking_run(&id),
        id: id.clone(),
        step_run: step.id.clone(),
        run: step.run.clone(),
        project,
        number: step.attempts,
        state: AttemptState::Running,
        reason: String::new(),
        usage: None,
        started_at: now,
        ended_at: None,
    };
    draft.decision.state.attempts.insert(id.clone(), attempt.clone());
    draft.decision.changed_attempts.push(attempt);
    draft.decision.actions.push(ActionBody::StartAttempt { attempt: id });
    true
}
