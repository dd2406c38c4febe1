//! Puts the complete description of an attempt together from the records: nothing is left for the place to look up.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use windlass_kinds::{
    AttemptId, ExperimentId, Kind, Name, StepRunId,
    manifest::{InputSource, PipelineSpec, PythonSpec, Resolved, Spec, StepSpec},
    record::{Attempt, AttemptState, Event, FrozenDataset, PipelineRun, Revision, StepRun},
};
use windlass_plan::pipeline;

use crate::{
    Control, ControlError, Job, JobInput, JobItem, PrepareRequest, TrackingContext,
    active::{Active, pipeline_of},
    core::end_identity,
};

/// Everything about a step run that a job is made of.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    run: PipelineRun,
    step_run: StepRun,
    /// Step runs of the run, where the step reads outputs of others: at least all of those.
    steps: Vec<StepRun>,
    spec: Arc<PipelineSpec>,
    resolved: Arc<Resolved>,
}

/// What the control loop knew when it decided an action, so that nothing is read to carry it out.
#[derive(Debug, Clone)]
pub(crate) struct Fresh {
    pub(crate) scene: Scene,
    /// The attempt that begins, where one does.
    pub(crate) begins: Option<Begins>,
}

/// An attempt that begins.
#[derive(Debug, Clone)]
pub(crate) struct Begins {
    pub(crate) attempt: Attempt,
    /// The experiment of its tracking run.
    pub(crate) experiment: ExperimentId,
}

impl Scene {
    /// Returns the scene of a step run out of its run as it was just decided.
    pub(crate) fn of(active: &Active, step_run: &StepRun) -> Self {
        let Active { state, spec, resolved } = active;
        let read: Vec<&Name> = spec
            .steps
            .iter()
            .filter(|step| step.name == step_run.step)
            .flat_map(|step| step.inputs.values())
            .filter_map(|source| match source {
                InputSource::Step { step, output: _ } => Some(step),
                InputSource::Dataset(_) => None,
            })
            .collect();
        // An item reads the same item, anything else all of them.
        let is_read = |other: &StepRun| match (&step_run.item, &other.item) {
            (Some(own), Some(item)) => own.index == item.index,
            (None, _) | (_, None) => true,
        };
        Self {
            run: state.run.clone(),
            step_run: step_run.clone(),
            steps: state.steps.iter().filter(|other| read.contains(&&other.step) && is_read(other)).cloned().collect(),
            spec: spec.clone(),
            resolved: resolved.clone(),
        }
    }

    /// Returns what to resolve; `None` where the step has no Python environment.
    pub(crate) fn prepare_request(&self) -> Result<Option<PrepareRequest>, ControlError> {
        let python = self.step()?.settings.python.clone();
        Ok(python.map(|python| request(python, &self.resolved)))
    }

    fn step(&self) -> Result<&StepSpec, ControlError> {
        let wanted = &self.step_run.step;
        self.spec.steps.iter().find(|step| step.name == *wanted).ok_or_else(|| ControlError::NotFound {
            what: format!("step {wanted} in revision {} of Pipeline/{}", self.run.revision, self.run.pipeline),
            near: Vec::new(),
        })
    }
}

impl Control {
    async fn scene(&self, step_run: &StepRunId) -> Result<Option<Scene>, ControlError> {
        let wanted = step_run.clone();
        let read = self
            .inner
            .store
            .read(move |tx| {
                let id = wanted.clone();
                Box::pin(async move {
                    let Some(step_run) = tx.step_run_get(&id).await? else { return Ok(None) };
                    let run = tx.pipeline_run_get(&step_run.run).await?;
                    Ok(run.map(|run| (step_run, run)))
                })
            })
            .await?;
        let Some((step_run, run)) = read else { return Ok(None) };
        let (spec, resolved) = self.pipeline_at(&run).await?;
        let mut scene = Scene { run, step_run, steps: Vec::new(), spec, resolved };
        // A run may have thousands of step runs: they are read only for a step that needs some.
        if scene.step()?.inputs.values().any(|input| matches!(input, InputSource::Step { .. })) {
            scene.steps = self.steps_of(&scene.run).await?;
        }
        Ok(Some(scene))
    }

    /// Returns the pipeline at the revision a run runs at.
    async fn pipeline_at(&self, run: &PipelineRun) -> Result<(Arc<PipelineSpec>, Arc<Resolved>), ControlError> {
        let wanted = run.clone();
        let revision = self
            .inner
            .store
            .read(move |tx| {
                let run = wanted.clone();
                Box::pin(
                    async move { tx.revision_get(&run.project, Kind::Pipeline, &run.pipeline, run.revision).await },
                )
            })
            .await?;
        let (spec, resolved) = pipeline_of(revision, run)?;
        Ok((Arc::new(spec), Arc::new(resolved)))
    }

