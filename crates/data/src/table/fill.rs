//! Puts cells, as the readers give them, into the columns of a table, and counts what that takes.

use crate::judge::{Cell, Family, shown};

use super::{TableLimits, Values};

/// A column that is being filled.
#[derive(Debug)]
pub(super) struct Filling {
    /// Its name.
    pub(super) name: String,
    /// What it holds so far.
    pub(super) values: Values,
}

impl Filling {
    /// Starts an empty column.
    pub(super) fn new(name: &str, values: Values) -> Self {
        Self { name: name.to_owned(), values }
    }

    /// Adds one value. Returns the bytes that it takes beyond its place in the column.
    pub(super) fn push(&mut self, cell: &Cell<'_>) -> Result<usize, String> {
        let misfit = |word: &str| Err(format!("column {}: {} is no {word}", self.name, shown(&cell.text())));
        let whole = |value: i128| {
            i64::try_from(value).map_err(|_| format!("column {}: {value} does not fit 64 bits", self.name))
        };
        match &mut self.values {
            Values::Number(values) => match (cell.is_null(), cell.number()) {
                (true, _) => values.push(f64::NAN),
                (false, Some(number)) => values.push(number),
                (false, None) => return misfit("number"),
            },
            Values::Int(values) => match cell {
                Cell::Integer(value) => values.push(Some(whole(*value)?)),
                cell if cell.is_null() => values.push(None),
                _ => return misfit("integer"),
            },
            Values::Time(values) => match cell {
                Cell::Timestamp(nanoseconds) => values.push(Some(whole(nanoseconds.div_euclid(1000))?)),
                cell if cell.is_null() => values.push(None),
                _ => return misfit("timestamp"),
            },
            Values::Bool(values) => match cell {
                Cell::Boolean(value) => values.push(Some(*value)),
                cell if cell.is_null() => values.push(None),
                _ => return misfit("boolean"),
            },
            Values::Text(values) => match cell {
                Cell::Misfit(_) | Cell::Bytes(_) => return misfit("string"),
                cell if cell.is_null() => values.push(None),
                cell => {
                    let text = cell.text().into_owned();
                    let bytes = text.len();
                    values.push(Some(text));
                    return Ok(bytes);
                }
            },
        }
        Ok(0)
    }

    /// Returns the bytes that one row takes in place.
    pub(super) fn width(&self) -> usize {
        match &self.values {
            Values::Number(_) => 8,
            Values::Int(_) | Values::Time(_) => 16,
            Values::Text(_) => 24,
            Values::Bool(_) => 1,
        }
    }
}

/// Returns an empty column for values of a family; none where a table holds no such values.
pub(super) fn empty(family: &Family) -> Option<Values> {
    match family {
        Family::Integer => Some(Values::Int(Vec::new())),
        Family::Float | Family::Null => Some(Values::Number(Vec::new())),
        Family::String | Family::Date => Some(Values::Text(Vec::new())),
        Family::Boolean => Some(Values::Bool(Vec::new())),
        Family::Timestamp => Some(Values::Time(Vec::new())),
        Family::Untyped | Family::Other(_) | Family::Nested(_) => None,
    }
}

/// What has been read, held against the limits.
#[derive(Debug)]
pub(super) struct Room {
    limits: TableLimits,
    bytes: usize,
}

impl Room {
    /// Starts with nothing read.
    pub(super) fn new(limits: TableLimits) -> Self {
        Self { limits, bytes: 0 }
    }

    /// Refuses more rows than are wanted.
    pub(super) fn rows(&self, rows: u64) -> Result<(), String> {
        let most = self.limits.rows;
        if usize::try_from(rows).is_ok_and(|rows| rows <= most) {
            return Ok(());
        }
        Err(format!("more rows than the {most} that are read here"))
    }

    /// Takes so many bytes, or refuses.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes);
        let most = self.limits.bytes;
        if self.bytes <= most {
            return Ok(());
        }
        Err(format!("values of more than the {most} bytes that are read here"))
    }
}
