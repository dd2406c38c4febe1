//! Histories of metrics: all points of one run, or a sample over several runs for a chart.

use std::collections::BTreeSet;

use axum::Json;
use serde::Serialize;
use windlass_kinds::RunId;
use windlass_plan::access::Operation;

use super::{
    check,
    door::Door,
    error::{Error, Result},
    page,
    show::{self, Metric},
    wire::Query,
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

pub(super) async fn read(door: Door, query: Query) -> Result<Json<Points>> {
    door.may(Operation::ReadTracking)?;
    let run = RunId::new(query.run()?);
    let key = query.text("metric_key")?.to_owned();
    let size = check::page_size(query.integer("max_results")?, PAGE, PAGE)?;
    let offset = page::offset(query.get("page_token"))?;
    let mut points = door
        .read_one((door.project().clone(), run, key, offset, size + 1), |tx, a| {
            Box::pin(async move { tx.metric_history(&a.0, &a.1, &a.2, a.3, a.4).await })
        })
        .await?;
    let next_page_token = page::cut(&mut points, offset, size);
    Ok(Json(Points { metrics: points.into_iter().map(|point| show::metric(point, None)).collect(), next_page_token }))
}

pub(super) async fn sampled(door: Door, query: Query) -> Result<Json<Points>> {
    door.may(Operation::ReadTracking)?;
    let runs: Vec<RunId> = query.all("run_ids").into_iter().map(RunId::new).collect();
    if runs.is_empty() {
        return Err(Error::required("run_ids"));
    }
    if runs.len() > RUNS_MAX {
        return Err(Error::invalid(format!(
            "GetMetricHistoryBulkInterval request must specify at most {RUNS_MAX} run_ids. Received {} run_ids.",
            runs.len()
        )));
    }
    let key = query.text("metric_key")?.to_owned();
    let size = query.integer("max_results")?.unwrap_or(i64::from(POINTS));
    let size = u32::try_from(size).ok().filter(|size| (1..=POINTS).contains(size));
    let size = size.ok_or_else(|| Error::invalid(format!("max_results must be between 1 and {POINTS}.")))?;
    let (start, end) = match (query.integer("start_step")?, query.integer("end_step")?) {
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
    let args = (door.project().clone(), runs, key, start, end, size);
    let found = door
        .read(args, |tx, a| {
            Box::pin(async move {
                let (project, runs, key, start, end, size) = &*a;
                let steps = tx.metric_steps(project, runs, key, *start, *end).await?;
                let shared = sample(&steps, *size as usize);
                let mut found = Vec::new();
                for run in runs {
                    // A run shows its own first and last step too, whatever the others have.
                    let own = tx.metric_steps(project, std::slice::from_ref(run), key, *start, *end).await?;
                    let wanted: BTreeSet<i64> = shared.iter().chain(own.first()).chain(own.last()).copied().collect();
                    let wanted: Vec<i64> = wanted.into_iter().collect();
                    for point in tx.metric_points_at(project, run, key, &wanted, POINTS).await? {
                        found.push((run.clone(), point));
                    }
                }
                Ok(found)
            })
        })
        .await?;
    let metrics = found.into_iter().map(|(run, point)| show::metric(point, Some(run))).collect();
    Ok(Json(Points { metrics, next_page_token: None }))
}

/// Returns at most `size` steps, evenly spread, the last among them.
fn sample(steps: &[i64], size: usize) -> Vec<i64> {
    if steps.len() <= size {
        return steps.to_vec();
    }
    let mut chosen: Vec<i64> = (0..size).map(|place| steps[place * steps.len() / size]).collect();
    if let (Some(last), Some(end)) = (steps.last(), chosen.last_mut()) {
        *end = *last;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_and_end_with_the_last() {
        let steps: Vec<i64> = (0..1000).collect();
        let chosen = sample(&steps, 320);
        assert_eq!((chosen.len(), chosen[0], chosen[319]), (320, 0, 999));
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(sample(&steps[..3], 320), [0, 1, 2]);
        assert_eq!(sample(&steps, 1), [999]);
    }
}