    /// Returns what to resolve for a step run; `None` where it is gone or has no Python environment.
    pub(crate) async fn prepare_request(&self, step_run: &StepRunId) -> Result<Option<PrepareRequest>, ControlError> {
        let Some(scene) = self.scene(step_run).await? else { return Ok(None) };
        scene.prepare_request()
    }

    /// Returns the job of an attempt; `None` where the attempt is gone or over, or its end is in the inbox.
    pub(crate) async fn job(&self, attempt: &AttemptId) -> Result<Option<Job>, ControlError> {
        let wanted = attempt.clone();
        let read = self
            .inner
            .store
            .read(move |tx| {
                let id = wanted.clone();
                Box::pin(async move {
                    let Some(attempt) = tx.attempt_get(&id).await? else { return Ok(None) };
                    let end = Event::id_of(&attempt.project, &end_identity(&id));
                    if tx.inbox_get(&end).await?.is_some() {
                        return Ok(None);
                    }
                    let tracking = tx.run_get(&attempt.tracking_run).await?;
                    Ok(Some((attempt, tracking)))
                })
            })
            .await?;
        let Some((attempt, Some(tracking))) = read else { return Ok(None) };
        if attempt.state != AttemptState::Running {
            return Ok(None);
        }
        let Some(scene) = self.scene(&attempt.step_run).await? else { return Ok(None) };
        self.put_together(&attempt, tracking.experiment, &scene).await.map(Some)
    }

    /// Returns the job of an attempt that was just decided to begin.
    pub(crate) async fn fresh_job(&self, scene: &Scene, begins: Begins) -> Result<Job, ControlError> {
        let Begins { attempt, experiment } = begins;
        self.put_together(&attempt, experiment, scene).await
    }

    async fn put_together(
        &self,
        attempt: &Attempt,
        experiment: ExperimentId,
        scene: &Scene,
    ) -> Result<Job, ControlError> {
        let step = scene.step()?;
        let mut inputs = BTreeMap::new();
        for (name, source) in &step.inputs {
            inputs.insert(name.clone(), self.job_input(scene, step, source).await?);
        }
        let mut writes = BTreeMap::new();
        for name in &step.writes {
            writes.insert(name.clone(), self.dataset_folder(&scene.run.project, name).await?);
        }
        let python = match (&step.settings.python, &scene.step_run.environment) {
            (Some(python), Some(lock)) => Some((request(python.clone(), &scene.resolved), lock.clone())),
            (Some(_), None) | (None, _) => None,
        };
        Ok(Job {
            attempt: attempt.id.clone(),
            step_run: attempt.step_run.to_string(),
            project: attempt.project.clone(),
            title: format!("{}/{}", scene.run.display_name(), scene.step_run.display_name()),
            command: step.command.clone(),
            python,
            env: step.settings.env.clone(),
            code: scene.resolved.code.clone(),
            inputs,
            outputs: step.outputs.clone(),
            writes,
            parameters: pipeline::step_parameters(&scene.run, step, scene.step_run.item.as_ref()),
            timeout: step.settings.timeout.map(|span| span.0),
            resources: step.settings.resources.unwrap_or_default(),
            tracking: TrackingContext {
                uri: self.inner.settings.tracking_uri.clone(),
                token: attempt_token(&self.inner.settings.attempt_secret, &attempt.id),
                run: attempt.tracking_run.clone(),
                experiment,
            },
        })
    }

