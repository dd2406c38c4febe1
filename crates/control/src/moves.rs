//! Moves one run: asks the step machine, looks up cached results it wants to know, and commits what it decided.

use std::collections::{BTreeMap, BTreeSet};

use windlass_kinds::{
    Digest, Micros, PipelineRunId, StepRunId,
    record::{
        Action, ActionBody, Actor, Attempt, AttemptState, CacheEntry, LedgerKind, PipelineRunState, StepRun, StepState,
    },
};
use windlass_plan::pipeline::{self, Decision, Facts};

use crate::{
    Control, ControlError,
    active::{Active, ActiveRuns, running_steps},
    commit::{Answered, Commit, NewTracking},
    core::CacheAnswers,
    jobs::Scene,
};

impl Control {
    /// Moves a run by an event and commits; `answers` is the inbox event this answers, if any.
    pub(crate) async fn move_run(
        &self,
        active: &mut ActiveRuns,
        id: &PipelineRunId,
        event: pipeline::Event,
        answers: Option<Answered>,
    ) -> Result<(), ControlError> {
        self.move_run_with(active, id, event, answers, false).await
    }

    /// Like [`Control::move_run`]; `idle` says that everything else is idle and it is this run's turn.
    pub(crate) async fn move_run_with(
        &self,
        active: &mut ActiveRuns,
        id: &PipelineRunId,
        event: pipeline::Event,
        answers: Option<Answered>,
        idle: bool,
    ) -> Result<(), ControlError> {
        let mut commit = Commit { event: answers, next_epoch: idle, ..Commit::at(self.inner.clock.now()) };
        let Some(run) = active.take(&self.inner.store, id).await? else {
            return Ok(self.inner.commit(commit).await?);
        };
        let others = active.running_attempts();
        let before = active.before(&run.state.run);
        let Active { state, spec, resolved } = run;
        let slots = usize::try_from(self.inner.settings.max_parallel).unwrap_or(usize::MAX);
        // The environment's own limit counts besides the machine's.
        let limit = self.environment_limit(&state.run.project, &spec.environment).await?;
        let others_there = active.running_in(&state.run.project, &spec.environment);
        // The place of an attempt that ends is free at once, but runs that began earlier come first.
        let ended = match &event {
            pipeline::Event::AttemptEnded { attempt, result: _ } => state.attempts.contains_key(attempt),
            _ => false,
        };
        let frees = usize::from(ended && !active.an_earlier_run_waits(&state.run));
        let looked = matches!(event, pipeline::Event::Look) || frees > 0;
        let mut cache = CacheAnswers::new();
        let mut gathered = Gathered::default();
        let mut state = Some(state);
        let mut event = Some(event);
        loop {
            let current = state.take().expect("put back below");
            let running = running_steps(&current) - if event.is_some() { frees } else { 0 };
            let here = slots.saturating_sub(others + running);
            let there = limit.map_or(here, |limit| limit.saturating_sub(others_there + running));
            let facts = Facts {
                spec: &spec,
                resolved: &resolved,
                now: commit.now,
                free_slots: u32::try_from(here.min(there)).unwrap_or(u32::MAX),
                idle,
                cache: &cache,
                architecture: &self.inner.settings.architecture,
                active_before: before,
            };
            let decision = pipeline::advance(current, event.take().unwrap_or(pipeline::Event::Look), &facts);
            let lookups = gathered.take(decision, &mut state);
            if lookups.is_empty() {
                break;
            }
            let project = state.as_ref().expect("put back by take").run.project.clone();
            for key in lookups {
                let (project, wanted) = (project.clone(), key.clone());
                let entry = self
                    .inner
                    .store
                    .read(move |tx| {
                        let (project, key) = (project.clone(), wanted.clone());
                        Box::pin(async move { tx.cache_get(&project, &key).await })
                    })
                    .await?;
                cache.insert(key, entry);
            }
        }
        let state = state.expect("put back by take");
        let moved = Active { state, spec, resolved };
        let changed = !gathered.is_empty();
        if changed || commit.event.is_some() || commit.next_epoch {
            self.fill(&mut commit, &moved, &gathered).await?;
            self.inner.commit(commit).await?;
        }
        active.wakes.remove(id);
        active.wakes.extend(gathered.wake_at.map(|at| (id.clone(), at)));
        active.put(moved);
        active.moved(id, changed, looked);
        Ok(())
    }

