//! From searches to SQL. Values are always bound, never written into the text.
//!
//! The two databases differ in how they match patterns: PostgreSQL has `LIKE` and `ILIKE`; in SQLite our connections
//! make `LIKE` mind the case, so `ILIKE` compares lower-case forms there. How what was found is put in order and cut
//! into pages is [`super::order`]'s.

use sqlx::AssertSqlSafe;
use windlass_kinds::filter::{
    Attribute, Comparison, DatasetField, Field, Lifecycle, OnDataset, Operator, Search, Value,
};

use super::Refusal;
use crate::{
    StoreError, Tx,
    tx::{Arg, Row},
};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Whole numbers.
    Integer,
    /// Whole numbers or nothing.
    IntegerOrNothing,
    /// Numbers or nothing.
    RealOrNothing,
    /// Texts that people write; ordered by their characters' numbers on both databases.
    Text,
    /// Such texts or nothing.
    TextOrNothing,
    /// Texts of letters, digits and signs that any collation orders the same, such as ids.
    Id,
}

/// Where one kind of keyed value lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyed {
    /// The table; its columns `key` and `value` are the key and the value.
    pub(crate) table: &'static str,
    /// Which of its columns equal what of the record.
    pub(crate) on: &'static [(&'static str, &'static str)],
    /// Whether a key has one value at most; else the latest is what orders.
    pub(crate) one: bool,
}

/// Where the fields of one kind of record lie.
pub(crate) struct Columns {
    /// The expressions of the attributes that such records have.
    pub(crate) attributes: &'static [(Attribute, &'static str, Holds)],
    /// Metrics; their table has the columns `nan`, and where a key has many values `at_ms`, `step` and `run`.
    pub(crate) metrics: Option<Keyed>,
    /// Params.
    pub(crate) params: Option<Keyed>,
    /// Tags.
    pub(crate) tags: Option<Keyed>,
    /// Notes that do not change.
    pub(crate) metadata: Option<Keyed>,
    /// The tail `FROM … x WHERE …` of a query over logged datasets.
    pub(crate) datasets: Option<&'static str>,
    /// What breaks ties: an expression, what it holds, and whether the smallest comes first.
    pub(crate) last: &'static [(&'static str, Holds, bool)],
}

impl Columns {
    pub(super) fn attribute(&self, attribute: Attribute) -> Result<(&'static str, Holds), StoreError> {
        let found = self.attributes.iter().find(|(known, _, _)| *known == attribute);
        let (_, expression, holds) = found.ok_or(Refusal::Unsearchable("such attribute"))?;
        Ok((expression, *holds))
    }

    /// Returns where a field with a key lies, and its key.
    pub(super) fn keyed<'f>(&self, field: &'f Field) -> Result<(Keyed, &'f str), StoreError> {
        let (place, key, what) = match field {
            Field::Metric(key) | Field::MetricOn(key, _) => (self.metrics, key, "metrics"),
            Field::Param(key) => (self.params, key, "params"),
            Field::Tag(key) => (self.tags, key, "tags"),
            Field::Metadata(key) => (self.metadata, key, "metadata"),
            Field::Attribute(_)
            | Field::Dataset(_)
            | Field::Feedback(_)
            | Field::Expectation(_)
            | Field::Span(_)
            | Field::Issue => return Err(Refusal::Unsearchable("such field").into()),
        };
        Ok((place.ok_or(Refusal::Unsearchable(what))?, key))
    }
}

impl Keyed {
    /// Returns what joins its table, called `alias`, to the record; a key's condition is to follow.
    pub(super) fn join(&self, alias: &str) -> String {
        let mut text = String::new();
        for (column, of_record) in self.on {
            text.push_str(&format!("{alias}.{column} = {of_record} AND "));
        }
        text.push_str(&format!("{alias}.key = "));
        text
    }
}

/// A statement that grows, with its arguments.
pub(crate) struct Query<'a> {
    pub(super) postgres: bool,
    sql: String,
    args: Vec<Arg<'a>>,
}

impl<'a> Query<'a> {
    /// Starts with `sql`.
    pub(crate) fn new(postgres: bool, sql: &str) -> Self {
        Self { postgres, sql: sql.to_owned(), args: Vec::new() }
    }

