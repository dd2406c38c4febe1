//! Logged models.

use axum::{Json, extract::Path};
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    LoggedModelId, RunId,
    record::{LoggedModel, LoggedModelStatus},
};
use windlass_plan::access::Operation;
use windlass_store::LoggedModelChange;

use super::{
    check,
    door::Door,
    error::{Error, Result},
    experiments, names,
    request::{Asked, Check, Kind, Message, PAIR, Pair, Shape, pairs},
    show::{self, Empty, LoggedModelOut},
};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Create {
    experiment_id: String,
    name: String,
    model_type: String,
    source_run_id: String,
    params: Vec<Pair>,
    tags: Vec<Pair>,
}

impl Message for Create {
    const SHAPE: Shape = Shape {
        fields: &[
            ("experiment_id", Kind::Text),
            ("name", Kind::Text),
            ("model_type", Kind::Text),
            ("source_run_id", Kind::Text),
            ("params", Kind::Messages(PAIR)),
            ("tags", Kind::Messages(PAIR)),
        ],
        checks: &[
            ("experiment_id", &[Check::IsText, Check::Required]),
            ("name", &[Check::IsText]),
            ("model_type", &[Check::IsText]),
            ("source_run_id", &[Check::IsText]),
            ("params", &[Check::IsList]),
            ("tags", &[Check::IsList]),
        ],
    };
}

#[derive(Serialize)]
pub(super) struct One {
    model: LoggedModelOut,
}

pub(super) async fn create(door: Door, Asked(asked): Asked<Create>) -> Result<Json<One>> {
    door.may(Operation::WriteTracking)?;
    let Create { experiment_id, mut name, model_type, source_run_id, params, tags } = asked;
    if name.is_empty() {
        name = names::run_name()?;
    }
    check::logged_model_name(&name)?;
    let experiment = experiments::id(&experiment_id)?;
    if experiment.as_str() == "0" {
        experiments::ensure_default(&door).await?;
    }
    let source_run = (!source_run_id.is_empty()).then(|| RunId::new(source_run_id));
    if let Some(run) = &source_run
        && door.principal.attempt.is_some()
    {
        door.may_write(run).await?;
    }
    let (params, tags) = (given_params(params)?, given(tags)?);
    check::nul("model_type", &model_type)?;
    let now = door.now().millis();
    let model = LoggedModel {
        id: LoggedModelId::new(format!("m-{}", names::id()?)),
        experiment,
        project: door.project().clone(),
        name,
        source_run,
        model_type,
        status: LoggedModelStatus::Pending,
        status_message: String::new(),
        created_ms: now,
        updated_ms: now,
        params,
        tags,
    };
    door.write(model.clone(), |tx, a| Box::pin(async move { tx.logged_model_create(&a).await })).await?;
    Ok(Json(One { model: show::logged_model(model, Vec::new()) }))
}

/// As [`given`], for params: none may be there twice.
fn given_params(list: Vec<Pair>) -> Result<Vec<(String, String)>> {
    let count = list.len();
    let params = given(list)?;
    if params.len() == count {
        return Ok(params);
    }
    Err(Error::invalid("A param of a logged model is given twice; each may be there once"))
}

/// Returns pairs as they are kept: sorted by key, of which each is there once, with the value that was given last.
fn given(list: Vec<Pair>) -> Result<Vec<(String, String)>> {
    let pairs = pairs(list);
    check::storable(&pairs)?;
    Ok(pairs.into_iter().collect::<std::collections::BTreeMap<_, _>>().into_iter().collect())
}

/// Whether a model that was deleted is to be shown too.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Shown {
    allow_deleted: Option<String>,
}

pub(super) async fn read(
    door: Door,
    Path(id): Path<String>,
    axum::extract::Query(shown): axum::extract::Query<Shown>,
) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let deleted_too = shown.allow_deleted.is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let id = LoggedModelId::new(id);
    let (found, metrics) = door
        .read((door.project().clone(), id.clone(), deleted_too), |tx, a| {
            Box::pin(async move {
                let found = match a.2 {
                    true => tx.logged_model_get_any(&a.0, &a.1).await?,
                    false => tx.logged_model_get(&a.0, &a.1).await?,
                };
                Ok((found, tx.logged_model_metrics(&a.1).await?))
            })
        })
        .await?;
    let found = found.ok_or_else(|| Error::not_found(format!("Logged model with ID '{id}' not found.")))?;
    Ok(Json(One { model: show::logged_model(found, metrics) }))
}

