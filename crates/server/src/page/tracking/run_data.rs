//! What is known of one tracking run: read at once.

use windlass_kinds::{
    RunId,
    record::{Artifact, Attempt, LoggedModel, ModelVersion, PipelineRun, Run, RunData, StepRun},
};
use windlass_store::{StoreError, Tx};

use super::curves::{Curves, Wanted};

/// How many runs below a run are listed.
const CHILDREN: u32 = 200;
/// How many models that a run made or used are looked up; of more, the ids are shown.
const MODELS: usize = 50;

/// The tag by which a client names the run above a run.
const PARENT: &str = "mlflow.parentRunId";

/// What is known of a run.
pub(super) struct Known {
    pub(super) run: Run,
    pub(super) experiment: String,
    pub(super) data: RunData,
    pub(super) curves: Curves,
    /// Its own files.
    pub(super) artifacts: Vec<Artifact>,
    /// The models that it made, each with its files.
    pub(super) made: Vec<(LoggedModel, Vec<Artifact>)>,
    /// The models that it used.
    pub(super) used: Vec<LoggedModel>,
    pub(super) step: Option<(PipelineRun, StepRun, Attempt)>,
    pub(super) versions: Vec<ModelVersion>,
    /// The run above it.
    pub(super) parent: Option<Run>,
    /// The runs below it, oldest first.
    pub(super) children: Vec<Run>,
}

/// Reads all of it.
pub(super) async fn read(tx: &mut Tx, run: Run, wanted: &Wanted) -> Result<Known, StoreError> {
    let project = run.project.clone();
    let experiment = tx.experiment_get(&project, &run.experiment).await?;
    let data = tx.run_data(&run.id).await?;
    let curves = Curves::read(tx, &run, &data.metrics, wanted).await?;
    let artifacts = tx.artifact_list(&project, &crate::mlflow::run_root(&run.experiment, &run.id)).await?;
    let mut made = Vec::new();
    for (id, _) in data.model_outputs.iter().take(MODELS) {
        if let Some(model) = tx.logged_model_get(&project, id).await? {
            let files = tx.artifact_list(&project, &crate::mlflow::model_root(&model.experiment, &model.id)).await?;
            made.push((model, files));
        }
    }
    let mut used = Vec::new();
    for id in data.model_inputs.iter().take(MODELS) {
        used.extend(tx.logged_model_get(&project, id).await?);
    }
    let mut step = None;
    if let Some(attempt) = tx.attempt_of_tracking_run(&run.id).await?
        && let Some(step_run) = tx.step_run_get(&attempt.step_run).await?
        && let Some(pipeline_run) = tx.pipeline_run_get(&attempt.run).await?
    {
        step = Some((pipeline_run, step_run, attempt));
    }
    let parent = match data.tags.iter().find(|(key, _)| key == PARENT) {
        Some((_, id)) => tx.run_get(&RunId::new(id.clone())).await?.filter(|parent| parent.project == project),
        None => None,
    };
    Ok(Known {
        experiment: experiment.map_or_else(|| run.experiment.to_string(), |experiment| experiment.name),
        versions: tx.model_versions_made_by(&project, &run.id).await?,
        children: tx.run_children(&project, &run.id, CHILDREN).await?,
        run,
        data,
        curves,
        artifacts,
        made,
        used,
        step,
        parent,
    })
}
