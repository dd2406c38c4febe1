//! What a query answers, the same from both databases.

use std::str::FromStr;

use rusqlite::types::{FromSql, ValueRef};
use serde::de::DeserializeOwned;
use sqlx::{Row as _, postgres::PgRow};
use windlass_kinds::Micros;

use crate::{StoreError, sqlite::SqliteRow};

/// One row of an answer; columns count from 0.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! column {
    ($row:expr, $type:ty, $index:expr) => {
        match $row {
            Row::Sqlite(row) => value::<$type>(row, $index),
            Row::Postgres(row) => row
                .try_get_unchecked::<$type, _>($index)
                .map_err(|error| StoreError::corrupt(format!("column {} of a row: {error}", $index))),
        }
    };
}

fn value<T: FromSql>(row: &SqliteRow, index: usize) -> Result<T, StoreError> {
    let value = row.get(index).map_or(ValueRef::Null, ValueRef::from);
    T::column_result(value).map_err(|error| StoreError::corrupt(format!("column {index} of a row: {error}")))
}

impl Row {
    /// Returns a text.
    pub(crate) fn text(&self, index: usize) -> Result<String, StoreError> {
        column!(self, String, index)
    }

    /// Returns a text that may be absent.
    pub(crate) fn opt_text(&self, index: usize) -> Result<Option<String>, StoreError> {
        column!(self, Option<String>, index)
    }

    /// Returns bytes that may be absent.
    pub(crate) fn opt_bytes(&self, index: usize) -> Result<Option<Vec<u8>>, StoreError> {
        column!(self, Option<Vec<u8>>, index)
    }

    /// Returns an integer.
    pub(crate) fn int(&self, index: usize) -> Result<i64, StoreError> {
        column!(self, i64, index)
    }

    /// Returns an integer that may be absent.
    pub(crate) fn opt_int(&self, index: usize) -> Result<Option<i64>, StoreError> {
        column!(self, Option<i64>, index)
    }

    /// Returns a small count, such as a version number.
    pub(crate) fn count(&self, index: usize) -> Result<u32, StoreError> {
        let value = self.int(index)?;
        u32::try_from(value).map_err(|_| StoreError::corrupt(format!("column {index} of a row: {value} is no count")))
    }

    /// Returns a floating point number.
    pub(crate) fn real(&self, index: usize) -> Result<f64, StoreError> {
        column!(self, f64, index)
    }

    /// Returns a floating point number that may be absent.
    pub(crate) fn opt_real(&self, index: usize) -> Result<Option<f64>, StoreError> {
        column!(self, Option<f64>, index)
    }

    /// Returns a truth value, stored as 0 or 1.
    pub(crate) fn bool(&self, index: usize) -> Result<bool, StoreError> {
        Ok(self.int(index)? != 0)
    }

    /// Returns an instant.
    pub(crate) fn micros(&self, index: usize) -> Result<Micros, StoreError> {
        Ok(Micros(self.int(index)?))
    }

    /// Returns a text in its type: a name, a digest.
    pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, index: usize) -> Result<T, StoreError> {
        let text = self.text(index)?;
        text.parse().map_err(|error| StoreError::corrupt(format!("column {index} of a row: {error}")))
    }

    /// Returns a record from its JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, index: usize) -> Result<T, StoreError> {
        let text = self.text(index)?;
        serde_json::from_str(&text).map_err(|error| StoreError::corrupt(format!("column {index} of a row: {error}")))
    }
}