async fn change(door: &Door, id: String, change: LoggedModelChange) -> Result<LoggedModel> {
    let id = LoggedModelId::new(id);
    match &change {
        // Registering a version also tags the logged model it came from, which an earlier step may have made.
        LoggedModelChange::Tags(_) => door.may(Operation::WriteTracking)?,
        LoggedModelChange::Status(_) | LoggedModelChange::Params(_) | LoggedModelChange::TagDelete(_) => {
            door.may_write_model(&id).await?;
        }
    }
    door.write((door.project().clone(), id, change, door.now().millis()), |tx, a| {
        Box::pin(async move { tx.logged_model_change(&a.0, &a.1, &a.2, a.3).await })
    })
    .await
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Finish {
    model_id: String,
    status: Option<String>,
}

impl Message for Finish {
    const SHAPE: Shape = Shape {
        fields: &[
            ("model_id", Kind::Text),
            (
                "status",
                Kind::Choice(&[
                    ("LOGGED_MODEL_STATUS_UNSPECIFIED", 0),
                    ("LOGGED_MODEL_PENDING", 1),
                    ("LOGGED_MODEL_READY", 2),
                    ("LOGGED_MODEL_UPLOAD_FAILED", 3),
                ]),
            ),
        ],
        checks: &[("model_id", &[Check::IsText, Check::Required]), ("status", &[Check::IsInt, Check::Required])],
    };
}

/// Sets the status. MLflow looks at the id in the body, not at that in the path, so both have to be the same here.
pub(super) async fn finish(door: Door, Path(id): Path<String>, Asked(asked): Asked<Finish>) -> Result<Json<One>> {
    // What is given but no status is passed over.
    let status = asked.status.and_then(|text| serde_json::from_value(serde_json::Value::String(text)).ok());
    let status = status.unwrap_or(LoggedModelStatus::Unspecified);
    if asked.model_id != id {
        return Err(Error::not_found(format!("Logged model with ID '{}' not found.", asked.model_id)));
    }
    let model = change(&door, id, LoggedModelChange::Status(status)).await?;
    Ok(Json(One { model: show::logged_model(model, Vec::new()) }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Params {
    params: Vec<Pair>,
}

impl Message for Params {
    const SHAPE: Shape = Shape {
        fields: &[("model_id", Kind::Text), ("params", Kind::Messages(PAIR))],
        checks: &[("model_id", &[Check::IsText, Check::Required]), ("params", &[Check::IsList])],
    };
}

pub(super) async fn params(door: Door, Path(id): Path<String>, Asked(asked): Asked<Params>) -> Result<Json<Empty>> {
    change(&door, id, LoggedModelChange::Params(given_params(asked.params)?)).await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Tags {
    tags: Vec<Pair>,
}

impl Message for Tags {
    const SHAPE: Shape = Shape {
        fields: &[("model_id", Kind::Text), ("tags", Kind::Messages(PAIR))],
        checks: &[("tags", &[Check::IsList])],
    };
}

pub(super) async fn tags(door: Door, Path(id): Path<String>, Asked(asked): Asked<Tags>) -> Result<Json<Empty>> {
    change(&door, id, LoggedModelChange::Tags(given(asked.tags)?)).await?;
    Ok(Json(Empty {}))
}

pub(super) async fn tag_delete(door: Door, Path((id, key)): Path<(String, String)>) -> Result<Json<Empty>> {
    change(&door, id, LoggedModelChange::TagDelete(key)).await?;
    Ok(Json(Empty {}))
}

pub(super) async fn remove(door: Door, Path(id): Path<String>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteTracking)?;
    let args = (door.project().clone(), LoggedModelId::new(id), door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.logged_model_delete(&a.0, &a.1, &a.2, a.3).await })).await?;
    Ok(Json(Empty {}))
}
