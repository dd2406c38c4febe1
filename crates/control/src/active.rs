//! Runs that may still move, in memory beside the store.
//!
//! The control loop is the only one that decides, so what it wrote last is what the store holds. After any failed
//! write the copy is thrown away and read again: memory is never ahead of the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use windlass_kinds::{
    AttemptId, Kind, Micros, Name, PipelineRunId, StepRunId,
    manifest::{PipelineSpec, Resolved, Spec},
    record::{PipelineRun, PipelineRunState, Revision, StepState},
};
use windlass_plan::pipeline::RunState;
use windlass_store::{Store, StoreError};

use crate::idle::{Activity, RunScene, run_scene};

/// One run with the revision it runs at.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    pub(crate) state: RunState,
    pub(crate) spec: Arc<PipelineSpec>,
    pub(crate) resolved: Arc<Resolved>,
}

impl Active {
    fn is_in(&self, project: &Name, environment: &Name) -> bool {
        self.state.run.project == *project && self.spec.environment == *environment
    }
}

/// All runs that are not final, and when to look at them again.
#[derive(Debug, Default)]
pub(crate) struct ActiveRuns {
    runs: BTreeMap<PipelineRunId, Active>,
    /// Runs that begin with the commit being written.
    beginning: Vec<Active>,
    /// When each run asked to be looked at again.
    pub(crate) wakes: BTreeMap<PipelineRunId, Micros>,
    /// When the next trigger is due, as of when they were last asked.
    pub(crate) next_due: Option<Micros>,
    /// Runs for which something may have changed since they were looked at.
    unsettled: BTreeSet<PipelineRunId>,
}

impl ActiveRuns {
    /// Reads all runs that are not final.
    pub(crate) async fn load(store: &Store) -> Result<Self, StoreError> {
        let runs = store.read(|tx| Box::pin(async move { tx.pipeline_runs_active().await })).await?;
        let mut active = Self::default();
        for run in runs {
            let id = run.id.clone();
            active.runs.insert(id, load_run(store, run).await?);
        }
        active.unsettle_all();
        Ok(active)
    }

    /// Returns the runs of a pipeline that have not begun.
    pub(crate) fn waiting_of(&self, project: &Name, pipeline: &Name) -> impl Iterator<Item = &PipelineRun> {
        let runs = self.runs.values().chain(&self.beginning).map(|active| &active.state.run);
        let waiting = runs.filter(|run| run.state == PipelineRunState::Pending);
        waiting.filter(move |run| run.project == *project && run.pipeline == *pipeline)
    }

    /// Takes a run out to decide over it; a final one (to be retried) is read from the store.
    pub(crate) async fn take(&mut self, store: &Store, id: &PipelineRunId) -> Result<Option<Active>, StoreError> {
        if let Some(active) = self.runs.remove(id) {
            return Ok(Some(active));
        }
        let wanted = id.clone();
        let run = store
            .read(move |tx| {
                let id = wanted.clone();
                Box::pin(async move { tx.pipeline_run_get(&id).await })
            })
            .await?;
        match run {
            None => Ok(None),
            Some(run) => load_run(store, run).await.map(Some),
        }
    }

    /// Puts a run back after its decision was written; a final one is let go.
    pub(crate) fn put(&mut self, active: Active) {
        let id = active.state.run.id.clone();
        if active.state.run.state.is_final() {
            self.wakes.remove(&id);
        } else {
            self.runs.insert(id, active);
        }
    }

    /// Notes a run that begins with the commit being put together.
    pub(crate) fn begun(&mut self, active: Active) {
        self.beginning.push(active);
    }

    /// Takes over the noted runs where their commit was written, else forgets them.
    pub(crate) fn begun_settled(&mut self, written: bool) {
        for active in std::mem::take(&mut self.beginning) {
            if written {
                self.unsettled.insert(active.state.run.id.clone());
                self.put(active);
            }
        }
    }

    /// Takes note that a run was moved and put back. `changed` says that others may now have a place or a turn,
    /// `looked` that it went as far as it can itself.
    pub(crate) fn moved(&mut self, id: &PipelineRunId, changed: bool, looked: bool) {
        if changed {
            self.unsettle_all();
        }
        if looked || !self.runs.contains_key(id) {
            self.unsettled.remove(id);
        } else {
            self.unsettled.insert(id.clone());
        }
    }

    /// Lets all runs be looked at again.
    pub(crate) fn unsettle_all(&mut self) {
        self.unsettled.extend(self.runs.keys().cloned());
    }

    /// Returns whether a run is still to be looked at.
    pub(crate) fn is_unsettled(&self) -> bool {
        !self.unsettled.is_empty()
    }

    /// Returns the runs to look at, oldest first: those for which something may have changed, or whose time has come.
    pub(crate) fn due(&self, now: Micros) -> Vec<PipelineRunId> {
        let is_due =
            |id: &PipelineRunId| self.unsettled.contains(id) || self.wakes.get(id).is_some_and(|at| *at <= now);
        self.ids().into_iter().filter(is_due).collect()
    }

    /// Returns whether a run that goes before `run` has a step that waits for a free place.
    pub(crate) fn an_earlier_run_waits(&self, run: &PipelineRun) -> bool {
        self.runs.values().any(|other| {
            let earlier = (other.state.run.created_at, other.state.run.number) <= (run.created_at, run.number);
            earlier && other.state.steps.iter().any(|step| step.state == StepState::Ready)
        })
    }

