//! One connection to SQLite: how it is opened, and one statement.

use std::{borrow::Cow, path::Path, time::Duration};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::{
    Connection, OpenFlags, Statement, ToSql,
    types::{ToSqlOutput, Value, ValueRef},
};

use crate::{StoreError, tx::Arg};

/// How long another process (`sqlite3`, a backup) may hold the file before we say busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How many prepared statements a connection keeps: there are about as many in the code.
const STATEMENTS: usize = 256;
/// What would end the path in a URI (<https://sqlite.org/uri.html>).
const RESERVED: AsciiSet = CONTROLS.add(b'%').add(b'?').add(b'#');

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// The file is made where it is not there.
    Write,
    /// Beside a writer.
    Read,
    /// Nobody writes the file as long as we look: SQLite takes no locks and makes no files beside it.
    Frozen,
}

/// A connection, with the statements that it has prepared.
pub(crate) struct SqliteConnection(Connection);

/// The values of one row.
pub(crate) type SqliteRow = Box<[Value]>;

impl SqliteConnection {
    pub(super) fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        // One thread at a time calls a connection, so SQLite's own lock around each call is left out.
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match access {
            Access::Write => {
                let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
                Connection::open_with_flags(path, flags)?
            }
            Access::Read => Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY)?,
            Access::Frozen => {
                let path = path
                    .to_str()
                    .ok_or_else(|| StoreError::Invalid { what: format!("the path {} is not UTF-8", path.display()) })?;
                let uri = format!("file:{}?immutable=1", utf8_percent_encode(path, &RESERVED));
                let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
                Connection::open_with_flags(uri, flags)?
            }
        };
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // LIKE as in PostgreSQL.
        connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA case_sensitive_like = ON;")?;
        if access == Access::Write {
            // Acknowledged means on disk: each commit waits for it.
            let log = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;";
            connection.execute_batch(log)?;
        }
        Ok(Self(connection))
    }

    /// Runs statements without arguments.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.0.execute_batch(sql)?)
    }

    /// Runs a statement; returns how many rows it changed.
    pub(crate) fn execute(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<u64, StoreError> {
        let mut statement = self.0.prepare_cached(&numbered(sql))?;
        bind(&mut statement, args)?;
        Ok(statement.raw_execute()? as u64)
    }

    /// Runs a query; returns all its rows.
    pub(crate) fn rows(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Vec<SqliteRow>, StoreError> {
        let mut statement = self.0.prepare_cached(&numbered(sql))?;
        bind(&mut statement, args)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push((0..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?);
        }
        Ok(all)
    }
}

/// Returns the statement with `?1` for `$1`: to SQLite `$1` is a name, and parameters that have names are numbered as
/// they come (<https://sqlite.org/lang_expr.html#varparam>).
fn numbered(sql: &str) -> Cow<'_, str> {
    if !sql.as_bytes().contains(&b'$') {
        return Cow::Borrowed(sql);
    }
    // Byte by byte, which is ten times quicker than looking for each of many: every statement comes by here.
    let bytes = sql.bytes().map(|byte| if byte == b'$' { b'?' } else { byte }).collect();
    Cow::Owned(String::from_utf8(bytes).expect("one ASCII character for another"))
}

fn bind(statement: &mut Statement<'_>, args: &[Arg<'_>]) -> Result<(), StoreError> {
    for (place, arg) in args.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, arg)?;
    }
    Ok(())
}

impl ToSql for Arg<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Int(value) => value.map(ValueRef::Integer),
            Self::Real(value) => value.map(ValueRef::Real),
            Self::Text(value) => value.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
            Self::Bytes(value) => value.map(ValueRef::Blob),
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered() {
        for (sql, expected) in [
            ("BEGIN", "BEGIN"),
            ("UPDATE a SET b = $2 WHERE c = $1", "UPDATE a SET b = ?2 WHERE c = ?1"),
            ("SELECT 'ä' WHERE x = $10", "SELECT 'ä' WHERE x = ?10"),
        ] {
            assert_eq!(numbered(sql), expected);
        }
    }
}
