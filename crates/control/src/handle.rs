//! What each event means: reads what the decision needs, asks `plan`, and commits the answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use serde_json::Value;
use windlass_kinds::{
    AttemptId, EventId, Kind, Micros, Name, PipelineRunId, StepRunId,
    manifest::{InputSource, PipelineSpec, Spec, TriggerSource, TriggerSpec},
    record::{
        Actor, AttemptEnd, AttemptResult, Cause, DatasetVersion, DatasetVersionState, Event, EventBody, FrozenDataset,
        LedgerKind, PipelineRun, PipelineRunState, Revision, TriggerFacts, TriggerState,
    },
};
use windlass_plan::{
    condition, pipeline,
    trigger::{self, Outcome},
};

use crate::{
    Control, ControlError,
    active::{Active, ActiveRuns},
    commit::{Answered, Commit},
    core::{end_event, run_id},
    idle::Idle,
    judging::Judged,
};

/// A pipeline as it is applied now.
#[derive(Debug)]
pub(crate) struct LivePipeline {
    pub(crate) revision: Revision,
    pub(crate) spec: PipelineSpec,
}

/// A run to begin.
pub(crate) struct Beginning<'a> {
    pub(crate) revision: &'a Revision,
    pub(crate) spec: &'a PipelineSpec,
    pub(crate) event: EventId,
    pub(crate) trigger: Option<&'a Name>,
    pub(crate) actor: &'a Actor,
    pub(crate) text: String,
    pub(crate) parameters: BTreeMap<String, Value>,
}

impl Control {
    /// Handles one event of the inbox.
    pub(crate) async fn handle(&self, active: &mut ActiveRuns, event: Event) -> Result<(), ControlError> {
        let Event { id, project, identity: _, actor, body, received_at: _ } = event;
        match body {
            EventBody::DatasetVersion { dataset, version } => {
                self.handle_dataset_version(active, &id, &project, &dataset, version).await
            }
            EventBody::Idle { epoch: _ } => self.handle_idle(active, &id).await,
            EventBody::Due { pipeline, trigger, at } => {
                let facts = TriggerFacts { text: format!("schedule due at {at}"), ..TriggerFacts::default() };
                let mut commit = self.answer(&id);
                let pipelines = self.pipelines(Some(&project)).await?;
                for live in &pipelines {
                    let LivePipeline { revision, spec } = &**live;
                    for spec_trigger in spec.triggers.iter().filter(|t| revision.name == pipeline && t.name == trigger)
                    {
                        self.consult(active, &mut commit, revision, spec, spec_trigger, &id, &facts).await?;
                    }
                }
                self.begin_all(active, commit).await
            }
            EventBody::Start { pipeline, parameters } => {
                self.handle_start(active, &id, &project, &actor, &pipeline, parameters).await
            }
            EventBody::Cancel { run } => {
                self.move_run(active, &run, pipeline::Event::Cancel { by: actor }, Some(id.into())).await
            }
            EventBody::Retry { run } => {
                self.move_run(active, &run, pipeline::Event::Retry { by: actor }, Some(id.into())).await
            }
            EventBody::ResetBreaker { pipeline, trigger } => {
                self.handle_reset(active, &id, &project, &actor, &pipeline, &trigger).await
            }
            EventBody::Prepared { step_run, outcome } => {
                let run = match active.run_of_step(&step_run) {
                    Some(run) => Some(run),
                    None => self.stored_run_of_step(&step_run).await?,
                };
                match run {
                    Some(run) => {
                        let event = pipeline::Event::Prepared { step_run, outcome };
                        self.move_run(active, &run, event, Some(id.into())).await
                    }
                    None => Ok(self.inner.commit(self.answer(&id)).await?),
                }
            }
            EventBody::AttemptEnded { attempt, result } => {
                let run = match active.run_of_attempt(&attempt) {
                    Some((run, _)) => Some(run),
                    None => self.stored_run_of_attempt(&attempt).await?,
                };
                match run {
                    Some(run) => self.handle_end(active, id.into(), &run, attempt, result).await,
                    None => Ok(self.inner.commit(self.answer(&id)).await?),
                }
            }
            EventBody::Served { endpoint, number, outcome } => {
                self.handle_served(&id, &project, &endpoint, number, &outcome).await
            }
            EventBody::Judged { model, run, round, evidence } => {
                let judged = Judged { model, run, round, evidence };
                self.handle_judged(active, &id, &project, judged).await
            }
            EventBody::Observed { observation } => self.handle_observed(active, &id, &project, observation).await,
            EventBody::Looked { observations, more } => {
                self.handle_looked(active, &id, &project, observations, more).await
            }
        }
    }

