//! Numbers over many traces, as MLflow's page of an experiment shows them.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::{ExperimentId, Micros};
use windlass_plan::access::Operation;
use windlass_store::{Aggregate, MeasureBy, MeasureFilter, MeasureQuery, MeasureRow, Measured};

use super::{any, labels, show::SESSION};
use crate::mlflow::{
    door::Door,
    error::{Error, Result},
    experiments,
    wire::{Body, Field, List},
};

/// How many groups are shown unless the client says otherwise, and at most.
const MOST: u32 = 1000;
/// The note with the run in which a trace was made.
const RUN: &str = "mlflow.sourceRun";

/// Aggregations by name, of values that are numbers.
const NUMBERS: &[&str] = &["AVG", "MAX", "MIN", "PERCENTILE", "SUM"];
/// Of lengths of time and opinions nobody wants the sum.
const NO_SUM: &[&str] = &["AVG", "MAX", "MIN", "PERCENTILE"];
const COUNT: &[&str] = &["COUNT"];

/// The name of something to measure, what it is, how it can be aggregated, and what it can be grouped by, sorted.
type Metric = (&'static str, Measured, &'static [&'static str], &'static [(&'static str, MeasureBy)]);

const OF_TRACE: &[(&str, MeasureBy)] = &[("trace_name", MeasureBy::TraceName)];
const OF_MODEL: &[(&str, MeasureBy)] =
    &[("span_model_name", MeasureBy::SpanModel), ("span_model_provider", MeasureBy::SpanProvider)];

const TRACES: &[Metric] = &[
    (
        "trace_count",
        Measured::Traces,
        COUNT,
        &[("trace_name", MeasureBy::TraceName), ("trace_status", MeasureBy::TraceState)],
    ),
    ("session_count", Measured::Sessions, COUNT, &[]),
    ("latency", Measured::TraceLatency, NO_SUM, OF_TRACE),
    ("input_tokens", Measured::InputTokens, NUMBERS, OF_TRACE),
    ("output_tokens", Measured::OutputTokens, NUMBERS, OF_TRACE),
    ("total_tokens", Measured::TotalTokens, NUMBERS, OF_TRACE),
    ("cache_read_input_tokens", Measured::CacheReadTokens, NUMBERS, OF_TRACE),
    ("cache_creation_input_tokens", Measured::CacheWriteTokens, NUMBERS, OF_TRACE),
];

const SPANS: &[Metric] = &[
    (
        "span_count",
        Measured::Spans,
        COUNT,
        &[
            ("span_model_name", MeasureBy::SpanModel),
            ("span_model_provider", MeasureBy::SpanProvider),
            ("span_name", MeasureBy::SpanName),
            ("span_status", MeasureBy::SpanStatus),
            ("span_type", MeasureBy::SpanKind),
        ],
    ),
    (
        "latency",
        Measured::SpanLatency,
        NO_SUM,
        &[("span_name", MeasureBy::SpanName), ("span_status", MeasureBy::SpanStatus)],
    ),
    ("input_cost", Measured::InputCost, NUMBERS, OF_MODEL),
    ("output_cost", Measured::OutputCost, NUMBERS, OF_MODEL),
    ("total_cost", Measured::TotalCost, NUMBERS, OF_MODEL),
];

const ASSESSMENTS: &[Metric] = &[
    (
        "assessment_count",
        Measured::Assessments,
        COUNT,
        &[("assessment_name", MeasureBy::AssessmentName), ("assessment_value", MeasureBy::AssessmentValue)],
    ),
    ("assessment_value", Measured::AssessmentValue, NO_SUM, &[("assessment_name", MeasureBy::AssessmentName)]),
];

#[derive(Deserialize)]
pub(in super::super) struct Asked {
    #[serde(default)]
    experiment_ids: List<String>,
    #[serde(default)]
    view_type: Field<String>,
    #[serde(default)]
    metric_name: Field<String>,
    #[serde(default)]
    aggregations: Vec<Aggregation>,
    #[serde(default)]
    dimensions: List<String>,
    #[serde(default)]
    filters: List<String>,
    #[serde(default)]
    time_interval_seconds: Field<i64>,
    #[serde(default)]
    start_time_ms: Field<i64>,
    #[serde(default)]
    end_time_ms: Field<i64>,
    #[serde(default)]
    max_results: Field<i64>,
}

#[derive(Deserialize)]
struct Aggregation {
    #[serde(default)]
    aggregation_type: String,
    #[serde(default)]
    percentile_value: Option<f64>,
}

impl Aggregation {
    /// Returns what it means and what it is called in the answer.
    fn read(&self) -> Result<(Aggregate, String)> {
        let aggregate = match (self.aggregation_type.as_str(), self.percentile_value) {
            ("PERCENTILE", Some(value)) if !(0.0..=100.0).contains(&value) => {
                return Err(Error::invalid(format!("Percentile value must be between 0 and 100, got {value:?}")));
            }
            ("PERCENTILE", Some(value)) => {
                let mut name = "P".to_owned();
                any::double(&mut name, value);
                return Ok((Aggregate::Percentile(value), name));
            }
            ("PERCENTILE", None) => {
                return Err(Error::invalid("Percentile value is required for PERCENTILE aggregation"));
            }
            (other, Some(_)) => {
                return Err(Error::invalid(format!(
                    "Percentile value is only allowed for PERCENTILE aggregation type, got {other}"
                )));
            }
            ("COUNT", None) => Aggregate::Count,
            ("SUM", None) => Aggregate::Sum,
            ("AVG", None) => Aggregate::Average,
            ("MIN", None) => Aggregate::Smallest,
            ("MAX", None) => Aggregate::Largest,
            (other, None) => return Err(Error::invalid(format!("Unsupported aggregation type: {other}"))),
        };
        Ok((aggregate, self.aggregation_type.clone()))
    }
}

/// Returns a list of words as Python shows it.
fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("'{word}'")).collect();
    format!("[{}]", words.join(", "))
}

/// Returns a filter, such as `trace.tag.color = 'red'`.
fn filter(view: &str, text: &str) -> Result<MeasureFilter> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| Error::invalid(format!("Invalid clause(s) in filter string: {text}")))?;
    let (key, value) = (key.trim(), value.trim());
    let quote = value.chars().next().filter(|first| matches!(first, '\'' | '"'));
    let inner = quote.and_then(|quote| value.get(1..)?.strip_suffix(quote).filter(|inner| !inner.contains(quote)));
    let value = inner.ok_or_else(|| {
        Error::invalid(format!(
            "Parameter value is either not quoted or unidentified quote types used for string value {value}. Use either \
             single or double quotes."
        ))
    })?;
    let parts: Vec<&str> = key.splitn(3, '.').collect();
    let (of, entity, key) = match parts.as_slice() {
        [of, entity] => (*of, *entity, None),
        [of, entity, key] => (*of, *entity, Some(key.trim_matches(['`', '"', '\'']))),
        _ => {
            return Err(Error::invalid(format!(
                "Invalid identifier '{key}'. Columns should be specified as 'trace.<key>', 'span.<key>', \
                 'assessment.<key>'."
            )));
        }
    };
    let entities: &[(&str, bool)] = match of {
        "trace" => &[("status", false), ("tag", true), ("metadata", true)],
        "span" => &[("name", false), ("status", false), ("type", false)],
        "assessment" => &[("name", false), ("type", false)],
        other => {
            return Err(Error::invalid(format!(
                "Invalid view type '{other}'. Valid values are dict_keys(['trace', 'span', 'assessment'])"
            )));
        }
    };
    let found = entities.iter().find(|(known, _)| *known == entity);
    let (_, keyed) = found.ok_or_else(|| {
        let known = listed(entities.iter().map(|(known, _)| *known));
        Error::invalid(format!("Invalid entity '{entity}' specified for view type '{of}'. Valid entities are {known}"))
    })?;
    match (keyed, key) {
        (true, None) => {
            return Err(Error::invalid(format!(
                "Filtering by {entity} requires a key, e.g. '{of}.{entity}.<key> = <value>'"
            )));
        }
        (false, Some(_)) => {
            return Err(Error::invalid(format!(
                "Filtering by {entity} does not require a key, use '{of}.{entity}' instead"
            )));
        }
        (true, Some(_)) | (false, None) => {}
    }
    let wanted = if of == "span" { "SPANS" } else { "ASSESSMENTS" };
    if of != "trace" && view != wanted {
        return Err(Error::invalid(format!("Filtering by {of} is only supported for {wanted} view type, got {view}")));
    }
    let (key, value) = (key.unwrap_or_default(), value.to_owned());
    Ok(match (of, entity) {
        ("trace", "status") => MeasureFilter::State(value),
        ("trace", "tag") if key == labels::NAME => MeasureFilter::Name(value),
        ("trace", "tag") => MeasureFilter::Tag(key.to_owned(), value),
        ("trace", _) if key == SESSION => MeasureFilter::Session(value),
        ("trace", _) if key == RUN => MeasureFilter::Run(value),
        ("trace", _) => MeasureFilter::Metadata(key.to_owned(), value),
        (_, "name") => MeasureFilter::RowName(value),
        (_, "status") => MeasureFilter::SpanStatus(value),
        _ => MeasureFilter::RowKind(value),
    })
}

