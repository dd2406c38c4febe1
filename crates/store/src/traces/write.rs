//! Traces as they come in: told as a whole, or by their spans.

use std::collections::BTreeMap;

use windlass_kinds::{
    ExperimentId, Name, TraceId,
    record::{Cost, Span, Tokens, Trace, TraceState},
};

use super::{
    COLUMNS, TraceLink,
    total::{self, Node},
    trace_of,
};
use crate::{
    Refusal, RefusalSubject as Subject, StoreError, Tx,
    tracking::{Query, experiment_number},
    tx::args,
};

/// How many spans one statement writes; each has 20 arguments, and SQLite takes 32,766.
const SPANS_AT_ONCE: usize = 100;

/// Spans of one trace that came together, and what they say of the trace.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanBatch {
    /// The trace.
    pub trace: TraceId,
    /// Its spans, each id once.
    pub spans: Vec<Span>,
    /// How the span without a span around it ended, if it is among them.
    pub root_state: Option<TraceState>,
    /// The trace's name, if they tell it.
    pub name: Option<String>,
    /// The conversation, if they tell it; kept where the trace has none.
    pub session: Option<String>,
    /// The beginning of what was asked; kept where the trace has none.
    pub request: Option<String>,
    /// The beginning of what was answered; kept where the trace has none.
    pub response: Option<String>,
    /// Notes for good; kept where the trace has none under that key.
    pub metadata: Vec<(String, String)>,
    /// Tags of a trace that these spans bring about.
    pub first_tags: Vec<(String, String)>,
    /// Tags to set.
    pub tags: Vec<(String, String)>,
}

fn nanos_to_millis(nanos: i64) -> i64 {
    nanos.div_euclid(1_000_000)
}

