//! MLflow's JSON. Absent fields are empty, as its server leaves those out.

use serde_json::Value;
use windlass_kinds::{
    LoggedModelId, RunId,
    record::{DatasetInput, LoggedModelStatus, RunStatus, VersionStage},
};

use crate::{Experiment, Latest, LoggedModel, Model, ModelMetric, Point, Run, SourceError, Version};

/// The tag of an input that says what it was used for.
pub(crate) const CONTEXT: &str = "mlflow.data.context";
/// The tag that repeats a run's name.
pub(crate) const RUN_NAME: &str = "mlflow.runName";

fn odd(what: &str, value: &Value) -> SourceError {
    let shown: String = value.to_string().chars().take(200).collect();
    SourceError::Answer { url: "MLflow's server".to_owned(), what: format!("{what} in {shown}") }
}

/// Returns a text that must be there.
pub(super) fn text(value: &Value, name: &str) -> Result<String, SourceError> {
    opt_text(value, name).ok_or_else(|| odd(&format!("no {name}"), value))
}

/// Returns a text, `None` where it is absent or empty.
pub(super) fn opt_text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn or_empty(value: &Value, name: &str) -> String {
    opt_text(value, name).unwrap_or_default()
}

/// Returns an integer, which protobuf may write as text.
fn int(value: &Value, name: &str) -> Option<i64> {
    let value = value.get(name)?;
    value.as_i64().or_else(|| value.as_f64().map(|float| float as i64)).or_else(|| value.as_str()?.parse().ok())
}

fn float(value: &Value, name: &str) -> Result<f64, SourceError> {
    match value.get(name) {
        // Protobuf leaves zeros out.
        None => Ok(0.0),
        Some(Value::String(text)) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            text => text.parse().map_err(|_| odd("no number", value)),
        },
        Some(number) => number.as_f64().ok_or_else(|| odd("no number", value)),
    }
}

/// Returns a list; one that is absent is empty.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn pairs(value: &Value, name: &str) -> Result<Vec<(String, String)>, SourceError> {
    let pair = |pair: &Value| Ok((text(pair, "key")?, or_empty(pair, "value")));
    let mut found = list(value, name).iter().map(pair).collect::<Result<Vec<_>, SourceError>>()?;
    found.sort();
    Ok(found)
}

pub(super) fn experiment(value: &Value) -> Result<Experiment, SourceError> {
    Ok(Experiment {
        id: text(value, "experiment_id")?,
        name: text(value, "name")?,
        deleted: or_empty(value, "lifecycle_stage") == "deleted",
        created_ms: int(value, "creation_time").unwrap_or(0),
        updated_ms: int(value, "last_update_time").unwrap_or(0),
        tags: pairs(value, "tags")?,
    })
}

pub(super) fn run(value: &Value) -> Result<Run, SourceError> {
    let part = |name: &str| value.get(name).cloned().unwrap_or(Value::Null);
    let (info, data, inputs, outputs) = (part("info"), part("data"), part("inputs"), part("outputs"));
    let id = opt_text(&info, "run_id").map_or_else(|| text(&info, "run_uuid"), Ok)?;
    let mut tags = pairs(&data, "tags")?;
    let named = tags.iter().find(|(key, _)| key == RUN_NAME).map(|(_, name)| name.clone());
    let name = opt_text(&info, "run_name").or(named).unwrap_or_default();
    tags.retain(|(key, _)| key != RUN_NAME);
    let mut latest = list(&data, "metrics")
        .iter()
        .map(|metric| {
            let Point { key, value, timestamp_ms, step } = point(metric)?;
            Ok(Latest { key, value_bits: format!("{:016x}", value.to_bits()), timestamp_ms, step })
        })
        .collect::<Result<Vec<_>, SourceError>>()?;
    latest.sort();
    let mut datasets =
        list(&inputs, "dataset_inputs").iter().map(dataset_input).collect::<Result<Vec<_>, SourceError>>()?;
    datasets.sort_by(|one, other| (&one.1.name, &one.1.digest).cmp(&(&other.1.name, &other.1.digest)));
    let model = |value: &Value| Ok(LoggedModelId::new(text(value, "model_id")?));
    let mut model_inputs = list(&inputs, "model_inputs").iter().map(model).collect::<Result<Vec<_>, SourceError>>()?;
    model_inputs.sort();
    let mut model_outputs = list(&outputs, "model_outputs")
        .iter()
        .map(|value| Ok((model(value)?, int(value, "step").unwrap_or(0))))
        .collect::<Result<Vec<_>, SourceError>>()?;
    model_outputs.sort();
    Ok(Run {
        id: RunId::new(id),
        name,
        user: or_empty(&info, "user_id"),
        status: status(&or_empty(&info, "status")).ok_or_else(|| odd("no status", &info))?,
        start_ms: int(&info, "start_time").unwrap_or(0),
        end_ms: int(&info, "end_time").filter(|end| *end != 0),
        deleted: or_empty(&info, "lifecycle_stage") == "deleted",
        latest,
        params: pairs(&data, "params")?,
        tags,
        datasets,
        model_inputs,
        model_outputs,
        artifact_uri: or_empty(&info, "artifact_uri"),
    })
}

/// Returns the status of a run: a word, or the number that some answers have.
pub(crate) fn status(word: &str) -> Option<RunStatus> {
    RunStatus::parse(word)
}

/// Returns the stage of a version by MLflow's word.
pub(crate) fn stage(word: &str) -> VersionStage {
    match word {
        "Staging" => VersionStage::Staging,
        "Production" => VersionStage::Production,
        "Archived" => VersionStage::Archived,
        _ => VersionStage::None,
    }
}

