//! Datasets to evaluate with: `mlflow.genai.datasets` and the dataset functions of `MlflowClient`.
//!
//! Tags and records come and go as JSON within JSON. A record is told by its inputs: adding one with the same inputs
//! changes the one that is there.

mod records;

use std::collections::BTreeMap;

use axum::{Json, extract::Path};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use windlass_kinds::{ExperimentId, filter::Search, record::EvaluationDataset};
use windlass_plan::access::Operation;
use windlass_store::evaluation_digest;

pub(super) use records::{delete as records_delete, list as records_list, merge as records_merge};

use super::{
    door::Door,
    error::{Error, Result},
    experiments::ensure_default,
    filter::{self, Entity},
    names, page,
    request::{Asked, Check, Kind, Message, Shape},
    show::Empty,
};

/// How many datasets a search shows unless it says otherwise, and at most.
const PAGE: (i64, i64) = (1000, 50_000);
/// The tag by which a client says who it is.
const USER_TAG: &str = "mlflow.user";
/// How deeply JSON within JSON may nest.
const DEPTH: usize = 200;
/// The longest name, in characters; that of MLflow's column.
const NAME_MAX: usize = 255;
/// The most experiments that a summary of logged datasets looks at, and the most datasets that it shows.
const SUMMARY: (usize, u32) = (20, 1000);

#[derive(Serialize)]
pub(super) struct DatasetOut {
    dataset_id: String,
    name: String,
    tags: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    digest: String,
    created_time: i64,
    last_update_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_updated_by: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    experiment_ids: Vec<ExperimentId>,
}

/// Shows a dataset. Its experiments are asked for apart, but for those that it was made with.
fn shown(dataset: EvaluationDataset, experiments: bool) -> DatasetOut {
    DatasetOut {
        dataset_id: dataset.id,
        name: dataset.name,
        tags: serde_json::to_string(&dataset.tags).expect("texts are JSON"),
        schema: dataset.schema,
        profile: dataset.profile,
        digest: dataset.digest,
        created_time: dataset.created_ms,
        last_update_time: dataset.updated_ms,
        created_by: dataset.created_by,
        last_updated_by: dataset.updated_by,
        experiment_ids: if experiments { dataset.experiments } else { Vec::new() },
    }
}

#[derive(Serialize)]
pub(super) struct One {
    dataset: DatasetOut,
}

/// Reads JSON that came as a text.
fn parsed<T: for<'de> Deserialize<'de>>(text: &str, what: &str) -> Result<T> {
    windlass_scan::check_json(text.as_bytes(), DEPTH, text.len())
        .map_err(|error| Error::invalid(format!("{what} are refused: {error}.")))?;
    serde_json::from_str(text).map_err(|error| Error::invalid(format!("{what} are not the expected JSON: {error}.")))
}

/// Returns tags as texts; those that are nothing are left out.
fn tags_of(text: &str) -> Result<BTreeMap<String, String>> {
    let tags: Map<String, Value> = parsed(text, "The tags")?;
    Ok(tags.into_iter().filter_map(|(key, value)| Some((key, word(&value)?))).collect())
}

/// Returns a value as Python's `str` writes it; none for nothing.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn ids(experiments: Vec<String>) -> Vec<ExperimentId> {
    experiments.into_iter().map(ExperimentId::new).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Create {
    name: String,
    experiment_ids: Vec<String>,
    tags: String,
}

impl Message for Create {
    const SHAPE: Shape = Shape {
        fields: &[
            ("name", Kind::Text),
            ("experiment_ids", Kind::Texts),
            ("source_type", Kind::Choice(&[])),
            ("source", Kind::Text),
            ("schema", Kind::Text),
            ("profile", Kind::Text),
            ("created_by", Kind::Text),
            ("tags", Kind::Text),
        ],
        checks: &[
            ("name", &[Check::Required, Check::IsText]),
            ("experiment_ids", &[Check::IsList]),
            ("tags", &[Check::IsText]),
        ],
    };
}