    async fn job_input(&self, scene: &Scene, step: &StepSpec, source: &InputSource) -> Result<JobInput, ControlError> {
        match source {
            InputSource::Dataset(name) => {
                let gone =
                    || ControlError::NotFound { what: format!("accepted version of Dataset/{name}"), near: Vec::new() };
                let FrozenDataset { version, digest: _ } = scene.run.datasets.get(name).ok_or_else(gone)?;
                let (project, dataset, version) = (scene.run.project.clone(), name.clone(), *version);
                let found = self
                    .inner
                    .store
                    .read(move |tx| {
                        let (project, dataset) = (project.clone(), dataset.clone());
                        Box::pin(async move { tx.dataset_version_get(&project, &dataset, version).await })
                    })
                    .await?
                    .ok_or_else(gone)?;
                Ok(JobInput::Dataset { base: self.dataset_folder(&scene.run.project, name).await?, files: found.files })
            }
            InputSource::Step { step: from, output } => {
                let sources: Vec<&StepRun> = scene.steps.iter().filter(|other| other.step == *from).collect();
                let fans_in = step.foreach.is_none() && sources.iter().any(|source| source.item.is_some());
                let missing = || ControlError::NotFound { what: format!("output {from}/{output}"), near: Vec::new() };
                if !fans_in {
                    let item = scene.step_run.item.as_ref().map(|item| item.index);
                    let source = sources
                        .iter()
                        .find(|source| source.item.is_none() || source.item.as_ref().map(|item| item.index) == item)
                        .ok_or_else(missing)?;
                    let kept = source.outputs.get(output).ok_or_else(missing)?;
                    return Ok(JobInput::Output { tree: kept.tree.clone(), single_file: kept.single_file });
                }
                let mut items = Vec::new();
                for source in sources {
                    let (Some(item), Some(kept)) = (&source.item, source.outputs.get(output)) else {
                        return Err(missing());
                    };
                    items.push(JobItem {
                        dir: format!("{}-{}", item.index, safe_label(&item.label)),
                        value: item.value.clone(),
                        tree: kept.tree.clone(),
                        single_file: kept.single_file,
                    });
                }
                Ok(JobInput::Items(items))
            }
        }
    }

    /// Returns the folder of a live dataset.
    pub(crate) async fn dataset_folder(&self, project: &Name, name: &Name) -> Result<PathBuf, ControlError> {
        let (project, wanted) = (project.clone(), name.clone());
        let revision = self
            .inner
            .store
            .read(move |tx| {
                let (project, name) = (project.clone(), wanted.clone());
                Box::pin(async move { tx.revision_current(&project, Kind::Dataset, &name).await })
            })
            .await?;
        revision
            .filter(|revision| !revision.deleted)
            .and_then(|revision| folder_of(&revision))
            .ok_or_else(|| ControlError::NotFound { what: format!("Dataset/{name}"), near: Vec::new() })
    }
}

/// Returns the absolute folder that a dataset's revision names.
pub(crate) fn folder_of(revision: &Revision) -> Option<PathBuf> {
    match &revision.manifest.spec {
        Spec::Dataset(spec) => {
            let path = spec.uri.strip_prefix("file://").unwrap_or(&spec.uri);
            Some(PathBuf::from(&revision.resolved.base).join(path))
        }
        _ => None,
    }
}

fn request(python: PythonSpec, resolved: &Resolved) -> PrepareRequest {
    let origin = python.requirements.clone().unwrap_or_else(|| "packages".to_owned());
    let requirements = python.requirements.as_ref().and_then(|path| resolved.requirements.get(path)).cloned();
    PrepareRequest { python, requirements, origin }
}

/// Returns a label as a file name: letters, digits, dot, underscore and hyphen; anything else becomes a hyphen.
fn safe_label(label: &str) -> String {
    label
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .take(80)
        .collect()
}

/// Returns the token of an attempt: it names the attempt and proves it, without being stored anywhere.
pub fn attempt_token(secret: &[u8; 32], attempt: &AttemptId) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any key length is fine for HMAC");
    mac.update(attempt.as_str().as_bytes());
    format!("wla_{attempt}_{}", hex::encode(mac.finalize().into_bytes()))
}

/// Returns the attempt that a token names, where its proof is right. Compares in constant time. Whether the attempt
/// is still running is the caller's to check.
pub fn attempt_of_token(secret: &[u8; 32], token: &str) -> Option<AttemptId> {
    let (attempt, proof) = token.strip_prefix("wla_")?.split_once('_')?;
    let proof = hex::decode(proof).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any key length is fine for HMAC");
    mac.update(attempt.as_bytes());
    mac.verify_slice(&proof).ok()?;
    Some(AttemptId::new(attempt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempt_tokens_prove_their_attempt() {
        let attempt = AttemptId::derived(&["a"]);
        let token = attempt_token(&[7; 32], &attempt);
        assert_eq!(attempt_of_token(&[7; 32], &token), Some(attempt));
        assert_eq!(attempt_of_token(&[8; 32], &token), None);
        for bad in ["", "wla_", "wla_x", "wla_x_", "wla_x_zz", &token[..token.len() - 2]] {
            assert_eq!(attempt_of_token(&[7; 32], bad), None, "{bad}");
        }
    }

    #[test]
    fn labels_become_file_names() {
        assert_eq!(safe_label("last 3/../months"), "last-3-..-months");
    }
}