fn dataset_input(value: &Value) -> Result<(String, DatasetInput), SourceError> {
    let tags = pairs(value, "tags")?;
    let context = tags.iter().find(|(key, _)| key == CONTEXT).map(|(_, value)| value.clone());
    let dataset = value.get("dataset").cloned().unwrap_or(Value::Null);
    let dataset = DatasetInput {
        name: text(&dataset, "name")?,
        digest: text(&dataset, "digest")?,
        source_type: or_empty(&dataset, "source_type"),
        source: or_empty(&dataset, "source"),
        schema: opt_text(&dataset, "schema"),
        profile: opt_text(&dataset, "profile"),
        tags,
    };
    Ok((context.unwrap_or_default(), dataset))
}

pub(super) fn point(value: &Value) -> Result<Point, SourceError> {
    Ok(Point {
        key: text(value, "key")?,
        value: float(value, "value")?,
        timestamp_ms: int(value, "timestamp").unwrap_or(0),
        step: int(value, "step").unwrap_or(0),
    })
}

pub(super) fn logged_model(value: &Value) -> Result<LoggedModel, SourceError> {
    let part = |name: &str| value.get(name).cloned().unwrap_or(Value::Null);
    let (info, data) = (part("info"), part("data"));
    let metrics = list(&data, "metrics").iter().filter(|metric| opt_text(metric, "run_id").is_some());
    let metrics = metrics.map(|metric| {
        let Point { key, timestamp_ms, step, .. } = point(metric)?;
        Ok(ModelMetric {
            run: text(metric, "run_id")?,
            key,
            timestamp_ms,
            step,
            dataset_name: opt_text(metric, "dataset_name"),
            dataset_digest: opt_text(metric, "dataset_digest"),
        })
    });
    Ok(LoggedModel {
        id: LoggedModelId::new(text(&info, "model_id")?),
        name: or_empty(&info, "name"),
        source_run: opt_text(&info, "source_run_id").map(RunId::new),
        model_type: or_empty(&info, "model_type"),
        status: match or_empty(&info, "status").as_str() {
            "LOGGED_MODEL_READY" => LoggedModelStatus::Ready,
            "LOGGED_MODEL_UPLOAD_FAILED" => LoggedModelStatus::UploadFailed,
            _ => LoggedModelStatus::Pending,
        },
        status_message: or_empty(&info, "status_message"),
        created_ms: int(&info, "creation_timestamp_ms").unwrap_or(0),
        updated_ms: int(&info, "last_updated_timestamp_ms").unwrap_or(0),
        params: pairs(&data, "params")?,
        tags: pairs(&info, "tags")?,
        metrics: metrics.collect::<Result<_, SourceError>>()?,
        artifact_uri: or_empty(&info, "artifact_uri"),
    })
}

pub(super) fn model(value: &Value) -> Result<Model, SourceError> {
    let alias = |value: &Value| Ok((text(value, "alias")?, number(value)?));
    let mut aliases = list(value, "aliases").iter().map(alias).collect::<Result<Vec<_>, SourceError>>()?;
    aliases.sort();
    Ok(Model {
        name: text(value, "name")?,
        description: or_empty(value, "description"),
        created_ms: int(value, "creation_timestamp").unwrap_or(0),
        updated_ms: int(value, "last_updated_timestamp").unwrap_or(0),
        tags: pairs(value, "tags")?,
        aliases,
    })
}

fn number(value: &Value) -> Result<u32, SourceError> {
    int(value, "version").and_then(|number| u32::try_from(number).ok()).ok_or_else(|| odd("no version", value))
}

pub(super) fn version(value: &Value) -> Result<Version, SourceError> {
    Ok(Version {
        version: number(value)?,
        run: opt_text(value, "run_id").map(RunId::new),
        source: or_empty(value, "source"),
        location: String::new(),
        description: or_empty(value, "description"),
        run_link: or_empty(value, "run_link"),
        created_ms: int(value, "creation_timestamp").unwrap_or(0),
        updated_ms: int(value, "last_updated_timestamp").unwrap_or(0),
        tags: pairs(value, "tags")?,
        stage: stage(&or_empty(value, "current_stage")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_is_read_whatever_is_left_out() {
        let value = json!({
            "info": {"run_id": "ab", "status": "FINISHED", "start_time": "12", "lifecycle_stage": "deleted"},
            "data": {
                "metrics": [{"key": "b", "value": "NaN", "timestamp": 3}, {"key": "a", "step": 2}],
                "tags": [{"key": "mlflow.runName", "value": "one"}, {"key": "x"}],
            },
            "inputs": {"dataset_inputs": [{"dataset": {"name": "d", "digest": "1"},
                "tags": [{"key": "mlflow.data.context", "value": "train"}]}]},
        });
        let run = run(&value).unwrap();
        assert_eq!((run.name.as_str(), run.start_ms, run.end_ms, run.deleted), ("one", 12, None, true));
        assert_eq!(run.tags, [("x".to_owned(), String::new())]);
        assert_eq!(run.latest[0], Latest { key: "a".to_owned(), value_bits: "0".repeat(16), timestamp_ms: 0, step: 2 });
        assert_eq!(run.datasets[0].0, "train");
        for bad in [json!({}), json!({"info": {"run_id": "ab", "status": "x"}}), json!([])] {
            assert!(super::run(&bad).is_err(), "{bad}");
        }
    }
}
