//! Runs: begin, look, change, search, delete.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    RunId,
    filter::{Attribute, Comparison, Field as FilterField, Search, Value},
    record::{Run, RunData, RunStatus},
};
use windlass_plan::access::Operation;
use windlass_store::RunChange;

use super::{
    check,
    door::Door,
    error::{Error, Result},
    experiments::{self, lifecycle},
    filter::{self, Entity},
    names, page,
    show::{self, Empty, RUN_NAME, RunInfo},
    wire::{Body, Field, List, Pair, Query, pairs},
};

/// How many runs a search shows unless it says otherwise, and at most.
const PAGE: (u32, u32) = (1000, 50_000);
/// What artifact URIs begin with.
const URI: &str = "mlflow-artifacts:/";

#[derive(Deserialize)]
pub(super) struct Create {
    #[serde(default)]
    experiment_id: Field<String>,
    #[serde(default)]
    user_id: Field<String>,
    #[serde(default)]
    run_name: Field<String>,
    #[serde(default)]
    start_time: Field<i64>,
    #[serde(default)]
    tags: List<Pair>,
}

#[derive(Serialize)]
pub(super) struct One {
    run: show::Run,
}

pub(super) async fn create(door: Door, Body(body): Body<Create>) -> Result<Json<One>> {
    door.may(Operation::WriteTracking)?;
    let experiment = body.experiment_id.or_empty("experiment_id")?;
    let experiment = experiments::id(if experiment.is_empty() { "0" } else { &experiment })?;
    if experiment.as_str() == "0" {
        experiments::ensure_default(&door).await?;
    }
    let mut tags = pairs(body.tags, "tags")?;
    tags.iter().try_for_each(|(key, value)| check::tag(key, value))?;
    let mut name = body.run_name.or_empty("run_name")?;
    if let Some(place) = tags.iter().position(|(key, _)| key == RUN_NAME) {
        let (_, tagged) = tags.remove(place);
        if !name.is_empty() && !tagged.is_empty() && name != tagged {
            return Err(Error::invalid(format!(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values \
                 (run_name='{name}', mlflow.runName='{tagged}')."
            )));
        }
        if name.is_empty() {
            name = tagged;
        }
    }
    if name.is_empty() {
        name = names::run_name()?;
    }
    check::run_name(&name)?;
    let start = body.start_time.optional("start_time")?.filter(|start| *start != 0);
    let run = Run {
        id: RunId::new(names::id()?),
        experiment,
        project: door.project().clone(),
        name,
        user: body.user_id.or_empty("user_id")?,
        status: RunStatus::Running,
        start_ms: start.unwrap_or_else(|| door.now().millis()),
        end_ms: None,
        deleted: false,
        attempt: door.principal.attempt.as_ref().map(|own| own.attempt.clone()),
    };
    door.write((run.clone(), tags.clone()), |tx, a| {
        Box::pin(async move {
            if let Some(attempt) = &a.0.attempt {
                tx.attempt_open(attempt).await?;
            }
            tx.experiment_live(&a.0.project, &a.0.experiment).await?;
            tx.run_create(&a.0, &a.1).await
        })
    })
    .await?;
    tags.sort();
    Ok(Json(One { run: show::run(&run, RunData { tags, ..RunData::default() }) }))
}

pub(super) async fn read(door: Door, query: Query) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let id = RunId::new(query.run()?);
    let (run, data) = door
        .read((door.project().clone(), id), |tx, a| {
            Box::pin(async move { Ok((tx.run_find(&a.0, &a.1).await?, tx.run_data(&a.1).await?)) })
        })
        .await?;
    Ok(Json(One { run: show::run(&run, data) }))
}

#[derive(Deserialize)]
pub(super) struct Update {
    #[serde(default)]
    run_id: Field<String>,
    #[serde(default)]
    run_uuid: Field<String>,
    #[serde(default)]
    run_name: Field<String>,
    #[serde(default)]
    status: Field<String>,
    #[serde(default)]
    end_time: Field<i64>,
}

#[derive(Serialize)]
pub(super) struct Updated {
    run_info: RunInfo,
}

/// Returns the run that a body is about: `run_id`, or `run_uuid` from old clients.
pub(super) fn run_of(run_id: Field<String>, run_uuid: Field<String>) -> Result<RunId> {
    let id = run_id.optional("run_id")?.filter(|id| !id.is_empty());
    match id {
        Some(id) => Ok(RunId::new(id)),
        None => Ok(RunId::new(run_uuid.text("run_id")?)),
    }
}

