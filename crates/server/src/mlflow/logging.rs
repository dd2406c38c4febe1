//! Logging metrics, params and tags: the requests that training code makes all the time.

use axum::Json;
use serde::Deserialize;
use windlass_kinds::{LoggedModelId, RunId, record::MetricPoint};
use windlass_store::{Refusal, RunChange, RunLog, StoreError};

use super::{
    check,
    door::Door,
    error::{Error, Result},
    runs::run_of,
    show::{Empty, RUN_NAME},
    wire::{Batch, Body, Field, List, Pair, Place, pairs},
};

#[derive(Deserialize)]
pub(super) struct MetricBody {
    #[serde(default)]
    run_id: Field<String>,
    #[serde(default)]
    run_uuid: Field<String>,
    // The fields of a point, written out: flattening would keep every value aside first.
    #[serde(default)]
    key: Field<String>,
    #[serde(default)]
    value: Field<f64>,
    #[serde(default)]
    timestamp: Field<i64>,
    #[serde(default)]
    step: Field<i64>,
    #[serde(default)]
    model_id: Field<String>,
    #[serde(default)]
    dataset_name: Field<String>,
    #[serde(default)]
    dataset_digest: Field<String>,
}

/// A metric point of a batch.
#[derive(Deserialize)]
pub(super) struct PointBody {
    #[serde(default)]
    key: Field<String>,
    #[serde(default)]
    value: Field<f64>,
    #[serde(default)]
    timestamp: Field<i64>,
    #[serde(default)]
    step: Field<i64>,
    #[serde(default)]
    model_id: Field<String>,
    #[serde(default)]
    dataset_name: Field<String>,
    #[serde(default)]
    dataset_digest: Field<String>,
}

impl PointBody {
    /// Returns the point; `at` says where its parameters stand.
    fn point(self, at: impl Fn(&'static str) -> Place) -> Result<MetricPoint> {
        let filled = |field: Field<String>, name: &'static str| {
            field.optional(at(name)).map(|text| text.filter(|text| !text.is_empty()))
        };
        let point = MetricPoint {
            key: self.key.text(at("key"))?,
            value: self.value.required(at("value"))?,
            timestamp_ms: self.timestamp.required(at("timestamp"))?,
            step: self.step.optional(at("step"))?.unwrap_or(0),
            model_id: filled(self.model_id, "model_id")?.map(LoggedModelId::new),
            dataset_name: filled(self.dataset_name, "dataset_name")?,
            dataset_digest: filled(self.dataset_digest, "dataset_digest")?,
        };
        check::metric(&point.key, point.value, point.timestamp_ms)?;
        Ok(point)
    }
}

