//! Tracking: experiments, runs, metrics, params, tags, artifacts, logged models. Times are milliseconds, as MLflow's.

use serde::{Deserialize, Serialize};

use crate::{AttemptId, Digest, ExperimentId, LoggedModelId, Name, RunId};

/// A tracking experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its id, decimal digits; `0` is `Default`.
    pub id: ExperimentId,
    /// The project.
    pub project: Name,
    /// Its name, unique within the project.
    pub name: String,
    /// Whether it is live (`active`) or softly deleted (`deleted`).
    pub deleted: bool,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
    /// Tags, sorted by key.
    pub tags: Vec<(String, String)>,
}

/// The status of a tracking run, as MLflow names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// Going on.
    Running,
    /// Planned.
    Scheduled,
    /// Ended well.
    Finished,
    /// Ended badly.
    Failed,
    /// Ended by somebody.
    Killed,
}

impl RunStatus {
    /// Returns MLflow's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// Parses MLflow's word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Scheduled, Self::Finished, Self::Failed, Self::Killed]
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    /// Returns whether the run is over.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

/// A tracking run without its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The experiment.
    pub experiment: ExperimentId,
    /// The project.
    pub project: Name,
    /// A name for people.
    pub name: String,
    /// The user, as the client says.
    pub user: String,
    /// Where it stands.
    pub status: RunStatus,
    /// Milliseconds since the epoch.
    pub start_ms: i64,
    /// Milliseconds since the epoch.
    pub end_ms: Option<i64>,
    /// Whether it is softly deleted.
    pub deleted: bool,
    /// The attempt it belongs to, if a pipeline made it.
    pub attempt: Option<AttemptId>,
}

/// One point of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    /// The metric.
    pub key: String,
    /// The value; may be NaN or infinite.
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The step.
    pub step: i64,
    /// The logged model it is about, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<LoggedModelId>,
    /// The name of the dataset it was computed on, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<String>,
    /// The digest of that dataset, as the client says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
}

/// A run's data: the last point of each metric, params, tags, inputs; each sorted by key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunData {
    /// The last point of each metric (largest step, then time, then value).
    pub metrics: Vec<MetricPoint>,
    /// Params.
    pub params: Vec<(String, String)>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// Datasets that the client logged as inputs.
    pub dataset_inputs: Vec<DatasetInput>,
    /// Logged models used, and at which step.
    pub model_inputs: Vec<LoggedModelId>,
    /// Logged models made, and at which step.
    pub model_outputs: Vec<(LoggedModelId, i64)>,
}

/// A dataset that a client logged as a run's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetInput {
    /// Its name.
    pub name: String,
    /// Its digest, as the client says.
    pub digest: String,
    /// `local`, `code`, …
    pub source_type: String,
    /// Where it came from, JSON as text.
    pub source: String,
    /// Its schema, JSON as text.
    #[serde(default)]
    pub schema: Option<String>,
    /// Its profile, JSON as text.
    #[serde(default)]
    pub profile: Option<String>,
    /// Tags, such as `mlflow.data.context`.
    pub tags: Vec<(String, String)>,
}

/// The status of a logged model, as MLflow names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LoggedModelStatus {
    /// Said in words that mean nothing.
    #[serde(rename = "LOGGED_MODEL_STATUS_UNSPECIFIED")]
    Unspecified,
    /// Being uploaded.
    #[serde(rename = "LOGGED_MODEL_PENDING")]
    Pending,
    /// Complete.
    #[serde(rename = "LOGGED_MODEL_READY")]
    Ready,
    /// The upload failed.
    #[serde(rename = "LOGGED_MODEL_UPLOAD_FAILED")]
    UploadFailed,
}

/// An MLflow logged model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedModel {
    /// Its id, `m-…`.
    pub id: LoggedModelId,
    /// The experiment.
    pub experiment: ExperimentId,
    /// The project.
    pub project: Name,
    /// Its name.
    pub name: String,
    /// The run that made it, if any.
    pub source_run: Option<RunId>,
    /// Free text kind.
    pub model_type: String,
    /// Where it stands.
    pub status: LoggedModelStatus,
    /// What the client said of the status.
    pub status_message: String,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
    /// Params, sorted by key.
    pub params: Vec<(String, String)>,
    /// Tags, sorted by key.
    pub tags: Vec<(String, String)>,
}

/// A file under an artifact root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The path under the root of all artifacts: `<experiment>/<run>/artifacts/model/MLmodel`.
    pub path: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What the ledger keeps of a tracking run that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSeal {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// How many metric points it has.
    pub metric_count: u64,
    /// The SHA-256 over the canonical form of all its points, ordered by key, step, time, value bits.
    pub metrics: Digest,
    /// The SHA-256 over the canonical form of its params.
    pub params: Digest,
    /// The SHA-256 over the canonical form of its artifacts, ordered by path.
    pub artifacts: Digest,
}
