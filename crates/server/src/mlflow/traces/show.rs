//! Traces as they go out: in the shape of MLflow's third interface and of its second.

use std::collections::BTreeMap;

use serde::Serialize;
use windlass_kinds::{
    ExperimentId, TraceId,
    record::{Cost, Tokens, Trace, TraceState},
};

use super::{
    any::Any,
    assessments::{self, AssessmentOut},
    labels, times,
};
use crate::mlflow::show;

/// The note with the conversation; kept in the trace itself.
pub(super) const SESSION: &str = "mlflow.trace.session";
/// The note with the tokens of the whole trace; kept as numbers.
pub(super) const TOKENS: &str = "mlflow.trace.tokenUsage";
/// The note with the cost of the whole trace; kept as numbers.
pub(super) const COST: &str = "mlflow.trace.cost";
/// The longest key and value of a note that is shown, in characters.
const NOTE_MAX: usize = 250;
/// The longest key of a tag that is shown, in characters.
const TAG_KEY_MAX: usize = 250;
/// The longest value of a tag that is shown, in characters.
const TAG_MAX: usize = 4096;

/// Returns where the files of a trace lie, relative to the root of all artifacts.
pub(in super::super) fn root(experiment: &ExperimentId, trace: &TraceId) -> String {
    format!("{experiment}/traces/{trace}/artifacts")
}

/// Returns the URI of that place.
pub(super) fn artifact_location(experiment: &ExperimentId, trace: &TraceId) -> String {
    show::artifact_uri(&root(experiment, trace))
}

#[derive(Serialize)]
struct InExperiment {
    experiment_id: String,
}

#[derive(Serialize)]
struct Location {
    r#type: &'static str,
    mlflow_experiment: InExperiment,
}

/// A trace without its spans.
#[derive(Serialize)]
pub(super) struct TraceInfo {
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_request_id: Option<String>,
    trace_location: Location,
    request_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_duration: Option<String>,
    state: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    trace_metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    assessments: Vec<AssessmentOut>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_preview: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_preview: Option<String>,
}

fn cut(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) if text.len() > most => text[..end].to_owned(),
        _ => text,
    }
}

/// Returns numbers as the JSON that MLflow notes; none where there are none.
fn numbers<const N: usize>(numbers: [(&str, Option<Any>); N]) -> Option<String> {
    let known: Vec<(String, Any)> =
        numbers.into_iter().filter_map(|(key, number)| Some((key.to_owned(), number?))).collect();
    (!known.is_empty()).then(|| Any::Map(known).json())
}

fn tokens(tokens: &Tokens) -> Option<String> {
    numbers([
        ("input_tokens", tokens.input.map(Any::Int)),
        ("output_tokens", tokens.output.map(Any::Int)),
        ("total_tokens", tokens.total.map(Any::Int)),
        ("cache_read_input_tokens", tokens.cache_read.map(Any::Int)),
        ("cache_creation_input_tokens", tokens.cache_write.map(Any::Int)),
        ("cache_creation_input_tokens_above_1hr", tokens.cache_write_long.map(Any::Int)),
    ])
}

fn cost(cost: &Cost) -> Option<String> {
    numbers([
        ("input_cost", cost.input.map(Any::Double)),
        ("output_cost", cost.output.map(Any::Double)),
        ("total_cost", cost.total.map(Any::Double)),
    ])
}

/// Returns what a trace notes for good, with what is kept in the trace itself.
fn notes(trace: &mut Trace) -> BTreeMap<String, String> {
    let kept = [(SESSION, trace.session.take()), (TOKENS, tokens(&trace.tokens)), (COST, cost(&trace.cost))];
    let kept = kept.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let all = std::mem::take(&mut trace.metadata).into_iter().chain(kept);
    all.map(|(key, value)| (cut(key, NOTE_MAX), cut(value, NOTE_MAX))).collect()
}

fn tags(trace: &mut Trace) -> BTreeMap<String, String> {
    let name = trace.name.take().map(|name| (labels::NAME.to_owned(), name));
    let all = std::mem::take(&mut trace.tags).into_iter().chain(name);
    all.map(|(key, value)| (cut(key, TAG_KEY_MAX), cut(value, TAG_MAX))).collect()
}

/// Returns a trace as the third interface shows it.
pub(super) fn info(mut trace: Trace) -> TraceInfo {
    let (trace_metadata, tags) = (notes(&mut trace), tags(&mut trace));
    let id = trace.id.as_str().to_owned();
    TraceInfo {
        client_request_id: trace.client_request,
        trace_location: Location {
            r#type: "MLFLOW_EXPERIMENT",
            mlflow_experiment: InExperiment { experiment_id: trace.experiment.as_str().to_owned() },
        },
        request_time: times::instant(trace.at_ms),
        execution_duration: trace.took_ms.map(times::length),
        state: trace.state.as_str(),
        trace_metadata,
        assessments: trace.assessments.into_iter().map(|said| assessments::show(&id, said)).collect(),
        tags,
        request_preview: trace.request,
        response_preview: trace.response,
        trace_id: id,
    }
}

/// A trace as the second interface shows it.
#[derive(Serialize)]
pub(super) struct OldInfo {
    request_id: String,
    experiment_id: String,
    timestamp_ms: i64,
    execution_time_ms: i64,
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    request_metadata: Vec<show::Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<show::Tag>,
}

/// Returns a trace as the second interface shows it.
pub(super) fn old(mut trace: Trace) -> OldInfo {
    let (notes, tags) = (notes(&mut trace), tags(&mut trace));
    OldInfo {
        request_id: trace.id.as_str().to_owned(),
        experiment_id: trace.experiment.as_str().to_owned(),
        timestamp_ms: trace.at_ms,
        execution_time_ms: trace.took_ms.unwrap_or_default(),
        status: match trace.state {
            TraceState::StateUnspecified => "TRACE_STATUS_UNSPECIFIED",
            TraceState::Ok | TraceState::Error | TraceState::InProgress => trace.state.as_str(),
        },
        request_metadata: show::tags(notes.into_iter().collect()),
        tags: show::tags(tags.into_iter().collect()),
    }
}