    /// Handles the end of an attempt that comes at first hand. Returns false where no such attempt is running as far as
    /// memory knows: then the end takes the way through the inbox.
    pub(crate) async fn handle_arrival(
        &self,
        active: &mut ActiveRuns,
        attempt: AttemptId,
        result: AttemptResult,
    ) -> Result<bool, ControlError> {
        let Some((run, project)) = active.run_of_attempt(&attempt) else { return Ok(false) };
        let event = end_event(&project, attempt.clone(), result.clone(), self.inner.clock.now());
        self.handle_end(active, Answered::AtHand(Box::new(event)), &run, attempt, result).await?;
        Ok(true)
    }

    async fn stored_run_of_step(&self, step_run: &StepRunId) -> Result<Option<PipelineRunId>, ControlError> {
        let wanted = step_run.clone();
        let step = self
            .inner
            .store
            .read(move |tx| {
                let id = wanted.clone();
                Box::pin(async move { tx.step_run_get(&id).await })
            })
            .await?;
        Ok(step.map(|step| step.run))
    }

    async fn stored_run_of_attempt(&self, attempt: &AttemptId) -> Result<Option<PipelineRunId>, ControlError> {
        let wanted = attempt.clone();
        let known = self
            .inner
            .store
            .read(move |tx| {
                let id = wanted.clone();
                Box::pin(async move { tx.attempt_get(&id).await })
            })
            .await?;
        Ok(known.map(|attempt| attempt.run))
    }

    /// Takes an attempt's end. Where what it left cannot be registered, that is its end: an event that can never be
    /// answered would hold up everything behind it.
    async fn handle_end(
        &self,
        active: &mut ActiveRuns,
        event: Answered,
        run: &PipelineRunId,
        attempt: AttemptId,
        result: AttemptResult,
    ) -> Result<(), ControlError> {
        let usage = result.usage;
        let ended = pipeline::Event::AttemptEnded { attempt: attempt.clone(), result };
        match self.move_run(active, run, ended, Some(event.clone())).await {
            Err(error) if error.is_lasting() => {
                let why = match &error {
                    ControlError::Content(error) => crate::chain(error),
                    ControlError::Store(error) => crate::chain(error),
                    other => crate::chain(other),
                };
                let reason = format!("what it left cannot be registered: {why}");
                let end = AttemptEnd::Failed { reason, retryable: false };
                let result = AttemptResult { end, outputs: BTreeMap::new(), usage };
                self.move_run(active, run, pipeline::Event::AttemptEnded { attempt, result }, Some(event)).await
            }
            answer => answer,
        }
    }

    /// Starts a commit that answers `event`.
    pub(crate) fn answer(&self, event: &EventId) -> Commit {
        Commit { event: Some(event.clone().into()), ..Commit::at(self.inner.clock.now()) }
    }

    /// Returns the live pipelines, of one project or of all; read from the store after something was applied.
    pub(crate) async fn pipelines(&self, project: Option<&Name>) -> Result<Vec<Arc<LivePipeline>>, ControlError> {
        let mut kept = self.inner.pipelines.lock().await;
        if !self.leads() {
            // Nobody tells a follower what other servers applied.
            *kept = None;
        }
        if kept.is_none() {
            let revisions = self
                .inner
                .store
                .read(|tx| Box::pin(async move { tx.revisions_current(None, Some(Kind::Pipeline)).await }))
                .await?;
            let live = revisions.into_iter().filter_map(|revision| match &revision.manifest.spec {
                Spec::Pipeline(spec) => {
                    let spec = spec.clone();
                    Some(Arc::new(LivePipeline { revision, spec }))
                }
                _ => None,
            });
            *kept = Some(live.collect());
            self.inner.triggers_moved.store(true, Ordering::SeqCst);
        }
        let all = kept.iter().flatten().cloned();
        Ok(all.filter(|live| project.is_none_or(|project| live.revision.project == *project)).collect())
    }

