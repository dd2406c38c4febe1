//! The order of what a search found, and its pages.
//!
//! A page begins behind a place: the values of the last record's keys. So records that are added or removed meanwhile
//! neither repeat a record nor lose one. Records without a value come last, whichever way the rest goes, and NaN just
//! before them.

use windlass_kinds::filter::{Comparison, Field, OnDataset, Operator, Order, Page, PlaceValue, Search, Start};

use super::{
    Refusal,
    search::{Columns, Holds, Keyed, Query},
};
use crate::{StoreError, Tx, tx::Row};

/// How many records are few enough to be looked at one by one.
const FEW: i64 = 2000;
/// How many metrics of a filter are asked how many records they find.
const PROBES: usize = 3;

/// One thing that is ordered by.
struct Term {
    expression: String,
    holds: Holds,
    ascending: bool,
}

/// The order of a search, ready to be written.
pub(crate) struct Ordering {
    /// What must be joined to the record for it.
    joins: String,
    terms: Vec<Term>,
}

impl Ordering {
    /// Works out the order; the arguments that it needs are bound in `query`, where [`Ordering::joins`] is to follow.
    pub(crate) fn new<'a>(query: &mut Query<'a>, columns: &Columns, order: &'a [Order]) -> Result<Self, StoreError> {
        let mut new = Self { joins: String::new(), terms: Vec::new() };
        for (place, Order { field, ascending }) in order.iter().enumerate() {
            let ascending = *ascending;
            match field {
                Field::Attribute(attribute) => {
                    let (expression, holds) = columns.attribute(*attribute)?;
                    new.value(query.postgres, expression.to_owned(), holds, ascending);
                }
                Field::Metric(_) | Field::MetricOn(..) | Field::Param(_) | Field::Tag(_) | Field::Metadata(_) => {
                    let (keyed, key) = columns.keyed(field)?;
                    let metric = matches!(field, Field::Metric(_) | Field::MetricOn(..));
                    if metric && !keyed.one {
                        let on = if let Field::MetricOn(_, on) = field { Some(on) } else { None };
                        let expression = latest(query, keyed, key, on);
                        new.value(query.postgres, expression, Holds::RealOrNothing, ascending);
                        continue;
                    }
                    let alias = format!("o{place}");
                    let key = query.bind(key);
                    new.joins.push_str(&format!(" LEFT JOIN {} {alias} ON {}{key}", keyed.table, keyed.join(&alias)));
                    let (there, holds) = match metric {
                        // The value of a NaN is kept as 0, so it is there.
                        true => (
                            format!("CAST(CASE WHEN {alias}.key IS NULL THEN 2 ELSE {alias}.nan END AS BIGINT)"),
                            Holds::RealOrNothing,
                        ),
                        false => (
                            format!("CAST(CASE WHEN {alias}.key IS NULL THEN 1 ELSE 0 END AS BIGINT)"),
                            Holds::TextOrNothing,
                        ),
                    };
                    new.terms.push(Term { expression: there, holds: Holds::Integer, ascending: true });
                    new.term(query.postgres, format!("{alias}.value"), holds, ascending);
                }
                Field::Dataset(_) | Field::Feedback(_) | Field::Expectation(_) | Field::Span(_) | Field::Issue => {
                    return Err(Refusal::Unsearchable("such field to order by").into());
                }
            }
        }
        for (expression, holds, ascending) in columns.last {
            if new.terms.iter().all(|term| term.expression != *expression) {
                new.term(query.postgres, (*expression).to_owned(), *holds, *ascending);
            }
        }
        Ok(new)
    }

    /// Adds a key: whether a value is there, if that is a question, and the value.
    fn value(&mut self, postgres: bool, expression: String, holds: Holds, ascending: bool) {
        if matches!(holds, Holds::IntegerOrNothing | Holds::RealOrNothing | Holds::TextOrNothing) {
            let there = format!("CAST(CASE WHEN {expression} IS NULL THEN 1 ELSE 0 END AS BIGINT)");
            self.terms.push(Term { expression: there, holds: Holds::Integer, ascending: true });
        }
        self.term(postgres, expression, holds, ascending);
    }

    fn term(&mut self, postgres: bool, expression: String, holds: Holds, ascending: bool) {
        let written = postgres && matches!(holds, Holds::Text | Holds::TextOrNothing);
        let expression = if written { format!("{expression} COLLATE \"C\"") } else { expression };
        self.terms.push(Term { expression, holds, ascending });
    }

    /// Returns the joins, to stand behind the record's table.
    pub(crate) fn joins(&self) -> &str {
        &self.joins
    }

    /// Returns `, k1, k2, …` to stand behind the record's columns.
    pub(crate) fn columns(&self) -> String {
        self.terms.iter().map(|term| format!(", {}", term.expression)).collect()
    }

    /// Adds what leaves the records before the page out, the order and the limit: one more record than the page has.
    pub(crate) fn page<'a>(&self, query: &mut Query<'a>, search: &'a Search) -> Result<(), StoreError> {
        if let Start::After(place) = &search.start {
            self.after(query, place)?;
        }
        query.text(" ORDER BY ");
        for (place, Term { expression, holds: _, ascending }) in self.terms.iter().enumerate() {
            query.text(if place == 0 { "" } else { ", " });
            query.text(expression);
            query.text(if *ascending { "" } else { " DESC" });
        }
        query.text(" LIMIT ");
        query.arg(i64::from(search.limit) + 1);
        if let Start::Behind(count) = &search.start {
            query.text(" OFFSET ");
            query.arg(*count);
        }
        Ok(())
    }

    /// Adds that a record comes behind a place: it is behind in the first term in which it differs.
    fn after<'a>(&self, query: &mut Query<'a>, place: &'a [PlaceValue]) -> Result<(), StoreError> {
        let wrong = || StoreError::Invalid { what: "the page token is of another search".to_owned() };
        if place.len() != self.terms.len() {
            return Err(wrong());
        }
        let mut bound = Vec::with_capacity(place.len());
        for (value, term) in place.iter().zip(&self.terms) {
            bound.push(match (value, term.holds) {
                (PlaceValue::Integer(value), Holds::Integer | Holds::IntegerOrNothing) => Some(query.bind(*value)),
                (PlaceValue::Number(value), Holds::RealOrNothing) => Some(query.bind(*value)),
                (PlaceValue::Text(value), Holds::Text | Holds::TextOrNothing | Holds::Id) => Some(query.bind(value)),
                // All records that are the same so far have no value either.
                (PlaceValue::Nothing, Holds::IntegerOrNothing | Holds::RealOrNothing | Holds::TextOrNothing) => None,
                _ => return Err(wrong()),
            });
        }
        let terms: Vec<(&Term, &String)> =
            self.terms.iter().zip(&bound).filter_map(|(term, value)| Some((term, value.as_ref()?))).collect();
        if let Some((first, value)) = terms.first() {
            // Says nothing new, but lets an index begin at the place.
            let sign = if first.ascending { ">=" } else { "<=" };
            query.text(&format!(" AND {} {sign} {value}", first.expression));
        }
        for (count, (term, value)) in terms.iter().enumerate() {
            query.text(if count == 0 { " AND (" } else { " OR " });
            for (same, value) in &terms[..count] {
                query.text(&format!("{} = {value} AND ", same.expression));
            }
            let sign = if term.ascending { ">" } else { "<" };
            query.text(&format!("{} {sign} {value}", term.expression));
        }
        query.text(")");
        Ok(())
    }

    /// Returns the page in `rows`; the keys stand behind the `columns` columns of the record.
    pub(crate) fn cut(
        &self,
        rows: &mut Vec<Row>,
        columns: usize,
        limit: u32,
    ) -> Result<Option<Vec<PlaceValue>>, StoreError> {
        let limit = limit as usize;
        if rows.len() <= limit {
            return Ok(None);
        }
        rows.truncate(limit);
        let Some(last) = rows.last() else { return Ok(None) };
        let place = self.terms.iter().enumerate().map(|(count, term)| {
            let column = columns + count;
            Ok(match term.holds {
                Holds::Integer => PlaceValue::Integer(last.int(column)?),
                Holds::Text | Holds::Id => PlaceValue::Text(last.text(column)?),
                Holds::IntegerOrNothing => last.opt_int(column)?.map_or(PlaceValue::Nothing, PlaceValue::Integer),
                Holds::RealOrNothing => last.opt_real(column)?.map_or(PlaceValue::Nothing, PlaceValue::Number),
                Holds::TextOrNothing => last.opt_text(column)?.map_or(PlaceValue::Nothing, PlaceValue::Text),
            })
        });
        place.collect::<Result<_, StoreError>>().map(Some)
    }
}

