//! What a run used and made: datasets and logged models.

use axum::Json;
use serde::Deserialize;
use serde_json::Value;
use windlass_kinds::{LoggedModelId, RunId, record::DatasetInput};

use super::{
    door::Door,
    error::{Error, Result},
    show::Empty,
    wire::{Body, Field, List, Pair, pairs},
};

/// The tag of an input that says what it was used for.
const CONTEXT: &str = "mlflow.data.context";
/// The tag that lists the models logged by old clients, JSON as text.
const HISTORY: &str = "mlflow.log-model.history";

#[derive(Deserialize)]
pub(super) struct Inputs {
    #[serde(default)]
    run_id: Field<String>,
    #[serde(default)]
    datasets: List<InputBody>,
    #[serde(default)]
    models: List<ModelBody>,
}

#[derive(Deserialize)]
struct InputBody {
    #[serde(default)]
    tags: List<Pair>,
    #[serde(default)]
    dataset: DatasetBody,
}

#[derive(Deserialize, Default)]
struct DatasetBody {
    #[serde(default)]
    name: Field<String>,
    #[serde(default)]
    digest: Field<String>,
    #[serde(default)]
    source_type: Field<String>,
    #[serde(default)]
    source: Field<String>,
    #[serde(default)]
    schema: Field<String>,
    #[serde(default)]
    profile: Field<String>,
}

#[derive(Deserialize)]
struct ModelBody {
    #[serde(default)]
    model_id: Field<String>,
    #[serde(default)]
    step: Field<i64>,
}

pub(super) async fn inputs(door: Door, Body(body): Body<Inputs>) -> Result<Json<Empty>> {
    let run = RunId::new(body.run_id.text("run_id")?);
    let mut datasets = Vec::new();
    for input in body.datasets.items("datasets")? {
        let tags = pairs(input.tags, "datasets.tags")?;
        let context = tags.iter().find(|(key, _)| key == CONTEXT).map(|(_, value)| value.clone());
        let dataset = DatasetInput {
            name: input.dataset.name.text("datasets.dataset.name")?,
            digest: input.dataset.digest.text("datasets.dataset.digest")?,
            source_type: input.dataset.source_type.or_empty("datasets.dataset.source_type")?,
            source: input.dataset.source.or_empty("datasets.dataset.source")?,
            schema: input.dataset.schema.optional("datasets.dataset.schema")?,
            profile: input.dataset.profile.optional("datasets.dataset.profile")?,
            tags,
        };
        datasets.push((context.unwrap_or_default(), dataset));
    }
    let models = body
        .models
        .items("models")?
        .into_iter()
        .map(|model| Ok(LoggedModelId::new(model.model_id.text("models.model_id")?)))
        .collect::<Result<Vec<_>>>()?;
    door.may_write(&run).await?;
    door.write((door.project().clone(), run, datasets, models), |tx, a| {
        Box::pin(async move { tx.run_inputs_add(&a.0, &a.1, &a.2, &a.3).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize)]
pub(super) struct Outputs {
    #[serde(default)]
    run_id: Field<String>,
    #[serde(default)]
    models: List<ModelBody>,
}

pub(super) async fn outputs(door: Door, Body(body): Body<Outputs>) -> Result<Json<Empty>> {
    let run = RunId::new(body.run_id.text("run_id")?);
    let models = body
        .models
        .items("models")?
        .into_iter()
        .map(|model| {
            let id = LoggedModelId::new(model.model_id.text("models.model_id")?);
            Ok((id, model.step.optional("models.step")?.unwrap_or(0)))
        })
        .collect::<Result<Vec<_>>>()?;
    door.may_write(&run).await?;
    door.write((door.project().clone(), run, models), |tx, a| {
        Box::pin(async move { tx.run_outputs_add(&a.0, &a.1, &a.2).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize)]
pub(super) struct LogModel {
    #[serde(default)]
    run_id: Field<String>,
    #[serde(default)]
    model_json: Field<String>,
}

/// Notes a model that an old client logged as a run's artifact: it is appended to a tag.
pub(super) async fn log_model(door: Door, Body(body): Body<LogModel>) -> Result<Json<Empty>> {
    let run = RunId::new(body.run_id.text("run_id")?);
    let text = body.model_json.text("model_json")?;
    let model: Value = serde_json::from_str(&text)
        .map_err(|_| Error::invalid(format!("Malformed model info. \n {text} \n is not a valid JSON.")))?;
    let missing: Vec<&str> = ["artifact_path", "flavors", "utc_time_created", "run_id"]
        .into_iter()
        .filter(|field| model.get(field).is_none())
        .collect();
    if !missing.is_empty() {
        return Err(Error::invalid(format!("Model json is missing mandatory fields: {missing:?}")));
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
