//! Histories of metrics: all points of one run, or a sample over several runs for a chart.

use axum::Json;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use windlass_kinds::{RunId, filter::Start};
use windlass_plan::access::Operation;

use super::{
    door::Door,
    error::{Error, Result},
    page,
    request::{Asked, Check, Kind, Message, Shape},
    runs::run_of,
    show::{self, Metric},
};

/// How many points one page of a history holds at most.
const PAGE: u32 = 25_000;
/// How many runs one chart shows at most.
const RUNS_MAX: usize = 100;
/// How many points of one run a chart asks for at most, and gets unless it says otherwise.
const POINTS: u32 = 2500;

#[derive(Serialize)]
pub(super) struct Points {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<Metric>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct History {
    run_id: String,
    run_uuid: String,
    metric_key: String,
    page_token: String,
    max_results: Option<i64>,
}

impl Message for History {
    const SHAPE: Shape = Shape {
        fields: &[
            ("run_id", Kind::Text),
            ("run_uuid", Kind::Text),
            ("metric_key", Kind::Text),
            ("page_token", Kind::Text),
            ("max_results", Kind::Int),
        ],
        checks: &[
            ("run_id", &[Check::IsText, Check::Required]),
            ("metric_key", &[Check::IsText, Check::Required]),
            ("page_token", &[Check::IsText]),
        ],
    };
}

pub(super) async fn read(door: Door, Asked(asked): Asked<History>) -> Result<Json<Points>> {
    door.may(Operation::ReadTracking)?;
    let run = run_of(asked.run_id, asked.run_uuid);
    let size = match asked.max_results {
        Some(size @ ..=0) => {
            return Err(Error::invalid(format!(
                "Invalid value {size} for parameter 'max_results' supplied. It must be a positive integer."
            )));
        }
        // What does not fit into one answer comes in several.
        size => size.and_then(|size| u32::try_from(size).ok()).unwrap_or(PAGE).min(PAGE),
    };
    let offset = match page::start(Some(&asked.page_token), &[])? {
        Start::Behind(offset) => offset,
        Start::First | Start::After(_) => 0,
    };
    let mut points = door
        .read_one((door.project().clone(), run, asked.metric_key, offset, size + 1), |tx, a| {
            Box::pin(async move { tx.metric_history(&a.0, &a.1, &a.2, a.3, a.4).await })
        })
        .await?;
    let is_more = points.len() > size as usize;
    points.truncate(size as usize);
    let token = || STANDARD.encode(format!("{{\"offset\": {}}}", offset + u64::from(size)));
    Ok(Json(Points {
        metrics: points.into_iter().map(|point| show::run_metric(point, None)).collect(),
        next_page_token: is_more.then(token),
    }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Sample {
    run_ids: Vec<String>,
    metric_key: String,
    start_step: Option<i64>,
    end_step: Option<i64>,
    max_results: Option<i64>,
}

impl Message for Sample {
    const SHAPE: Shape = Shape {
        fields: &[
            ("run_ids", Kind::Texts),
            ("metric_key", Kind::Text),
            ("start_step", Kind::Long),
            ("end_step", Kind::Long),
            ("max_results", Kind::Int),
        ],
        checks: &[
            (
                "run_ids",
                &[
                    Check::Required,
                    Check::IsList,
                    Check::AreTexts,
                    Check::CountAtMost(
                        RUNS_MAX,
                        "GetMetricHistoryBulkInterval request must specify at most 100 run_ids.",
                    ),
                ],
            ),
            ("metric_key", &[Check::Required, Check::IsText]),
            ("start_step", &[Check::IsInt]),
            ("end_step", &[Check::IsInt]),
            (
                "max_results",
                &[Check::IsInt, Check::Within(1, POINTS as i64, "max_results must be between 1 and 2500.")],
            ),
        ],
    };
}

pub(super) async fn sampled(door: Door, Asked(asked): Asked<Sample>) -> Result<Json<Points>> {
    door.may(Operation::ReadTracking)?;
    let size = asked.max_results.and_then(|size| u32::try_from(size).ok()).unwrap_or(POINTS);
    let (start, end) = match (asked.start_step, asked.end_step) {
        (None, None) => (i64::MIN, i64::MAX),
        (Some(start), Some(end)) if start <= end => (start, end),
        (Some(start), Some(end)) => {
            return Err(Error::invalid(format!(
                "end_step must be greater than start_step. Found start_step={start} and end_step={end}."
            )));
        }
        _ => {
            return Err(Error::invalid("If either start step or end step are specified, both must be specified."));
        }
    };
    let runs: Vec<RunId> = asked.run_ids.into_iter().map(RunId::new).collect();
    let args = (door.project().clone(), runs, asked.metric_key, start..=end, size);
    let found = door
        .read(args, |tx, a| {
            Box::pin(async move {
                let (project, runs, key, steps, size) = &*a;
                let mut found = Vec::new();
                for run in runs {
                    for point in tx.metric_sample(project, run, key, steps, *size).await? {
                        found.push((run.clone(), point));
                    }
                }
                Ok(found)
            })
        })
        .await?;
    let metrics = found.into_iter().map(|(run, point)| show::run_metric(point, Some(run))).collect();
    Ok(Json(Points { metrics, next_page_token: None }))
}