pub(super) async fn create(door: Door, Asked(body): Asked<Create>) -> Result<Json<One>> {
    door.may(Operation::WriteTracking)?;
    door.not_a_step()?;
    if body.name.chars().count() > NAME_MAX {
        return Err(Error::invalid(format!("'name' exceeds the maximum length of {NAME_MAX} characters")));
    }
    let tags = if body.tags.is_empty() { BTreeMap::new() } else { tags_of(&body.tags)? };
    let now = door.now().millis();
    let user = tags.get(USER_TAG).cloned();
    let dataset = EvaluationDataset {
        id: format!("d-{}", names::id()?),
        project: door.project().clone(),
        digest: evaluation_digest(&body.name, now),
        name: body.name,
        tags,
        schema: None,
        profile: None,
        created_by: user.clone(),
        updated_by: user,
        created_ms: now,
        updated_ms: now,
        experiments: ids(body.experiment_ids),
    };
    door.write((dataset.clone(), door.principal.actor.clone()), |tx, a| {
        Box::pin(async move { tx.evaluation_create(&a.0, &a.1).await })
    })
    .await?;
    Ok(Json(One { dataset: shown(dataset, true) }))
}

async fn find(door: &Door, id: &str) -> Result<Option<EvaluationDataset>> {
    let args = (door.project().clone(), id.to_owned());
    door.read(args, |tx, a| Box::pin(async move { tx.evaluation_get(&a.0, &a.1).await })).await
}

pub(super) async fn read(door: Door, Path(id): Path<String>) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let missing = || Error::not_found(format!("Evaluation dataset with id '{id}' not found"));
    Ok(Json(One { dataset: shown(find(&door, &id).await?.ok_or_else(missing)?, false) }))
}

pub(super) async fn remove(door: Door, Path(id): Path<String>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteTracking)?;
    door.not_a_step()?;
    let args = (door.project().clone(), id, door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.evaluation_delete(&a.0, &a.1, &a.2, a.3).await })).await?;
    Ok(Json(Empty {}))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Find {
    experiment_ids: Vec<String>,
    filter_string: String,
    max_results: Option<i64>,
    order_by: Vec<String>,
    page_token: String,
}

impl Message for Find {
    const SHAPE: Shape = Shape {
        fields: &[
            ("experiment_ids", Kind::Texts),
            ("filter_string", Kind::Text),
            ("max_results", Kind::Int),
            ("order_by", Kind::Texts),
            ("page_token", Kind::Text),
        ],
        checks: &[
            ("experiment_ids", &[Check::IsList]),
            ("filter_string", &[Check::IsText]),
            ("max_results", &[Check::IsInt]),
            ("order_by", &[Check::IsList]),
            ("page_token", &[Check::IsText]),
        ],
    };
}