    /// Lets the runs look again for which something may have changed, oldest first: a place is free, a time has come.
    pub(crate) async fn look_again(&self, active: &mut ActiveRuns) -> Result<(), ControlError> {
        for id in active.due(self.inner.clock.now()) {
            self.move_run(active, &id, pipeline::Event::Look, None).await?;
        }
        Ok(())
    }

    /// Turns what the step machine decided into rows.
    async fn fill(&self, commit: &mut Commit, moved: &Active, gathered: &Gathered) -> Result<(), ControlError> {
        let run = &moved.state.run;
        let project = &run.project;
        commit.project(project);
        if gathered.run_changed {
            commit.runs.push(run.clone());
        }
        for index in &gathered.steps {
            let step = &moved.state.steps[*index];
            commit.steps.push(step.clone());
            if step.state.is_done() {
                let holder = format!("step-run/{}", step.id);
                commit.references.push((project.clone(), holder, Commit::output_digests(&step.outputs)));
            }
        }
        for attempt in gathered.attempts.values() {
            commit.attempts.push(attempt.clone());
            if attempt.state == AttemptState::Running {
                let step = moved.state.steps.iter().find(|step| step.id == attempt.step_run);
                commit.tracking.push(NewTracking {
                    project: project.clone(),
                    experiment: run.pipeline.to_string(),
                    attempt: attempt.clone(),
                    name: step
                        .map_or_else(String::new, |step| format!("{}/{}", run.display_name(), step.display_name())),
                    tags: step.map_or_else(Vec::new, |step| tracking_tags(run, step, attempt)),
                });
            }
        }
        for body in &gathered.actions {
            let key = action_key(project, body);
            commit.scenes.extend(scene_of(moved, gathered, body).map(|(scene, begins)| (key.clone(), scene, begins)));
            commit.actions.push(Action { key, project: project.clone(), body: body.clone() });
        }
        for (key, entry) in &gathered.cache_puts {
            commit.cache.push((project.clone(), key.clone(), entry.clone()));
        }
        for id in &gathered.committed {
            if let Some(step) = moved.state.steps.iter().find(|step| step.id == *id) {
                self.declare_versions(commit, moved, step).await?;
            }
        }
        commit.committed.extend(gathered.committed.iter().cloned());
        commit.abandoned.extend(gathered.abandoned.iter().cloned());
        if gathered.ended {
            let steps: Vec<_> = moved.state.steps.iter().map(ledger_step).collect();
            let body = serde_json::json!({"run": run, "steps": steps});
            commit.ledger(
                project,
                &Actor::system(),
                LedgerKind::RunEnded,
                format!("run {}", run.display_name()),
                &body,
            );
            self.trigger_ended(commit, run).await?;
            if run.state == PipelineRunState::Succeeded {
                self.ask_to_judge(commit, run).await?;
            }
        }
        Ok(())
    }
}

/// Returns what an action is about, and the attempt that it begins, if any.
fn scene_of(moved: &Active, gathered: &Gathered, body: &ActionBody) -> Option<(Scene, Option<Attempt>)> {
    let step_of = |id: &StepRunId| moved.state.steps.iter().find(|step| step.id == *id);
    match body {
        ActionBody::Prepare { step_run, round: _ } => Some((Scene::of(moved, step_of(step_run)?), None)),
        ActionBody::StartAttempt { attempt } => {
            let attempt = gathered.attempts.get(attempt)?;
            Some((Scene::of(moved, step_of(&attempt.step_run)?), Some(attempt.clone())))
        }
        ActionBody::StopAttempt { .. }
        | ActionBody::Judge { .. }
        | ActionBody::Serve { .. }
        | ActionBody::Unserve { .. }
        | ActionBody::Observe { .. }
        | ActionBody::Look { .. } => None,
    }
}

