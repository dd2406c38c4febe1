//! What comes in from another tracking system, as it is handed to a server's door for imports.
//!
//! Everything names where it came from, so that a second import finds the first one's work. A `mark` is the importer's
//! digest of all that the origin had when something was last brought over whole: where it is the same again, there is
//! nothing to do.

use serde::{Deserialize, Serialize};

use crate::{
    Digest, ExperimentId, LoggedModelId, RunId,
    record::{DatasetInput, LoggedModelStatus, MetricPoint, RunStatus, VersionStage},
};

/// What to do where a name is taken by something that did not come from the same origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnConflict {
    /// Leave it out, with all that belongs to it.
    #[default]
    Skip,
    /// Bring it over under another name.
    Rename,
    /// Stop the import.
    Fail,
}

/// What became of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "reason")]
pub enum ImportOutcome {
    /// It is new here.
    Imported,
    /// It was here, and took over what had changed at its origin since.
    Updated,
    /// It was here, and nothing had changed.
    There,
    /// It was not brought over; says why.
    LeftOut(String),
}

/// The answer about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportAnswer {
    /// What it is called here: the id of an experiment or a run, the name of a model.
    pub name: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: ImportOutcome,
}

/// An experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportExperiment {
    /// What tells it apart from every other experiment: its id and the instant it was made.
    pub origin: String,
    /// The id that it had; kept where it is free. `0` is everybody's `Default`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is softly deleted.
    pub deleted: bool,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// What to do where its name is taken.
    pub on_conflict: OnConflict,
    /// Only say what would become of it.
    #[serde(default)]
    pub dry_run: bool,
}

/// A file among the artifacts of a run or a logged model; its bytes were uploaded before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportArtifact {
    /// The path below the run or model: `model/MLmodel`.
    pub path: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// A run, or a part of one: a run with many points comes in several parts, each of which has the run's own fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportRun {
    /// Its id, kept.
    pub id: RunId,
    /// The experiment, by its id here.
    pub experiment: ExperimentId,
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
    /// Params.
    #[serde(default)]
    pub params: Vec<(String, String)>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    /// Datasets, each with what it was used for, which may be empty.
    #[serde(default)]
    pub datasets: Vec<(String, DatasetInput)>,
    /// Logged models that it used.
    #[serde(default)]
    pub model_inputs: Vec<LoggedModelId>,
    /// Logged models that it made, each with its step.
    #[serde(default)]
    pub model_outputs: Vec<(LoggedModelId, i64)>,
    /// Points of metrics.
    #[serde(default)]
    pub points: Vec<ImportPoint>,
    /// Files.
    #[serde(default)]
    pub artifacts: Vec<ImportArtifact>,
    /// Says that this is the last part: from here on the run is whole.
    #[serde(default)]
    pub mark: Option<String>,
}

/// A point of a metric. JSON has neither NaN nor infinities: they are text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportPoint {
    /// The metric.
    pub key: String,
    /// The value.
    #[serde(with = "any_float")]
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
    /// The digest of that dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
}

impl From<ImportPoint> for MetricPoint {
    fn from(point: ImportPoint) -> Self {
        let ImportPoint { key, value, timestamp_ms, step, model_id, dataset_name, dataset_digest } = point;
        Self { key, value, timestamp_ms, step, model_id, dataset_name, dataset_digest }
    }
}

/// A logged model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportLoggedModel {
    /// Its id, kept.
    pub id: LoggedModelId,
    /// The experiment, by its id here.
    pub experiment: ExperimentId,
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
    /// Params.
    pub params: Vec<(String, String)>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// Files.
    pub artifacts: Vec<ImportArtifact>,
    /// See [`ImportRun::mark`].
    pub mark: Option<String>,
}

/// A registered model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportModel {
    /// Its name where it comes from.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// What to do where its name is taken.
    pub on_conflict: OnConflict,
    /// Only say what would become of it.
    #[serde(default)]
    pub dry_run: bool,
}

/// A version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportVersion {
    /// The model, by its name here.
    pub model: String,
    /// Its number, kept.
    pub version: u32,
    /// The tracking run that made it, if known.
    pub run: Option<RunId>,
    /// Where its files are, as registries write it; those that were brought over by their place here.
    pub source: String,
    /// The logged model it was made from, if any.
    pub logged_model: Option<LoggedModelId>,
    /// Free text.
    pub description: String,
    /// A link.
    pub run_link: String,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// The stage.
    #[serde(default)]
    pub stage: VersionStage,
    /// See [`ImportRun::mark`].
    pub mark: String,
}

/// Floats of any value: numbers where JSON has one, else `NaN`, `Infinity`, `-Infinity`.
mod any_float {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        match *value {
            value if value.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("Infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            value => serializer.serialize_f64(value),
        }
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Text(String),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Either::deserialize(deserializer)? {
            Either::Number(value) => Ok(value),
            Either::Text(text) => match text.as_str() {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                _ => Err(D::Error::custom(format!("`{text}` is no value of a metric"))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_json() {
        for value in [0.0, -0.0, 1.5e-300, f64::MAX, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let point = ImportPoint {
                key: "m".to_owned(),
                value,
                timestamp_ms: 1,
                step: 2,
                model_id: None,
                dataset_name: None,
                dataset_digest: None,
            };
            let text = serde_json::to_string(&point).unwrap();
            let back: ImportPoint = serde_json::from_str(&text).unwrap();
            assert_eq!(back.value.to_bits(), value.to_bits(), "{text}");
        }
        assert!(serde_json::from_str::<ImportPoint>(r#"{"key":"m","value":"x","timestamp_ms":1,"step":0}"#).is_err());
    }

    #[test]
    fn answers_are_flat() {
        let answer = ImportAnswer { name: "1".to_owned(), outcome: ImportOutcome::LeftOut("taken".to_owned()) };
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(text, r#"{"name":"1","outcome":"left-out","reason":"taken"}"#);
        assert_eq!(serde_json::from_str::<ImportAnswer>(&text).unwrap(), answer);
        let there = ImportAnswer { name: "1".to_owned(), outcome: ImportOutcome::There };
        assert_eq!(serde_json::from_str::<ImportAnswer>(r#"{"name":"1","outcome":"there"}"#).unwrap(), there);
    }
}
