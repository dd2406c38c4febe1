//! Logging metrics, params and tags: the requests that training code makes all the time.

use axum::Json;
use serde::Deserialize;
use windlass_kinds::{LoggedModelId, RunId, record::MetricPoint};
use windlass_store::{Refusal, RunChange, RunLog, StoreError};

use super::{
    check,
    door::Door,
    error::{Error, Result},
    request::{Asked, Check, Field, Kind, Message, PAIR, Pair, Shape, quoted, repr_list},
    runs::run_of,
    show::{Empty, RUN_NAME},
};

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MetricAsked {
    run_id: String,
    run_uuid: String,
    // The fields of a point, written out: flattening would keep every value aside first.
    key: String,
    value: Option<f64>,
    timestamp: Option<i64>,
    step: i64,
    model_id: String,
    dataset_name: String,
    dataset_digest: String,
}

impl Message for MetricAsked {
    const SHAPE: Shape = Shape {
        fields: &[
            ("run_id", Kind::Text),
            ("run_uuid", Kind::Text),
            ("key", Kind::Text),
            ("value", Kind::Double),
            ("timestamp", Kind::Long),
            ("step", Kind::Long),
            ("model_id", Kind::Text),
            ("dataset_name", Kind::Text),
            ("dataset_digest", Kind::Text),
        ],
        checks: &[
            ("run_id", &[Check::Required, Check::IsText]),
            ("key", &[Check::Required, Check::IsText]),
            ("value", &[Check::Required, Check::IsFloat]),
            ("timestamp", &[Check::IsInt, Check::Required]),
            ("step", &[Check::IsInt]),
            ("model_id", &[Check::IsText]),
            ("dataset_name", &[Check::IsText]),
            ("dataset_digest", &[Check::IsText]),
        ],
    };

    fn plain(body: &[u8]) -> Option<Self> {
        let asked: Self = serde_json::from_slice(body).ok()?;
        let whole = !asked.run_id.is_empty()
            && !asked.key.is_empty()
            && asked.value.is_some_and(f64::is_finite)
            && asked.timestamp.is_some();
        whole.then_some(asked)
    }
}

/// A metric point of a batch.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Point {
    key: String,
    value: Option<f64>,
    timestamp: Option<i64>,
    step: i64,
    model_id: String,
    dataset_name: String,
    dataset_digest: String,
    run_id: String,
}

/// The fields of a [`Point`].
const POINT: &[Field] = &[
    ("key", Kind::Text),
    ("value", Kind::Double),
    ("timestamp", Kind::Long),
    ("step", Kind::Long),
    ("model_id", Kind::Text),
    ("dataset_name", Kind::Text),
    ("dataset_digest", Kind::Text),
    ("run_id", Kind::Text),
];

impl Point {
    fn is_whole(&self) -> bool {
        !self.key.is_empty() && self.value.is_some_and(f64::is_finite) && self.timestamp.is_some()
    }

    /// Refuses half of what a dataset is known by.
    fn whole_dataset(&self) -> Result<()> {
        if self.dataset_name.is_empty() == self.dataset_digest.is_empty() {
            return Ok(());
        }
        Err(Error::invalid("Both dataset_name and dataset_digest must be provided if one is provided"))
    }

    /// Returns the point; `at` says where its parameters stand.
    fn checked(self, at: impl FnOnce() -> String) -> Result<MetricPoint> {
        // Which run is said once, and outside.
        let Self { key, value, timestamp, step, model_id, dataset_name, dataset_digest, run_id: _ } = self;
        let filled = |text: String| (!text.is_empty()).then_some(text);
        let (value, timestamp_ms) = (value.unwrap_or_default(), timestamp.unwrap_or_default());
        check::metric(at, &key, value, timestamp_ms)?;
        Ok(MetricPoint {
            key,
            value,
            timestamp_ms,
            step,
            model_id: filled(model_id).map(LoggedModelId::new),
            dataset_name: filled(dataset_name),
            dataset_digest: filled(dataset_digest),
        })
    }
}

