//! What goes out: the shapes of MLflow's responses. Fields that are unset or empty are left out, as its server does.

use serde::{Serialize, Serializer};
use windlass_kinds::{
    ExperimentId, LoggedModelId, RunId,
    record::{
        DatasetInput, Experiment, LoggedModel, LoggedModelStatus, MetricPoint, ModelVersion, RegisteredModel, RunData,
    },
};

use super::stages::stage_name;

/// The tag that holds a run's name; kept in the run itself.
pub(super) const RUN_NAME: &str = "mlflow.runName";

/// The workspace that everything is in, where a server has none.
const WORKSPACE: &str = "default";

/// An empty answer.
#[derive(Serialize)]
pub(super) struct Empty {}

/// A key and its value.
#[derive(Serialize)]
pub(super) struct Tag {
    key: String,
    value: String,
}

pub(super) fn tags(pairs: Vec<(String, String)>) -> Vec<Tag> {
    pairs.into_iter().map(|(key, value)| Tag { key, value }).collect()
}

/// Returns where a run's artifacts lie, relative to the root of all artifacts.
pub(crate) fn run_root(experiment: &ExperimentId, run: &RunId) -> String {
    format!("{experiment}/{run}/artifacts")
}

/// Returns where a logged model's artifacts lie, relative to the root of all artifacts.
pub(crate) fn model_root(experiment: &ExperimentId, model: &LoggedModelId) -> String {
    format!("{experiment}/models/{model}/artifacts")
}

/// Returns the URI of a path among the artifacts.
pub(super) fn artifact_uri(path: &str) -> String {
    format!("mlflow-artifacts:/{path}")
}

fn stage(deleted: bool) -> &'static str {
    if deleted { "deleted" } else { "active" }
}

/// JSON has neither NaN nor infinity.
fn double<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match *value {
        value if value.is_nan() => serializer.serialize_str("NaN"),
        f64::INFINITY => serializer.serialize_str("Infinity"),
        f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
        value => serializer.serialize_f64(value),
    }
}

#[derive(Serialize)]
pub(super) struct Metric {
    key: String,
    #[serde(serialize_with = "double")]
    value: f64,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<LoggedModelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
}

/// Shows a point of a run. What it says of a logged model is shown with that model only.
pub(super) fn run_metric(point: MetricPoint, run: Option<RunId>) -> Metric {
    metric(MetricPoint { model_id: None, dataset_name: None, dataset_digest: None, ..point }, run)
}

fn metric(point: MetricPoint, run: Option<RunId>) -> Metric {
    let MetricPoint { key, value, timestamp_ms, step, model_id, dataset_name, dataset_digest } = point;
    Metric { key, value, timestamp: timestamp_ms, step, dataset_name, dataset_digest, model_id, run_id: run }
}

#[derive(Serialize)]
pub(super) struct ExperimentOut {
    experiment_id: ExperimentId,
    name: String,
    artifact_location: String,
    lifecycle_stage: &'static str,
    last_update_time: i64,
    creation_time: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    workspace: &'static str,
}

pub(super) fn experiment(experiment: Experiment) -> ExperimentOut {
    let Experiment { id, project: _, name, deleted, created_ms, updated_ms, tags: pairs } = experiment;
    ExperimentOut {
        artifact_location: artifact_uri(id.as_str()),
        experiment_id: id,
        name,
        lifecycle_stage: stage(deleted),
        last_update_time: updated_ms,
        creation_time: created_ms,
        tags: tags(pairs),
        workspace: WORKSPACE,
    }
}

#[derive(Serialize)]
pub(super) struct RunInfo {
    run_uuid: RunId,
    experiment_id: ExperimentId,
    run_name: String,
    user_id: String,
    status: &'static str,
    start_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    artifact_uri: String,
    lifecycle_stage: &'static str,
    run_id: RunId,
}

pub(super) fn run_info(run: &windlass_kinds::record::Run) -> RunInfo {
    RunInfo {
        run_uuid: run.id.clone(),
        experiment_id: run.experiment.clone(),
        run_name: run.name.clone(),
        user_id: run.user.clone(),
        status: run.status.as_str(),
        start_time: run.start_ms,
        end_time: run.end_ms.filter(|end| *end != 0),
        artifact_uri: artifact_uri(&run_root(&run.experiment, &run.id)),
        lifecycle_stage: stage(run.deleted),
        run_id: run.id.clone(),
    }
}

#[derive(Serialize)]
pub(super) struct Run {
    info: RunInfo,
    data: Data,
    inputs: Inputs,
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<Outputs>,
}

