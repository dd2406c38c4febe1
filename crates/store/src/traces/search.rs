//! Finding traces.
//!
//! Most fields are columns of a trace, its tags and its notes. What was said of a trace, and what its spans are, is asked
//! of their tables; all that a filter asks of spans must hold for one span.

use windlass_kinds::{
    ExperimentId, Name,
    filter::{Attribute, Comparison, Field, Filter, Operator, Page, Search, SpanField, Value},
    record::Trace,
};

use super::{COLUMNS, trace_of};
use crate::{
    Refusal, StoreError, Tx,
    tracking::{Columns, Find, Holds, Keyed, Query},
};

/// The note by which clients ask for the conversation that a trace belongs to.
const SESSION: &str = "mlflow.trace.session";
/// The note by which clients ask for the run that a trace was made in; traces that were linked to a run later count too.
const RUN: &str = "mlflow.sourceRun";
/// The tag by which clients ask for the name of a trace.
const NAME: &str = "mlflow.traceName";
/// The tag by which clients ask for the versions of prompts that a trace is linked to: `name/version`.
const PROMPTS: &str = "mlflow.linkedPrompts";

const FIELDS: Columns = Columns {
    attributes: &[
        (Attribute::Id, "t.id", Holds::Text),
        (Attribute::Name, "t.name", Holds::TextOrNothing),
        (Attribute::Status, "t.state", Holds::Id),
        (Attribute::Created, "t.at_ms", Holds::Integer),
        (Attribute::Duration, "t.took_ms", Holds::IntegerOrNothing),
        (Attribute::Ended, "(t.at_ms + COALESCE(t.took_ms, 0))", Holds::Integer),
        (Attribute::Request, "t.client_request", Holds::TextOrNothing),
        (Attribute::Experiment, "t.experiment", Holds::Integer),
    ],
    metrics: None,
    params: None,
    tags: Some(Keyed { table: "trace_tag", on: &[("trace", "t.number")], one: true }),
    metadata: Some(Keyed { table: "trace_metadata", on: &[("trace", "t.number")], one: true }),
    datasets: None,
    last: &[("t.at_ms", Holds::Integer, false), ("t.id", Holds::Text, true)],
};

/// What a filter asks, by where the answer lies.
struct Asked {
    /// Of the trace, its tags and notes.
    plain: Search,
    /// Of one span.
    spans: Filter,
    /// Of what was said, of runs, prompts and conversations.
    others: Filter,
}

impl Asked {
    fn of(search: &Search) -> Self {
        let mut asked = Self { plain: search.clone(), spans: Filter::new(), others: Filter::new() };
        asked.plain.filter.clear();
        for mut comparison in search.filter.iter().cloned() {
            let list = match &comparison.field {
                Field::Span(_) => &mut asked.spans,
                Field::Tag(key) if key == NAME => {
                    comparison.field = Field::Attribute(Attribute::Name);
                    &mut asked.plain.filter
                }
                Field::Metadata(key) if key == RUN && comparison.operator == Operator::Equal => {
                    comparison.field = Field::Attribute(Attribute::Run);
                    &mut asked.others
                }
                Field::Metadata(key) if key == SESSION => &mut asked.others,
                Field::Tag(key) if key == PROMPTS && comparison.operator == Operator::Equal => &mut asked.others,
                Field::Feedback(_) | Field::Expectation(_) | Field::Issue | Field::Attribute(Attribute::Run) => {
                    &mut asked.others
                }
                Field::Attribute(_)
                | Field::Metric(_)
                | Field::MetricOn(..)
                | Field::Param(_)
                | Field::Tag(_)
                | Field::Dataset(_)
                | Field::Metadata(_) => &mut asked.plain.filter,
            };
            list.push(comparison);
        }
        for order in &mut asked.plain.order {
            match &order.field {
                Field::Tag(key) if key == NAME => order.field = Field::Attribute(Attribute::Name),
                Field::Attribute(Attribute::Run) => order.field = Field::Metadata(RUN.to_owned()),
                _ => {}
            }
        }
        asked
    }
}

/// Adds the experiments to look in.
fn scope(query: &mut Query<'_>, project: &Name, experiments: &[i64]) -> (String, String) {
    let project = query.bind(project.as_str().to_owned());
    let places: Vec<String> = experiments.iter().map(|number| query.bind(*number)).collect();
    let list = if places.is_empty() { "(NULL)".to_owned() } else { format!("({})", places.join(", ")) };
    query.text(&format!("t.project = {project} AND t.experiment IN {list}"));
    (project, list)
}

