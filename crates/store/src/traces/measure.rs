//! Numbers over many traces: how many, how long, how many tokens, how good; by time and by name.
//!
//! One statement does it all. Percentiles are between the two values around them, as `PERCENTILE_CONT` has it, from the
//! place of each value in its group: SQLite has no such function of its own.

use windlass_kinds::{ExperimentId, Name};

use crate::{StoreError, Tx, tracking::Query};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// Each trace, as 1.
    Traces,
    /// Conversations: each counts once.
    Sessions,
    /// How long a trace took, in milliseconds.
    TraceLatency,
    /// Tokens that a trace read.
    InputTokens,
    /// Tokens that a trace wrote.
    OutputTokens,
    /// Both.
    TotalTokens,
    /// Tokens that a trace read from a cache.
    CacheReadTokens,
    /// Tokens that a trace wrote into a cache.
    CacheWriteTokens,
    /// Each span, as 1.
    Spans,
    /// How long a span took, in milliseconds.
    SpanLatency,
    /// What a span cost for reading.
    InputCost,
    /// What a span cost for writing.
    OutputCost,
    /// What a span cost.
    TotalCost,
    /// Each assessment, as 1.
    Assessments,
    /// The number that an assessment counts as.
    AssessmentValue,
}

impl Measured {
    /// The value of one row.
    fn value(self) -> &'static str {
        match self {
            Self::Traces | Self::Spans | Self::Assessments => "1",
            Self::Sessions => "t.session",
            Self::TraceLatency => "t.took_ms",
            Self::InputTokens => "t.input_tokens",
            Self::OutputTokens => "t.output_tokens",
            Self::TotalTokens => "t.total_tokens",
            Self::CacheReadTokens => "t.cache_read_tokens",
            Self::CacheWriteTokens => "t.cache_write_tokens",
            Self::SpanLatency => "((x.end_ns - x.start_ns) / 1000000)",
            Self::InputCost => "x.input_cost",
            Self::OutputCost => "x.output_cost",
            Self::TotalCost => "x.total_cost",
            Self::AssessmentValue => "x.number",
        }
    }

    /// The table beside that of traces, if it is of one.
    fn join(self) -> &'static str {
        match self {
            Self::Spans | Self::SpanLatency | Self::InputCost | Self::OutputCost | Self::TotalCost => {
                " JOIN trace_span x ON x.trace = t.number"
            }
            // One whose place another took counts no more.
            Self::Assessments | Self::AssessmentValue => " JOIN assessment x ON x.trace = t.number AND x.valid = 1",
            _ => "",
        }
    }

    /// When one row was, in milliseconds.
    fn at_ms(self) -> &'static str {
        match self.join() {
            " JOIN trace_span x ON x.trace = t.number" => "(x.start_ns / 1000000)",
            _ => "t.at_ms",
        }
    }
}

/// What numbers are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureBy {
    /// The name of the trace.
    TraceName,
    /// Its state.
    TraceState,
    /// The name of the span.
    SpanName,
    /// Its kind.
    SpanKind,
    /// Its status.
    SpanStatus,
    /// The model that it asked.
    SpanModel,
    /// Who provides that model.
    SpanProvider,
    /// What the assessment is about.
    AssessmentName,
    /// What it says.
    AssessmentValue,
}

impl MeasureBy {
    fn column(self) -> &'static str {
        match self {
            Self::TraceName => "t.name",
            Self::TraceState => "t.state",
            Self::SpanName | Self::AssessmentName => "x.name",
            Self::SpanKind => "x.kind",
            Self::SpanStatus => "x.status",
            Self::SpanModel => "x.model",
            Self::SpanProvider => "x.provider",
            Self::AssessmentValue => "x.value",
        }
    }
}

/// What rows count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeasureFilter {
    /// Traces in this state.
    State(String),
    /// Traces with this name.
    Name(String),
    /// Traces of this conversation.
    Session(String),
    /// Traces with this tag: key and value.
    Tag(String, String),
    /// Traces with this note: key and value.
    Metadata(String, String),
    /// Traces of this run.
    Run(String),
    /// Spans, or assessments, with this name.
    RowName(String),
    /// Spans, or assessments, of this kind.
    RowKind(String),
    /// Spans with this status.
    SpanStatus(String),
}

/// How numbers of a group become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregate {
    /// How many.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Average,
    /// The smallest.
    Smallest,
    /// The largest.
    Largest,
    /// The value below which so many in a hundred are.
    Percentile(f64),
}

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureQuery {
    /// What.
    pub what: Measured,
    /// How numbers become one.
    pub aggregates: Vec<Aggregate>,
    /// What they are grouped by, apart from time.
    pub by: Vec<MeasureBy>,
    /// What rows count: all of these must hold.
    pub filters: Vec<MeasureFilter>,
    /// The length of a group in time, in milliseconds.
    pub every_ms: Option<i64>,
    /// Rows of that time and later, in milliseconds since the epoch.
    pub from_ms: Option<i64>,
    /// Rows of that time and earlier, in milliseconds since the epoch.
    pub to_ms: Option<i64>,
    /// How many groups at most.
    pub most: u32,
}

/// One group.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureRow {
    /// When it begins, in milliseconds since the epoch, where groups are by time.
    pub from_ms: Option<i64>,
    /// What it is of, in the order of [`MeasureQuery::by`].
    pub by: Vec<String>,
    /// Its numbers, in the order of [`MeasureQuery::aggregates`].
    pub values: Vec<Option<f64>>,
}