#[derive(Serialize)]
struct Data {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<Metric>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

#[derive(Serialize)]
struct Inputs {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dataset_inputs: Vec<DatasetInputOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_inputs: Vec<ModelInput>,
}

#[derive(Serialize)]
struct DatasetInputOut {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    dataset: DatasetOut,
}

#[derive(Serialize)]
struct DatasetOut {
    name: String,
    digest: String,
    source_type: String,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
}

#[derive(Serialize)]
struct ModelInput {
    model_id: LoggedModelId,
}

#[derive(Serialize)]
struct Outputs {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_outputs: Vec<ModelOutput>,
}

#[derive(Serialize)]
struct ModelOutput {
    model_id: LoggedModelId,
    step: i64,
}

/// Shows a run that was just made, which has no outputs to speak of.
pub(super) fn new_run(made: &windlass_kinds::record::Run, data: RunData) -> Run {
    Run { outputs: None, ..run(made, data) }
}

pub(super) fn run(run: &windlass_kinds::record::Run, data: RunData) -> Run {
    let RunData { metrics, params, tags: mut pairs, dataset_inputs, model_inputs, model_outputs } = data;
    if !run.name.is_empty() {
        let place = pairs.partition_point(|(key, _)| key.as_str() < RUN_NAME);
        pairs.insert(place, (RUN_NAME.to_owned(), run.name.clone()));
    }
    Run {
        info: run_info(run),
        data: Data {
            metrics: metrics.into_iter().map(|point| run_metric(point, None)).collect(),
            params: tags(params),
            tags: tags(pairs),
        },
        inputs: Inputs {
            dataset_inputs: dataset_inputs
                .into_iter()
                .map(|input| {
                    let DatasetInput { name, digest, source_type, source, schema, profile, tags: pairs } = input;
                    DatasetInputOut {
                        tags: tags(pairs),
                        dataset: DatasetOut { name, digest, source_type, source, schema, profile },
                    }
                })
                .collect(),
            model_inputs: model_inputs.into_iter().map(|model_id| ModelInput { model_id }).collect(),
        },
        outputs: Some(Outputs {
            model_outputs: model_outputs.into_iter().map(|(model_id, step)| ModelOutput { model_id, step }).collect(),
        }),
    }
}

#[derive(Serialize)]
pub(super) struct LoggedModelOut {
    info: LoggedModelInfo,
    data: LoggedModelData,
}

#[derive(Serialize)]
struct LoggedModelInfo {
    model_id: LoggedModelId,
    experiment_id: ExperimentId,
    name: String,
    creation_timestamp_ms: i64,
    last_updated_timestamp_ms: i64,
    artifact_uri: String,
    status: LoggedModelStatus,
    model_type: String,
    source_run_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    status_message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

#[derive(Serialize)]
struct LoggedModelData {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<Metric>,
}

pub(super) fn logged_model(model: LoggedModel, metrics: Vec<(RunId, MetricPoint)>) -> LoggedModelOut {
    LoggedModelOut {
        info: LoggedModelInfo {
            artifact_uri: artifact_uri(&model_root(&model.experiment, &model.id)),
            model_id: model.id,
            experiment_id: model.experiment,
            name: model.name,
            creation_timestamp_ms: model.created_ms,
            last_updated_timestamp_ms: model.updated_ms,
            status: model.status,
            model_type: model.model_type,
            source_run_id: model.source_run.map(|run| run.to_string()).unwrap_or_default(),
            status_message: model.status_message,
            tags: tags(model.tags),
        },
        data: LoggedModelData {
            params: tags(model.params),
            metrics: metrics.into_iter().map(|(run, point)| metric(point, Some(run))).collect(),
        },
    }
}

#[derive(Serialize)]
pub(super) struct VersionOut {
    name: String,
    version: String,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    current_stage: &'static str,
    description: String,
    source: String,
    run_id: String,
    status: &'static str,
    run_link: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<String>,
}

/// Shows a version; its aliases are those of `model` that point at it.
pub(super) fn version(version: ModelVersion, model: &RegisteredModel) -> VersionOut {
    let aliases = model.aliases.iter().filter(|(_, number)| **number == version.version);
    VersionOut {
        name: version.model,
        version: version.version.to_string(),
        creation_timestamp: version.created_at.millis(),
        last_updated_timestamp: version.updated_at.millis(),
        current_stage: stage_name(version.stage),
        description: version.description,
        source: version.source,
        run_id: version.run.map(|run| run.to_string()).unwrap_or_default(),
        status: "READY",
        run_link: version.run_link,
        tags: tags(version.tags.into_iter().collect()),
        aliases: aliases.map(|(alias, _)| alias.clone()).collect(),
        model_id: version.logged_model,
    }
}

#[derive(Serialize)]
pub(super) struct ModelOut {
    name: String,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    latest_versions: Vec<VersionOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<AliasOut>,
}

#[derive(Serialize)]
struct AliasOut {
    alias: String,
    version: String,
}

/// Shows a registered model with the newest version of each stage.
pub(super) fn model(model: RegisteredModel, latest: Vec<ModelVersion>) -> ModelOut {
    let latest_versions = latest.into_iter().map(|latest| {
        let mut version = version(latest, &model);
        // Within a model the aliases stand once, below.
        version.aliases.clear();
        version
    });
    let latest_versions = latest_versions.collect();
    let RegisteredModel { project: _, name, description, tags: pairs, aliases, created_at, updated_at } = model;
    ModelOut {
        name,
        creation_timestamp: created_at.millis(),
        last_updated_timestamp: updated_at.millis(),
        description,
        latest_versions,
        tags: tags(pairs.into_iter().collect()),
        aliases: aliases.into_iter().map(|(alias, version)| AliasOut { alias, version: version.to_string() }).collect(),
    }
}
