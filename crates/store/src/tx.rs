//! A transaction: the one way to the tables, the same on both databases.
//!
//! [`Tx`] here knows only statements, arguments and rows; the typed functions stand in one file per area. Statements are
//! portable SQL with `$1`, `$2`, …: every argument used, times as microseconds, JSON as text, booleans as 0 and 1.
//! In PostgreSQL `SUM` of integers is a numeric: cast it, `CAST(SUM(x) AS BIGINT)`.

use std::borrow::Cow;

use sqlx::{Arguments as _, Postgres, SqlSafeStr, Transaction, pool::PoolConnection, postgres::PgArguments};
use windlass_kinds::{Digest, Micros, Name};

pub(crate) use crate::row::Row;
use crate::{StoreError, sqlite::SqliteConnection};

/// A transaction in progress, handed to the closures of [`crate::Store::write`] and [`crate::Store::read`].
pub struct Tx {
    pub(crate) connection: Connection,
    pub(crate) scope: Scope,
}

/// Where statements go.
pub(crate) enum Connection {
    /// A connection to SQLite; its transaction is the business of whoever lends it.
    Sqlite(SqliteConnection),
    /// A transaction of PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
    /// A connection to PostgreSQL without a transaction, for one statement.
    PostgresOne(PoolConnection<Postgres>),
}

/// What the statements of a [`Tx`] are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One transaction.
    Transaction,
    /// There is only one, for which the database makes a transaction by itself.
    One {
        /// Whether it was made.
        spent: bool,
    },
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
fn check(args: &[Arg<'_>]) -> Result<(), StoreError> {
    let nul = args.iter().any(|arg| matches!(arg, Arg::Text(Some(text)) if text.contains('\0')));
    match nul {
        true => Err(StoreError::Invalid { what: "text with a NUL character; leave it out".to_owned() }),
        false => Ok(()),
    }
}

fn postgres_arguments(args: Vec<Arg<'_>>) -> Result<PgArguments, StoreError> {
    let mut list = PgArguments::default();
    list.reserve(args.len(), 0);
    for arg in args {
        match arg {
            Arg::Int(value) => list.add(value),
            Arg::Real(value) => list.add(value),
            Arg::Text(value) => list.add(value.map(Cow::into_owned)),
            Arg::Bytes(value) => list.add(value),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(list)
}

impl Tx {
    /// Runs a statement; returns how many rows it changed.
    pub(crate) async fn execute(&mut self, sql: impl SqlSafeStr + Send, args: Vec<Arg<'_>>) -> Result<u64, StoreError> {
        self.begin(&args)?;
        let sql = sql.into_sql_str();
        match &mut self.connection {
            Connection::Sqlite(connection) => connection.execute(sql.as_str(), &args),
            Connection::Postgres(transaction) => {
                let query = sqlx::query_with(sql, postgres_arguments(args)?);
                Ok(query.execute(&mut **transaction).await?.rows_affected())
            }
            Connection::PostgresOne(connection) => {
                let query = sqlx::query_with(sql, postgres_arguments(args)?);
                Ok(query.execute(&mut **connection).await?.rows_affected())
            }
        }
    }

    /// Runs a query; returns all its rows.
    pub(crate) async fn rows(
        &mut self,
        sql: impl SqlSafeStr + Send,
        args: Vec<Arg<'_>>,
    ) -> Result<Vec<Row>, StoreError> {
        self.begin(&args)?;
        let sql = sql.into_sql_str();
        let rows = match &mut self.connection {
            Connection::Sqlite(connection) => {
                let rows = connection.rows(sql.as_str(), &args)?;
                return Ok(rows.into_iter().map(Row::Sqlite).collect());
            }
            Connection::Postgres(transaction) => {
                sqlx::query_with(sql, postgres_arguments(args)?).fetch_all(&mut **transaction).await?
            }
            Connection::PostgresOne(connection) => {
                sqlx::query_with(sql, postgres_arguments(args)?).fetch_all(&mut **connection).await?
            }
        };
        Ok(rows.into_iter().map(Row::Postgres).collect())
    }

    /// Runs a query; returns its first row, if any.
    pub(crate) async fn row(
        &mut self,
        sql: impl SqlSafeStr + Send,
        args: Vec<Arg<'_>>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// Judges a statement before it goes to the database.
    fn begin(&mut self, args: &[Arg<'_>]) -> Result<(), StoreError> {
        if let Scope::One { spent } = &mut self.scope {
            assert!(!std::mem::replace(spent, true), "`read_one` makes one statement; several want `read`");
        }
        check(args)
    }

    /// Returns whether statements go to PostgreSQL, for the few that differ.
    pub(crate) fn is_postgres(&self) -> bool {
        match &self.connection {
            Connection::Sqlite(_) => false,
            Connection::Postgres(_) | Connection::PostgresOne(_) => true,
        }
    }
}
