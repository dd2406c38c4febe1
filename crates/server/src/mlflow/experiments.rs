//! Experiments.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    ExperimentId,
    filter::{Lifecycle, Search},
    record::Experiment,
};
use windlass_plan::access::Operation;
use windlass_store::ExperimentChange;

use super::{
    check,
    door::Door,
    error::{Error, Result},
    filter::{self, Entity},
    page,
    show::{self, Empty, ExperimentOut},
    wire::{Body, Field, List, Pair, Query, pairs},
};

/// How many experiments a search shows unless it says otherwise, and at most.
const PAGE: (u32, u32) = (1000, 50_000);

#[derive(Deserialize)]
pub(super) struct Create {
    #[serde(default)]
    name: Field<String>,
    #[serde(default)]
    artifact_location: Field<String>,
    #[serde(default)]
    tags: List<Pair>,
}

#[derive(Serialize)]
pub(super) struct Created {
    experiment_id: ExperimentId,
}

pub(super) async fn create(door: Door, Body(body): Body<Create>) -> Result<Json<Created>> {
    door.may(Operation::WriteTracking)?;
    let name = body.name.text("name")?;
    check::experiment_name(&name)?;
    let place = body.artifact_location.or_empty("artifact_location")?;
    if place.contains(['#', '?']) {
        return Err(Error::invalid("'artifact_location' URL can't include fragments or params."));
    }
    if !place.is_empty() {
        return Err(Error::invalid(
            "'artifact_location' cannot be chosen: this server keeps artifacts itself; leave it out",
        ));
    }
    let tags = pairs(body.tags, "tags")?;
    tags.iter().try_for_each(|(key, value)| check::experiment_tag(key, value))?;
    let args = (door.project().clone(), name, tags, door.principal.actor.clone(), door.now());
    let experiment_id = door
        .write(args, |tx, a| Box::pin(async move { tx.experiment_create(&a.0, &a.1, &a.2, &a.3, a.4).await }))
        .await?;
    Ok(Json(Created { experiment_id }))
}

#[derive(Serialize)]
pub(super) struct One {
    experiment: ExperimentOut,
}

/// Returns the id in a request, which must be digits.
pub(super) fn id(text: &str) -> Result<ExperimentId> {
    if text.parse::<i64>().is_err() {
        return Err(Error::invalid(format!("Invalid experiment ID '{text}'. Experiment ID must be a valid integer.")));
    }
    Ok(ExperimentId::new(text))
}

/// Makes the experiment `Default` where a client may expect it.
pub(super) async fn ensure_default(door: &Door) -> Result<()> {
    let default = ExperimentId::new("0");
    let there = door
        .read((door.project().clone(), default), |tx, a| Box::pin(async move { tx.experiment_get(&a.0, &a.1).await }))
        .await?;
    if there.is_some() {
        return Ok(());
    }
    door.write((door.project().clone(), door.now().millis()), |tx, a| {
        Box::pin(async move { tx.experiment_default(&a.0, a.1).await })
    })
    .await
}

pub(super) async fn read(door: Door, query: Query) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let id = id(query.text("experiment_id")?)?;
    if id.as_str() == "0" {
        ensure_default(&door).await?;
    }
    let found = door
        .read((door.project().clone(), id.clone()), |tx, a| {
            Box::pin(async move { tx.experiment_get(&a.0, &a.1).await })
        })
        .await?;
    let found = found.ok_or_else(|| Error::not_found(format!("No Experiment with id={id} exists")))?;
    Ok(Json(One { experiment: show::experiment(found) }))
}

pub(super) async fn read_by_name(door: Door, query: Query) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let name = query.text("experiment_name")?.to_owned();
    if name == "Default" {
        ensure_default(&door).await?;
    }
    let found = door
        .read((door.project().clone(), name.clone()), |tx, a| {
            Box::pin(async move { tx.experiment_by_name(&a.0, &a.1).await })
        })
        .await?;
    let found = found.ok_or_else(|| Error::not_found(format!("Could not find experiment with name '{name}'")))?;
    Ok(Json(One { experiment: show::experiment(found) }))
}

#[derive(Deserialize)]
pub(super) struct SearchBody {
    #[serde(default)]
    max_results: Field<i64>,
    #[serde(default)]
    page_token: Field<String>,
    #[serde(default)]
    filter: Field<String>,
    #[serde(default)]
    order_by: List<String>,
    #[serde(default)]
    view_type: Field<String>,
}

