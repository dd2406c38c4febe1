//! Traces by their id: told, shown, deleted.

use std::collections::BTreeMap;

use axum::{Json, extract::Path};
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    ExperimentId, RunId, TraceId,
    record::{Cost, Span, Tokens, Trace, TraceState},
};
use windlass_plan::access::Operation;
use windlass_store::{Refusal, RefusalSubject as Subject, TraceLink, TraceRange};

use super::{
    any::Any,
    assessments::AssessmentIn,
    labels,
    show::{self, COST, SESSION, TOKENS, TraceInfo},
    span::{self, Stored},
    times,
};
use crate::mlflow::{
    check,
    door::Door,
    error::{Error, Result},
    experiments,
    wire::{Body, Field, List, Query},
};

/// The note with the run in which a trace was made.
const RUN: &str = "mlflow.sourceRun";
/// The note that a trace was told as a whole.
const TOLD: &str = "mlflow.trace.infoFinalized";
/// The note with the number of spans, among other things.
const SIZE: &str = "mlflow.trace.sizeStats";
/// The longest id of a trace, in characters.
const ID_MAX: usize = 250;
/// The longest id of a conversation, in characters.
const SESSION_MAX: usize = 250;
/// The most ids of one request.
const IDS_MAX: usize = 1000;

/// Where a client says that a trace lies: in an experiment, or in what is not served here.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Location {
    pub(super) mlflow_experiment: Option<InExperiment>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct InExperiment {
    pub(super) experiment_id: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct InfoIn {
    trace_id: Field<String>,
    client_request_id: Field<String>,
    trace_location: Option<Location>,
    request_time: Field<String>,
    execution_duration: Field<String>,
    state: Field<String>,
    trace_metadata: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    request_preview: Field<String>,
    response_preview: Field<String>,
    assessments: Vec<AssessmentIn>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TraceIn {
    trace_info: InfoIn,
}

#[derive(Deserialize)]
pub(in super::super) struct Start {
    trace: Option<TraceIn>,
}

#[derive(Serialize)]
struct TraceOut {
    trace_info: TraceInfo,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spans: Vec<Stored>,
}

#[derive(Serialize)]
pub(in super::super) struct One {
    trace: TraceOut,
}

/// Notes of which some are kept in the trace itself, and the run that they name.
pub(super) struct Notes {
    pub(super) metadata: Vec<(String, String)>,
    pub(super) session: Option<String>,
    pub(super) tokens: Tokens,
    pub(super) cost: Cost,
    pub(super) links: Vec<TraceLink>,
}

/// Takes what is kept in the trace itself out of its notes.
pub(super) fn notes(mut given: BTreeMap<String, String>) -> Result<Notes> {
    let session = given.remove(SESSION);
    if let Some(session) = &session {
        check::length("Session ID", session, SESSION_MAX)?;
    }
    let run = given.get(RUN).filter(|run| !run.is_empty() && run.len() <= ID_MAX);
    Ok(Notes {
        links: run.map(|run| TraceLink::Run(RunId::new(run))).into_iter().collect(),
        session,
        tokens: given.remove(TOKENS).map(|json| span::tokens_of(&json)).unwrap_or_default(),
        cost: given.remove(COST).map(|json| span::cost_of(&json)).unwrap_or_default(),
        metadata: given.into_iter().collect(),
    })
}

/// A name, and tags without it.
type Named = (Option<String>, Vec<(String, String)>);

/// Takes the name out of tags, and sets where the trace's files lie.
pub(super) fn tags(mut given: BTreeMap<String, String>, experiment: &ExperimentId, id: &TraceId) -> Result<Named> {
    let name = given.remove(labels::NAME);
    if let Some(name) = &name {
        labels::name(name)?;
    }
    given.insert(labels::PLACE.to_owned(), show::artifact_location(experiment, id));
    Ok((name, given.into_iter().collect()))
}

impl InfoIn {
    fn read(self, door: &Door) -> Result<(Trace, Vec<TraceLink>)> {
        let id = self.trace_id.text("trace.trace_info.trace_id")?;
        check::nul("trace_id", &id)?;
        check::length("trace_id", &id, ID_MAX)?;
        let id = TraceId::new(id);
        let experiment = self.trace_location.and_then(|location| location.mlflow_experiment);
        let experiment = experiment
            .ok_or_else(|| Error::required("trace.trace_info.trace_location.mlflow_experiment.experiment_id"))?;
        let experiment = experiments::id(&experiment.experiment_id)?;
        let at_ms = match self.request_time.optional("request_time")? {
            None => 0,
            Some(text) => times::parse_instant(&text)
                .ok_or_else(|| Error::invalid(format!("Invalid value for parameter 'request_time': '{text}'")))?,
        };
        let took_ms = match self.execution_duration.optional("execution_duration")? {
            None => None,
            Some(text) => Some(times::parse_length(&text).ok_or_else(|| {
                Error::invalid(format!("Invalid value for parameter 'execution_duration': '{text}'"))
            })?),
        };
        let state = self.state.or_empty("state")?;
        let mut notes = notes(self.trace_metadata)?;
        notes.metadata.push((TOLD.to_owned(), "true".to_owned()));
        let (name, tags) = tags(self.tags, &experiment, &id)?;
        let now_ms = door.now().millis();
        let trace = Trace {
            project: door.project().clone(),
            at_ms,
            took_ms,
            // As MLflow has it, a word that it does not know says nothing.
            state: TraceState::parse(&state).unwrap_or(TraceState::StateUnspecified),
            name,
            session: notes.session,
            client_request: self.client_request_id.optional("client_request_id")?,
            request: self.request_preview.optional("request_preview")?,
            response: self.response_preview.optional("response_preview")?,
            tokens: notes.tokens,
            cost: notes.cost,
            metadata: notes.metadata,
            tags,
            assessments: self.assessments.into_iter().map(|said| said.read(now_ms)).collect::<Result<_>>()?,
            experiment,
            id,
        };
        Ok((trace, notes.links))
    }
}

pub(in super::super) async fn start(door: Door, Body(body): Body<Start>) -> Result<Json<One>> {
    door.may(Operation::WriteTracking)?;
    let given = body.trace.ok_or_else(|| Error::required("trace"))?;
    let (trace, links) = given.trace_info.read(&door)?;
    if trace.experiment.as_str() == "0" {
        experiments::ensure_default(&door).await?;
    }
    let stored = door
        .write((trace, links), |tx, a| {
            Box::pin(async move {
                tx.trace_put(&a.0, &a.1).await?;
                let stored = tx.trace_get(&a.0.project, &a.0.id).await?;
                stored.ok_or_else(|| Refusal::Missing(Subject::Trace(a.0.id.clone())).into())
            })
        })
        .await?;
    Ok(Json(One { trace: TraceOut { trace_info: show::info(stored), spans: Vec::new() } }))
}

/// Returns a trace; refuses one that is not there.
pub(super) async fn find(door: &Door, id: &str) -> Result<Trace> {
    let args = (door.project().clone(), TraceId::new(id));
    let found = door.read(args, |tx, a| Box::pin(async move { tx.trace_get(&a.0, &a.1).await })).await?;
    found.ok_or_else(|| Refusal::Missing(Subject::Trace(TraceId::new(id))).into())
}

pub(in super::super) async fn read(door: Door, Path(id): Path<String>) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let trace = find(&door, &id).await?;
    Ok(Json(One { trace: TraceOut { trace_info: show::info(trace), spans: Vec::new() } }))
}

/// Returns whether the spans of a trace are here rather than among its files.
fn spans_here(trace: &Trace) -> bool {
    trace.tags.iter().any(|(key, value)| key == labels::SPANS && value == labels::SPANS_HERE)
}

/// Returns how many spans a trace has, if its client said.
fn expected(trace: &Trace) -> usize {
    let stats = trace.metadata.iter().find(|(key, _)| key == SIZE).and_then(|(_, json)| Any::parse(json));
    match stats.as_ref().and_then(|stats| stats.get("num_spans")) {
        Some(Any::Int(count)) => usize::try_from(*count).unwrap_or_default(),
        _ => 0,
    }
}

/// Returns traces with their spans, in the order of their ids; those that are not there are left out.
async fn with_spans(
    door: &Door,
    ids: Vec<String>,
    experiments: Option<Vec<String>>,
) -> Result<Vec<(Trace, Vec<Span>)>> {
    if ids.len() > IDS_MAX {
        return Err(Error::invalid(format!("At most {IDS_MAX} traces can be asked for at once.")));
    }
    let ids: Vec<TraceId> = ids.into_iter().map(TraceId::new).collect();
    let experiments = experiments.map(|list| list.into_iter().map(ExperimentId::new).collect::<Vec<_>>());
    door.read((door.project().clone(), ids, experiments), |tx, a| {
        Box::pin(async move {
            let mut found = Vec::new();
            for trace in tx.traces_get(&a.0, &a.1, a.2.as_deref()).await? {
                let spans = tx.trace_spans(&a.0, &trace.id).await?;
                found.push((trace, spans));
            }
            Ok(found)
        })
    })
    .await
}

fn shown(trace: Trace, spans: &[Span]) -> TraceOut {
    TraceOut {
        trace_info: show::info(trace),
        spans: spans.iter().filter_map(|span| Stored::read(&span.content)).collect(),
    }
}

pub(in super::super) async fn get(door: Door, query: Query) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let id = query.text("trace_id")?.to_owned();
    let partial = query.get("allow_partial").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let found = with_spans(&door, vec![id.clone()], None).await?.pop();
    let (trace, spans) = found.ok_or_else(|| Error::not_found(format!("Trace with ID {id} is not found.")))?;
    if !spans_here(&trace) {
        return Err(Error::not_found("Trace data not stored in tracking store"));
    }
    if !partial && (spans.is_empty() || spans.len() < expected(&trace)) {
        return Err(Error::not_found(format!("Trace with ID {id} is not fully exported yet, please try again later.")));
    }
    Ok(Json(One { trace: shown(trace, &spans) }))
}