/// Adds what is asked of spans: all of one.
fn spans<'a>(query: &mut Query<'a>, filter: &'a Filter) {
    if filter.is_empty() {
        return;
    }
    query.text(" AND EXISTS (SELECT 1 FROM trace_span x WHERE x.trace = t.number");
    for Comparison { field, operator, value } in filter {
        query.text(" AND ");
        match field {
            Field::Span(SpanField::Name) => query.compare("x.name", *operator, value),
            Field::Span(SpanField::Type) => query.compare("x.kind", *operator, value),
            Field::Span(SpanField::Status) => query.compare("x.status", *operator, value),
            Field::Span(SpanField::Attribute(key)) => attribute(query, key, *operator, value),
            _ => query.compare("x.content", *operator, value),
        }
    }
    query.text(")");
}

/// Adds what is asked of an attribute, which stands in the content as `"key": "value as JSON"`.
fn attribute<'a>(query: &mut Query<'a>, key: &str, operator: Operator, value: &'a Value) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let find = if query.is_postgres() { "strpos" } else { "instr" };
    match (operator, value) {
        (Operator::Equal | Operator::NotEqual | Operator::In | Operator::NotIn, Value::Text(_) | Value::List(_)) => {
            let texts = match value {
                Value::List(list) => list.as_slice(),
                Value::Text(text) => std::slice::from_ref(text),
                Value::Integer(_) | Value::Integers(_) | Value::Number(_) | Value::None => &[],
            };
            let mut any = "1 = 0".to_owned();
            for text in texts {
                // A text is JSON within JSON, a number is not.
                for form in [quoted(&quoted(text)), quoted(text)] {
                    let place = query.bind(format!("{}: {form}", quoted(key)));
                    any.push_str(&format!(" OR {find}(x.content, {place}) > 0"));
                }
            }
            if matches!(operator, Operator::Equal | Operator::In) {
                query.text(&format!("({any})"));
            } else {
                let there = query.bind(format!("{}: ", quoted(key)));
                query.text(&format!("({find}(x.content, {there}) > 0 AND NOT ({any}))"));
            }
        }
        (Operator::RLike, Value::Text(text)) => {
            let (start, text) = match text.strip_prefix('^') {
                Some(rest) => (r#""\\""#, rest),
                None => (r#""\\".*"#, text.as_str()),
            };
            let (text, end) = match text.strip_suffix('$') {
                Some(rest) => (rest, r#"\\""#),
                None => (text, ""),
            };
            matches(query, operator, format!("\"{key}\": {start}{text}{end}"));
        }
        (operator, Value::Text(text)) => {
            matches(query, operator, format!("%\"{key}\"{text}%"));
        }
        (operator, value) => query.compare("x.content", operator, value),
    }
}

/// Adds that the content matches a pattern.
fn matches(query: &mut Query<'_>, operator: Operator, pattern: String) {
    let postgres = query.is_postgres();
    let lower = operator == Operator::ILike && !postgres;
    let place = query.bind(if lower { pattern.to_lowercase() } else { pattern });
    query.text(&match (operator, postgres) {
        (Operator::ILike, false) => format!("LOWER(x.content) LIKE {place}"),
        (Operator::ILike, true) => format!("x.content ILIKE {place} ESCAPE ''"),
        (Operator::RLike, false) => format!("x.content REGEXP {place}"),
        (Operator::RLike, true) => format!("x.content ~ {place}"),
        (_, false) => format!("x.content LIKE {place}"),
        (_, true) => format!("x.content LIKE {place} ESCAPE ''"),
    });
}

/// Adds what is asked of a value that was said, which is kept as JSON.
fn said<'a>(query: &mut Query<'a>, operator: Operator, value: &'a Value) {
    match (operator, value) {
        (Operator::IsNull | Operator::IsNotNull, _) => query.text("1 = 1"),
        (Operator::Equal | Operator::NotEqual, Value::Text(text)) => {
            let not = if operator == Operator::NotEqual { "NOT " } else { "" };
            let plain = query.bind(text.clone());
            let quoted = query.bind(serde_json::Value::from(text.as_str()).to_string());
            query.text(&format!("{not}(x.value = {plain} OR x.value = {quoted})"));
        }
        (Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual, value) => {
            query.text("x.numeric_value = 1 AND ");
            query.compare("x.number", operator, value);
        }
        (operator, value) => query.compare("x.value", operator, value),
    }
}

/// Adds one of the other questions.
fn other<'a>(
    query: &mut Query<'a>,
    comparison: &'a Comparison,
    project: &str,
    experiments: &str,
) -> Result<(), StoreError> {
    let Comparison { field, operator, value } = comparison;
    match (field, value) {
        (Field::Feedback(name) | Field::Expectation(name), value) => {
            let kind = if matches!(field, Field::Feedback(_)) { "feedback" } else { "expectation" };
            let name = query.bind(name.clone());
            // Said of one trace of a conversation, and meant for all of it.
            let meant = query.bind(format!("%\"{SESSION}\"%"));
            let not = if *operator == Operator::IsNull { "NOT " } else { "" };
            let these = format!("x.kind = '{kind}' AND x.name = {name} AND x.valid = 1 AND ");
            query.text(&format!(" AND {not}(t.number IN (SELECT x.trace FROM assessment x WHERE {these}"));
            said(query, *operator, value);
            query.text(&format!(
                ") OR (t.session IS NOT NULL AND t.session IN (SELECT u.session FROM assessment x
                 JOIN trace u ON u.number = x.trace WHERE u.project = {project} AND u.experiment IN {experiments}
                 AND u.session IS NOT NULL AND x.metadata LIKE {meant} AND {these}"
            ));
            said(query, *operator, value);
            query.text(")))");
        }
        (Field::Issue, Value::Text(issue)) => {
            let issue = query.bind(issue.clone());
            query.text(&format!(
                " AND t.number IN (SELECT x.trace FROM assessment x WHERE x.kind = 'issue' AND x.name = {issue})"
            ));
        }
        (Field::Attribute(_), Value::Text(run)) if *operator == Operator::Equal => {
            let run = query.bind(run.clone());
            query.text(&format!(
                " AND t.number IN (SELECT x.trace FROM trace_link x WHERE x.kind = 'run' AND x.target = {run})"
            ));
        }
        (Field::Attribute(_), value) => {
            // What the trace itself notes of its run.
            let key = query.bind(RUN);
            let not = if *operator == Operator::IsNull { "NOT " } else { "" };
            query.text(&format!(
                " AND {not}EXISTS (SELECT 1 FROM trace_metadata x WHERE x.trace = t.number AND x.key = {key}"
            ));
            if !matches!(operator, Operator::IsNull | Operator::IsNotNull) {
                query.text(" AND ");
                query.compare("x.value", *operator, value);
            }
            query.text(")");
        }
        (Field::Tag(_), Value::Text(prompt)) => {
            let prompt = query.bind(prompt.clone());
            query.text(&format!(
                " AND t.number IN (SELECT x.trace FROM trace_link x WHERE x.kind = 'prompt' AND x.target = {prompt})"
            ));
        }
        (Field::Metadata(_), value) => {
            query.text(" AND ");
            query.compare("t.session", *operator, value);
        }
        _ => return Err(Refusal::Unsearchable("such field").into()),
    }
    Ok(())
}

