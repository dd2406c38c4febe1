//! A transaction: the one way to the tables, the same on both databases.
//!
//! [`Tx`] here knows only statements, arguments and rows; the typed functions stand in one file per area. Statements are
//! portable SQL with `$1`, `$2`, …: every argument used, times as microseconds, JSON as text, booleans as 0 and 1.
//! In PostgreSQL `SUM` of integers is a numeric: cast it, `CAST(SUM(x) AS BIGINT)`.

use std::borrow::Cow;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use sqlx::{
    Arguments as _, Postgres, Row as _, SqlSafeStr, Sqlite, SqliteConnection, Transaction,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};
use windlass_kinds::{Digest, Micros, Name};

use crate::StoreError;

/// A transaction in progress, handed to the closures of [`crate::Store::write`] and [`crate::Store::read`].
pub struct Tx {
    pub(crate) connection: Connection,
}

/// Where statements go.
pub(crate) enum Connection {
    /// The one connection that writes SQLite; its transaction is the writer task's business.
    Writer(Box<SqliteConnection>),
    /// A read transaction of SQLite.
    Reader(Transaction<'static, Sqlite>),
    /// A transaction of PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
}

/// One argument of a statement. The absent values keep their type, which PostgreSQL wants to know.
#[derive(Debug, Clone)]
pub(crate) enum Arg<'a> {
    Int(Option<i64>),
    Real(Option<f64>),
    Text(Option<Cow<'a, str>>),
    Bytes(Option<&'a [u8]>),
}

/// Lists the arguments of a statement: `args![project, number]`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::tx::Arg::from($value)),*] };
}
pub(crate) use args;

macro_rules! arg_from {
    ($($type:ty => $variant:ident, |$value:ident| $convert:expr;)*) => {$(
        impl<'a> From<$type> for Arg<'a> {
            fn from($value: $type) -> Self {
                Self::$variant(Some($convert))
            }
        }

        impl<'a> From<Option<$type>> for Arg<'a> {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map(|$value| $convert))
            }
        }
    )*};
}

arg_from! {
    i64 => Int, |value| value;
    i32 => Int, |value| i64::from(value);
    u32 => Int, |value| i64::from(value);
    // Sizes and counts: 2^63 bytes do not fit on any disk.
    u64 => Int, |value| i64::try_from(value).unwrap_or(i64::MAX);
    usize => Int, |value| i64::try_from(value).unwrap_or(i64::MAX);
    bool => Int, |value| i64::from(value);
    Micros => Int, |value| value.0;
    f64 => Real, |value| value;
    &'a str => Text, |value| Cow::Borrowed(value);
    &'a String => Text, |value| Cow::Borrowed(value.as_str());
    String => Text, |value| Cow::Owned(value);
    &'a Name => Text, |value| Cow::Borrowed(value.as_str());
    &Digest => Text, |value| Cow::Owned(value.to_string());
    &'a [u8] => Bytes, |value| value;
    &'a [u8; 32] => Bytes, |value| value.as_slice();
    &'a Vec<u8> => Bytes, |value| value.as_slice();
}

/// Refuses what PostgreSQL cannot hold, on SQLite too, so that both behave the same.
fn text_checked(text: Cow<'_, str>) -> Result<String, StoreError> {
    if text.contains('\0') {
        return Err(StoreError::Invalid { what: "text with a NUL character; leave it out".to_owned() });
    }
    Ok(text.into_owned())
}

fn sqlite_arguments(args: Vec<Arg<'_>>) -> Result<SqliteArguments, StoreError> {
    let mut list = SqliteArguments::default();
    list.reserve(args.len(), 0);
    for arg in args {
        match arg {
            Arg::Int(value) => list.add(value),
            Arg::Real(value) => list.add(value),
            Arg::Text(value) => list.add(value.map(text_checked).transpose()?),
            Arg::Bytes(value) => list.add(value),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(list)
}

fn postgres_arguments(args: Vec<Arg<'_>>) -> Result<PgArguments, StoreError> {
    let mut list = PgArguments::default();
    list.reserve(args.len(), 0);
    for arg in args {
        match arg {
            Arg::Int(value) => list.add(value),
            Arg::Real(value) => list.add(value),
            Arg::Text(value) => list.add(value.map(text_checked).transpose()?),
            Arg::Bytes(value) => list.add(value),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(list)
}

impl Tx {
    /// Runs a statement; returns how many rows it changed.
    pub(crate) async fn execute(&mut self, sql: impl SqlSafeStr + Send, args: Vec<Arg<'_>>) -> Result<u64, StoreError> {
        let sql = sql.into_sql_str();
        let changed = match &mut self.connection {
            Connection::Writer(connection) => {
                sqlx::query_with(sql, sqlite_arguments(args)?).execute(&mut **connection).await?.rows_affected()
            }
            Connection::Reader(transaction) => {
                sqlx::query_with(sql, sqlite_arguments(args)?).execute(&mut **transaction).await?.rows_affected()
            }
            Connection::Postgres(transaction) => {
                sqlx::query_with(sql, postgres_arguments(args)?).execute(&mut **transaction).await?.rows_affected()
            }
        };
        Ok(changed)
    }

    /// Runs a query; returns all its rows.
    pub(crate) async fn rows(
        &mut self,
        sql: impl SqlSafeStr + Send,
        args: Vec<Arg<'_>>,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into_sql_str();
        let rows = match &mut self.connection {
            Connection::Writer(connection) => {
                let rows = sqlx::query_with(sql, sqlite_arguments(args)?).fetch_all(&mut **connection).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Connection::Reader(transaction) => {
                let rows = sqlx::query_with(sql, sqlite_arguments(args)?).fetch_all(&mut **transaction).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Connection::Postgres(transaction) => {
                let rows = sqlx::query_with(sql, postgres_arguments(args)?).fetch_all(&mut **transaction).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        };
        Ok(rows)
    }

    /// Runs a query; returns its first row, if any.
    pub(crate) async fn row(
        &mut self,
        sql: impl SqlSafeStr + Send,
        args: Vec<Arg<'_>>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// Returns whether statements go to PostgreSQL, for the few that differ.
    pub(crate) fn is_postgres(&self) -> bool {
        match &self.connection {
            Connection::Writer(_) | Connection::Reader(_) => false,
            Connection::Postgres(_) => true,
        }
    }
}

/// One row of an answer; columns count from 0.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! column {
    ($row:expr, $type:ty, $index:expr) => {
        match $row {
            Row::Sqlite(row) => row.try_get_unchecked::<$type, _>($index),
            Row::Postgres(row) => row.try_get_unchecked::<$type, _>($index),
        }
        .map_err(|error| StoreError::corrupt(format!("column {} of a row: {error}", $index)))
    };
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