/// What several looks at one run decided together.
#[derive(Debug, Default)]
struct Gathered {
    run_changed: bool,
    steps: BTreeSet<usize>,
    attempts: BTreeMap<windlass_kinds::AttemptId, Attempt>,
    actions: Vec<ActionBody>,
    cache_puts: Vec<(Digest, CacheEntry)>,
    committed: Vec<StepRunId>,
    abandoned: Vec<StepRunId>,
    ended: bool,
    wake_at: Option<Micros>,
}

impl Gathered {
    /// Adds a decision; returns the keys it wants looked up.
    fn take(&mut self, decision: Decision, state: &mut Option<pipeline::RunState>) -> Vec<Digest> {
        let Decision {
            state: moved,
            changed_steps,
            run_changed,
            changed_attempts,
            actions,
            cache_puts,
            lookups,
            began: _,
            ended,
            wake_at,
            committed,
            abandoned,
        } = decision;
        *state = Some(moved);
        self.run_changed |= run_changed;
        self.steps.extend(changed_steps);
        self.attempts.extend(changed_attempts.into_iter().map(|attempt| (attempt.id.clone(), attempt)));
        self.actions.extend(actions);
        self.cache_puts.extend(cache_puts);
        self.committed.extend(committed);
        self.abandoned.extend(abandoned);
        self.ended |= ended;
        self.wake_at = wake_at;
        lookups
    }

    fn is_empty(&self) -> bool {
        !self.run_changed && self.steps.is_empty() && self.attempts.is_empty() && self.actions.is_empty()
    }
}

/// Returns the idempotency key of an attempt's start.
pub(crate) fn start_key(attempt: &windlass_kinds::AttemptId) -> String {
    format!("start/{attempt}")
}

/// Returns the idempotency key of an action. Names are told apart by project; ids need no project.
pub(crate) fn action_key(project: &windlass_kinds::Name, body: &ActionBody) -> String {
    match body {
        ActionBody::Prepare { step_run, round } => format!("prepare/{step_run}/{round}"),
        ActionBody::StartAttempt { attempt } => start_key(attempt),
        ActionBody::StopAttempt { attempt } => format!("stop/{attempt}"),
        ActionBody::Judge { model, run, round } => format!("judge/{run}/{round}/{model}"),
        ActionBody::Serve { endpoint, number } => format!("serve/{project}/{endpoint}/{number}"),
        ActionBody::Unserve { endpoint } => format!("unserve/{project}/{endpoint}"),
        ActionBody::Observe { monitor, dataset, version } => format!("observe/{project}/{monitor}/{dataset}/{version}"),
        ActionBody::Look { monitor, at } => format!("look/{project}/{monitor}/{}", at.0),
    }
}

/// What the ledger keeps of a step: what it was, what it left; no times, no lost attempts.
fn ledger_step(step: &StepRun) -> serde_json::Value {
    serde_json::json!({
        "step": step.display_name(),
        "state": step.state,
        "key": step.key.as_ref().map(|key| &key.digest),
        "outputs": step.outputs,
        "cached": step.state == StepState::Cached,
    })
}

/// The tags that lead from a tracking run to its place in the pipeline.
fn tracking_tags(
    run: &windlass_kinds::record::PipelineRun,
    step: &StepRun,
    attempt: &Attempt,
) -> Vec<(String, String)> {
    let mut tags = vec![
        ("windlass.attempt".to_owned(), attempt.number.to_string()),
        ("windlass.pipeline".to_owned(), run.pipeline.to_string()),
        ("windlass.run".to_owned(), run.display_name()),
        ("windlass.step".to_owned(), step.step.to_string()),
    ];
    if let Some(item) = &step.item {
        tags.push(("windlass.item".to_owned(), item.label.clone()));
    }
    tags.sort();
    tags
}