fn numbers(experiments: &[ExperimentId]) -> Vec<i64> {
    experiments.iter().filter_map(|id| id.as_str().parse().ok()).collect()
}

impl Tx {
    /// Returns a page of the traces that a search finds in some experiments; newest first unless it says otherwise.
    pub async fn traces_search(
        &mut self,
        project: &Name,
        experiments: &[ExperimentId],
        search: &Search,
    ) -> Result<Page<Trace>, StoreError> {
        let asked = Asked::of(search);
        let numbers = numbers(experiments);
        let find = Find { columns: COLUMNS, table: "trace t", fields: &FIELDS };
        let mut refused = Ok(());
        let page = find
            .rows(self, &asked.plain, |query| {
                let (project, list) = scope(query, project, &numbers);
                spans(query, &asked.spans);
                refused = asked.others.iter().try_for_each(|comparison| other(query, comparison, &project, &list));
            })
            .await?;
        refused?;
        let found = page.items.iter().map(trace_of).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items: self.traces_filled(found).await?, next: page.next })
    }

    /// Returns how many traces of some experiments all of `filters` find together.
    pub async fn traces_count(
        &mut self,
        project: &Name,
        experiments: &[ExperimentId],
        filters: &[&Filter],
    ) -> Result<u64, StoreError> {
        let filter: Filter = filters.iter().flat_map(|filter| filter.iter().cloned()).collect();
        let asked = Asked::of(&Search { filter, ..Search::default() });
        let mut query = Query::new(self.is_postgres(), "SELECT COUNT(*) FROM trace t WHERE ");
        let (project, list) = scope(&mut query, project, &numbers(experiments));
        spans(&mut query, &asked.spans);
        asked.others.iter().try_for_each(|comparison| other(&mut query, comparison, &project, &list))?;
        query.conditions(&FIELDS, &asked.plain)?;
        let rows = query.rows(self).await?;
        let count = rows.first().map(|row| row.int(0)).transpose()?.unwrap_or_default();
        Ok(count.unsigned_abs())
    }
}