#[derive(Serialize)]
pub(super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    datasets: Vec<DatasetOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(super) async fn search(door: Door, Asked(body): Asked<Find>) -> Result<Json<Found>> {
    door.may(Operation::ReadTracking)?;
    let size = match body.max_results {
        // Nothing is as good as not said.
        None | Some(0) => PAGE.0,
        Some(size) if size < 0 => {
            return Err(Error::invalid(format!(
                "Invalid value {size} for parameter 'max_results' supplied. It must be a positive integer"
            )));
        }
        Some(size) if size > PAGE.1 => {
            return Err(Error::invalid(format!(
                "Invalid value {size} for parameter 'max_results' supplied. It must be at most {}",
                PAGE.1
            )));
        }
        Some(size) => size,
    };
    let mut of = body.order_by.clone();
    of.push(body.filter_string.clone());
    let search = Search {
        filter: filter::parse(Entity::EvaluationDataset, &body.filter_string)?,
        order: body
            .order_by
            .iter()
            .map(|text| filter::order(Entity::EvaluationDataset, text))
            .collect::<Result<_>>()?,
        start: page::start(Some(&body.page_token), &of)?,
        limit: u32::try_from(size).unwrap_or(u32::MAX),
        ..Search::default()
    };
    let args = (door.project().clone(), ids(body.experiment_ids), search);
    let found = door.read(args, |tx, a| Box::pin(async move { tx.evaluation_search(&a.0, &a.1, &a.2).await })).await?;
    Ok(Json(Found {
        datasets: found.items.into_iter().map(|dataset| shown(dataset, false)).collect(),
        next_page_token: page::next(found.next, &of),
    }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tags {
    tags: String,
}

impl Message for Tags {
    const SHAPE: Shape =
        Shape { fields: &[("tags", Kind::Text)], checks: &[("tags", &[Check::Required, Check::IsText])] };
}

pub(super) async fn tags_set(door: Door, Path(id): Path<String>, Asked(body): Asked<Tags>) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    door.not_a_step()?;
    let tags = tags_of(&body.tags)?;
    let missing = || Error::not_found(format!("Could not find evaluation dataset with ID {id}"));
    let dataset = find(&door, &id).await?.ok_or_else(missing)?;
    door.write((dataset.id, tags), |tx, a| Box::pin(async move { tx.evaluation_tags_set(&a.0, &a.1).await })).await?;
    Ok(Json(Empty {}))
}

pub(super) async fn tag_delete(door: Door, Path((id, key)): Path<(String, String)>) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    door.not_a_step()?;
    let Some(dataset) = find(&door, &id).await? else { return Ok(Json(Empty {})) };
    door.write((dataset.id, key), |tx, a| Box::pin(async move { tx.evaluation_tag_delete(&a.0, &a.1).await })).await?;
    Ok(Json(Empty {}))
}

#[derive(Serialize)]
pub(super) struct Experiments {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    experiment_ids: Vec<ExperimentId>,
}

pub(super) async fn experiments(door: Door, Path(id): Path<String>) -> Result<Json<Experiments>> {
    door.may(Operation::ReadTracking)?;
    let experiment_ids = find(&door, &id).await?.map(|dataset| dataset.experiments).unwrap_or_default();
    Ok(Json(Experiments { experiment_ids }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    experiment_ids: Vec<String>,
}

impl Message for Which {
    const SHAPE: Shape =
        Shape { fields: &[("experiment_ids", Kind::Texts)], checks: &[("experiment_ids", &[Check::IsList])] };
}

async fn in_use(door: &Door, id: &str) -> Result<EvaluationDataset> {
    door.may(Operation::WriteTracking)?;
    door.not_a_step()?;
    find(door, id).await?.ok_or_else(|| Error::not_found(format!("Dataset '{id}' not found")))
}

pub(super) async fn experiments_add(
    door: Door,
    Path(id): Path<String>,
    Asked(body): Asked<Which>,
) -> Result<Json<One>> {
    let dataset = in_use(&door, &id).await?;
    if body.experiment_ids.iter().any(|experiment| experiment == "0") {
        ensure_default(&door).await?;
    }
    let args = (door.project().clone(), dataset.id, ids(body.experiment_ids), door.now().millis());
    let missing = door
        .write(args, |tx, a| Box::pin(async move { tx.evaluation_experiments_add(&a.0, &a.1, &a.2, a.3).await }))
        .await?;
    if let Some(missing) = missing {
        return Err(Error::not_found(format!("No Experiment with id={missing}")));
    }
    Ok(Json(One { dataset: shown(in_use(&door, &id).await?, false) }))
}

pub(super) async fn experiments_remove(
    door: Door,
    Path(id): Path<String>,
    Asked(body): Asked<Which>,
) -> Result<Json<One>> {
    let dataset = in_use(&door, &id).await?;
    let args = (dataset.id, ids(body.experiment_ids), door.now().millis());
    door.write(args, |tx, a| Box::pin(async move { tx.evaluation_experiments_remove(&a.0, &a.1, a.2).await })).await?;
    Ok(Json(One { dataset: shown(in_use(&door, &id).await?, false) }))
}

#[derive(Serialize)]
pub(super) struct Summaries {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dataset_summaries: Vec<Summary>,
}

#[derive(Serialize)]
struct Summary {
    experiment_id: ExperimentId,
    name: String,
    digest: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    context: String,
}

/// Which datasets the runs of some experiments were logged with.
pub(super) async fn of_runs(door: Door, Asked(body): Asked<Which>) -> Result<Json<Summaries>> {
    door.may(Operation::ReadTracking)?;
    let experiments = body.experiment_ids;
    if experiments.is_empty() {
        return Err(Error::invalid("SearchDatasets request must specify at least one experiment_id."));
    }
    if experiments.len() > SUMMARY.0 {
        return Err(Error::invalid(format!(
            "SearchDatasets request cannot specify more than {} experiment_ids. Received {} experiment_ids.",
            SUMMARY.0,
            experiments.len()
        )));
    }
    let args = (door.project().clone(), ids(experiments));
    let found =
        door.read(args, |tx, a| Box::pin(async move { tx.input_datasets(&a.0, &a.1, SUMMARY.1).await })).await?;
    let dataset_summaries = found
        .into_iter()
        .map(|(experiment_id, name, digest, context)| Summary { experiment_id, name, digest, context })
        .collect();
    Ok(Json(Summaries { dataset_summaries }))
}