pub(super) async fn update(door: Door, Body(body): Body<Update>) -> Result<Json<Updated>> {
    let id = run_of(body.run_id, body.run_uuid)?;
    door.may_write(&id).await?;
    let status = body.status.optional("status")?.filter(|status| !status.is_empty());
    let status = status
        .map(|text| {
            RunStatus::parse(&text).ok_or_else(|| {
                Error::invalid(format!(
                    "Invalid value \"{text}\" for parameter 'status' supplied: it must be one of RUNNING, SCHEDULED, \
                     FINISHED, FAILED, KILLED"
                ))
            })
        })
        .transpose()?;
    let name = body.run_name.optional("run_name")?.filter(|name| !name.is_empty());
    if let Some(name) = &name {
        check::run_name(name)?;
    }
    let change = RunChange { name, status, end_ms: body.end_time.optional("end_time")? };
    let args = (door.project().clone(), id, change, door.principal.actor.clone(), door.now());
    let run =
        door.write(args, |tx, a| Box::pin(async move { tx.run_change(&a.0, &a.1, &a.2, &a.3, a.4).await })).await?;
    Ok(Json(Updated { run_info: show::run_info(&run) }))
}

#[derive(Deserialize)]
pub(super) struct SearchBody {
    #[serde(default)]
    experiment_ids: List<String>,
    #[serde(default)]
    filter: Field<String>,
    #[serde(default)]
    run_view_type: Field<String>,
    #[serde(default)]
    max_results: Field<i64>,
    #[serde(default)]
    order_by: List<String>,
    #[serde(default)]
    page_token: Field<String>,
}

#[derive(Serialize)]
pub(super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<show::Run>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(super) async fn search(door: Door, Body(body): Body<SearchBody>) -> Result<Json<Found>> {
    door.may(Operation::ReadTracking)?;
    let experiments: Vec<_> =
        body.experiment_ids.items("experiment_ids")?.into_iter().map(windlass_kinds::ExperimentId::new).collect();
    let size = check::page_size(body.max_results.optional("max_results")?, PAGE.0, PAGE.1)?;
    let order = body.order_by.items("order_by")?;
    let mut filter = filter::parse(Entity::Run, &body.filter.or_empty("filter")?)?;
    filter.iter_mut().for_each(relative);
    let search = Search {
        filter,
        order: order.iter().map(|text| filter::order(Entity::Run, text)).collect::<Result<_>>()?,
        lifecycle: lifecycle(body.run_view_type.optional("run_view_type")?.as_deref()),
        offset: page::offset(body.page_token.optional("page_token")?.as_deref())?,
        limit: size + 1,
    };
    let offset = search.offset;
    let mut found = door
        .read((door.project().clone(), experiments, search), |tx, a| {
            Box::pin(async move { tx.runs_search(&a.0, &a.1, &a.2).await })
        })
        .await?;
    let next_page_token = page::cut(&mut found, offset, size);
    Ok(Json(Found { runs: found.into_iter().map(|(run, data)| show::run(&run, data)).collect(), next_page_token }))
}

/// Makes artifact URIs in a comparison relative to the root of all artifacts, which is what the store knows.
fn relative(comparison: &mut Comparison) {
    if comparison.field != FilterField::Attribute(Attribute::ArtifactPath) {
        return;
    }
    let strip = |text: &mut String| {
        if let Some(rest) = text.strip_prefix(URI) {
            *text = rest.to_owned();
        }
    };
    match &mut comparison.value {
        Value::Text(text) => strip(text),
        Value::List(texts) => texts.iter_mut().for_each(strip),
        Value::Number(_) | Value::None => {}
    }
}

#[derive(Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    run_id: Field<String>,
    #[serde(default)]
    run_uuid: Field<String>,
}

pub(super) async fn remove(door: Door, Body(body): Body<Which>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteTracking)?;
    let id = run_of(body.run_id, body.run_uuid)?;
    let args = (door.project().clone(), id, door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.run_delete_soft(&a.0, &a.1, &a.2, a.3).await })).await?;
    Ok(Json(Empty {}))
}

pub(super) async fn restore(door: Door, Body(body): Body<Which>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteTracking)?;
    let id = run_of(body.run_id, body.run_uuid)?;
    let args = (door.project().clone(), id, door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.run_restore(&a.0, &a.1, &a.2, a.3).await })).await?;
    Ok(Json(Empty {}))
}