pub(super) async fn metric(door: Door, Body(body): Body<MetricBody>) -> Result<Json<Empty>> {
    let MetricBody { run_id, run_uuid, key, value, timestamp, step, model_id, dataset_name, dataset_digest } = body;
    let run = run_of(run_id, run_uuid)?;
    let point = PointBody { key, value, timestamp, step, model_id, dataset_name, dataset_digest }.point(Place::Top)?;
    door.may_write(&run).await?;
    door.write_few((door.project().clone(), run, point), |tx, a| {
        Box::pin(async move { tx.log_metrics(&a.0, &a.1, std::slice::from_ref(&a.2)).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize)]
pub(super) struct PairBody {
    #[serde(default)]
    run_id: Field<String>,
    #[serde(default)]
    run_uuid: Field<String>,
    #[serde(default)]
    key: Field<String>,
    #[serde(default)]
    value: Field<String>,
}

pub(super) async fn param(door: Door, Body(body): Body<PairBody>) -> Result<Json<Empty>> {
    let run = run_of(body.run_id, body.run_uuid)?;
    let (key, value) = (body.key.text("key")?, body.value.or_empty("value")?);
    check::param(&key, &value)?;
    door.may_write(&run).await?;
    let args = (door.project().clone(), run, [(key, value)]);
    door.write_few(args, |tx, a| {
        Box::pin(async move {
            // The one param that was tried is told in other words than several.
            match tx.log_params(&a.0, &a.1, &a.2).await {
                Err(StoreError::Refused(refusal)) => match *refusal {
                    Refusal::ParamChanged { run, changes } => Ok(Err((run, changes))),
                    refusal => Err(refusal.into()),
                },
                answer => answer.map(Ok),
            }
        })
    })
    .await?
    .map_err(|(run, changes)| {
        let told = changes.first().map(|change| {
            format!(
                "Param with key='{}' was already logged with value='{}' for run ID='{run}'. Attempted logging new value \
                 '{}'.",
                change.key, change.old, change.new
            )
        });
        Error::invalid(format!("Changing param values is not allowed. {}", told.unwrap_or_default()))
    })?;
    Ok(Json(Empty {}))
}

pub(super) async fn tag_set(door: Door, Body(body): Body<PairBody>) -> Result<Json<Empty>> {
    let run = run_of(body.run_id, body.run_uuid)?;
    let (key, value) = (body.key.text("key")?, body.value.or_empty("value")?);
    check::tag(&key, &value)?;
    door.may_write(&run).await?;
    log(&door, run, RunLog { tags: vec![(key, value)], ..RunLog::default() }).await
}

pub(super) async fn tag_delete(door: Door, Body(body): Body<PairBody>) -> Result<Json<Empty>> {
    let run = run_of(body.run_id, body.run_uuid)?;
    let key = body.key.text("key")?;
    door.may_write(&run).await?;
    door.write_few((door.project().clone(), run, key), |tx, a| {
        Box::pin(async move { tx.tag_delete(&a.0, &a.1, &a.2).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize)]
pub(super) struct BatchBody {
    #[serde(default)]
    run_id: Field<String>,
    #[serde(default)]
    metrics: List<PointBody>,
    #[serde(default)]
    params: List<Pair>,
    #[serde(default)]
    tags: List<Pair>,
}

/// Refuses more of one kind than a batch may hold.
fn at_most(what: &str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "A batch logging request can contain at most {most} {what}. Got {count} {what}. Please split up {what} across \
         multiple requests and try again."
    )))
}

pub(super) async fn batch(door: Door, Batch(body): Batch<BatchBody>) -> Result<Json<Empty>> {
    let run = RunId::new(body.run_id.text("run_id")?);
    let metrics = body.metrics.items("metrics")?;
    at_most("metrics", metrics.len(), check::METRICS_MAX)?;
    let metrics = metrics
        .into_iter()
        .enumerate()
        .map(|(place, point)| point.point(|name| Place::Item("metrics", place, name)))
        .collect::<Result<Vec<_>>>()?;
    let params = pairs(body.params, "params")?;
    at_most("params", params.len(), check::PAIRS_MAX)?;
    let tags = pairs(body.tags, "tags")?;
    at_most("tags", tags.len(), check::PAIRS_MAX)?;
    at_most("metrics, params, and tags", metrics.len() + params.len() + tags.len(), check::ENTITIES_MAX)?;
    params.iter().try_for_each(|(key, value)| check::param(key, value))?;
    tags.iter().try_for_each(|(key, value)| check::tag(key, value))?;
    once(&params)?;
    door.may_write(&run).await?;
    log(&door, run, RunLog { metrics, params, tags }).await
}

/// Refuses a param that a batch names twice.
fn once(params: &[(String, String)]) -> Result<()> {
    let mut keys: Vec<&str> = params.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    let mut twice: Vec<&str> = keys.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    twice.dedup();
    if twice.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = twice.iter().map(|key| format!("'{key}'")).collect();
    Err(Error::invalid(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one param value per \
         param key.",
        shown.join(", ")
    )))
}

/// Writes a batch. A run's name, which clients see as a tag, is the run's own.
async fn log(door: &Door, run: RunId, mut log: RunLog) -> Result<Json<Empty>> {
    let name = log.tags.iter().position(|(key, _)| key == RUN_NAME).map(|place| log.tags.remove(place).1);
    if let Some(name) = &name {
        check::run_name(name)?;
    }
    let change = name.map(|name| RunChange { name: Some(name), ..RunChange::default() });
    let args = (door.project().clone(), run, log, change, door.principal.actor.clone(), door.now());
    door.write_few(args, |tx, a| {
        Box::pin(async move {
            if let Some(change) = &a.3 {
                tx.run_change(&a.0, &a.1, change, &a.4, a.5).await?;
            }
            if a.3.is_none() || a.2 != RunLog::default() {
                tx.run_log(&a.0, &a.1, &a.2).await?;
            }
            Ok(())
        })
    })
    .await?;
    Ok(Json(Empty {}))
}
