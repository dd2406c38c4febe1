//! The second interface of traces: begun and ended by two requests, with random ids.

use std::collections::BTreeMap;

use axum::{Json, extract::Path};
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    TraceId,
    record::{Cost, Tokens, Trace, TraceState},
};
use windlass_plan::access::Operation;
use windlass_store::{Refusal, RefusalSubject as Subject};

use super::{
    info::{self, Notes},
    show::{self, OldInfo},
};
use crate::mlflow::{
    door::Door,
    error::{Error, Result},
    experiments, names,
    wire::{Body, Field, List, Pair, pairs},
};

#[derive(Deserialize)]
pub(in super::super) struct Start {
    #[serde(default)]
    experiment_id: Field<String>,
    #[serde(default)]
    timestamp_ms: Field<i64>,
    #[serde(default)]
    request_metadata: List<Pair>,
    #[serde(default)]
    tags: List<Pair>,
}

#[derive(Serialize)]
pub(in super::super) struct One {
    trace_info: OldInfo,
}

fn map(list: List<Pair>, name: &'static str) -> Result<BTreeMap<String, String>> {
    Ok(pairs(list, name)?.into_iter().collect())
}

pub(in super::super) async fn start(door: Door, Body(body): Body<Start>) -> Result<Json<One>> {
    door.may(Operation::WriteTracking)?;
    let experiment = experiments::id(&body.experiment_id.text("experiment_id")?)?;
    if experiment.as_str() == "0" {
        experiments::ensure_default(&door).await?;
    }
    let id = TraceId::new(names::id()?);
    let Notes { metadata, session, tokens, cost, links } =
        info::notes(map(body.request_metadata, "request_metadata")?)?;
    let (name, tags) = info::tags(map(body.tags, "tags")?, &experiment, &id)?;
    let trace = Trace {
        project: door.project().clone(),
        at_ms: body.timestamp_ms.optional("timestamp_ms")?.unwrap_or_default(),
        took_ms: None,
        state: TraceState::InProgress,
        name,
        session,
        client_request: None,
        request: None,
        response: None,
        tokens,
        cost,
        metadata,
        tags,
        assessments: Vec::new(),
        experiment,
        id,
    };
    let stored = door
        .write((trace, links), |tx, a| {
            Box::pin(async move {
                tx.trace_put(&a.0, &a.1).await?;
                let stored = tx.trace_get(&a.0.project, &a.0.id).await?;
                stored.ok_or_else(|| Refusal::Missing(Subject::Trace(a.0.id.clone())).into())
            })
        })
        .await?;
    Ok(Json(One { trace_info: show::old(stored) }))
}

#[derive(Deserialize)]
pub(in super::super) struct End {
    #[serde(default)]
    timestamp_ms: Field<i64>,
    #[serde(default)]
    status: Field<String>,
    #[serde(default)]
    request_metadata: List<Pair>,
    #[serde(default)]
    tags: List<Pair>,
}

pub(in super::super) async fn end(door: Door, Path(id): Path<String>, Body(body): Body<End>) -> Result<Json<One>> {
    door.may(Operation::WriteTracking)?;
    let at_ms = body.timestamp_ms.optional("timestamp_ms")?.unwrap_or_default();
    let status = body.status.or_empty("status")?;
    let state = match status.as_str() {
        "" | "TRACE_STATUS_UNSPECIFIED" => TraceState::StateUnspecified,
        word => TraceState::parse(word)
            .ok_or_else(|| Error::invalid(format!("Invalid value \"{word}\" for parameter 'status' supplied.")))?,
    };
    let before = info::find(&door, &id).await?;
    let Notes { metadata, session, tokens, cost: _, links } =
        info::notes(map(body.request_metadata, "request_metadata")?)?;
    let (name, tags) = info::tags(map(body.tags, "tags")?, &before.experiment, &before.id)?;
    let change = Trace { state, name, session, tokens, metadata, tags, cost: Cost::default(), ..blank(before) };
    let stored = door
        .write((change, at_ms, links), |tx, a| {
            Box::pin(async move {
                tx.trace_end(&a.0.project, &a.0.id, a.1, &a.0, &a.2).await?;
                let stored = tx.trace_get(&a.0.project, &a.0.id).await?;
                stored.ok_or_else(|| Refusal::Missing(Subject::Trace(a.0.id.clone())).into())
            })
        })
        .await?;
    Ok(Json(One { trace_info: show::old(stored) }))
}

/// Returns a trace of which only whose it is is left.
fn blank(trace: Trace) -> Trace {
    Trace {
        took_ms: None,
        name: None,
        session: None,
        client_request: None,
        request: None,
        response: None,
        tokens: Tokens::default(),
        metadata: Vec::new(),
        tags: Vec::new(),
        assessments: Vec::new(),
        ..trace
    }
}

pub(in super::super) async fn read(door: Door, Path(id): Path<String>) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    Ok(Json(One { trace_info: show::old(info::find(&door, &id).await?) }))
}