/// Returns the latest value of a metric that may have many.
fn latest<'a>(query: &mut Query<'a>, keyed: Keyed, key: &'a str, on: Option<&'a OnDataset>) -> String {
    let key = query.bind(key);
    let mut text = format!(
        "(SELECT CASE WHEN x.nan = 1 THEN NULL ELSE x.value END FROM {} x WHERE {}{key}",
        keyed.table,
        keyed.join("x")
    );
    if let Some(OnDataset { name, digest }) = on {
        let name = query.bind(name);
        text.push_str(&format!(" AND x.dataset_name = {name}"));
        if let Some(digest) = digest {
            let digest = query.bind(digest);
            text.push_str(&format!(" AND x.dataset_digest = {digest}"));
        }
    }
    text.push_str(" ORDER BY x.at_ms DESC, x.step DESC, x.run LIMIT 1)");
    text
}

/// A search over one table: what to select, of what, and what every record found must be.
pub(crate) struct Find<'q> {
    /// The record's columns, separated by commas, with none within.
    pub(crate) columns: &'q str,
    /// The record's table with its short name.
    pub(crate) table: &'q str,
    /// Where its fields lie.
    pub(crate) fields: &'q Columns,
}

impl Find<'_> {
    /// Runs the search; `scope` adds the conditions that come before the filter's, beginning behind `WHERE `.
    pub(crate) async fn rows<'a>(
        &self,
        tx: &mut Tx,
        search: &'a Search,
        scope: impl FnOnce(&mut Query<'a>),
    ) -> Result<Page<Row>, StoreError> {
        let (query, ordering) = self.query(tx.is_postgres(), search, None, scope)?;
        let mut rows = query.rows(tx).await?;
        let next = ordering.cut(&mut rows, self.columns.split(',').count(), search.limit)?;
        Ok(Page { items: rows, next })
    }

    /// As [`Find::rows`]; where a metric that the filter asks for finds few records, these are looked at and no others.
    pub(crate) async fn rows_by_metric<'a>(
        &self,
        tx: &mut Tx,
        search: &'a Search,
        scope: impl FnOnce(&mut Query<'a>),
    ) -> Result<Page<Row>, StoreError> {
        let first = self.rare(tx, search).await?;
        let (query, ordering) = self.query(tx.is_postgres(), search, first, scope)?;
        let mut rows = query.rows(tx).await?;
        let next = ordering.cut(&mut rows, self.columns.split(',').count(), search.limit)?;
        Ok(Page { items: rows, next })
    }

    /// Returns how the database would carry a search out, line by line.
    pub(super) async fn plan<'a>(
        &self,
        tx: &mut Tx,
        search: &'a Search,
        scope: impl FnOnce(&mut Query<'a>),
    ) -> Result<Vec<String>, StoreError> {
        let first = self.rare(tx, search).await?;
        let (query, _) = self.query(tx.is_postgres(), search, first, scope)?;
        query.plan(tx).await
    }

    fn query<'a>(
        &self,
        postgres: bool,
        search: &'a Search,
        first: Option<&'a Comparison>,
        scope: impl FnOnce(&mut Query<'a>),
    ) -> Result<(Query<'a>, Ordering), StoreError> {
        // Bound first, since the keys of the order are selected first.
        let mut query = Query::new(postgres, "SELECT ");
        let ordering = Ordering::new(&mut query, self.fields, &search.order)?;
        query.text(&format!("{}{} FROM ", self.columns, ordering.columns()));
        if let (Some(_), Some(metrics)) = (first, self.fields.metrics) {
            // To SQLite this is the order to go in.
            query.text(&format!("{} x CROSS JOIN ", metrics.table));
        }
        query.text(&format!("{}{} WHERE ", self.table, ordering.joins()));
        if let Some(Comparison { field, operator, value }) = first {
            let (metrics, key) = self.fields.keyed(field)?;
            query.text(&metrics.join("x"));
            query.arg(key);
            query.text(" AND ");
            query.compare_metric(*operator, value);
            query.text(" AND ");
        }
        scope(&mut query);
        query.conditions(self.fields, search)?;
        ordering.page(&mut query, search)?;
        Ok((query, ordering))
    }

    /// Returns a comparison with a metric that few records pass, if the filter has one.
    ///
    /// Going by time and asking each record finds a page at once where many pass, and asks every record where few do;
    /// with the index of values it is the other way around. To count a few thousand entries of it costs next to nothing.
    async fn rare<'a>(&self, tx: &mut Tx, search: &'a Search) -> Result<Option<&'a Comparison>, StoreError> {
        let metrics = search.filter.iter().filter(|Comparison { field, operator, value: _ }| {
            matches!(field, Field::Metric(_)) && *operator != Operator::NotEqual
        });
        for comparison in metrics.take(PROBES) {
            let (metrics, key) = self.fields.keyed(&comparison.field)?;
            let mut query = Query::new(
                tx.is_postgres(),
                &format!("SELECT COUNT(*) FROM (SELECT 1 FROM {} x WHERE x.key = ", metrics.table),
            );
            query.arg(key);
            query.text(" AND ");
            query.compare("x.value", comparison.operator, &comparison.value);
            query.text(" LIMIT ");
            query.arg(FEW + 1);
            query.text(") few");
            let rows = query.rows(tx).await?;
            let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
            if count <= FEW {
                return Ok(Some(comparison));
            }
        }
        Ok(None)
    }
}