#[derive(Serialize)]
pub(in super::super) struct Many {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traces: Vec<TraceOut>,
}

pub(in super::super) async fn batch(door: Door, query: Query) -> Result<Json<Many>> {
    door.may(Operation::ReadTracking)?;
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let ids = owned(query.all("trace_ids"));
    if ids.is_empty() {
        return Err(Error::required("trace_ids"));
    }
    let experiments = owned(query.all("experiment_ids"));
    let found = with_spans(&door, ids, (!experiments.is_empty()).then_some(experiments)).await?;
    // Only whole traces: others may be asked for again.
    let whole = found
        .into_iter()
        .filter(|(trace, spans)| spans_here(trace) && !spans.is_empty() && spans.len() >= expected(trace));
    Ok(Json(Many { traces: whole.map(|(trace, spans)| shown(trace, &spans)).collect() }))
}

#[derive(Deserialize)]
pub(in super::super) struct Infos {
    #[serde(default)]
    trace_ids: List<String>,
    #[serde(default)]
    experiment_ids: Option<List<String>>,
}

#[derive(Serialize)]
pub(in super::super) struct ManyInfos {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trace_infos: Vec<TraceInfo>,
}

pub(in super::super) async fn infos(door: Door, Body(body): Body<Infos>) -> Result<Json<ManyInfos>> {
    door.may(Operation::ReadTracking)?;
    let ids: Vec<TraceId> = body.trace_ids.items("trace_ids")?.into_iter().map(TraceId::new).collect();
    if ids.is_empty() {
        return Err(Error::required("trace_ids"));
    }
    if ids.len() > IDS_MAX {
        return Err(Error::invalid(format!("At most {IDS_MAX} traces can be asked for at once.")));
    }
    let experiments = match body.experiment_ids {
        Some(list) => Some(list.items("experiment_ids")?.into_iter().map(ExperimentId::new).collect::<Vec<_>>()),
        None => None,
    };
    let found = door
        .read((door.project().clone(), ids, experiments), |tx, a| {
            Box::pin(async move { tx.traces_get(&a.0, &a.1, a.2.as_deref()).await })
        })
        .await?;
    Ok(Json(ManyInfos { trace_infos: found.into_iter().map(show::info).collect() }))
}