    /// Adds text.
    pub(crate) fn text(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// Binds a value and returns its place, `$4`, which may stand in the text many times.
    pub(crate) fn bind(&mut self, value: impl Into<Arg<'a>>) -> String {
        self.args.push(value.into());
        format!("${}", self.args.len())
    }

    /// Adds a bound value.
    pub(crate) fn arg(&mut self, value: impl Into<Arg<'a>>) {
        let place = self.bind(value);
        self.text(&place);
    }

    /// Adds `(v1, v2, …)`; `(NULL)` for an empty list, which nothing is in.
    pub(crate) fn list<T: Into<Arg<'a>>>(&mut self, values: impl IntoIterator<Item = T>) {
        self.text("(");
        let mut first = true;
        for value in values {
            if !first {
                self.text(", ");
            }
            first = false;
            self.arg(value);
        }
        self.text(if first { "NULL)" } else { ")" });
    }

    /// Adds the condition `column` (with its leading text) = what `lifecycle` asks for.
    pub(crate) fn lifecycle(&mut self, column: &str, lifecycle: Lifecycle) {
        match lifecycle {
            Lifecycle::Active => self.text(&format!("{column}0")),
            Lifecycle::Deleted => self.text(&format!("{column}1")),
            // Both, rather than no condition, so that an index that begins with it serves.
            Lifecycle::All => self.text(&format!("{}IN (0, 1)", column.trim_end_matches("= "))),
        }
    }

    /// Adds ` AND` everything that `search` asks of a record, apart from its place in the order.
    pub(crate) fn conditions(&mut self, columns: &Columns, search: &'a Search) -> Result<(), StoreError> {
        for comparison in &search.filter {
            self.condition(columns, comparison, &search.on)?;
        }
        let measured = search.filter.iter().any(|comparison| matches!(comparison.field, Field::Metric(_)));
        if !search.on.is_empty() && !measured {
            let metrics = columns.metrics.ok_or(Refusal::Unsearchable("metrics"))?;
            self.text(&format!(" AND EXISTS (SELECT 1 FROM {} x WHERE ", metrics.table));
            for (column, of_record) in metrics.on {
                self.text(&format!("x.{column} = {of_record} AND "));
            }
            self.on_datasets(&search.on);
            self.text(")");
        }
        Ok(())
    }

    /// Adds ` AND` one comparison; metrics count only where they were measured on one of `on`, if there are any.
    fn condition(
        &mut self,
        columns: &Columns,
        comparison: &'a Comparison,
        on: &'a [OnDataset],
    ) -> Result<(), StoreError> {
        let Comparison { field, operator, value } = comparison;
        match field {
            Field::Attribute(attribute) => {
                let (column, _) = columns.attribute(*attribute)?;
                self.text(" AND ");
                self.compare(column, *operator, value);
            }
            Field::Metric(_) => {
                self.exists(columns, field, *operator)?;
                self.text(" AND ");
                self.compare_metric(*operator, value);
                if !on.is_empty() {
                    self.text(" AND ");
                    self.on_datasets(on);
                }
                self.text(")");
            }
            Field::Param(_) | Field::Tag(_) | Field::Metadata(_) => {
                self.exists(columns, field, *operator)?;
                if !matches!(operator, Operator::IsNull | Operator::IsNotNull) {
                    self.text(" AND ");
                    self.compare("x.value", *operator, value);
                }
                self.text(")");
            }
            Field::Dataset(field) => {
                let tail = columns.datasets.ok_or(Refusal::Unsearchable("datasets"))?;
                self.text(" AND EXISTS (SELECT 1 ");
                self.text(tail);
                self.text(" AND ");
                let column = match field {
                    DatasetField::Name => "x.name",
                    DatasetField::Digest => "x.digest",
                    DatasetField::Context => "x.context",
                };
                self.compare(column, *operator, value);
                self.text(")");
            }
            Field::MetricOn(..) | Field::Feedback(_) | Field::Expectation(_) | Field::Span(_) | Field::Issue => {
                return Err(Refusal::Unsearchable("such field").into());
            }
        }
        Ok(())
    }

    fn exists(&mut self, columns: &Columns, field: &'a Field, operator: Operator) -> Result<(), StoreError> {
        let (keyed, key) = columns.keyed(field)?;
        let not = if operator == Operator::IsNull { "NOT " } else { "" };
        self.text(&format!(" AND {not}EXISTS (SELECT 1 FROM {} x WHERE {}", keyed.table, keyed.join("x")));
        self.arg(key);
        Ok(())
    }