    /// Returns the run that an attempt belongs to, and its project, where the attempt is running.
    pub(crate) fn run_of_attempt(&self, attempt: &AttemptId) -> Option<(PipelineRunId, Name)> {
        let active = self.runs.values().find(|active| active.state.attempts.contains_key(attempt))?;
        Some((active.state.run.id.clone(), active.state.run.project.clone()))
    }

    /// Returns the run that a step run belongs to, where that is not final.
    pub(crate) fn run_of_step(&self, step_run: &StepRunId) -> Option<PipelineRunId> {
        let holds = |active: &&Active| active.state.steps.iter().any(|step| step.id == *step_run);
        self.runs.values().find(holds).map(|active| active.state.run.id.clone())
    }

    /// Returns the runs' ids, oldest first.
    pub(crate) fn ids(&self) -> Vec<PipelineRunId> {
        let mut runs: Vec<_> = self.runs.values().map(|active| &active.state.run).collect();
        runs.sort_by_key(|run| (run.created_at, run.number));
        runs.into_iter().map(|run| run.id.clone()).collect()
    }

    /// Returns how many runs of the same pipeline go before `run`: those that were created earlier and are not final,
    /// and later ones that began already, where `run` is an old one that is retried.
    pub(crate) fn before(&self, run: &PipelineRun) -> u32 {
        let first = self.runs.values().filter(|other| {
            let other = &other.state.run;
            let comes_first =
                other.number < run.number || other.number != run.number && other.state == PipelineRunState::Running;
            other.project == run.project && other.pipeline == run.pipeline && comes_first
        });
        u32::try_from(first.count()).unwrap_or(u32::MAX)
    }

    /// Returns how many attempts are running.
    pub(crate) fn running_attempts(&self) -> usize {
        self.runs.values().map(|active| running_steps(&active.state)).sum()
    }

    /// Returns how many attempts are running in one environment of a project.
    pub(crate) fn running_in(&self, project: &Name, environment: &Name) -> usize {
        let there = self.runs.values().filter(|active| active.is_in(project, environment));
        there.map(|active| running_steps(&active.state)).sum()
    }

    /// Returns the attempts that go on though somebody cancelled their run.
    pub(crate) fn ending_attempts(&self) -> Vec<AttemptId> {
        let ending = self.runs.values().filter(|active| active.state.run.cancelled_by.is_some());
        ending.flat_map(|active| active.state.attempts.keys().cloned()).collect()
    }

    /// Returns how each run stands, oldest first.
    pub(crate) fn scenes(&self) -> Vec<RunScene> {
        self.ids()
            .iter()
            .filter_map(|id| self.runs.get(id))
            .map(|active| run_scene(&active.state.run, self.activity(active)))
            .collect()
    }

    fn activity(&self, active: &Active) -> Activity {
        let run = &active.state.run;
        if run.state == PipelineRunState::Pending {
            let behind = self.runs.values().any(|other| {
                let other_run = &other.state.run;
                other_run.pipeline == run.pipeline && other_run.project == run.project && awaits_idle(other)
            });
            return if behind { Activity::Behind } else { Activity::Moving };
        }
        if awaits_idle(active) { Activity::AwaitsIdle } else { Activity::Moving }
    }
}

/// Returns how many steps of a run have an attempt going on.
pub(crate) fn running_steps(state: &RunState) -> usize {
    state.steps.iter().filter(|step| step.state == StepState::Running).count()
}

/// Returns whether all a running run waits for is idle: nothing moves, and a step that waits for idle has all it needs.
fn awaits_idle(active: &Active) -> bool {
    let steps = &active.state.steps;
    let moving =
        steps.iter().any(|step| matches!(step.state, StepState::Preparing | StepState::Ready | StepState::Running));
    if moving || active.state.run.state != PipelineRunState::Running {
        return false;
    }
    steps.iter().any(|step| {
        step.state == StepState::Waiting
            && active.spec.steps.iter().any(|spec| {
                spec.name == step.step
                    && spec.wait_idle
                    && windlass_plan::pipeline::predecessors(spec).iter().all(|name| {
                        steps.iter().filter(|other| other.step == *name).all(|other| other.state.is_final())
                    })
            })
    })
}

/// Reads what a run needs to be decided over.
async fn load_run(store: &Store, run: PipelineRun) -> Result<Active, StoreError> {
    let wanted = run.clone();
    let (revision, steps, attempts) = store
        .read(move |tx| {
            let run = wanted.clone();
            Box::pin(async move {
                let revision = tx.revision_get(&run.project, Kind::Pipeline, &run.pipeline, run.revision).await?;
                let steps = tx.step_runs(&run.id).await?;
                let mut attempts = BTreeMap::new();
                for step in &steps {
                    if let (StepState::Running, Some(id)) = (step.state, &step.attempt)
                        && let Some(attempt) = tx.attempt_get(id).await?
                    {
                        attempts.insert(id.clone(), attempt);
                    }
                }
                Ok((revision, steps, attempts))
            })
        })
        .await?;
    let (spec, resolved) = pipeline_of(revision, &run)?;
    Ok(Active { state: RunState { run, steps, attempts }, spec: Arc::new(spec), resolved: Arc::new(resolved) })
}

/// Returns the pipeline a revision holds.
pub(crate) fn pipeline_of(
    revision: Option<Revision>,
    run: &PipelineRun,
) -> Result<(PipelineSpec, Resolved), StoreError> {
    let what = || StoreError::Corrupt { what: format!("revision {} of Pipeline/{}", run.revision, run.pipeline) };
    let revision = revision.ok_or_else(what)?;
    match revision.manifest.spec {
        Spec::Pipeline(spec) => Ok((spec, revision.resolved)),
        _ => Err(what()),
    }
}
