//! Deleting traces, for good: with their spans, what was said of them, and their files.

use windlass_kinds::{
    ExperimentId, Micros, Name, TraceId,
    record::{Actor, LedgerKind},
};

use crate::{StoreError, Tx, tracking::Query};

/// Which traces of an experiment go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TraceRange {
    /// Only those that began then or before, in milliseconds since the epoch.
    pub until_ms: Option<i64>,
    /// At most so many, the oldest first.
    pub most: Option<u32>,
    /// Only these; any where empty.
    pub ids: Vec<TraceId>,
}

/// How many traces one statement deletes.
const AT_ONCE: usize = 500;

impl Tx {
    /// Deletes traces of an experiment and returns how many; `folder` says where the files of a trace lie.
    pub async fn traces_delete(
        &mut self,
        project: &Name,
        experiment: &ExperimentId,
        range: &TraceRange,
        folder: fn(&ExperimentId, &TraceId) -> String,
        actor: &Actor,
        now: Micros,
    ) -> Result<u64, StoreError> {
        let Ok(number) = experiment.as_str().parse::<i64>() else { return Ok(0) };
        let mut query = Query::new(self.is_postgres(), "SELECT number, id FROM trace WHERE project = ");
        query.arg(project);
        query.text(" AND experiment = ");
        query.arg(number);
        if let Some(until) = range.until_ms {
            query.text(" AND at_ms <= ");
            query.arg(until);
        }
        if !range.ids.is_empty() {
            query.text(" AND id IN ");
            query.list(range.ids.iter().map(TraceId::as_str));
        }
        query.text(" ORDER BY at_ms, id");
        if let Some(most) = range.most {
            query.text(" LIMIT ");
            query.arg(most);
        }
        let rows = query.rows(self).await?;
        let mut numbers = Vec::with_capacity(rows.len());
        for row in &rows {
            numbers.push(row.int(0)?);
            self.artifact_delete(project, &folder(experiment, &TraceId::new(row.text(1)?))).await?;
        }
        for some in numbers.chunks(AT_ONCE) {
            for table in ["trace_tag", "trace_metadata", "trace_link", "trace_span", "assessment"] {
                self.trace_rows_delete(&format!("DELETE FROM {table} WHERE trace IN "), some).await?;
            }
            self.trace_rows_delete("DELETE FROM trace WHERE number IN ", some).await?;
        }
        if !numbers.is_empty() {
            let subject = format!("traces of experiment {experiment}");
            let body = ("deleted", numbers.len());
            self.ledger_append(project, actor, LedgerKind::Deletion, &subject, &body, now).await?;
        }
        Ok(numbers.len() as u64)
    }

    async fn trace_rows_delete(&mut self, sql: &str, numbers: &[i64]) -> Result<(), StoreError> {
        let mut query = Query::new(self.is_postgres(), sql);
        query.list(numbers.iter().copied());
        query.execute(self).await?;
        Ok(())
    }
}
