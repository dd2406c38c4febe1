//! Metric points: the hottest path of the store.
//!
//! One point costs two statements: the insertion, which at the same time makes sure that the run may be written to, and
//! the upkeep of the metric's last point. The same point twice is one point, so a client may repeat a request.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::LazyLock};

use windlass_kinds::{LoggedModelId, Name, RunId, record::MetricPoint};

use crate::{
    StoreError, Tx,
    tx::{Arg, Row, args},
};

/// How many points one statement carries. A few sizes only, so that prepared statements are found again.
const CHUNKS: [usize; 3] = [64, 8, 1];

/// The columns of a point in both tables, `run` first.
const COLUMNS: &str = "run, key, step, at_ms, value, nan, model, dataset_name, dataset_digest";

/// What the same point does when it comes again: it may say, late, which model and dataset it is of.
const AGAIN: &str = "ON CONFLICT (run, key, step, at_ms, value, nan) DO UPDATE SET model = excluded.model,
     dataset_name = excluded.dataset_name, dataset_digest = excluded.dataset_digest
     WHERE metric_point.model IS NULL AND excluded.model IS NOT NULL";

/// The insertion of one point into a run that is simply open.
static ONE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO metric_point ({COLUMNS}) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 FROM tracking_run
         WHERE id = $1 AND project = $10 AND deleted = 0 AND sealed <> 1 {AGAIN}"
    )
});

/// What a later point does to the last one: largest step, then time, then value. A NaN counts as 0 here.
const LATER: &str = "ON CONFLICT (run, key) DO UPDATE SET step = excluded.step, at_ms = excluded.at_ms,
     value = excluded.value, nan = excluded.nan, model = excluded.model, dataset_name = excluded.dataset_name,
     dataset_digest = excluded.dataset_digest
     WHERE (excluded.step, excluded.at_ms, excluded.value) > (metric_latest.step, metric_latest.at_ms, metric_latest.value)";

/// Returns the value as stored and its NaN flag: SQLite keeps NaN as NULL.
fn stored(value: f64) -> (f64, bool) {
    if value.is_nan() { (0.0, true) } else { (value, false) }
}

fn point_args<'a>(run: &'a RunId, point: &'a MetricPoint, into: &mut Vec<Arg<'a>>) {
    let (value, nan) = stored(point.value);
    into.extend(args![
        run.as_str(),
        &point.key,
        point.step,
        point.timestamp_ms,
        value,
        nan,
        point.model_id.as_ref().map(LoggedModelId::as_str),
        point.dataset_name.as_deref(),
        point.dataset_digest.as_deref(),
    ]);
}

/// Returns a point from columns `at..at + 8`: key, step, time, value, NaN flag, model, dataset name and digest.
pub(super) fn point_of(row: &Row, at: usize) -> Result<MetricPoint, StoreError> {
    Ok(MetricPoint {
        key: row.text(at)?,
        step: row.int(at + 1)?,
        timestamp_ms: row.int(at + 2)?,
        value: if row.bool(at + 4)? { f64::NAN } else { row.real(at + 3)? },
        model_id: row.opt_text(at + 5)?.map(LoggedModelId::new),
        dataset_name: row.opt_text(at + 6)?,
        dataset_digest: row.opt_text(at + 7)?,
    })
}

/// The two statements of a chunk, by its size's place in [`CHUNKS`]; made once.
static STATEMENTS: LazyLock<[Statements; CHUNKS.len()]> = LazyLock::new(|| CHUNKS.map(Statements::new));

struct Statements {
    points: String,
    latest: String,
}

impl Statements {
    fn new(rows: usize) -> Self {
        let values = values(rows);
        Self {
            points: format!("INSERT INTO metric_point ({COLUMNS}) VALUES {values} {AGAIN}"),
            latest: format!("INSERT INTO metric_latest ({COLUMNS}) VALUES {values} {LATER}"),
        }
    }
}

fn values(rows: usize) -> String {
    let mut text = String::with_capacity(rows * 48);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=9 {
            text.push_str(if column == 1 { "$" } else { ", $" });
            text.push_str(&(row * 9 + column).to_string());
        }
        text.push(')');
    }
    text
}