#[derive(Deserialize)]
pub(in super::super) struct Delete {
    #[serde(default)]
    experiment_id: Field<String>,
    #[serde(default)]
    max_timestamp_millis: Field<i64>,
    #[serde(default)]
    max_traces: Field<i64>,
    #[serde(default)]
    request_ids: List<String>,
}

#[derive(Serialize)]
pub(in super::super) struct Deleted {
    traces_deleted: u64,
}

pub(in super::super) async fn remove(door: Door, Body(body): Body<Delete>) -> Result<Json<Deleted>> {
    door.may(Operation::DeleteTracking)?;
    let experiment = body.experiment_id.text("experiment_id")?;
    let until_ms = body.max_timestamp_millis.optional("max_timestamp_millis")?;
    let most = body.max_traces.optional("max_traces")?;
    let ids: Vec<TraceId> = body.request_ids.items("request_ids")?.into_iter().map(TraceId::new).collect();
    match (until_ms.is_some(), !ids.is_empty()) {
        (false, false) => {
            return Err(Error::invalid("Either `max_timestamp_millis` or `trace_ids` must be specified."));
        }
        (true, true) => {
            return Err(Error::invalid("Only one of `max_timestamp_millis` and `trace_ids` can be specified."));
        }
        _ if !ids.is_empty() && most.is_some() => {
            return Err(Error::invalid("`max_traces` can't be specified if `trace_ids` is specified."));
        }
        _ => {}
    }
    if let Some(most) = most.filter(|most| *most <= 0) {
        return Err(Error::invalid(format!("`max_traces` must be a positive integer, received {most}.")));
    }
    let most = most.map(|most| u32::try_from(most).unwrap_or(u32::MAX));
    let experiment = experiments::id(&experiment)?;
    let range = TraceRange { until_ms, most, ids };
    let args = (door.project().clone(), experiment, range, door.principal.actor.clone(), door.now());
    let traces_deleted = door
        .write(args, |tx, a| Box::pin(async move { tx.traces_delete(&a.0, &a.1, &a.2, show::root, &a.3, a.4).await }))
        .await?;
    Ok(Json(Deleted { traces_deleted }))
}
