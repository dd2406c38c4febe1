//! What an MLflow store has, whichever way it was read.

use serde::{Serialize, Serializer};
use windlass_kinds::{
    LoggedModelId, RunId,
    record::{DatasetInput, LoggedModelStatus, RunStatus, VersionStage},
};

/// An experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is softly deleted.
    pub deleted: bool,
    /// Milliseconds since the epoch; 0 where it was made before MLflow kept that.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
    /// Tags, sorted.
    pub tags: Vec<(String, String)>,
}

/// A run. Its fields are what tells whether it has changed since it was brought over; so each list is sorted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// A name for people.
    pub name: String,
    /// The user.
    pub user: String,
    /// Where it stands.
    pub status: RunStatus,
    /// Milliseconds since the epoch.
    pub start_ms: i64,
    /// Milliseconds since the epoch.
    pub end_ms: Option<i64>,
    /// Whether it is softly deleted.
    pub deleted: bool,
    /// The last point of each metric.
    pub latest: Vec<Latest>,
    /// Params.
    pub params: Vec<(String, String)>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// Datasets, each with what it was used for.
    pub datasets: Vec<(String, DatasetInput)>,
    /// Logged models that it used.
    pub model_inputs: Vec<LoggedModelId>,
    /// Logged models that it made, each with its step.
    pub model_outputs: Vec<(LoggedModelId, i64)>,
    /// Where its files are.
    #[serde(skip)]
    pub artifact_uri: String,
}

/// The last point of a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Latest {
    /// The metric.
    pub key: String,
    /// The value's IEEE 754 form in hexadecimal: JSON lacks some.
    pub value_bits: String,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The step.
    pub step: i64,
}

/// A point of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The metric.
    pub key: String,
    /// The value.
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The step.
    pub step: i64,
}

/// A logged model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoggedModel {
    /// Its id.
    pub id: LoggedModelId,
    /// Its name.
    pub name: String,
    /// The run that made it, if any.
    pub source_run: Option<RunId>,
    /// Free text kind.
    pub model_type: String,
    /// Where it stands.
    pub status: LoggedModelStatus,
    /// What was said of the status.
    pub status_message: String,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
    /// Params, sorted.
    pub params: Vec<(String, String)>,
    /// Tags, sorted.
    pub tags: Vec<(String, String)>,
    /// Which points of which runs are about it.
    #[serde(skip)]
    pub metrics: Vec<ModelMetric>,
    /// Where its files are.
    #[serde(skip)]
    pub artifact_uri: String,
}

/// A point of a run that is about a logged model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelMetric {
    /// The run.
    pub run: String,
    /// The metric.
    pub key: String,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The step.
    pub step: i64,
    /// The dataset's name, if any.
    pub dataset_name: Option<String>,
    /// The dataset's digest, if any.
    pub dataset_digest: Option<String>,
}

/// A registered model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
    /// Tags, sorted.
    pub tags: Vec<(String, String)>,
    /// Aliases with the versions they point at.
    pub aliases: Vec<(String, u32)>,
}

/// A version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Its number.
    pub version: u32,
    /// The run that made it, if known.
    pub run: Option<RunId>,
    /// Where it came from, as it was registered.
    pub source: String,
    /// Where its files are, which is elsewhere for a copy of another version.
    #[serde(skip)]
    pub location: String,
    /// Free text.
    pub description: String,
    /// A link.
    pub run_link: String,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
    /// Tags, sorted.
    pub tags: Vec<(String, String)>,
    /// The stage.
    pub stage: VersionStage,
}

/// Whose files are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A run's, and where the source says that they are.
    Run(RunId, String),
    /// A logged model's, and where the source says that they are.
    Model(LoggedModelId, String),
}

impl Owner {
    /// Returns the id, which is part of any path to the files.
    pub fn id(&self) -> &str {
        match self {
            Self::Run(id, _) => id.as_str(),
            Self::Model(id, _) => id.as_str(),
        }
    }

    /// Returns where the source says that the files are.
    pub fn uri(&self) -> &str {
        match self {
            Self::Run(_, uri) | Self::Model(_, uri) => uri,
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(id, _) => write!(f, "run {id}"),
            Self::Model(id, _) => write!(f, "logged model {id}"),
        }
    }
}

/// A file of a run or a logged model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FileInfo {
    /// Its path below the owner.
    pub path: String,
    /// Its size in bytes, where the source says it. MLflow's server does not say it of an empty file, so that one of
    /// which nothing is said counts as empty where lists are compared.
    #[serde(serialize_with = "or_empty")]
    pub size: Option<u64>,
}

fn or_empty<S: Serializer>(size: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(size.unwrap_or(0))
}

impl FileInfo {
    /// Returns whether the path is relative, plain, and leads nowhere else.
    pub fn is_plain(&self) -> bool {
        !self.path.chars().any(|character| character == '\\' || character.is_control())
            && !self.path.split('/').any(|part| matches!(part, "" | "." | ".."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_judged() {
        for (path, plain) in
            [("a/b.txt", true), ("ä x", true), ("../x", false), ("/etc", false), ("a//b", false), ("a\\b", false)]
        {
            assert_eq!(FileInfo { path: path.to_owned(), size: None }.is_plain(), plain, "{path}");
        }
    }
}
