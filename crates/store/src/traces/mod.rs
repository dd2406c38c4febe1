//! Traces: what programs did for each request, as trees of spans, and what was said of them.
//!
//! Ids of traces come from clients and are unique within a project; inside, a trace is a number. A trace is told in two
//! ways, in any order and in pieces: by its client as a whole ([`Tx::trace_put`]), which settles what it says, and by its
//! spans ([`Tx::spans_put`]), from which the rest follows. The words of a dialect are the server's business,
//! apart from a few keys of notes and tags by which filters ask for what has a place of its own here (in `search`).

mod assessment;
mod label;
mod measure;
mod remove;
mod search;
mod total;
mod write;

use std::collections::HashMap;

use sqlx::AssertSqlSafe;
use windlass_kinds::{
    ExperimentId, Name, TraceId,
    record::{Cost, Span, Tokens, Trace, TraceState},
};

use crate::{
    Refusal, RefusalSubject as Subject, StoreError, Tx,
    tracking::Query,
    tx::{Row, args},
};
pub use label::TraceLink;
pub use measure::{Aggregate, MeasureBy, MeasureFilter, MeasureQuery, MeasureRow, Measured};
pub use remove::TraceRange;
pub use write::SpanBatch;

/// The columns of a trace, in the order of [`trace_of`].
const COLUMNS: &str = "t.number, t.id, t.experiment, t.project, t.at_ms, t.took_ms, t.state, t.name, t.session, \
    t.client_request, t.request, t.response, t.input_tokens, t.output_tokens, t.total_tokens, t.cache_read_tokens, \
    t.cache_write_tokens, t.cache_write_long_tokens, t.input_cost, t.output_cost, t.total_cost";
/// How many they are.
const COUNT: usize = 21;

/// The columns of a span, in the order of [`span_of`].
const SPAN_COLUMNS: &str = "s.id, s.parent, s.name, s.kind, s.status, s.start_ns, s.end_ns, s.input_tokens, \
    s.output_tokens, s.total_tokens, s.cache_read_tokens, s.cache_write_tokens, s.cache_write_long_tokens, \
    s.input_cost, s.output_cost, s.total_cost, s.model, s.provider, s.content";

fn tokens_of(row: &Row, first: usize) -> Result<Tokens, StoreError> {
    Ok(Tokens {
        input: row.opt_int(first)?,
        output: row.opt_int(first + 1)?,
        total: row.opt_int(first + 2)?,
        cache_read: row.opt_int(first + 3)?,
        cache_write: row.opt_int(first + 4)?,
        cache_write_long: row.opt_int(first + 5)?,
    })
}

fn cost_of(row: &Row, first: usize) -> Result<Cost, StoreError> {
    Ok(Cost { input: row.opt_real(first)?, output: row.opt_real(first + 1)?, total: row.opt_real(first + 2)? })
}

/// Returns a trace without what hangs on it, and its number.
fn trace_of(row: &Row) -> Result<(i64, Trace), StoreError> {
    let state = row.text(6)?;
    let trace = Trace {
        id: TraceId::new(row.text(1)?),
        experiment: ExperimentId::new(row.int(2)?.to_string()),
        project: row.parsed(3)?,
        at_ms: row.int(4)?,
        took_ms: row.opt_int(5)?,
        state: TraceState::parse(&state).ok_or_else(|| StoreError::corrupt(format!("a trace's state `{state}`")))?,
        name: row.opt_text(7)?,
        session: row.opt_text(8)?,
        client_request: row.opt_text(9)?,
        request: row.opt_text(10)?,
        response: row.opt_text(11)?,
        tokens: tokens_of(row, 12)?,
        cost: cost_of(row, 18)?,
        metadata: Vec::new(),
        tags: Vec::new(),
        assessments: Vec::new(),
    };
    Ok((row.int(0)?, trace))
}

fn span_of(row: &Row, first: usize) -> Result<Span, StoreError> {
    Ok(Span {
        id: row.text(first)?,
        parent: row.opt_text(first + 1)?,
        name: row.text(first + 2)?,
        kind: row.opt_text(first + 3)?,
        status: row.text(first + 4)?,
        start_ns: row.int(first + 5)?,
        end_ns: row.opt_int(first + 6)?,
        tokens: tokens_of(row, first + 7)?,
        cost: cost_of(row, first + 13)?,
        model: row.opt_text(first + 16)?,
        provider: row.opt_text(first + 17)?,
        content: row.text(first + 18)?,
    })
}

