//! What a run used and made: datasets and logged models.

use axum::Json;
use serde::Deserialize;
use serde_json::Value;
use windlass_kinds::{LoggedModelId, RunId, record::DatasetInput};

use super::{
    check,
    door::Door,
    error::{Error, Result},
    logging::run_id,
    request::{Asked, Check, Field, Kind, Message, PAIR, Pair, Shape, pairs},
    show::Empty,
};

/// The tag of an input that says what it was used for.
const CONTEXT: &str = "mlflow.data.context";
/// The tag that lists the models logged by old clients, JSON as text.
const HISTORY: &str = "mlflow.log-model.history";
/// The most characters of a dataset's parts.
const LIMITS: [(&str, usize); 5] =
    [("name", 500), ("digest", 36), ("source", 65_535), ("schema", 1_048_575), ("profile", 16_777_215)];
/// The most characters of the key of an input's tag, and of its value.
const TAG_LIMITS: (usize, usize) = (255, 500);

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Inputs {
    run_id: String,
    datasets: Vec<InputAsked>,
    models: Vec<ModelAsked>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct InputAsked {
    tags: Vec<Pair>,
    dataset: DatasetAsked,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DatasetAsked {
    name: String,
    digest: String,
    source_type: String,
    source: String,
    schema: Option<String>,
    profile: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ModelAsked {
    model_id: String,
    step: i64,
}

const INPUT: &[Field] = &[
    ("tags", Kind::Messages(PAIR)),
    (
        "dataset",
        Kind::Message(&[
            ("name", Kind::Text),
            ("digest", Kind::Text),
            ("source_type", Kind::Text),
            ("source", Kind::Text),
            ("schema", Kind::Text),
            ("profile", Kind::Text),
        ]),
    ),
];

impl Message for Inputs {
    const SHAPE: Shape = Shape {
        fields: &[
            ("run_id", Kind::Text),
            ("datasets", Kind::Messages(INPUT)),
            ("models", Kind::Messages(&[("model_id", Kind::Text)])),
        ],
        checks: &[
            ("run_id", &[Check::Required, Check::IsText]),
            ("datasets", &[Check::IsList]),
            ("models", &[Check::IsList]),
        ],
    };
}

impl InputAsked {
    /// Returns what the dataset was used for, and the dataset.
    fn checked(self) -> Result<(String, DatasetInput)> {
        let DatasetAsked { name, digest, source_type, source, schema, profile } = self.dataset;
        let texts = [Some(&name), Some(&digest), Some(&source), schema.as_ref(), profile.as_ref()];
        for ((what, most), text) in LIMITS.into_iter().zip(texts) {
            if let Some(text) = text {
                check::length(what, text, most)?;
                check::nul(what, text)?;
            }
        }
        let tags = pairs(self.tags);
        for (key, value) in &tags {
            check::length("key", key, TAG_LIMITS.0)?;
            check::length("value", value, TAG_LIMITS.1)?;
        }
        check::storable(&tags)?;
        let context = tags.iter().find(|(key, _)| key == CONTEXT).map(|(_, value)| value.clone());
        let dataset = DatasetInput { name, digest, source_type, source, schema, profile, tags };
        Ok((context.unwrap_or_default(), dataset))
    }
}

pub(super) async fn inputs(door: Door, Asked(asked): Asked<Inputs>) -> Result<Json<Empty>> {
    let run = run_id(&asked.run_id)?;
    let datasets = asked.datasets.into_iter().map(InputAsked::checked).collect::<Result<Vec<_>>>()?;
    let models: Vec<_> = asked.models.into_iter().map(|model| LoggedModelId::new(model.model_id)).collect();
    door.may_write(&run).await?;
    door.write((door.project().clone(), run, datasets, models), |tx, a| {
        Box::pin(async move { tx.run_inputs_add(&a.0, &a.1, &a.2, &a.3).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Outputs {
    run_id: String,
    models: Vec<ModelAsked>,
}

impl Message for Outputs {
    const SHAPE: Shape = Shape {
        fields: &[
            ("run_id", Kind::Text),
            ("models", Kind::Messages(&[("model_id", Kind::Text), ("step", Kind::Long)])),
        ],
        checks: &[("run_id", &[Check::Required, Check::IsText]), ("models", &[Check::Required, Check::IsList])],
    };
}

pub(super) async fn outputs(door: Door, Asked(asked): Asked<Outputs>) -> Result<Json<Empty>> {
    let run = RunId::new(asked.run_id);
    let models: Vec<_> =
        asked.models.into_iter().map(|model| (LoggedModelId::new(model.model_id), model.step)).collect();
    door.may_write(&run).await?;
    door.write((door.project().clone(), run, models), |tx, a| {
        Box::pin(async move { tx.run_outputs_add(&a.0, &a.1, &a.2).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct LogModel {
    run_id: String,
    model_json: String,
}

impl Message for LogModel {
    const SHAPE: Shape = Shape {
        fields: &[("run_id", Kind::Text), ("model_json", Kind::Text)],
        checks: &[("run_id", &[Check::IsText, Check::Required]), ("model_json", &[Check::IsText, Check::Required])],
    };
}

/// Notes a model that an old client logged as a run's artifact: it is appended to a tag.
pub(super) async fn log_model(door: Door, Asked(asked): Asked<LogModel>) -> Result<Json<Empty>> {
    let run = RunId::new(asked.run_id);
    let text = asked.model_json;
    let model: Value = serde_json::from_str(&text)
        .map_err(|_| Error::invalid(format!("Malformed model info. \n {text} \n is not a valid JSON.")))?;
    let missing: Vec<String> = ["artifact_path", "flavors", "utc_time_created", "run_id"]
        .into_iter()
        .filter(|field| model.get(field).is_none())
        .map(|field| format!("'{field}'"))
        .collect();
    if !missing.is_empty() {
        return Err(Error::invalid(format!("Model json is missing mandatory fields: {{{}}}", missing.join(", "))));
    }
    door.may_write(&run).await?;
    door.write((door.project().clone(), run, model), |tx, a| {
        Box::pin(async move {
            let tags = tx.run_data(&a.1).await?.tags;
            let old = tags.into_iter().find(|(key, _)| key == HISTORY).map(|(_, value)| value);
            let mut models: Vec<Value> = old.and_then(|old| serde_json::from_str(&old).ok()).unwrap_or_default();
            models.push(a.2.clone());
            let history = Value::Array(models).to_string();
            tx.set_tags(&a.0, &a.1, &[(HISTORY.to_owned(), history)]).await
        })
    })
    .await?;
    Ok(Json(Empty {}))
}
