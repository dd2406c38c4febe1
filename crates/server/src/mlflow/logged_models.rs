//! Logged models.

use axum::{Json, extract::Path};
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    ExperimentId, LoggedModelId, RunId,
    filter::{Attribute, Field as FilterField, Lifecycle, Order, Search},
    record::{LoggedModel, LoggedModelStatus},
};
use windlass_plan::access::Operation;
use windlass_store::LoggedModelChange;

use super::{
    check,
    door::Door,
    error::{Error, Result},
    experiments,
    filter::{self, Entity},
    names, page,
    show::{self, Empty, LoggedModelOut},
    wire::{Body, Field, List, Pair, pairs},
};

/// How many logged models a search shows unless it says otherwise, and at most.
const PAGE: (u32, u32) = (100, 1000);

#[derive(Deserialize)]
pub(super) struct Create {
    #[serde(default)]
    experiment_id: Field<String>,
    #[serde(default)]
    name: Field<String>,
    #[serde(default)]
    model_type: Field<String>,
    #[serde(default)]
    source_run_id: Field<String>,
    #[serde(default)]
    params: List<Pair>,
    #[serde(default)]
    tags: List<Pair>,
}

#[derive(Serialize)]
pub(super) struct One {
    model: LoggedModelOut,
}

pub(super) async fn create(door: Door, Body(body): Body<Create>) -> Result<Json<One>> {
    door.may(Operation::WriteTracking)?;
    let experiment = experiments::id(&body.experiment_id.text("experiment_id")?)?;
    if experiment.as_str() == "0" {
        experiments::ensure_default(&door).await?;
    }
    let mut name = body.name.or_empty("name")?;
    if name.is_empty() {
        name = names::run_name()?;
    }
    check::logged_model_name(&name)?;
    let source_run = body.source_run_id.optional("source_run_id")?.filter(|run| !run.is_empty()).map(RunId::new);
    if let Some(run) = &source_run {
        door.may_write(run).await?;
    }
    let (mut params, mut tags) = (pairs(body.params, "params")?, pairs(body.tags, "tags")?);
    params.iter().try_for_each(|(key, value)| check::param(key, value))?;
    tags.iter().try_for_each(|(key, value)| check::tag(key, value))?;
    params.sort();
    tags.sort();
    let now = door.now().millis();
    let model = LoggedModel {
        id: LoggedModelId::new(format!("m-{}", names::id()?)),
        experiment,
        project: door.project().clone(),
        name,
        source_run,
        model_type: body.model_type.or_empty("model_type")?,
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

pub(super) async fn read(door: Door, Path(id): Path<String>) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let id = LoggedModelId::new(id);
    let (found, metrics) = door
        .read((door.project().clone(), id.clone()), |tx, a| {
            Box::pin(async move { Ok((tx.logged_model_get(&a.0, &a.1).await?, tx.logged_model_metrics(&a.1).await?)) })
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

#[derive(Deserialize)]
pub(super) struct Finish {
    #[serde(default)]
    status: Field<String>,
}

pub(super) async fn finish(door: Door, Path(id): Path<String>, Body(body): Body<Finish>) -> Result<Json<One>> {
    let status = body.status.text("status")?;
    let status = serde_json::from_value(serde_json::Value::String(status.clone())).map_err(|_| {
        Error::invalid(format!(
            "Invalid value \"{status}\" for parameter 'status' supplied: it must be one of LOGGED_MODEL_PENDING, \
             LOGGED_MODEL_READY, LOGGED_MODEL_UPLOAD_FAILED"
        ))
    })?;
    let model = change(&door, id, LoggedModelChange::Status(status)).await?;
    Ok(Json(One { model: show::logged_model(model, Vec::new()) }))
}

#[derive(Deserialize)]
pub(super) struct Params {
    #[serde(default)]
    params: List<Pair>,
}

pub(super) async fn params(door: Door, Path(id): Path<String>, Body(body): Body<Params>) -> Result<Json<Empty>> {
    let params = pairs(body.params, "params")?;
    params.iter().try_for_each(|(key, value)| check::param(key, value))?;
    change(&door, id, LoggedModelChange::Params(params)).await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize)]
pub(super) struct Tags {
    #[serde(default)]
    tags: List<Pair>,
}

pub(super) async fn tags(door: Door, Path(id): Path<String>, Body(body): Body<Tags>) -> Result<Json<Empty>> {
    let tags = pairs(body.tags, "tags")?;
    tags.iter().try_for_each(|(key, value)| check::tag(key, value))?;
    change(&door, id, LoggedModelChange::Tags(tags)).await?;
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

#[derive(Deserialize)]
pub(super) struct SearchBody {
    #[serde(default)]
    experiment_ids: List<String>,
    #[serde(default)]
    filter: Field<String>,
    #[serde(default)]
    max_results: Field<i64>,
    #[serde(default)]
    order_by: List<OrderBody>,
    #[serde(default)]
    page_token: Field<String>,
}

#[derive(Deserialize)]
struct OrderBody {
    #[serde(default)]
    field_name: Field<String>,
    #[serde(default)]
    ascending: Field<bool>,
}

impl OrderBody {
    fn order(self) -> Result<Order> {
        let name = self.field_name.text("order_by.field_name")?;
        let ascending = self.ascending.optional("order_by.ascending")?.unwrap_or(true);
        let field = match filter::order(Entity::LoggedModel, &name) {
            Ok(order) => order.field,
            // Keys of metrics need no quotes here.
            Err(_) => match name.split_once('.') {
                Some(("metrics", key)) => FilterField::Metric(key.to_owned()),
                _ if name == "creation_timestamp_ms" => FilterField::Attribute(Attribute::Created),
                _ => return Err(Error::invalid(format!("Invalid order by field name: {name}"))),
            },
        };
        Ok(Order { field, ascending })
    }
}

#[derive(Serialize)]
pub(super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<LoggedModelOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(super) async fn search(door: Door, Body(body): Body<SearchBody>) -> Result<Json<Found>> {
    door.may(Operation::ReadTracking)?;
    let experiments: Vec<ExperimentId> =
        body.experiment_ids.items("experiment_ids")?.into_iter().map(ExperimentId::new).collect();
    if experiments.is_empty() {
        return Err(Error::required("experiment_ids"));
    }
    let size = check::page_size(body.max_results.optional("max_results")?, PAGE.0, PAGE.1)?;
    let search = Search {
        filter: filter::parse(Entity::LoggedModel, &body.filter.or_empty("filter")?)?,
        order: body.order_by.items("order_by")?.into_iter().map(OrderBody::order).collect::<Result<_>>()?,
        lifecycle: Lifecycle::Active,
        offset: page::offset(body.page_token.optional("page_token")?.as_deref())?,
        limit: size + 1,
    };
    let offset = search.offset;
    let mut found = door
        .read((door.project().clone(), experiments, search), |tx, a| {
            Box::pin(async move {
                let mut found = Vec::new();
                for model in tx.logged_models_search(&a.0, &a.1, &a.2).await? {
                    let metrics = tx.logged_model_metrics(&model.id).await?;
                    found.push((model, metrics));
                }
                Ok(found)
            })
        })
        .await?;
    let next_page_token = page::cut(&mut found, offset, size);
    let models = found.into_iter().map(|(model, metrics)| show::logged_model(model, metrics)).collect();
    Ok(Json(Found { models, next_page_token }))
}