impl Tx {
    /// Returns a trace with what hangs on it, apart from its spans.
    pub async fn trace_get(&mut self, project: &Name, id: &TraceId) -> Result<Option<Trace>, StoreError> {
        Ok(self.traces_get(project, std::slice::from_ref(id), None).await?.pop())
    }

    /// Returns traces in the order of `ids`, each once, without those that are not there; with `experiments`, only those
    /// that are in one of them.
    pub async fn traces_get(
        &mut self,
        project: &Name,
        ids: &[TraceId],
        experiments: Option<&[ExperimentId]>,
    ) -> Result<Vec<Trace>, StoreError> {
        let numbers =
            experiments.map(|list| list.iter().filter_map(|id| id.as_str().parse::<i64>().ok()).collect::<Vec<_>>());
        let mut query = Query::new(self.is_postgres(), &format!("SELECT {COLUMNS} FROM trace t WHERE t.project = "));
        query.arg(project);
        query.text(" AND t.id IN ");
        query.list(ids.iter().map(TraceId::as_str));
        if let Some(numbers) = numbers {
            query.text(" AND t.experiment IN ");
            query.list(numbers);
        }
        let rows = query.rows(self).await?;
        let mut found = rows.iter().map(trace_of).collect::<Result<Vec<_>, _>>()?;
        let place: HashMap<&str, usize> =
            ids.iter().enumerate().rev().map(|(place, id)| (id.as_str(), place)).collect();
        found.sort_by_key(|(_, trace)| place.get(trace.id.as_str()).copied());
        self.traces_filled(found).await
    }

    /// Returns the number of a trace; refuses one that is not there.
    async fn trace_number(&mut self, project: &Name, id: &TraceId) -> Result<i64, StoreError> {
        let row =
            self.row("SELECT number FROM trace WHERE project = $1 AND id = $2", args![project, id.as_str()]).await?;
        row.ok_or_else(|| Refusal::Missing(Subject::Trace(id.clone())))?.int(0)
    }

    /// Adds tags, metadata and assessments to traces.
    async fn traces_filled(&mut self, found: Vec<(i64, Trace)>) -> Result<Vec<Trace>, StoreError> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let numbers: Vec<i64> = found.iter().map(|(number, _)| *number).collect();
        let place: HashMap<i64, usize> = numbers.iter().enumerate().map(|(place, number)| (*number, place)).collect();
        let mut traces: Vec<Trace> = found.into_iter().map(|(_, trace)| trace).collect();
        for table in ["trace_tag", "trace_metadata"] {
            let mut query =
                Query::new(self.is_postgres(), &format!("SELECT trace, key, value FROM {table} WHERE trace IN "));
            query.list(numbers.iter().copied());
            query.text(" ORDER BY trace, key");
            for row in query.rows(self).await? {
                let Some(trace) = place.get(&row.int(0)?).and_then(|place| traces.get_mut(*place)) else { continue };
                let pairs = if table == "trace_tag" { &mut trace.tags } else { &mut trace.metadata };
                pairs.push((row.text(1)?, row.text(2)?));
            }
        }
        for (number, assessment) in self.assessments_of(&numbers).await? {
            if let Some(trace) = place.get(&number).and_then(|place| traces.get_mut(*place)) {
                trace.assessments.push(assessment);
            }
        }
        Ok(traces)
    }

    /// Returns the spans of a trace: those without a span around them first, then by their beginning. None where there
    /// is no such trace.
    pub async fn trace_spans(&mut self, project: &Name, id: &TraceId) -> Result<Vec<Span>, StoreError> {
        let sql = format!(
            "SELECT {SPAN_COLUMNS} FROM trace t JOIN trace_span s ON s.trace = t.number
             WHERE t.project = $1 AND t.id = $2
             ORDER BY CASE WHEN s.parent IS NULL THEN 0 ELSE 1 END, s.start_ns, s.id"
        );
        let rows = self.rows(AssertSqlSafe(sql), args![project, id.as_str()]).await?;
        rows.iter().map(|row| span_of(row, 0)).collect()
    }
}
