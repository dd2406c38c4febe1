//! What can go wrong in the store, in words that do not depend on the database.

use std::path::PathBuf;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What is there already, or changed meanwhile, forbids it.
    #[error("conflict: {what}")]
    Conflict {
        /// What is in the way.
        what: String,
    },
    /// There is no such thing.
    #[error("{what} does not exist")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// The value cannot be stored.
    #[error("cannot be stored: {what}")]
    Invalid {
        /// What is wrong with it, and what would be right.
        what: String,
    },
    /// A change of tracking or registry was refused; nothing was written.
    #[error(transparent)]
    Refused(Box<crate::tracking::Refusal>),
    /// The database was written by a newer Windlass.
    #[error(
        "the database has schema {found}, this Windlass knows {known}: use a newer Windlass, or another data folder"
    )]
    Newer {
        /// The newest migration in the database.
        found: u32,
        /// The newest migration this program knows.
        known: u32,
    },
    /// What was read cannot be what was written.
    #[error("the database is damaged: {what}")]
    Corrupt {
        /// Where, and what was found.
        what: String,
    },
    /// The database's file does not hold what was written to it: a broken disk, or another program's doing.
    #[error("the database file {} is damaged: {what}", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        what: String,
    },
    /// Others hold what is needed; trying again later can help.
    #[error("the database is busy")]
    Busy,
    /// The database does not answer. A write that was on its way may have come through or not.
    #[error("the database cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another server decides since then; nothing was written.
    #[error("another server leads by now")]
    Fenced,
    /// No space is left. Nothing that was acknowledged is lost.
    #[error("no space is left for the database: free some; nothing that was acknowledged is lost")]
    DiskFull,
    /// The database may be read but not written.
    #[error("the database cannot be written: its folder or file is read-only")]
    ReadOnly,
    /// The database file or its folder cannot be used.
    #[error("failed to open `{path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store was closed, or its process is ending.
    #[error("the store is closed")]
    Closed,
    /// Anything else that the database said.
    #[error("the database failed")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Says that `what` does not exist.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// Says that `what` is in the way.
    pub fn conflict(what: impl Into<String>) -> Self {
        Self::Conflict { what: what.into() }
    }

    /// Says that `what` was read and cannot be right.
    pub fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                match postgres(&code, database.message()) {
                    Some(known) => known,
                    None if is_gone(&code) => Self::Unreachable(Box::new(error)),
                    None => Self::Database(Box::new(error)),
                }
            }
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => Self::DiskFull,
            // A protocol that breaks off is what is left of a server that went away in the middle.
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => {
                Self::Unreachable(Box::new(error))
            }
            _ => Self::Database(Box::new(error)),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_extended_error_code();
        let known = code.and_then(|code| sqlite(code, &error.to_string()));
        known.unwrap_or_else(|| Self::Database(Box::new(error)))
    }
}

/// Returns what an (extended) result code of SQLite means to us: <https://sqlite.org/rescode.html>.
fn sqlite(code: i32, message: &str) -> Option<StoreError> {
    // SQLITE_IOERR_SHMSIZE: the shared-memory file could not grow, which happens only on a full disk.
    const SHMSIZE: i32 = 10 | (19 << 8);
    match (code, code & 0xff) {
        (SHMSIZE, _) | (_, 13) => Some(StoreError::DiskFull),
        (_, 5 | 6) => Some(StoreError::Busy),
        (_, 8) => Some(StoreError::ReadOnly),
        // Who has the path puts it in.
        (_, 11 | 26) => Some(StoreError::Damaged { file: PathBuf::new(), what: message.to_owned() }),
        (_, 19) => Some(StoreError::conflict(message)),
        _ => None,
    }
}

/// Returns whether an SQLSTATE says that the server ends the connection or takes none: shut down, crashed, not up yet, a
/// standby, a transaction that waited for its client for too long, or class 08, connection exceptions.
fn is_gone(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P03" | "25P03") || code.starts_with("08")
}

/// Returns what an SQLSTATE means to us: PostgreSQL documentation, appendix A.
fn postgres(code: &str, message: &str) -> Option<StoreError> {
    match code {
        // Serialisation failure, deadlock, lock not available, too many connections.
        "40001" | "40P01" | "55P03" | "53300" => Some(StoreError::Busy),
        "53100" => Some(StoreError::DiskFull),
        "25006" => Some(StoreError::ReadOnly),
        "XX001" | "XX002" => Some(StoreError::corrupt(message)),
        code if code.starts_with("23") => Some(StoreError::conflict(message)),
        _ => None,
    }
}