#[derive(Serialize)]
struct Point {
    metric_name: &'static str,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    dimensions: serde_json::Map<String, serde_json::Value>,
    values: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
pub(in super::super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    data_points: Vec<Point>,
}

/// Returns an instant as Python writes it: `2026-11-24T19:48:31+00:00`.
fn instant(ms: i64) -> String {
    let text = Micros::from_millis(ms).to_string();
    text.strip_suffix('Z')
        .map_or(text.clone(), |text| format!("{}+00:00", text.strip_suffix(".000000").unwrap_or(text)))
}

pub(in super::super) async fn measure(door: Door, Body(asked): Body<Asked>) -> Result<Json<Found>> {
    door.may(Operation::ReadTracking)?;
    let experiments = asked.experiment_ids.items("experiment_ids")?;
    if experiments.is_empty() {
        return Err(Error::required("experiment_ids"));
    }
    let view = asked.view_type.text("view_type")?;
    let metrics = match view.as_str() {
        "TRACES" => TRACES,
        "SPANS" => SPANS,
        "ASSESSMENTS" => ASSESSMENTS,
        other => {
            let message = format!("view_type must be one of ['TRACES', 'SPANS', 'ASSESSMENTS'], got '{other}'");
            return Err(Error::invalid(message));
        }
    };
    let name = asked.metric_name.text("metric_name")?;
    if asked.aggregations.is_empty() {
        return Err(Error::required("aggregations"));
    }
    let aggregates = asked.aggregations.iter().map(Aggregation::read).collect::<Result<Vec<_>>>()?;
    let metric = metrics.iter().find(|(known, ..)| *known == name);
    let (name, what, fitting, groups) = metric.ok_or_else(|| {
        let known = listed(metrics.iter().map(|(known, ..)| *known));
        Error::invalid(format!("metric_name must be one of {known}, got '{name}'"))
    })?;
    let mut wrong: Vec<&str> = asked.aggregations.iter().map(|given| given.aggregation_type.as_str()).collect();
    wrong.retain(|given| !fitting.contains(given));
    wrong.sort_unstable();
    wrong.dedup();
    if !wrong.is_empty() {
        return Err(Error::invalid(format!(
            "Found invalid aggregation_type(s): {}. Supported aggregation types: {}",
            listed(wrong),
            listed(fitting.iter().copied())
        )));
    }
    let dimensions = asked.dimensions.items("dimensions")?;
    let mut by = Vec::with_capacity(dimensions.len());
    for dimension in &dimensions {
        let found = groups.iter().find(|(known, _)| known == dimension);
        let (known, group) = found.ok_or_else(|| {
            let supported = listed(groups.iter().map(|(known, _)| *known));
            Error::invalid(format!("Found invalid dimension(s): ['{dimension}']. Supported dimensions: {supported}"))
        })?;
        by.push((*known, *group));
    }
    let every = asked.time_interval_seconds.optional("time_interval_seconds")?.filter(|every| *every != 0);
    let from_ms = asked.start_time_ms.optional("start_time_ms")?;
    let to_ms = asked.end_time_ms.optional("end_time_ms")?;
    if every.is_some() && (from_ms.is_none() || to_ms.is_none()) {
        return Err(Error::invalid("start_time_ms and end_time_ms are required if time_interval_seconds is set"));
    }
    if every.is_some_and(|every| !(0..=i64::MAX / 1000).contains(&every)) {
        return Err(Error::invalid("time_interval_seconds must be a positive number of seconds"));
    }
    let most = asked.max_results.optional("max_results")?.unwrap_or(i64::from(MOST));
    let query = MeasureQuery {
        what: *what,
        aggregates: aggregates.iter().map(|(aggregate, _)| *aggregate).collect(),
        by: by.iter().map(|(_, group)| *group).collect(),
        filters: asked.filters.items("filters")?.iter().map(|text| filter(&view, text)).collect::<Result<_>>()?,
        every_ms: every.map(|every| every * 1000),
        from_ms,
        to_ms,
        most: u32::try_from(most.max(0)).unwrap_or(MOST).min(MOST),
    };
    let experiments = experiments.iter().map(|id| experiments::id(id)).collect::<Result<Vec<ExperimentId>>>()?;
    let rows = door
        .read_one((door.project().clone(), experiments, query), |tx, a| {
            Box::pin(async move { tx.traces_measure(&a.0, &a.1, &a.2).await })
        })
        .await?;
    let point = |row: MeasureRow| {
        let time = row.from_ms.map(|ms| ("time_bucket".to_owned(), instant(ms).into()));
        let of = by.iter().zip(row.by).map(|((known, _), value)| ((*known).to_owned(), value.into()));
        let values =
            aggregates.iter().zip(row.values).filter_map(|((_, name), value)| Some((name.clone(), value?.into())));
        Point { metric_name: name, dimensions: time.into_iter().chain(of).collect(), values: values.collect() }
    };
    let points = rows.into_iter().map(point).filter(|point| !point.values.is_empty());
    Ok(Json(Found { data_points: points.collect() }))
}