    pub(crate) async fn trigger_state(
        &self,
        revision: &Revision,
        trigger: &Name,
    ) -> Result<TriggerState, ControlError> {
        let (project, pipeline, trigger) = (revision.project.clone(), revision.name.clone(), trigger.clone());
        Ok(self
            .inner
            .store
            .read(move |tx| {
                let (project, pipeline, trigger) = (project.clone(), pipeline.clone(), trigger.clone());
                Box::pin(async move { tx.trigger_state(&project, &pipeline, &trigger).await })
            })
            .await?)
    }

    async fn handle_dataset_version(
        &self,
        active: &mut ActiveRuns,
        id: &EventId,
        project: &Name,
        dataset: &Name,
        number: u32,
    ) -> Result<(), ControlError> {
        let mut commit = self.answer(id);
        let (in_project, name) = (project.clone(), dataset.clone());
        let version = self
            .inner
            .store
            .read(move |tx| {
                let (project, name) = (in_project.clone(), name.clone());
                Box::pin(async move { tx.dataset_version_get(&project, &name, number).await })
            })
            .await?;
        let Some(version) = version else { return Ok(self.inner.commit(commit).await?) };
        let facts = dataset_facts(&version);
        self.ask_to_observe(&mut commit, project, dataset, number).await?;
        for live in &self.pipelines(Some(project)).await? {
            let LivePipeline { revision, spec } = &**live;
            for trigger in &spec.triggers {
                if matches!(&trigger.source, TriggerSource::Dataset(name) if name == dataset) {
                    self.consult(active, &mut commit, revision, spec, trigger, id, &facts).await?;
                }
            }
        }
        self.begin_all(active, commit).await
    }

    /// A quiet moment: the oldest run that waits for one goes on; where none waits, the idle trigger that fired least
    /// often fires.
    async fn handle_idle(&self, active: &mut ActiveRuns, id: &EventId) -> Result<(), ControlError> {
        let quiet = match self.assess(active, true).await? {
            Idle::Quiet(waiting) => match waiting.first() {
                Some(run) => {
                    return self.move_run_with(active, run, pipeline::Event::Look, Some(id.clone().into()), true).await;
                }
                None => true,
            },
            // Something came in between: the moment is over, and the next one gets a number of its own.
            Idle::Busy(_) | Idle::List(_) => false,
        };
        let mut commit = Commit { next_epoch: true, ..self.answer(id) };
        if quiet && let Some((revision, spec, trigger)) = self.next_idle_trigger().await? {
            self.consult(active, &mut commit, &revision, &spec, &trigger, id, &idle_facts()).await?;
        }
        self.begin_all(active, commit).await
    }

    /// Returns the idle trigger whose turn it is: of those with firings left, the one that fired least often.
    pub(crate) async fn next_idle_trigger(
        &self,
    ) -> Result<Option<(Revision, PipelineSpec, TriggerSpec)>, ControlError> {
        let mut best: Option<(u32, Revision, PipelineSpec, TriggerSpec)> = None;
        for live in self.pipelines(None).await? {
            let LivePipeline { revision, spec } = &*live;
            for trigger in &spec.triggers {
                let TriggerSource::Idle { times } = &trigger.source else { continue };
                if times.is_none() && self.inner.settings.until_idle {
                    continue;
                }
                let state = self.trigger_state(revision, &trigger.name).await?;
                // A condition that does not hold now (or cannot be answered) would be asked again at once, for ever:
                // only what could fire counts.
                let holds = trigger.condition.as_ref().is_none_or(|condition| {
                    condition::eval_trigger(condition, &idle_facts(), state.fired.saturating_add(1)).unwrap_or(false)
                });
                let left = holds
                    && self.taken(&revision.project, trigger).await?.is_none()
                    && times.is_none_or(|times| state.fired < times)
                    && state.open.is_none()
                    && state.held.is_none();
                if left && best.as_ref().is_none_or(|(fired, ..)| state.fired < *fired) {
                    best = Some((state.fired, revision.clone(), spec.clone(), trigger.clone()));
                }
            }
        }
        Ok(best.map(|(_, revision, spec, trigger)| (revision, spec, trigger)))
    }

