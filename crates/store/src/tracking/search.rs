//! From searches to SQL. Values are always bound, never written into the text.
//!
//! The two databases differ in how they match patterns: PostgreSQL has `LIKE` and `ILIKE`; in SQLite our connections
//! make `LIKE` mind the case, so `ILIKE` compares lower-case forms there.

use sqlx::AssertSqlSafe;
use windlass_kinds::filter::{Attribute, Comparison, DatasetField, Field, Lifecycle, Operator, Order, Search, Value};

use super::Refusal;
use crate::{
    StoreError, Tx,
    tx::{Arg, Row},
};

/// Where the fields of one kind of record lie.
pub(crate) struct Columns {
    /// The expression of an attribute, if the record has it.
    pub(crate) attribute: fn(Attribute) -> Option<&'static str>,
    /// The tail of a query `SELECT … FROM … x WHERE … AND x.key = ` that finds a metric, param or tag by its key.
    pub(crate) keyed: fn(&Field) -> Option<&'static str>,
    /// The tail of a query over logged datasets.
    pub(crate) dataset: Option<&'static str>,
}

/// A statement that grows, with its arguments.
pub(crate) struct Query<'a> {
    postgres: bool,
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

    /// Adds a bound value.
    pub(crate) fn arg(&mut self, value: impl Into<Arg<'a>>) {
        self.args.push(value.into());
        self.sql.push('$');
        self.sql.push_str(&self.args.len().to_string());
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
            Lifecycle::All => {}
        }
    }

    /// Adds ` AND` one comparison.
    pub(crate) fn condition(&mut self, columns: &Columns, comparison: &'a Comparison) -> Result<(), StoreError> {
        let Comparison { field, operator, value } = comparison;
        match field {
            Field::Attribute(attribute) => {
                let column = (columns.attribute)(*attribute).ok_or(Refusal::Unsearchable("such attribute"))?;
                self.text(" AND ");
                self.compare(column, *operator, value);
            }
            Field::Metric(key) => {
                self.exists(columns, field, key, *operator)?;
                self.text(" AND x.nan = 0 AND ");
                self.compare("x.value", *operator, value);
                self.text(")");
            }
            Field::Param(key) | Field::Tag(key) => {
                self.exists(columns, field, key, *operator)?;
                if !matches!(operator, Operator::IsNull | Operator::IsNotNull) {
                    self.text(" AND ");
                    self.compare("x.value", *operator, value);
                }
                self.text(")");
            }
            Field::Dataset(field) => {
                let tail = columns.dataset.ok_or(Refusal::Unsearchable("datasets"))?;
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
        }
        Ok(())
    }

    fn exists(&mut self, columns: &Columns, field: &Field, key: &'a str, operator: Operator) -> Result<(), StoreError> {
        let tail = (columns.keyed)(field).ok_or(Refusal::Unsearchable("such field"))?;
        self.text(if operator == Operator::IsNull { " AND NOT EXISTS (SELECT 1 " } else { " AND EXISTS (SELECT 1 " });
        self.text(tail);
        self.arg(key);
        Ok(())
    }

    fn compare(&mut self, column: &str, operator: Operator, value: &'a Value) {
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
            Value::Number(number) => self.arg(*number),
            Value::List(list) => self.list(list),
            Value::None => self.text("NULL"),
        }
        // A backslash is an ordinary character in a pattern; only PostgreSQL needs to be told.
        if self.postgres && matches!(operator, Operator::Like | Operator::ILike) {
            self.text(" ESCAPE ''");
        }
    }

    /// Adds ` ORDER BY` the keys of `order`, then `last`. Records without a value come last, NaN just before them.
    pub(crate) fn order(&mut self, columns: &Columns, order: &'a [Order], last: &str) -> Result<(), StoreError> {
        self.text(" ORDER BY ");
        for Order { field, ascending } in order {
            let direction = if *ascending { " ASC, " } else { " DESC, " };
            match field {
                Field::Attribute(attribute) => {
                    let column = (columns.attribute)(*attribute).ok_or(Refusal::Unsearchable("such attribute"))?;
                    self.text(&format!("CASE WHEN {column} IS NULL THEN 1 ELSE 0 END, {column}{direction}"));
                }
                Field::Metric(key) => {
                    let tail = (columns.keyed)(field).ok_or(Refusal::Unsearchable("metrics"))?;
                    self.text("COALESCE((SELECT MAX(x.nan) ");
                    self.text(tail);
                    self.arg(key);
                    self.text("), 2), (SELECT MAX(x.value) ");
                    self.text(tail);
                    self.arg(key);
                    self.text(&format!("){direction}"));
                }
                Field::Param(key) | Field::Tag(key) => {
                    let tail = (columns.keyed)(field).ok_or(Refusal::Unsearchable("such field"))?;
                    self.text("CASE WHEN EXISTS (SELECT 1 ");
                    self.text(tail);
                    self.arg(key);
                    self.text(") THEN 0 ELSE 1 END, (SELECT x.value ");
                    self.text(tail);
                    self.arg(key);
                    self.text(&format!("){direction}"));
                }
                Field::Dataset(_) => return Err(Refusal::Unsearchable("order by datasets").into()),
            }
        }
        self.text(last);
        Ok(())
    }

    /// Adds the part of the answer that `search` wants.
    pub(crate) fn page(&mut self, search: &Search) {
        self.text(" LIMIT ");
        self.arg(search.limit);
        self.text(" OFFSET ");
        self.arg(search.offset);
    }

    /// Runs it.
    pub(crate) async fn rows(self, tx: &mut Tx) -> Result<Vec<Row>, StoreError> {
        tx.rows(AssertSqlSafe(self.sql), self.args).await
    }
}
