//! One decision, complete, and how it is written: state, ledger and outbox in one transaction.
//!
//! A [`Commit`] leaves nothing to choose. Writing it twice (a retried transaction) has the effect of once: rows are
//! upserts under derived ids, and the event it answers is marked done in the same transaction.

use std::collections::BTreeMap;

use serde_json::Value;
use windlass_kinds::{
    Digest, EventId, ExperimentId, Micros, Name, StepRunId,
    record::{
        Action, Actor, Artifact, Attempt, AttemptState, CacheEntry, EndpointRevision, Event, LedgerKind, ModelVersion,
        Observation, PipelineRun, Run, RunStatus, StepRun, TriggerState, Verdict,
    },
};
use windlass_store::{StoreError, Tx};

use crate::jobs::Scene;

/// Everything one decision writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Commit {
    /// When it was decided.
    pub(crate) now: Micros,
    /// The event it answers.
    pub(crate) event: Option<Answered>,
    /// Projects whose state it changes, locked first.
    pub(crate) projects: Vec<Name>,
    /// New and changed runs.
    pub(crate) runs: Vec<PipelineRun>,
    /// New step runs with their place in the run.
    pub(crate) new_steps: Vec<(StepRun, u32)>,
    /// Changed step runs.
    pub(crate) steps: Vec<StepRun>,
    /// Changed attempts.
    pub(crate) attempts: Vec<Attempt>,
    /// Tracking runs of new attempts: experiment, name, tags.
    pub(crate) tracking: Vec<NewTracking>,
    /// Results to remember.
    pub(crate) cache: Vec<(Name, Digest, CacheEntry)>,
    /// Outgoing actions.
    pub(crate) actions: Vec<Action>,
    /// Events that follow.
    pub(crate) events: Vec<Event>,
    /// Trigger states: project, pipeline, trigger.
    pub(crate) triggers: Vec<(Name, Name, Name, TriggerState)>,
    /// Ledger rows.
    pub(crate) ledger: Vec<LedgerDraft>,
    /// Content that something holds.
    pub(crate) references: Vec<(Name, String, Vec<Digest>)>,
    /// Steps whose registered versions become final.
    pub(crate) committed: Vec<StepRunId>,
    /// Steps whose provisional versions go away.
    pub(crate) abandoned: Vec<StepRunId>,
    /// Versions that a declared output registers, where the client did not: with the artifacts behind them.
    pub(crate) versions: Vec<DeclaredVersion>,
    /// New and changed revisions of endpoints.
    pub(crate) endpoints: Vec<EndpointRevision>,
    /// Verdicts over candidates.
    pub(crate) verdicts: Vec<Verdict>,
    /// Aliases that move because of them.
    pub(crate) promotions: Vec<Promotion>,
    /// What monitors saw.
    pub(crate) observations: Vec<Observation>,
    /// The counter of quiet periods goes up.
    pub(crate) next_epoch: bool,
    /// What actions are about, by their keys, with the attempt that one begins. Not written: it goes to whoever carries
    /// them out.
    pub(crate) scenes: Vec<(String, Scene, Option<Attempt>)>,
}

/// The event that a decision answers.
#[derive(Debug, Clone)]
pub(crate) enum Answered {
    /// One that waits in the inbox.
    Kept(EventId),
    /// One that came at first hand: it goes into the inbox together with its answer. It may be there already.
    AtHand(Box<Event>),
}

impl From<EventId> for Answered {
    fn from(id: EventId) -> Self {
        Self::Kept(id)
    }
}

/// An alias that moves to a version, if it points where it did when that was decided.
#[derive(Debug, Clone)]
pub(crate) struct Promotion {
    pub(crate) version: ModelVersion,
    pub(crate) alias: String,
    /// The version it pointed at.
    pub(crate) expected: Option<u32>,
}

/// A tracking run to create for an attempt.
#[derive(Debug, Clone)]
pub(crate) struct NewTracking {
    pub(crate) project: Name,
    pub(crate) experiment: String,
    pub(crate) attempt: Attempt,
    pub(crate) name: String,
    pub(crate) tags: Vec<(String, String)>,
}

/// A version that a declared output registers.
#[derive(Debug, Clone)]
pub(crate) struct DeclaredVersion {
    pub(crate) version: ModelVersion,
    pub(crate) experiment: String,
    /// Paths relative to the run's artifact root.
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) references: Vec<Digest>,
}

/// A ledger row to append.
#[derive(Debug, Clone)]
pub(crate) struct LedgerDraft {
    pub(crate) project: Name,
    pub(crate) actor: Actor,
    pub(crate) kind: LedgerKind,
    pub(crate) subject: String,
    pub(crate) body: Value,
}

/// Name of the counter of quiet periods.
pub(crate) const IDLE_COUNTER: &str = "idle-epoch";

