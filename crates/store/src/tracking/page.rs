//! What people look at: a metric in few points, the runs below a run, the versions that a run made.
//!
//! Each answers from an index in a time that does not grow with what is stored beside it.

use sqlx::AssertSqlSafe;
use windlass_kinds::{
    Name, RunId,
    record::{MetricPoint, ModelVersion, Run},
};

use super::metric::point_of;
use crate::{StoreError, Tx, tx::args};

/// The key of the tag by which a client names the run above a run.
const PARENT: &str = "mlflow.parentRunId";

/// How many points of one step an outline has at most, over all steps.
const POINTS_A_STEP: u32 = 16;

impl Tx {
    /// Returns a metric of a run in about `most` points, ordered by step, time and value.
    ///
    /// A metric that has no more is returned whole. Of a longer one each returned step is the next at or after evenly
    /// spaced places between its first and its last, found by one look into the index each; where all points share one
    /// step, the first `most` are returned.
    pub async fn metric_outline(
        &mut self,
        project: &Name,
        run: &RunId,
        key: &str,
        most: u32,
    ) -> Result<Vec<MetricPoint>, StoreError> {
        let rows = self
            .rows(
                "SELECT key, step, at_ms, value, nan, model, dataset_name, dataset_digest FROM metric_point
                 WHERE run = $1 AND key = $2 ORDER BY step, at_ms, value, nan LIMIT $3",
                args![run.as_str(), key, most.saturating_add(1)],
            )
            .await?;
        let mut whole = rows.iter().map(|row| point_of(row, 0)).collect::<Result<Vec<_>, _>>()?;
        if whole.len() <= most as usize {
            return Ok(whole);
        }
        let ends = self
            .row("SELECT MIN(step), MAX(step) FROM metric_point WHERE run = $1 AND key = $2", args![run.as_str(), key])
            .await?
            .ok_or_else(|| StoreError::corrupt("an aggregate without a row"))?;
        let (first, last) = (ends.int(0)?, ends.int(1)?);
        if first == last {
            whole.truncate(most as usize);
            return Ok(whole);
        }
        let steps = self.metric_seek(run, key, first, last, most).await?;
        self.metric_points_at(project, run, key, &steps, most.saturating_mul(POINTS_A_STEP)).await
    }

    /// Returns about `most` of the steps that a metric has from `first` to `last`, both of these among them.
    async fn metric_seek(
        &mut self,
        run: &RunId,
        key: &str,
        first: i64,
        last: i64,
        most: u32,
    ) -> Result<Vec<i64>, StoreError> {
        // Steps may be anything that 64 bits hold, so the span between them may be more.
        let span = i128::from(last) - i128::from(first);
        let stride = i64::try_from(span / i128::from(most.max(2) - 1)).unwrap_or(i64::MAX).max(1);
        let rows = self
            .rows(
                "WITH RECURSIVE seek (step) AS (
                     SELECT MIN(step) FROM metric_point WHERE run = $1 AND key = $2
                     UNION ALL
                     SELECT (SELECT MIN(m.step) FROM metric_point m WHERE m.run = $1 AND m.key = $2 AND m.step >= s.step + $3)
                     FROM seek s WHERE s.step <= $4
                 ) SELECT step FROM seek WHERE step IS NOT NULL",
                args![run.as_str(), key, stride, last.saturating_sub(stride)],
            )
            .await?;
        let mut steps = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        if steps.last() != Some(&last) {
            steps.push(last);
        }
        Ok(steps)
    }

    /// Returns runs that name `run` as the one above them, oldest first, at most `limit`; no deleted ones.
    pub async fn run_children(&mut self, project: &Name, run: &RunId, limit: u32) -> Result<Vec<Run>, StoreError> {
        let sql = format!(
            "SELECT {} FROM run_tag t JOIN tracking_run r ON r.id = t.run
             WHERE t.key = '{PARENT}' AND substr(t.value, 1, 64) = substr($1, 1, 64) AND t.value = $1
             AND r.project = $2 AND r.deleted = 0 ORDER BY r.start_ms, r.id LIMIT $3",
            super::run::COLUMNS
        );
        let rows = self.rows(AssertSqlSafe(sql), args![run.as_str(), project, limit]).await?;
        rows.iter().map(|row| Ok(super::run::run_of(row)?.0)).collect()
    }

    /// Returns the versions of registered models that a tracking run made, by model and number.
    pub async fn model_versions_made_by(
        &mut self,
        project: &Name,
        run: &RunId,
    ) -> Result<Vec<ModelVersion>, StoreError> {
        let rows = self
            .rows(
                "SELECT model, version FROM model_version WHERE run = $1 AND project = $2 ORDER BY model, version",
                args![run.as_str(), project],
            )
            .await?;
        let mut versions = Vec::with_capacity(rows.len());
        for row in &rows {
            versions.extend(self.model_version_get(project, &row.text(0)?, row.count(1)?).await?);
        }
        Ok(versions)
    }
}
