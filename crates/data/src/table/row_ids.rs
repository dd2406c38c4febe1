//! Names of rows, for joining what was predicted with what came true.

use super::{Table, Values, instant};
use crate::format::text;

/// Why rows have no names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowIdError {
    /// A column that names rows is not there.
    #[error("there is no column `{0}`, which names the rows")]
    NoColumn(String),
    /// A row lacks a part of its name.
    #[error("row {row} has no value in `{column}`, which names the rows")]
    NoValue {
        /// The row, from 1.
        row: usize,
        /// The column.
        column: String,
    },
}

/// Returns the name of each row: its values in `columns`, joined by `/`.
///
/// What is the same in two formats has the same name: a whole number is written in decimal, whether it is stored as
/// integer or not; an instant, stored as one or written out in any offset, as RFC 3339 in UTC with seconds
/// (`2013-03-01T10:00:00Z`) and with a fraction only where it is not zero. Other text is taken as it is, a `/` included.
pub fn row_ids(table: &Table, columns: &[String]) -> Result<Vec<String>, RowIdError> {
    let mut ids = vec![String::new(); table.rows()];
    for (place, column) in columns.iter().enumerate() {
        let values = table.column(column).ok_or_else(|| RowIdError::NoColumn(column.clone()))?;
        for (row, id) in ids.iter_mut().enumerate() {
            if place > 0 {
                id.push('/');
            }
            if !push(id, values, row) {
                return Err(RowIdError::NoValue { row: row + 1, column: column.clone() });
            }
        }
    }
    Ok(ids)
}

/// Adds the value of one row. Returns false where there is none.
fn push(id: &mut String, values: &Values, row: usize) -> bool {
    use std::fmt::Write as _;
    // Writing to a string does not fail.
    match values {
        Values::Number(values) => {
            let value = values[row];
            // Below 2^53 each whole number is one that an integer column could hold too.
            if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
                write!(id, "{}", value as i64).is_ok()
            } else {
                !value.is_nan() && write!(id, "{value}").is_ok()
            }
        }
        Values::Int(values) => values[row].is_some_and(|value| write!(id, "{value}").is_ok()),
        Values::Time(values) => values[row].is_some_and(|value| push_instant(id, value)),
        Values::Bool(values) => values[row].is_some_and(|value| write!(id, "{value}").is_ok()),
        Values::Text(values) => values[row].as_deref().is_some_and(|value| {
            // Only what has a time of day is an instant; looking first spares most text the attempt.
            let written = value.len() >= 16 && value.contains(':') && text::timestamp(value).is_some();
            match written.then(|| instant(value)).flatten() {
                Some(micros) => push_instant(id, micros),
                None => {
                    id.push_str(value);
                    true
                }
            }
        }),
    }
}

fn push_instant(id: &mut String, micros: i64) -> bool {
    use std::fmt::Write as _;
    match jiff::Timestamp::from_microsecond(micros) {
        Ok(timestamp) => write!(id, "{timestamp}").is_ok(),
        // Beyond the calendar the bare number is a name as well.
        Err(_) => write!(id, "{micros}us").is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: i64 = 1_362_132_000_000_000;

    fn id(values: Values) -> Result<String, RowIdError> {
        let table = Table::new(vec![("a".to_owned(), values)]).unwrap();
        row_ids(&table, &["a".to_owned()]).map(|ids| ids[0].clone())
    }

    fn text(value: &str) -> Values {
        Values::Text(vec![Some(value.to_owned())])
    }

    #[test]
    fn what_is_the_same_has_the_same_name() {
        for (values, expected) in [
            (Values::Int(vec![Some(-15)]), "-15"),
            (Values::Number(vec![1545.0]), "1545"),
            (Values::Number(vec![-0.0]), "0"),
            (Values::Number(vec![0.5]), "0.5"),
            (Values::Number(vec![1e300]), &1e300.to_string()),
            (Values::Number(vec![f64::INFINITY]), "inf"),
            (Values::Bool(vec![Some(true)]), "true"),
            (Values::Time(vec![Some(TEN)]), "2013-03-01T10:00:00Z"),
            (Values::Time(vec![Some(TEN + 1500)]), "2013-03-01T10:00:00.0015Z"),
            (Values::Time(vec![Some(i64::MAX)]), "9223372036854775807us"),
            (text("2013-03-01T10:00:00Z"), "2013-03-01T10:00:00Z"),
            (text("2013-03-01T10:00:00.000"), "2013-03-01T10:00:00Z"),
            (text("2013-03-01 12:00:00+02:00"), "2013-03-01T10:00:00Z"),
            (text("2013-03-01"), "2013-03-01"),
            (text("a/b c: d and more"), "a/b c: d and more"),
            (text(""), ""),
        ] {
            assert_eq!(id(values.clone()).as_deref(), Ok(expected), "{values:?}");
        }
        for values in [
            Values::Int(vec![None]),
            Values::Number(vec![f64::NAN]),
            Values::Bool(vec![None]),
            Values::Time(vec![None]),
            Values::Text(vec![None]),
        ] {
            assert_eq!(id(values), Err(RowIdError::NoValue { row: 1, column: "a".to_owned() }));
        }
    }

    #[test]
    fn parts_are_joined_in_the_order_asked() {
        let table = Table::new(vec![
            ("flight".to_owned(), Values::Int(vec![Some(1), Some(2)])),
            ("hour".to_owned(), Values::Time(vec![Some(TEN), Some(TEN)])),
        ])
        .unwrap();
        let ids = row_ids(&table, &["hour".to_owned(), "flight".to_owned()]).unwrap();
        assert_eq!(ids, ["2013-03-01T10:00:00Z/1", "2013-03-01T10:00:00Z/2"]);
        let missing = row_ids(&table, &["carrier".to_owned()]);
        assert_eq!(missing.unwrap_err().to_string(), "there is no column `carrier`, which names the rows");
    }
}