fn filter<'a>(query: &mut Query<'a>, filter: &'a MeasureFilter) {
    let mut plain = |text: &str, value: &'a str| {
        query.text(text);
        query.arg(value);
    };
    match filter {
        MeasureFilter::State(value) => plain(" AND t.state = ", value),
        MeasureFilter::Name(value) => plain(" AND t.name = ", value),
        MeasureFilter::Session(value) => plain(" AND t.session = ", value),
        MeasureFilter::RowName(value) => plain(" AND x.name = ", value),
        MeasureFilter::RowKind(value) => plain(" AND x.kind = ", value),
        MeasureFilter::SpanStatus(value) => plain(" AND x.status = ", value),
        MeasureFilter::Run(value) => {
            plain(" AND t.number IN (SELECT l.trace FROM trace_link l WHERE l.kind = 'run' AND l.target = ", value);
            query.text(")");
        }
        MeasureFilter::Tag(key, value) => {
            plain(" AND EXISTS (SELECT 1 FROM trace_tag g WHERE g.trace = t.number AND g.key = ", key);
            query.text(" AND g.value = ");
            query.arg(value);
            query.text(")");
        }
        MeasureFilter::Metadata(key, value) => {
            plain(" AND EXISTS (SELECT 1 FROM trace_metadata g WHERE g.trace = t.number AND g.key = ", key);
            query.text(" AND g.value = ");
            query.arg(value);
            query.text(")");
        }
    }
}

impl Tx {
    /// Returns the groups of a measurement over some experiments, by time and then by what they are of.
    pub async fn traces_measure(
        &mut self,
        project: &Name,
        experiments: &[ExperimentId],
        asked: &MeasureQuery,
    ) -> Result<Vec<MeasureRow>, StoreError> {
        let postgres = self.is_postgres();
        let mut query = Query::new(postgres, "WITH v AS (SELECT ");
        let value = asked.what.value();
        let mut groups: Vec<String> = Vec::new();
        if let Some(every) = asked.every_ms {
            let every = query.bind(every);
            let at = asked.what.at_ms();
            groups.push(format!("({at} - ({at} % {every}))"));
        }
        groups.extend(asked.by.iter().map(|by| by.column().to_owned()));
        let names: Vec<String> = (0..groups.len()).map(|place| format!("g{place}")).collect();
        for (group, name) in groups.iter().zip(&names) {
            query.text(&format!("{group} AS {name}, "));
        }
        query.text(&format!("{value} AS v"));
        // Only a percentile needs the place of each value in its group.
        if asked.aggregates.iter().any(|aggregate| matches!(aggregate, Aggregate::Percentile(_))) {
            let over = if groups.is_empty() { String::new() } else { format!("PARTITION BY {}", groups.join(", ")) };
            query.text(&format!(
                ", ROW_NUMBER() OVER ({over} ORDER BY {value}) AS place, COUNT(*) OVER ({over}) AS many"
            ));
        }
        query.text(&format!(" FROM trace t{} WHERE t.project = ", asked.what.join()));
        query.arg(project);
        query.text(" AND t.experiment IN ");
        query.list(experiments.iter().filter_map(|id| id.as_str().parse::<i64>().ok()));
        for (limit, sign) in [(asked.from_ms, ">="), (asked.to_ms, "<=")] {
            if let Some(limit) = limit {
                query.text(&format!(" AND t.at_ms {sign} "));
                query.arg(limit);
            }
        }
        asked.filters.iter().for_each(|one| filter(&mut query, one));
        query.text(&format!(" AND {value} IS NOT NULL"));
        for by in &asked.by {
            query.text(&format!(" AND {} IS NOT NULL", by.column()));
        }
        query.text(") SELECT ");
        let mut selected = names.clone();
        for aggregate in &asked.aggregates {
            let expression = match aggregate {
                Aggregate::Count if asked.what == Measured::Sessions => "COUNT(DISTINCT v)".to_owned(),
                Aggregate::Count => "COUNT(v)".to_owned(),
                Aggregate::Sum => "SUM(v)".to_owned(),
                Aggregate::Average => "AVG(v)".to_owned(),
                Aggregate::Smallest => "MIN(v)".to_owned(),
                Aggregate::Largest => "MAX(v)".to_owned(),
                Aggregate::Percentile(percentile) => {
                    let share = query.bind(percentile / 100.0);
                    // Where the value would be among the places from 0, and the whole part of that.
                    let exact = format!("(CAST({share} AS DOUBLE PRECISION) * (many - 1))");
                    let whole = match postgres {
                        true => format!("CAST(FLOOR({exact}) AS BIGINT)"),
                        false => format!("CAST({exact} AS INTEGER)"),
                    };
                    format!(
                        "SUM(CASE WHEN place = {whole} + 1 THEN v * (1 - ({exact} - {whole}))
                         WHEN place = {whole} + 2 THEN v * ({exact} - {whole}) END)"
                    )
                }
            };
            selected.push(format!("CAST({expression} AS DOUBLE PRECISION)"));
        }
        query.text(&format!("{} FROM v", selected.join(", ")));
        if !names.is_empty() {
            let names = names.join(", ");
            query.text(&format!(" GROUP BY {names} ORDER BY {names}"));
        }
        query.text(" LIMIT ");
        query.arg(asked.most);
        let rows = query.rows(self).await?;
        rows.iter()
            .map(|row| {
                let first = usize::from(asked.every_ms.is_some());
                let from_ms = if first == 1 { Some(row.int(0)?) } else { None };
                let by = (0..asked.by.len()).map(|place| row.text(first + place)).collect::<Result<_, _>>()?;
                let values = (0..asked.aggregates.len()).map(|place| row.opt_real(names.len() + place));
                Ok(MeasureRow { from_ms, by, values: values.collect::<Result<_, _>>()? })
            })
            .collect()
    }
}