    /// Compares the metric `x`: a NaN differs from everything and is nothing else.
    pub(super) fn compare_metric(&mut self, operator: Operator, value: &'a Value) {
        let different = operator == Operator::NotEqual;
        self.text(if different { "(x.nan = 1 OR " } else { "x.nan = 0 AND " });
        self.compare("x.value", operator, value);
        self.text(if different { ")" } else { "" });
    }

    fn on_datasets(&mut self, on: &'a [OnDataset]) {
        for (place, OnDataset { name, digest }) in on.iter().enumerate() {
            self.text(if place == 0 { "(" } else { " OR " });
            self.text("(x.dataset_name = ");
            self.arg(name);
            if let Some(digest) = digest {
                self.text(" AND x.dataset_digest = ");
                self.arg(digest);
            }
            self.text(")");
        }
        self.text(")");
    }

    /// Adds the comparison of an expression with a value.
    pub(crate) fn compare(&mut self, column: &str, operator: Operator, value: &'a Value) {
        let (column, sign) = match operator {
            Operator::Equal => (column.to_owned(), " = "),
            Operator::NotEqual => (column.to_owned(), " <> "),
            Operator::Less => (column.to_owned(), " < "),
            Operator::LessOrEqual => (column.to_owned(), " <= "),
            Operator::Greater => (column.to_owned(), " > "),
            Operator::GreaterOrEqual => (column.to_owned(), " >= "),
            Operator::Like => (column.to_owned(), " LIKE "),
            Operator::ILike if self.postgres => (column.to_owned(), " ILIKE "),
            Operator::ILike => (format!("LOWER({column})"), " LIKE "),
            Operator::RLike if self.postgres => (column.to_owned(), " ~ "),
            Operator::RLike => (column.to_owned(), " REGEXP "),
            Operator::In => (column.to_owned(), " IN "),
            Operator::NotIn => (column.to_owned(), " NOT IN "),
            Operator::IsNull => return self.text(&format!("{column} IS NULL")),
            Operator::IsNotNull => return self.text(&format!("{column} IS NOT NULL")),
        };
        self.text(&column);
        self.text(sign);
        match value {
            Value::Text(text) if operator == Operator::ILike && !self.postgres => self.arg(text.to_lowercase()),
            Value::Text(text) => self.arg(text),
            Value::Integer(number) => self.arg(*number),
            Value::Number(number) => self.arg(*number),
            Value::List(list) => self.list(list),
            Value::Integers(list) => self.list(list.iter().copied()),
            Value::None => self.text("NULL"),
        }
        // A backslash is an ordinary character in a pattern; only PostgreSQL needs to be told.
        if self.postgres && matches!(operator, Operator::Like | Operator::ILike) {
            self.text(" ESCAPE ''");
        }
    }

    /// Adds `(v1, v2, …)` for values of any kind, such as a row to insert.
    pub(crate) fn all(&mut self, values: Vec<Arg<'a>>) {
        for (place, value) in values.into_iter().enumerate() {
            self.text(if place == 0 { "(" } else { ", " });
            self.arg(value);
        }
        self.text(")");
    }

    /// Returns whether it goes to PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        self.postgres
    }

    /// Runs it as a change; returns how many rows it changed.
    pub(crate) async fn execute(self, tx: &mut Tx) -> Result<u64, StoreError> {
        tx.execute(AssertSqlSafe(self.sql), self.args).await
    }

    /// Returns how the database would carry it out, line by line.
    pub(super) async fn plan(self, tx: &mut Tx) -> Result<Vec<String>, StoreError> {
        let (explain, column) = if self.postgres { ("EXPLAIN", 0) } else { ("EXPLAIN QUERY PLAN", 3) };
        let rows = tx.rows(AssertSqlSafe(format!("{explain} {}", self.sql)), self.args).await?;
        rows.iter().map(|row| row.text(column)).collect()
    }

    /// Runs it.
    pub(crate) async fn rows(self, tx: &mut Tx) -> Result<Vec<Row>, StoreError> {
        tx.rows(AssertSqlSafe(self.sql), self.args).await
    }
}