#[derive(Serialize)]
pub(super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    experiments: Vec<ExperimentOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// Returns which records a `view_type` means.
pub(super) fn lifecycle(view: Option<&str>) -> Lifecycle {
    match view {
        Some("DELETED_ONLY") => Lifecycle::Deleted,
        Some("ALL") => Lifecycle::All,
        _ => Lifecycle::Active,
    }
}

pub(super) async fn search(door: Door, Body(body): Body<SearchBody>) -> Result<Json<Found>> {
    let filter = body.filter.or_empty("filter")?;
    let order = body.order_by.items("order_by")?;
    let view = body.view_type.optional("view_type")?;
    let token = body.page_token.optional("page_token")?;
    let size = body.max_results.optional("max_results")?;
    find(&door, &filter, &order, view.as_deref(), token.as_deref(), size).await
}

pub(super) async fn search_get(door: Door, query: Query) -> Result<Json<Found>> {
    let order: Vec<String> = query.all("order_by").into_iter().map(str::to_owned).collect();
    let (view, token) = (query.get("view_type"), query.get("page_token"));
    let size = query.integer("max_results")?;
    find(&door, query.get("filter").unwrap_or_default(), &order, view, token, size).await
}

async fn find(
    door: &Door,
    filter: &str,
    order: &[String],
    view: Option<&str>,
    token: Option<&str>,
    size: Option<i64>,
) -> Result<Json<Found>> {
    door.may(Operation::ReadTracking)?;
    let size = check::page_size(size, PAGE.0, PAGE.1)?;
    let search = Search {
        filter: filter::parse(Entity::Experiment, filter)?,
        order: order.iter().map(|text| filter::order(Entity::Experiment, text)).collect::<Result<_>>()?,
        lifecycle: lifecycle(view),
        offset: page::offset(token)?,
        limit: size + 1,
    };
    ensure_default(door).await?;
    let offset = search.offset;
    let mut found: Vec<Experiment> = door
        .read((door.project().clone(), search), |tx, a| {
            Box::pin(async move { tx.experiments_search(&a.0, &a.1).await })
        })
        .await?;
    let next_page_token = page::cut(&mut found, offset, size);
    Ok(Json(Found { experiments: found.into_iter().map(show::experiment).collect(), next_page_token }))
}

#[derive(Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    experiment_id: Field<String>,
    #[serde(default)]
    new_name: Field<String>,
}

async fn change(door: &Door, experiment: String, change: ExperimentChange) -> Result<Json<Empty>> {
    let args = (door.project().clone(), id(&experiment)?, change, door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.experiment_change(&a.0, &a.1, &a.2, &a.3, a.4).await })).await?;
    Ok(Json(Empty {}))
}

pub(super) async fn rename(door: Door, Body(body): Body<Change>) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    door.not_a_step()?;
    let experiment = body.experiment_id.text("experiment_id")?;
    let name = body.new_name.text("new_name")?;
    check::experiment_name(&name)?;
    change(&door, experiment, ExperimentChange::Rename(name)).await
}

pub(super) async fn remove(door: Door, Body(body): Body<Change>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteTracking)?;
    change(&door, body.experiment_id.text("experiment_id")?, ExperimentChange::Delete).await
}

pub(super) async fn restore(door: Door, Body(body): Body<Change>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteTracking)?;
    change(&door, body.experiment_id.text("experiment_id")?, ExperimentChange::Restore).await
}

#[derive(Deserialize)]
pub(super) struct TagBody {
    #[serde(default)]
    experiment_id: Field<String>,
    #[serde(default)]
    key: Field<String>,
    #[serde(default)]
    value: Field<String>,
}

pub(super) async fn tag_set(door: Door, Body(body): Body<TagBody>) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    door.not_a_step()?;
    let id = id(&body.experiment_id.text("experiment_id")?)?;
    let (key, value) = (body.key.text("key")?, body.value.or_empty("value")?);
    check::experiment_tag(&key, &value)?;
    door.write((door.project().clone(), id, key, value), |tx, a| {
        Box::pin(async move { tx.experiment_tag_set(&a.0, &a.1, &a.2, &a.3).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

pub(super) async fn tag_delete(door: Door, Body(body): Body<TagBody>) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    door.not_a_step()?;
    let id = id(&body.experiment_id.text("experiment_id")?)?;
    let key = body.key.text("key")?;
    door.write((door.project().clone(), id, key), |tx, a| {
        Box::pin(async move { tx.experiment_tag_delete(&a.0, &a.1, &a.2).await })
    })
    .await?;
    Ok(Json(Empty {}))
}