impl Tx {
    /// Puts a trace that its client tells as a whole; one that is there already keeps what is not told anew.
    ///
    /// # Errors
    /// The experiment is not there or is deleted.
    pub async fn trace_put(&mut self, trace: &Trace, links: &[TraceLink]) -> Result<(), StoreError> {
        self.experiment_live(&trace.project, &trace.experiment).await?;
        let row = self
            .row(
                "INSERT INTO trace (project, id, experiment, at_ms, took_ms, state, told, name, session, client_request,
                 input_tokens, output_tokens, total_tokens, cache_read_tokens, cache_write_tokens,
                 cache_write_long_tokens, input_cost, output_cost, total_cost, request, response)
                 VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
                 ON CONFLICT (project, id) DO UPDATE SET experiment = excluded.experiment, at_ms = excluded.at_ms,
                 took_ms = excluded.took_ms, state = excluded.state, told = 1,
                 name = COALESCE(excluded.name, trace.name), session = COALESCE(excluded.session, trace.session),
                 client_request = excluded.client_request,
                 input_tokens = COALESCE(excluded.input_tokens, trace.input_tokens),
                 output_tokens = COALESCE(excluded.output_tokens, trace.output_tokens),
                 total_tokens = COALESCE(excluded.total_tokens, trace.total_tokens),
                 cache_read_tokens = COALESCE(excluded.cache_read_tokens, trace.cache_read_tokens),
                 cache_write_tokens = COALESCE(excluded.cache_write_tokens, trace.cache_write_tokens),
                 cache_write_long_tokens = COALESCE(excluded.cache_write_long_tokens, trace.cache_write_long_tokens),
                 input_cost = COALESCE(excluded.input_cost, trace.input_cost),
                 output_cost = COALESCE(excluded.output_cost, trace.output_cost),
                 total_cost = COALESCE(excluded.total_cost, trace.total_cost),
                 request = COALESCE(excluded.request, trace.request),
                 response = COALESCE(excluded.response, trace.response)
                 RETURNING number",
                args![
                    &trace.project,
                    trace.id.as_str(),
                    experiment_number(&trace.experiment)?,
                    trace.at_ms,
                    trace.took_ms,
                    trace.state.as_str(),
                    trace.name.as_deref(),
                    trace.session.as_deref(),
                    trace.client_request.as_deref(),
                    trace.tokens.input,
                    trace.tokens.output,
                    trace.tokens.total,
                    trace.tokens.cache_read,
                    trace.tokens.cache_write,
                    trace.tokens.cache_write_long,
                    trace.cost.input,
                    trace.cost.output,
                    trace.cost.total,
                    trace.request.as_deref(),
                    trace.response.as_deref(),
                ],
            )
            .await?;
        let number = row.ok_or_else(|| StoreError::corrupt("a trace that was not written"))?.int(0)?;
        self.trace_pairs_put("trace_tag", number, &trace.tags).await?;
        self.trace_pairs_put("trace_metadata", number, &trace.metadata).await?;
        self.trace_links_put(number, links).await?;
        for assessment in &trace.assessments {
            self.assessment_put(number, assessment).await?;
        }
        Ok(())
    }

    /// Ends a trace that was begun without its end; returns it.
    pub async fn trace_end(
        &mut self,
        project: &Name,
        id: &TraceId,
        at_ms: i64,
        change: &Trace,
        links: &[TraceLink],
    ) -> Result<(), StoreError> {
        let number = self.trace_number(project, id).await?;
        self.execute(
            "UPDATE trace SET took_ms = $2 - at_ms, state = $3, name = COALESCE($4, name),
             session = COALESCE($5, session), input_tokens = COALESCE($6, input_tokens),
             output_tokens = COALESCE($7, output_tokens), total_tokens = COALESCE($8, total_tokens) WHERE number = $1",
            args![
                number,
                at_ms,
                change.state.as_str(),
                change.name.as_deref(),
                change.session.as_deref(),
                change.tokens.input,
                change.tokens.output,
                change.tokens.total,
            ],
        )
        .await?;
        self.trace_pairs_put("trace_tag", number, &change.tags).await?;
        self.trace_pairs_put("trace_metadata", number, &change.metadata).await?;
        self.trace_links_put(number, links).await
    }

    /// Puts spans; their traces come about in `experiment` where they are not there yet. A span that is there already is
    /// replaced.
    ///
    /// # Errors
    /// A trace is not there, and neither is the experiment.
    pub async fn spans_put(
        &mut self,
        project: &Name,
        experiment: &ExperimentId,
        batches: &[SpanBatch],
    ) -> Result<(), StoreError> {
        // By id, so that writers that meet take their rows in one order.
        let sorted: BTreeMap<&str, &SpanBatch> = batches.iter().map(|batch| (batch.trace.as_str(), batch)).collect();
        for batch in sorted.into_values() {
            self.span_batch_put(project, experiment, batch).await?;
        }
        Ok(())
    }

    async fn span_batch_put(
        &mut self,
        project: &Name,
        experiment: &ExperimentId,
        batch: &SpanBatch,
    ) -> Result<(), StoreError> {
        let Some(start_ns) = batch.spans.iter().map(|span| span.start_ns).min() else { return Ok(()) };
        let start_ms = nanos_to_millis(start_ns);
        let end_ms = batch.spans.iter().filter_map(|span| span.end_ns).max().map(nanos_to_millis);
        let (number, before, told) = match self.trace_locked(project, &batch.trace).await? {
            Some(found) => found,
            None => {
                if self.experiment_get(project, experiment).await?.is_none() {
                    return Err(Refusal::Missing(Subject::Experiment(experiment.clone())).into());
                }
                self.execute(
                    "INSERT INTO trace (project, id, experiment, at_ms, took_ms, state, told)
                     VALUES ($1, $2, $3, $4, NULL, 'IN_PROGRESS', 0) ON CONFLICT (project, id) DO NOTHING",
                    args![project, batch.trace.as_str(), experiment_number(experiment)?, start_ms],
                )
                .await?;
                let (number, before, told) = self
                    .trace_locked(project, &batch.trace)
                    .await?
                    .ok_or_else(|| StoreError::corrupt("a trace that was not written"))?;
                self.trace_pairs_put("trace_tag", number, &batch.first_tags).await?;
                (number, before, told)
            }
        };
        self.span_rows_put(number, &batch.spans).await?;
        let mut after = before.clone();
        if !told {
            after.at_ms = before.at_ms.min(start_ms);
            let end_before = before.took_ms.map(|took| before.at_ms.saturating_add(took));
            after.took_ms = end_before.max(end_ms).map(|end| end.saturating_sub(after.at_ms));
        }
        if before.state.is_open() {
            after.state = batch.root_state.unwrap_or(before.state);
        }
        after.name = batch.name.clone().or(before.name);
        after.session = before.session.or_else(|| batch.session.clone());
        after.request = before.request.or_else(|| batch.request.clone());
        after.response = before.response.or_else(|| batch.response.clone());
        self.trace_totals(number, told, batch, &mut after).await?;
        self.execute(
            "UPDATE trace SET at_ms = $2, took_ms = $3, state = $4, name = $5, session = $6, request = $7, response = $8,
             input_tokens = $9, output_tokens = $10, total_tokens = $11, cache_read_tokens = $12,
             cache_write_tokens = $13, cache_write_long_tokens = $14, input_cost = $15, output_cost = $16,
             total_cost = $17 WHERE number = $1",
            args![
                number,
                after.at_ms,
                after.took_ms,
                after.state.as_str(),
                after.name.as_deref(),
                after.session.as_deref(),
                after.request.as_deref(),
                after.response.as_deref(),
                after.tokens.input,
                after.tokens.output,
                after.tokens.total,
                after.tokens.cache_read,
                after.tokens.cache_write,
                after.tokens.cache_write_long,
                after.cost.input,
                after.cost.output,
                after.cost.total,
            ],
        )
        .await?;
        for (key, value) in &batch.metadata {
            self.execute(
                "INSERT INTO trace_metadata (trace, key, value) VALUES ($1, $2, $3) ON CONFLICT (trace, key) DO NOTHING",
                args![number, key, value],
            )
            .await?;
        }
        self.trace_pairs_put("trace_tag", number, &batch.tags).await
    }

    /// Returns a trace with its number and whether it was told, held until the transaction ends.
    async fn trace_locked(&mut self, project: &Name, id: &TraceId) -> Result<Option<(i64, Trace, bool)>, StoreError> {
        // SQLite has one writer anyway.
        let lock = if self.is_postgres() { " FOR UPDATE" } else { "" };
        let mut query =
            Query::new(self.is_postgres(), &format!("SELECT {COLUMNS}, t.told FROM trace t WHERE t.project = "));
        query.arg(project);
        query.text(" AND t.id = ");
        query.arg(id.as_str());
        query.text(lock);
        let rows = query.rows(self).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (number, trace) = trace_of(row)?;
        Ok(Some((number, trace, row.bool(super::COUNT)?)))
    }

    async fn span_rows_put(&mut self, number: i64, spans: &[Span]) -> Result<(), StoreError> {
        for some in spans.chunks(SPANS_AT_ONCE) {
            let mut query = Query::new(
                self.is_postgres(),
                "INSERT INTO trace_span (trace, id, parent, name, kind, status, start_ns, end_ns, input_tokens,
                 output_tokens, total_tokens, cache_read_tokens, cache_write_tokens, cache_write_long_tokens,
                 input_cost, output_cost, total_cost, model, provider, content) VALUES ",
            );
            for (place, span) in some.iter().enumerate() {
                let Span { id, parent, name, kind, status, start_ns, end_ns, tokens, cost, model, provider, content } =
                    span;
                let Tokens { input, output, total, cache_read, cache_write, cache_write_long } = *tokens;
                let Cost { input: input_cost, output: output_cost, total: total_cost } = *cost;
                query.text(if place == 0 { "" } else { ", " });
                query.all(args![
                    number,
                    id,
                    parent.as_deref(),
                    name,
                    kind.as_deref(),
                    status,
                    *start_ns,
                    *end_ns,
                    input,
                    output,
                    total,
                    cache_read,
                    cache_write,
                    cache_write_long,
                    input_cost,
                    output_cost,
                    total_cost,
                    model.as_deref(),
                    provider.as_deref(),
                    content,
                ]);
            }
            query.text(
                " ON CONFLICT (trace, id) DO UPDATE SET parent = excluded.parent, name = excluded.name,
                 kind = excluded.kind, status = excluded.status, start_ns = excluded.start_ns, end_ns = excluded.end_ns,
                 input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
                 total_tokens = excluded.total_tokens, cache_read_tokens = excluded.cache_read_tokens,
                 cache_write_tokens = excluded.cache_write_tokens,
                 cache_write_long_tokens = excluded.cache_write_long_tokens, input_cost = excluded.input_cost,
                 output_cost = excluded.output_cost, total_cost = excluded.total_cost, model = excluded.model,
                 provider = excluded.provider, content = excluded.content",
            );
            query.execute(self).await?;
        }
        Ok(())
    }

    /// Sums tokens and cost up anew where the new spans have some, unless the client told the sums itself.
    async fn trace_totals(
        &mut self,
        number: i64,
        told: bool,
        batch: &SpanBatch,
        trace: &mut Trace,
    ) -> Result<(), StoreError> {
        let tokens = batch.spans.iter().any(|span| span.tokens != Tokens::default())
            && !(told && trace.tokens != Tokens::default());
        let cost =
            batch.spans.iter().any(|span| span.cost != Cost::default()) && !(told && trace.cost != Cost::default());
        if !tokens && !cost {
            return Ok(());
        }
        let rows = self
            .rows(
                "SELECT id, parent, input_tokens, output_tokens, total_tokens, cache_read_tokens, cache_write_tokens,
                 cache_write_long_tokens, input_cost, output_cost, total_cost FROM trace_span WHERE trace = $1",
                args![number],
            )
            .await?;
        let nodes = rows
            .iter()
            .map(|row| {
                let (tokens, cost) = (super::tokens_of(row, 2)?, super::cost_of(row, 8)?);
                Ok(Node { id: row.text(0)?, parent: row.opt_text(1)?, tokens, cost })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        if tokens && let Some(sum) = total::tokens(&nodes) {
            trace.tokens = sum;
        }
        if cost && let Some(sum) = total::cost(&nodes) {
            trace.cost = sum;
        }
        Ok(())
    }
}