    async fn handle_start(
        &self,
        active: &mut ActiveRuns,
        id: &EventId,
        project: &Name,
        actor: &Actor,
        pipeline: &Name,
        parameters: serde_json::Map<String, Value>,
    ) -> Result<(), ControlError> {
        let mut commit = self.answer(id);
        let found = self.pipelines(Some(project)).await?.into_iter().find(|live| live.revision.name == *pipeline);
        if let Some(LivePipeline { revision, spec }) = found.as_deref() {
            let beginning = Beginning {
                revision,
                spec,
                event: id.clone(),
                trigger: None,
                actor,
                text: format!("started by {actor}"),
                parameters: parameters.into_iter().collect(),
            };
            self.begin(&mut commit, active, beginning).await?;
        }
        self.begin_all(active, commit).await
    }

    async fn handle_reset(
        &self,
        active: &mut ActiveRuns,
        id: &EventId,
        project: &Name,
        actor: &Actor,
        pipeline: &Name,
        trigger: &Name,
    ) -> Result<(), ControlError> {
        let mut commit = self.answer(id);
        let found = self.pipelines(Some(project)).await?.into_iter().find(|live| live.revision.name == *pipeline);
        if let Some(LivePipeline { revision, spec }) = found.as_deref()
            && let Some(spec_trigger) = spec.triggers.iter().find(|spec| spec.name == *trigger)
        {
            let state = trigger::reset(self.trigger_state(revision, trigger).await?);
            let subject = format!("trigger {pipeline}/{trigger}");
            commit.ledger(project, actor, LedgerKind::Breaker, subject, &serde_json::json!({"open": false}));
            let now = commit.now;
            let held = state.held.clone();
            let taken = self.taken(project, spec_trigger).await?;
            let (state, outcome) = trigger::held(spec_trigger, &state, taken, now);
            commit.project(project);
            self.settle_outcome(
                active,
                &mut commit,
                revision,
                spec,
                spec_trigger,
                held.map(|held| held.event),
                state,
                outcome,
            )
            .await?;
        }
        self.begin_all(active, commit).await
    }

    /// Asks a trigger about an event and adds the answer to the commit.
    #[expect(clippy::too_many_arguments, reason = "the facts of one decision, used once")]
    pub(crate) async fn consult(
        &self,
        active: &mut ActiveRuns,
        commit: &mut Commit,
        revision: &Revision,
        spec: &PipelineSpec,
        trigger: &TriggerSpec,
        event: &EventId,
        facts: &TriggerFacts,
    ) -> Result<(), ControlError> {
        let state = self.trigger_state(revision, &trigger.name).await?;
        if self.covered(active, revision, spec, trigger, commit.now).await? {
            let state = TriggerState { asked_at: Some(commit.now), ..state };
            return self.settle_outcome(active, commit, revision, spec, trigger, None, state, None).await;
        }
        let taken = self.taken(&revision.project, trigger).await?;
        let (state, outcome) = trigger::decide(trigger, &state, facts, event, taken, commit.now);
        self.settle_outcome(active, commit, revision, spec, trigger, Some(event.clone()), state, Some(outcome)).await
    }