impl Tx {
    /// Adds points to a run that may be written to.
    pub async fn log_metrics(&mut self, project: &Name, run: &RunId, points: &[MetricPoint]) -> Result<(), StoreError> {
        match points {
            [] => self.run_open(project, run).await,
            [point] => self.log_metric(project, run, point).await,
            points => {
                self.run_open(project, run).await?;
                self.metric_points_put(run, points).await
            }
        }
    }

    async fn log_metric(&mut self, project: &Name, run: &RunId, point: &MetricPoint) -> Result<(), StoreError> {
        let mut args = Vec::with_capacity(10);
        point_args(run, point, &mut args);
        args.push(Arg::from(project));
        let added = self.execute(ONE.as_str(), args).await?;
        if added == 1 {
            return self.metric_latest_put(run, &[point]).await;
        }
        // The point is there already, or the run is not simply open: find out.
        self.run_open(project, run).await?;
        self.metric_points_put(run, std::slice::from_ref(point)).await
    }

    pub(super) async fn metric_points_put(&mut self, run: &RunId, points: &[MetricPoint]) -> Result<(), StoreError> {
        for (chunk, statements) in chunks(points) {
            let mut args = Vec::with_capacity(chunk.len() * 9);
            chunk.iter().for_each(|point| point_args(run, point, &mut args));
            self.execute(statements.points.as_str(), args).await?;
        }
        // One statement may touch a metric's last point once only.
        let mut last: BTreeMap<&str, &MetricPoint> = BTreeMap::new();
        for point in points {
            let rank = |point: &MetricPoint| (point.step, point.timestamp_ms);
            let later = last.get(point.key.as_str()).is_none_or(|old| {
                rank(point) > rank(old) || (rank(point) == rank(old) && stored(point.value).0 > stored(old.value).0)
            });
            if later {
                last.insert(&point.key, point);
            }
        }
        let last: Vec<&MetricPoint> = last.into_values().collect();
        self.metric_latest_put(run, &last).await
    }

    async fn metric_latest_put(&mut self, run: &RunId, points: &[&MetricPoint]) -> Result<(), StoreError> {
        for (chunk, statements) in chunks(points) {
            let mut args = Vec::with_capacity(chunk.len() * 9);
            chunk.iter().for_each(|point| point_args(run, point, &mut args));
            self.execute(statements.latest.as_str(), args).await?;
        }
        Ok(())
    }

    /// Returns a metric's points ordered by time, step and value, leaving out `offset`, at most `limit`.
    pub async fn metric_history(
        &mut self,
        project: &Name,
        run: &RunId,
        key: &str,
        offset: u64,
        limit: u32,
    ) -> Result<Vec<MetricPoint>, StoreError> {
        let rows = self
            .rows(
                "SELECT m.key, m.step, m.at_ms, m.value, m.nan, m.model, m.dataset_name, m.dataset_digest
                 FROM metric_point m JOIN tracking_run r ON r.id = m.run
                 WHERE m.run = $1 AND m.key = $2 AND r.project = $3
                 ORDER BY m.at_ms, m.step, m.value, m.nan LIMIT $4 OFFSET $5",
                args![run.as_str(), key, project, limit, offset],
            )
            .await?;
        rows.iter().map(|row| point_of(row, 0)).collect()
    }

    /// Returns the steps at which runs have points of a metric, sorted, within `start..=end`.
    pub async fn metric_steps(
        &mut self,
        project: &Name,
        runs: &[RunId],
        key: &str,
        start: i64,
        end: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let mut query = super::Query::new(
            self.is_postgres(),
            "SELECT DISTINCT m.step FROM metric_point m JOIN tracking_run r ON r.id = m.run WHERE r.project = ",
        );
        query.arg(project);
        query.text(" AND m.run IN ");
        query.list(runs.iter().map(RunId::as_str));
        query.text(" AND m.key = ");
        query.arg(key);
        query.text(" AND m.step >= ");
        query.arg(start);
        query.text(" AND m.step <= ");
        query.arg(end);
        query.text(" ORDER BY m.step");
        query.rows(self).await?.iter().map(|row| row.int(0)).collect()
    }