impl Commit {
    /// Writes everything; returns the experiments of the new tracking runs, in their order.
    pub(crate) async fn write(&self, tx: &mut Tx) -> Result<Vec<ExperimentId>, StoreError> {
        // No `..`: a new part must be written here or this stops compiling.
        let Self {
            now,
            event,
            projects,
            runs,
            new_steps,
            steps,
            attempts,
            tracking,
            cache,
            actions,
            events,
            triggers,
            ledger,
            references,
            committed,
            abandoned,
            versions,
            endpoints,
            verdicts,
            promotions,
            observations,
            next_epoch,
            scenes: _,
        } = self;
        for project in projects {
            tx.lock_project(project).await?;
        }
        match event {
            None => {}
            Some(Answered::Kept(event)) => tx.inbox_done(event).await?,
            Some(Answered::AtHand(event)) => {
                tx.inbox_push(event).await?;
                tx.inbox_done(&event.id).await?;
            }
        }
        for run in runs {
            tx.pipeline_run_save(run).await?;
        }
        for (step, ordinal) in new_steps {
            tx.step_run_insert(step, *ordinal).await?;
        }
        for step in steps {
            tx.step_run_update(step).await?;
        }
        for attempt in attempts {
            tx.attempt_save(attempt).await?;
        }
        let mut experiments = Vec::with_capacity(tracking.len());
        for new in tracking {
            experiments.push(write_tracking(tx, new, *now).await?);
        }
        for version in versions {
            write_declared(tx, version, *now).await?;
        }
        for step in committed {
            tx.model_versions_commit(step, *now).await?;
        }
        for step in abandoned {
            tx.model_versions_abandon(step).await?;
        }
        for attempt in attempts {
            if let Some(status) = tracking_status(attempt.state) {
                tx.run_finish(&attempt.tracking_run, status, now.millis()).await?;
            }
        }
        for (project, key, entry) in cache {
            tx.cache_put(project, key, entry).await?;
        }
        for (project, pipeline, trigger, state) in triggers {
            tx.trigger_state_save(project, pipeline, trigger, state).await?;
        }
        for action in actions {
            tx.outbox_push(action).await?;
        }
        for event in events {
            tx.inbox_push(event).await?;
        }
        for (project, holder, digests) in references {
            tx.content_refs_add(project, holder, digests).await?;
        }
        for revision in endpoints {
            crate::endpoints::write_revision(tx, revision).await?;
        }
        crate::judging::write(tx, verdicts, promotions, *now).await?;
        for observation in observations {
            tx.observation_insert(observation).await?;
        }
        for draft in ledger {
            tx.ledger_append(&draft.project, &draft.actor, draft.kind, &draft.subject, &draft.body, *now).await?;
        }
        if *next_epoch {
            tx.counter_next(IDLE_COUNTER).await?;
        }
        Ok(experiments)
    }
}

/// Returns how the tracking run of an ended attempt ends.
fn tracking_status(state: AttemptState) -> Option<RunStatus> {
    match state {
        AttemptState::Running => None,
        AttemptState::Succeeded => Some(RunStatus::Finished),
        AttemptState::Failed | AttemptState::Lost => Some(RunStatus::Failed),
        AttemptState::Interrupted | AttemptState::Cancelled => Some(RunStatus::Killed),
    }
}

async fn write_tracking(tx: &mut Tx, new: &NewTracking, now: Micros) -> Result<ExperimentId, StoreError> {
    let experiment = tx.experiment_ensure(&new.project, &new.experiment, now.millis()).await?;
    let run = Run {
        id: new.attempt.tracking_run.clone(),
        experiment: experiment.clone(),
        project: new.project.clone(),
        name: new.name.clone(),
        user: "windlass".to_owned(),
        status: RunStatus::Running,
        start_ms: now.millis(),
        end_ms: None,
        deleted: false,
        attempt: Some(new.attempt.id.clone()),
    };
    tx.run_create(&run, &new.tags).await?;
    Ok(experiment)
}

async fn write_declared(tx: &mut Tx, declared: &DeclaredVersion, now: Micros) -> Result<(), StoreError> {
    let DeclaredVersion { version, experiment, artifacts, references } = declared;
    let experiment = tx.experiment_ensure(&version.project, experiment, now.millis()).await?;
    let run = version.run.as_ref().map_or("", |run| run.as_str());
    for artifact in artifacts {
        let path = format!("{experiment}/{run}/artifacts/{}", artifact.path);
        tx.artifact_put(&Artifact { path, ..artifact.clone() }, &version.project).await?;
    }
    let source = version.source.replace("{experiment}", experiment.as_str());
    let version = ModelVersion { source, ..version.clone() };
    let number = tx.model_version_register(&version).await?;
    tx.content_refs_add(&version.project, &format!("model/{}/{number}", version.model), references).await
}

/// Groups rows that many parts of a decision add to.
impl Commit {
    /// Starts a decision at `now`.
    pub(crate) fn at(now: Micros) -> Self {
        Self { now, ..Self::default() }
    }

    /// Notes a project to lock, once.
    pub(crate) fn project(&mut self, project: &Name) {
        if !self.projects.contains(project) {
            self.projects.push(project.clone());
            self.projects.sort();
        }
    }

    /// Adds a ledger row.
    pub(crate) fn ledger(
        &mut self,
        project: &Name,
        actor: &Actor,
        kind: LedgerKind,
        subject: String,
        body: &impl serde::Serialize,
    ) {
        let body = serde_json::to_value(body).expect("records serialize to JSON");
        self.ledger.push(LedgerDraft { project: project.clone(), actor: actor.clone(), kind, subject, body });
    }

    /// Returns the digests of outputs, for references.
    pub(crate) fn output_digests(outputs: &BTreeMap<Name, windlass_kinds::record::Output>) -> Vec<Digest> {
        outputs.values().map(|output| output.tree.clone()).collect()
    }
}
