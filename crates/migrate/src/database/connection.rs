//! One connection, SQLite's or PostgreSQL's, that only reads.
//!
//! Statements are the same for both; every column is cast to one of three types, so that neither database's own ideas of
//! types matter. Each statement stands alone: a long transaction over SQLite would keep a server that is still running
//! from writing.

use std::{
    path::Path,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{OpenFlags, types::ValueRef};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};

use crate::SourceError;

/// A connection.
pub(super) enum Connection {
    Sqlite(Arc<Mutex<rusqlite::Connection>>),
    Postgres(Box<tokio::sync::Mutex<PgConnection>>),
}

/// An argument of a statement.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    Int(i64),
    Text(String),
}

/// A value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
}

/// A row of an answer.
pub(super) struct Row(Vec<Cell>);

impl Row {
    pub(super) fn text(&self, place: usize) -> Result<String, SourceError> {
        self.opt_text(place)?.ok_or_else(|| SourceError::Odd("a text is missing".to_owned()))
    }

    pub(super) fn opt_text(&self, place: usize) -> Result<Option<String>, SourceError> {
        match self.0.get(place) {
            Some(Cell::Text(text)) => Ok(Some(text.clone())),
            Some(Cell::Null) => Ok(None),
            other => Err(SourceError::Odd(format!("a text was expected, not {other:?}"))),
        }
    }

    /// As [`Row::opt_text`]; what is absent is empty.
    pub(super) fn or_empty(&self, place: usize) -> Result<String, SourceError> {
        Ok(self.opt_text(place)?.unwrap_or_default())
    }

    pub(super) fn opt_int(&self, place: usize) -> Result<Option<i64>, SourceError> {
        match self.0.get(place) {
            Some(Cell::Int(value)) => Ok(Some(*value)),
            Some(Cell::Null) => Ok(None),
            other => Err(SourceError::Odd(format!("a whole number was expected, not {other:?}"))),
        }
    }

    /// As [`Row::opt_int`]; what is absent is 0.
    pub(super) fn int(&self, place: usize) -> Result<i64, SourceError> {
        Ok(self.opt_int(place)?.unwrap_or(0))
    }

    pub(super) fn real(&self, place: usize) -> Result<f64, SourceError> {
        match self.0.get(place) {
            Some(Cell::Real(value)) => Ok(*value),
            Some(Cell::Int(value)) => Ok(*value as f64),
            other => Err(SourceError::Odd(format!("a number was expected, not {other:?}"))),
        }
    }
}

/// Writes `SELECT` and columns: each with the type it is read as, `t` text, `i` whole number, `r` real number.
pub(super) fn select(columns: &[(char, &str)], rest: &str) -> (String, Vec<char>) {
    let cast = |(kind, column): &(char, &str)| {
        let sql = match kind {
            'i' => "BIGINT",
            'r' => "DOUBLE PRECISION",
            _ => "TEXT",
        };
        format!("CAST({column} AS {sql})")
    };
    let list: Vec<String> = columns.iter().map(cast).collect();
    (format!("SELECT {} {rest}", list.join(", ")), columns.iter().map(|(kind, _)| *kind).collect())
}

/// Returns a list of places for `count` arguments, from `$first` on.
pub(super) fn places(first: usize, count: usize) -> String {
    let list: Vec<String> = (first..first + count).map(|place| format!("${place}")).collect();
    format!("({})", if list.is_empty() { "NULL".to_owned() } else { list.join(", ") })
}

impl Connection {
    /// Opens a file that is there.
    pub(super) async fn sqlite(path: &Path) -> Result<Self, SourceError> {
        let path = path.to_owned();
        blocking(move || {
            let failed = |source| SourceError::Open { path: path.clone(), source };
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = rusqlite::Connection::open_with_flags(&path, flags).map_err(failed)?;
            connection.busy_timeout(std::time::Duration::from_secs(30)).map_err(failed)?;
            // A file that is no database shows with the first question.
            connection
                .query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0))
                .map_err(failed)?;
            Ok(Self::Sqlite(Arc::new(Mutex::new(connection))))
        })
        .await
    }

    /// Connects to a server; the session refuses every change.
    pub(super) async fn postgres(url: &str) -> Result<Self, SourceError> {
        let options = PgConnectOptions::from_str(url)?.options([("default_transaction_read_only", "on")]);
        let connection = PgConnection::connect_with(&options).await?;
        Ok(Self::Postgres(Box::new(tokio::sync::Mutex::new(connection))))
    }

    /// Runs a query made by [`select`].
    pub(super) async fn rows(
        &self,
        (sql, kinds): (String, Vec<char>),
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, SourceError> {
        match self {
            Self::Sqlite(connection) => {
                let connection = Arc::clone(connection);
                blocking(move || {
                    let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                    let mut statement = connection.prepare_cached(&sql)?;
                    for (place, arg) in args.iter().enumerate() {
                        match arg {
                            Arg::Int(value) => statement.raw_bind_parameter(place + 1, value)?,
                            Arg::Text(value) => statement.raw_bind_parameter(place + 1, value)?,
                        }
                    }
                    let mut found = Vec::new();
                    let mut rows = statement.raw_query();
                    while let Some(row) = rows.next()? {
                        let cell = |place| {
                            Ok::<_, rusqlite::Error>(match row.get_ref(place)? {
                                ValueRef::Null => Cell::Null,
                                ValueRef::Integer(value) => Cell::Int(value),
                                ValueRef::Real(value) => Cell::Real(value),
                                ValueRef::Text(text) | ValueRef::Blob(text) => {
                                    Cell::Text(String::from_utf8_lossy(text).into_owned())
                                }
                            })
                        };
                        found.push(Row((0..kinds.len()).map(cell).collect::<Result<_, _>>()?));
                    }
                    Ok(found)
                })
                .await
            }
            Self::Postgres(connection) => {
                let mut connection = connection.lock().await;
                let mut query = sqlx::query(AssertSqlSafe(sql));
                for arg in args {
                    query = match arg {
                        Arg::Int(value) => query.bind(value),
                        Arg::Text(value) => query.bind(value),
                    };
                }
                let rows = query.fetch_all(&mut *connection).await?;
                let cell = |row: &sqlx::postgres::PgRow, place: usize, kind: char| {
                    Ok::<_, sqlx::Error>(match kind {
                        'i' => row.try_get::<Option<i64>, _>(place)?.map_or(Cell::Null, Cell::Int),
                        'r' => row.try_get::<Option<f64>, _>(place)?.map_or(Cell::Null, Cell::Real),
                        _ => row.try_get::<Option<String>, _>(place)?.map_or(Cell::Null, Cell::Text),
                    })
                };
                rows.iter()
                    .map(|row| {
                        let cells = kinds.iter().enumerate().map(|(place, kind)| cell(row, place, *kind));
                        Ok(Row(cells.collect::<Result<_, sqlx::Error>>()?))
                    })
                    .collect()
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(SourceError::Odd(error.to_string())),
    }
}