    /// Returns at most `most` points of a metric of one run within some steps, ordered by step, time and value.
    ///
    /// Of more points every so many-th is taken, and always the first and the last; the last one where `most` is 1.
    pub async fn metric_sample(
        &mut self,
        project: &Name,
        run: &RunId,
        key: &str,
        steps: &RangeInclusive<i64>,
        most: u32,
    ) -> Result<Vec<MetricPoint>, StoreError> {
        let (start, end) = (*steps.start(), *steps.end());
        let count = self
            .row(
                "SELECT COUNT(*) FROM metric_point m JOIN tracking_run r ON r.id = m.run
                 WHERE m.run = $1 AND m.key = $2 AND r.project = $3 AND m.step >= $4 AND m.step <= $5",
                args![run.as_str(), key, project, start, end],
            )
            .await?
            .map_or(Ok(0), |row| row.int(0))?;
        let mut query = super::Query::new(
            self.is_postgres(),
            "SELECT key, step, at_ms, value, nan, model, dataset_name, dataset_digest FROM (
             SELECT m.key, m.step, m.at_ms, m.value, m.nan, m.model, m.dataset_name, m.dataset_digest,
             ROW_NUMBER() OVER (ORDER BY m.step, m.at_ms, m.value, m.nan) AS place
             FROM metric_point m WHERE m.run = ",
        );
        query.arg(run.as_str());
        query.text(" AND m.key = ");
        query.arg(key);
        query.text(" AND m.step >= ");
        query.arg(start);
        query.text(" AND m.step <= ");
        query.arg(end);
        query.text(") p");
        if count > i64::from(most) {
            query.text(" WHERE place IN ");
            query.list(spread(count, i64::from(most)));
        }
        query.text(" ORDER BY place");
        match count {
            0 => Ok(Vec::new()),
            _ => query.rows(self).await?.iter().map(|row| point_of(row, 0)).collect(),
        }
    }

    /// Returns the points of a metric of one run at some steps, ordered by step, time and value.
    pub async fn metric_points_at(
        &mut self,
        project: &Name,
        run: &RunId,
        key: &str,
        steps: &[i64],
        limit: u32,
    ) -> Result<Vec<MetricPoint>, StoreError> {
        let mut query = super::Query::new(
            self.is_postgres(),
            "SELECT m.key, m.step, m.at_ms, m.value, m.nan, m.model, m.dataset_name, m.dataset_digest
             FROM metric_point m JOIN tracking_run r ON r.id = m.run WHERE r.project = ",
        );
        query.arg(project);
        query.text(" AND m.run = ");
        query.arg(run.as_str());
        query.text(" AND m.key = ");
        query.arg(key);
        query.text(" AND m.step IN ");
        query.list(steps.iter().copied());
        query.text(" ORDER BY m.step, m.at_ms, m.value LIMIT ");
        query.arg(limit);
        query.rows(self).await?.iter().map(|row| point_of(row, 0)).collect()
    }
}

/// Returns the places, counted from 1, of the first of each of `most` even parts of `count`; the last place instead of
/// the last of them.
fn spread(count: i64, most: i64) -> Vec<i64> {
    let (size, larger) = (count / most, count % most);
    let mut places: Vec<i64> = (0..most).map(|part| part * size + part.min(larger) + 1).collect();
    if let Some(last) = places.last_mut() {
        *last = count;
    }
    places
}

/// Cuts a list into pieces of the sizes in [`CHUNKS`], each with its statements.
fn chunks<T>(mut items: &[T]) -> impl Iterator<Item = (&[T], &'static Statements)> {
    std::iter::from_fn(move || {
        let place = CHUNKS.iter().position(|size| *size <= items.len())?;
        let (chunk, rest) = items.split_at(CHUNKS[place]);
        items = rest;
        Some((chunk, &STATEMENTS[place]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_everything_in_order() {
        for length in [0, 1, 7, 8, 9, 63, 64, 65, 1000] {
            let items: Vec<usize> = (0..length).collect();
            let seen: Vec<usize> = chunks(&items).flat_map(|(chunk, _)| chunk).copied().collect();
            assert_eq!(seen, items);
            assert!(chunks(&items).all(|(chunk, _)| CHUNKS.contains(&chunk.len())));
        }
    }

    #[test]
    fn samples_are_spread_and_end_with_the_last() {
        assert_eq!(spread(10, 4), [1, 4, 7, 10]);
        assert_eq!(spread(10, 1), [10]);
        assert_eq!(spread(5, 4), [1, 3, 4, 5]);
        let places = spread(1000, 320);
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((places.len(), places[0], places[319]), (320, 1, 1000));
    }

    #[test]
    fn values_count_on() {
        assert!(values(2).ends_with("($10, $11, $12, $13, $14, $15, $16, $17, $18)"));
    }
}
