//! Tables in memory: the columns of one file, for what is measured over whole columns.
//!
//! [`read_table`] reads Parquet, CSV and JSONL with the same capped readers that judge a dataset's files, so the bytes
//! may be anything; [`write_parquet`] writes what [`read_table`], pandas and every other reader of Parquet reads. What a
//! column is for, this module does not know.

mod fill;
mod guess;
mod head;
mod pick;
mod read;
mod row_ids;
mod write;

use std::{borrow::Cow, io, path::PathBuf};

pub use self::{
    head::{Head, read_parquet_head},
    pick::ConcatError,
    read::{read_table, read_table_bytes, read_table_file},
    row_ids::{RowIdError, row_ids},
    write::write_parquet,
};
use crate::{format::text, judge::Cell};

/// The values of one column, one a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers; NaN where one is missing.
    Number(Vec<f64>),
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Text. Days without a time of day are read as text too: `2013-03-01`.
    Text(Vec<Option<String>>),
    /// Instants: microseconds since 1970-01-01T00:00:00Z.
    Time(Vec<Option<i64>>),
    /// True or false.
    Bool(Vec<Option<bool>>),
}

impl Values {
    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Int(values) | Self::Time(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Bool(values) => values.len(),
        }
    }

    /// Returns whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the column as numbers, NaN where one is missing; true is 1 and false is 0. None for text and instants.
    pub fn numbers(&self) -> Option<Cow<'_, [f64]>> {
        match self {
            Self::Number(values) => Some(Cow::Borrowed(values)),
            Self::Int(values) => {
                Some(values.iter().map(|value| value.map_or(f64::NAN, |value| value as f64)).collect())
            }
            Self::Bool(values) => {
                Some(values.iter().map(|value| value.map_or(f64::NAN, |value| f64::from(u8::from(value)))).collect())
            }
            Self::Text(_) | Self::Time(_) => None,
        }
    }

    /// Returns the column as instants, microseconds since 1970-01-01T00:00:00Z; none where a value is missing.
    ///
    /// Text counts where every value is an instant (RFC 3339) or a day (its first moment, UTC). None for other columns.
    pub fn times(&self) -> Option<Cow<'_, [Option<i64>]>> {
        match self {
            Self::Time(values) => Some(Cow::Borrowed(values)),
            Self::Text(values) => values
                .iter()
                .map(|value| match value {
                    Some(text) => instant(text).map(Some),
                    None => Some(None),
                })
                .collect(),
            Self::Number(_) | Self::Int(_) | Self::Bool(_) => None,
        }
    }

    /// Returns the word for its type.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::Int(_) => "integer",
            Self::Text(_) => "string",
            Self::Time(_) => "timestamp",
            Self::Bool(_) => "boolean",
        }
    }
}

/// A table: named columns of the same length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    columns: Vec<(String, Values)>,
    rows: usize,
}

/// Why columns are no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// Columns of different lengths.
    #[error("column `{name}` has {found} rows where others have {rows}")]
    Length {
        /// The column.
        name: String,
        /// Its rows.
        found: usize,
        /// The rows of the first column.
        rows: usize,
    },
    /// Two columns with one name.
    #[error("there are two columns `{0}`")]
    Twice(String),
}

impl Table {
    /// Makes a table of columns, which must be equally long and differ in name.
    pub fn new(columns: Vec<(String, Values)>) -> Result<Self, ColumnsError> {
        let rows = columns.first().map_or(0, |(_, values)| values.len());
        let mut names = std::collections::HashSet::new();
        for (name, values) in &columns {
            if values.len() != rows {
                return Err(ColumnsError::Length { name: name.clone(), found: values.len(), rows });
            }
            if !names.insert(name.as_str()) {
                return Err(ColumnsError::Twice(name.clone()));
            }
        }
        Ok(Self { columns, rows })
    }

    /// Returns how many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the columns in their order.
    pub fn columns(&self) -> &[(String, Values)] {
        &self.columns
    }

    /// Returns a column by its name.
    pub fn column(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, values)| values)
    }

    /// Returns the columns, and keeps nothing.
    pub fn into_columns(self) -> Vec<(String, Values)> {
        self.columns
    }
}

/// How much of a file is read into memory at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableLimits {
    /// The most rows.
    pub rows: usize,
    /// The most bytes that all values take in memory.
    pub bytes: usize,
}

impl Default for TableLimits {
    /// Ten million rows, one GiB.
    fn default() -> Self {
        Self { rows: 10_000_000, bytes: 1 << 30 }
    }
}

/// Why a file was not read as a table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It cannot be opened.
    #[error("failed to open `{}`", path.display())]
    Open {
        /// The path as given.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The system failed to read it.
    #[error("failed to read the table")]
    Read(#[source] io::Error),
    /// Its bytes are no table, or none of the columns and size that are wanted: what is wrong and where.
    #[error("{0}")]
    Unreadable(String),
}

/// Reads an instant, or a day as its first moment, both UTC; microseconds since 1970-01-01.
fn instant(text: &str) -> Option<i64> {
    match text::timestamp(text).or_else(|| text::date(text))? {
        Cell::Timestamp(nanoseconds) => i64::try_from(nanoseconds.div_euclid(1000)).ok(),
        Cell::Date(days) => Some(i64::from(days) * 86_400_000_000),
        Cell::Null
        | Cell::Boolean(_)
        | Cell::Integer(_)
        | Cell::Float(_)
        | Cell::Decimal { .. }
        | Cell::Text(_)
        | Cell::Bytes(_)
        | Cell::Misfit(_) => None,
    }
}