    /// Returns whether a run that another monitor started deals with what this trigger is asked about.
    async fn covered(
        &self,
        active: &ActiveRuns,
        revision: &Revision,
        spec: &PipelineSpec,
        trigger: &TriggerSpec,
        now: Micros,
    ) -> Result<bool, ControlError> {
        if !matches!(trigger.source, TriggerSource::Monitor(_)) {
            return Ok(false);
        }
        let project = revision.project.clone();
        let states = self
            .inner
            .store
            .read(move |tx| {
                let project = project.clone();
                Box::pin(async move { tx.trigger_states(&project).await })
            })
            .await?;
        let states = states.into_iter().filter(|(pipeline, ..)| *pipeline == revision.name);
        let states: Vec<_> = states.map(|(_, name, state)| (name, state)).collect();
        // A run has its data from its beginning on: one that waits does for another with the same data alone.
        let mut waiting = None;
        if trigger.parameters.is_empty() && active.waiting_of(&revision.project, &revision.name).next().is_some() {
            let data = self.freeze(&revision.project, spec).await?;
            let monitored = |run: &&PipelineRun| {
                let by = |one: &&TriggerSpec| run.cause.trigger.as_ref() == Some(&one.name);
                spec.triggers
                    .iter()
                    .find(by)
                    .is_some_and(|one| matches!(one.source, TriggerSource::Monitor(_)) && one.parameters.is_empty())
            };
            let mut runs = active.waiting_of(&revision.project, &revision.name).filter(|run| run.datasets == data);
            waiting = runs.find(monitored).map(PipelineRun::display_name);
        }
        let covered = trigger::covered(&spec.triggers, trigger, &states, waiting.as_deref(), now);
        if let Some(reason) = &covered {
            tracing::info!("{}/{}: {reason}", revision.name, trigger.name);
        }
        Ok(covered.is_some())
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one decision, used twice")]
    pub(crate) async fn settle_outcome(
        &self,
        active: &mut ActiveRuns,
        commit: &mut Commit,
        revision: &Revision,
        spec: &PipelineSpec,
        trigger: &TriggerSpec,
        event: Option<EventId>,
        state: TriggerState,
        outcome: Option<Outcome>,
    ) -> Result<(), ControlError> {
        commit.project(&revision.project);
        commit.triggers.push((revision.project.clone(), revision.name.clone(), trigger.name.clone(), state));
        if let (Some(Outcome::Fire { parameters, text }), Some(event)) = (outcome, event) {
            let actor = Actor::system();
            let beginning =
                Beginning { revision, spec, event, trigger: Some(&trigger.name), actor: &actor, text, parameters };
            self.begin(commit, active, beginning).await?;
        }
        Ok(())
    }

    /// Adds the beginning of a run to the commit: the run, its steps, the ledger's row.
    async fn begin(
        &self,
        commit: &mut Commit,
        active: &mut ActiveRuns,
        beginning: Beginning<'_>,
    ) -> Result<(), ControlError> {
        let Beginning { revision, spec, event, trigger, actor, text, parameters } = beginning;
        let id = run_id(&revision.project, &revision.name, &event, trigger);
        let datasets = self.freeze(&revision.project, spec).await?;
        let (project, pipeline, wanted) = (revision.project.clone(), revision.name.clone(), id.clone());
        let (known, number) = self
            .inner
            .store
            .read(move |tx| {
                let (project, pipeline, id) = (project.clone(), pipeline.clone(), wanted.clone());
                Box::pin(async move {
                    let known = tx.pipeline_run_get(&id).await?.is_some();
                    Ok((known, tx.pipeline_run_next_number(&project, &pipeline).await?))
                })
            })
            .await?;
        if known {
            return Ok(());
        }
        // Another run of the same pipeline may begin in this very commit.
        let also =
            commit.runs.iter().filter(|run| run.pipeline == revision.name && run.project == revision.project).count();
        let number = number + u32::try_from(also).unwrap_or(0);
        let mut merged = spec.parameters.clone();
        merged.extend(parameters);
        let cause = Cause { trigger: trigger.cloned(), event, text };
        let state = pipeline::create(
            spec,
            revision.number,
            &revision.project,
            &revision.name,
            number,
            cause,
            merged,
            datasets,
            id,
            commit.now,
        );
        commit.project(&revision.project);
        let subject = format!("run {}", state.run.display_name());
        commit.ledger(&revision.project, actor, LedgerKind::RunBegan, subject, &state.run);
        commit.runs.push(state.run.clone());
        for (ordinal, step) in (0..).zip(&state.steps) {
            commit.new_steps.push((step.clone(), ordinal));
        }
        active.begun(Active { state, spec: spec.clone().into(), resolved: revision.resolved.clone().into() });
        Ok(())
    }

    /// Commits the beginnings collected, then lets the new runs move.
    pub(crate) async fn begin_all(&self, active: &mut ActiveRuns, commit: Commit) -> Result<(), ControlError> {
        let result = self.inner.commit(commit).await;
        active.begun_settled(result.is_ok());
        Ok(result?)
    }

    /// Freezes the newest accepted version of every dataset that the pipeline's steps read.
    async fn freeze(&self, project: &Name, spec: &PipelineSpec) -> Result<BTreeMap<Name, FrozenDataset>, ControlError> {
        let names: Vec<Name> = spec
            .steps
            .iter()
            .flat_map(|step| step.inputs.values())
            .filter_map(|input| match input {
                InputSource::Dataset(name) => Some(name.clone()),
                InputSource::Step { .. } => None,
            })
            .collect();
        let project = project.clone();
        Ok(self
            .inner
            .store
            .read(move |tx| {
                let (project, names) = (project.clone(), names.clone());
                Box::pin(async move {
                    let mut frozen = BTreeMap::new();
                    for name in names {
                        let accepted = Some(DatasetVersionState::Accepted);
                        if let Some(version) = tx.dataset_version_last(&project, &name, accepted).await? {
                            let DatasetVersion { number, digest, .. } = version;
                            frozen.insert(name, FrozenDataset { version: number, digest });
                        }
                    }
                    Ok(frozen)
                })
            })
            .await?)
    }

    /// Tells the trigger that started a run how it ended; opens its breaker where too many failed in a row.
    pub(crate) async fn trigger_ended(&self, commit: &mut Commit, run: &PipelineRun) -> Result<(), ControlError> {
        let succeeded = match run.state {
            PipelineRunState::Succeeded => true,
            PipelineRunState::Failed => false,
            PipelineRunState::Cancelled | PipelineRunState::Pending | PipelineRunState::Running => return Ok(()),
        };
        self.tell_trigger(commit, run, |trigger, state, now| trigger::ended(trigger, state, succeeded, now)).await
    }

    /// Tells the trigger that started a run whether one of its candidates took an alias; opens its breaker where too
    /// many runs in a row brought nothing better.
    pub(crate) async fn trigger_improved(
        &self,
        commit: &mut Commit,
        run: &PipelineRun,
        improved: bool,
    ) -> Result<(), ControlError> {
        self.tell_trigger(commit, run, |trigger, state, now| trigger::improved(trigger, state, improved, now)).await
    }

    async fn tell_trigger(
        &self,
        commit: &mut Commit,
        run: &PipelineRun,
        tell: impl Fn(&TriggerSpec, &TriggerState, Micros) -> (TriggerState, Option<String>) + Send,
    ) -> Result<(), ControlError> {
        let Some(name) = &run.cause.trigger else { return Ok(()) };
        let pipelines = self.pipelines(Some(&run.project)).await?;
        let found = pipelines.iter().find(|live| live.revision.name == run.pipeline);
        let Some(LivePipeline { revision, spec }) = found.map(|live| &**live) else {
            return Ok(());
        };
        let Some(trigger) = spec.triggers.iter().find(|trigger| trigger.name == *name) else { return Ok(()) };
        let state = self.trigger_state(revision, name).await?;
        let (state, opened) = tell(trigger, &state, commit.now);
        commit.project(&run.project);
        commit.triggers.push((run.project.clone(), run.pipeline.clone(), name.clone(), state));
        if let Some(reason) = opened {
            let subject = format!("trigger {}/{name}", run.pipeline);
            let body = serde_json::json!({"open": true, "reason": reason});
            commit.ledger(&run.project, &Actor::system(), LedgerKind::Breaker, subject, &body);
            let pipeline = &run.pipeline;
            self.inner.notice(format!("{pipeline}: {reason}; `windlass reset {pipeline} {name}` lets it go on"));
        }
        Ok(())
    }
}

/// What a trigger knows of a quiet moment.
fn idle_facts() -> TriggerFacts {
    TriggerFacts { text: "everything was idle".to_owned(), ..TriggerFacts::default() }
}

/// What a trigger knows of a dataset's new version.
fn dataset_facts(version: &DatasetVersion) -> TriggerFacts {
    let list = |what: &str, paths: &[String]| match paths {
        [] => None,
        [one] => Some(format!("{what} {one}")),
        [first, .., last] => Some(format!("{what} {} files, {first} to {last}", paths.len())),
    };
    let parts: Vec<String> = [("added", &version.added), ("changed", &version.changed), ("removed", &version.removed)]
        .into_iter()
        .filter_map(|(what, paths)| list(what, paths))
        .collect();
    let detail = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    TriggerFacts {
        text: format!("dataset {} version {}{detail}", version.dataset, version.number),
        version: Some(version.number),
        files: u32::try_from(version.files.len()).ok(),
        rows: version.rows,
        added: version.added.clone(),
        changed: version.changed.clone(),
        removed: version.removed.clone(),
        breach: None,
    }
}