pub(super) async fn metric(door: Door, Asked(asked): Asked<MetricAsked>) -> Result<Json<Empty>> {
    let MetricAsked { run_id, run_uuid, key, value, timestamp, step, model_id, dataset_name, dataset_digest } = asked;
    let run = run_of(run_id, run_uuid);
    let point = Point { key, value, timestamp, step, model_id, dataset_name, dataset_digest, run_id: String::new() };
    point.whole_dataset()?;
    let point = point.checked(String::new)?;
    door.may_write(&run).await?;
    door.write_few((door.project().clone(), run, point), |tx, a| {
        Box::pin(async move { tx.log_metrics(&a.0, &a.1, std::slice::from_ref(&a.2)).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct PairAsked {
    run_id: String,
    run_uuid: String,
    key: String,
    value: String,
}

impl Message for PairAsked {
    const SHAPE: Shape = Shape {
        fields: &[("run_id", Kind::Text), ("run_uuid", Kind::Text), ("key", Kind::Text), ("value", Kind::Text)],
        checks: &[
            ("run_id", &[Check::Required, Check::IsText]),
            ("key", &[Check::Required, Check::IsText]),
            ("value", &[Check::IsText]),
        ],
    };
}

pub(super) async fn param(door: Door, Asked(asked): Asked<PairAsked>) -> Result<Json<Empty>> {
    let PairAsked { run_id, run_uuid, key, value } = asked;
    let run = run_of(run_id, run_uuid);
    let value = check::param("", &key, value)?;
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

pub(super) async fn tag_set(door: Door, Asked(asked): Asked<PairAsked>) -> Result<Json<Empty>> {
    let PairAsked { run_id, run_uuid, key, value } = asked;
    let run = run_of(run_id, run_uuid);
    let value = check::tag("", &key, value)?;
    door.may_write(&run).await?;
    log(&door, run, RunLog { tags: vec![(key, value)], ..RunLog::default() }).await
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct KeyAsked {
    run_id: String,
    key: String,
}

impl Message for KeyAsked {
    const SHAPE: Shape = Shape {
        fields: &[("run_id", Kind::Text), ("key", Kind::Text)],
        checks: &[("run_id", &[Check::Required, Check::IsText]), ("key", &[Check::Required, Check::IsText])],
    };
}

pub(super) async fn tag_delete(door: Door, Asked(asked): Asked<KeyAsked>) -> Result<Json<Empty>> {
    let run = RunId::new(asked.run_id);
    door.may_write(&run).await?;
    door.write_few((door.project().clone(), run, asked.key), |tx, a| {
        Box::pin(async move { tx.tag_delete(&a.0, &a.1, &a.2).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BatchAsked {
    run_id: String,
    metrics: Vec<Point>,
    params: Vec<Pair>,
    tags: Vec<Pair>,
}

impl Message for BatchAsked {
    const SHAPE: Shape = Shape {
        fields: &[
            ("run_id", Kind::Text),
            ("metrics", Kind::Messages(POINT)),
            ("params", Kind::Messages(PAIR)),
            ("tags", Kind::Messages(PAIR)),
        ],
        checks: &[
            ("run_id", &[Check::IsText, Check::Required]),
            ("metrics", &[Check::IsList, Check::ItemsHave(&["key", "value", "timestamp"])]),
            ("params", &[Check::IsList, Check::ItemsHave(&["key"])]),
            ("tags", &[Check::IsList, Check::ItemsHave(&["key"])]),
        ],
    };

    fn plain(body: &[u8]) -> Option<Self> {
        let asked: Self = serde_json::from_slice(body).ok()?;
        let pairs = |pairs: &[Pair]| pairs.iter().all(|pair| !pair.key.is_empty());
        let whole = !asked.run_id.is_empty()
            && asked.metrics.iter().all(Point::is_whole)
            && pairs(&asked.params)
            && pairs(&asked.tags);
        whole.then_some(asked)
    }
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

/// Refuses what is no id of a run: letters, digits, `_` and `-`, at most 256, the first a letter or digit.
pub(super) fn run_id(text: &str) -> Result<RunId> {
    let id = text.strip_suffix('\n').unwrap_or(text);
    let is_word = |character: char| character.is_alphanumeric() || character == '_' || character == '-';
    let valid = id.starts_with(|first: char| first.is_ascii_alphanumeric())
        && id.chars().count() <= 256
        && id.chars().all(is_word);
    if valid {
        return Ok(RunId::new(text));
    }
    Err(Error::invalid(format!("Invalid value {} for parameter 'run_id' supplied.", quoted(text))))
}

/// Checks the pairs of a list by one rule, and returns them as they are kept.
fn checked(
    pairs: Vec<Pair>,
    list: &str,
    rule: fn(&str, &str, String) -> Result<String>,
) -> Result<Vec<(String, String)>> {
    let numbered = pairs.into_iter().enumerate();
    numbered
        .map(|(place, Pair { key, value })| {
            let value = rule(&format!("{list}[{place}]."), &key, value)?;
            Ok((key, value))
        })
        .collect()
}

pub(super) async fn batch(door: Door, Asked(asked): Asked<BatchAsked>) -> Result<Json<Empty>> {
    let BatchAsked { run_id: id, metrics, params, tags } = asked;
    metrics.iter().try_for_each(Point::whole_dataset)?;
    let run = run_id(&id)?;
    let metrics = metrics.into_iter().enumerate();
    let metrics =
        metrics.map(|(place, point)| point.checked(|| format!("metrics[{place}]."))).collect::<Result<Vec<_>>>()?;
    let params = checked(params, "params", check::param)?;
    let tags = checked(tags, "tags", check::tag)?;
    at_most("metrics", metrics.len(), check::METRICS_MAX)?;
    at_most("params", params.len(), check::PAIRS_MAX)?;
    at_most("tags", tags.len(), check::PAIRS_MAX)?;
    at_most("metrics, params, and tags", metrics.len() + params.len() + tags.len(), check::ENTITIES_MAX)?;
    once(&params)?;
    door.may_write(&run).await?;
    log(&door, run, RunLog { metrics, params, tags }).await
}

/// Refuses a param that a batch names twice.
fn once(params: &[(String, String)]) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    let twice: Vec<&str> = params.iter().map(|(key, _)| key.as_str()).filter(|key| !seen.insert(*key)).collect();
    if twice.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Duplicate parameter keys have been submitted: {}. Please ensure the request contains only one param value per \
         param key.",
        repr_list(twice)
    )))
}

/// Writes a batch. A run's name, which clients see as a tag, is the run's own.
async fn log(door: &Door, run: RunId, mut log: RunLog) -> Result<Json<Empty>> {
    let mut name = None;
    while let Some(place) = log.tags.iter().position(|(key, _)| key == RUN_NAME) {
        name = Some(log.tags.remove(place).1).filter(|name| !name.is_empty()).or(name);
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
