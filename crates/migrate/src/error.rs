//! What can go wrong on the way over.

use std::{io, path::PathBuf};

use windlass_api::ClientError;
use windlass_net::NetError;

/// Why a source could not be read. What it lacks is not an error: that is listed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The server could not be asked, or refused.
    #[error("failed to ask the MLflow server")]
    Net(#[from] NetError),
    /// The server's answer is not MLflow's.
    #[error("the answer of `{url}` is not MLflow's: {what}")]
    Answer {
        /// What was asked for, without secrets.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// The address of a source cannot be one.
    #[error(
        "`{0}` is no source: write http(s)://HOST:PORT, sqlite:///path/to/mlflow.db or postgresql://USER@HOST/DATABASE"
    )]
    Address(String),
    /// The address carries a password.
    #[error(
        "the address of a server carries no user and password: set WINDLASS_IMPORT_USERNAME and WINDLASS_IMPORT_PASSWORD, or WINDLASS_IMPORT_TOKEN"
    )]
    Secret,
    /// The database file is not there or cannot be opened.
    #[error("failed to open the database `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// SQLite failed.
    #[error("failed to read the database")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL failed.
    #[error("failed to read the database")]
    Postgres(#[from] sqlx::Error),
    /// It has no table of revisions.
    #[error("the database is not MLflow's: it has no table alembic_version")]
    NotMlflow,
    /// MLflow wrote it at a revision of its schema that is not known.
    #[error(
        "the database has schema {found}, and this Windlass reads {first} (MLflow {first_release}) to {last} (MLflow {last_release})"
    )]
    Schema {
        /// What was found.
        found: String,
        /// The oldest known revision.
        first: &'static str,
        /// Its release.
        first_release: &'static str,
        /// The newest known revision.
        last: &'static str,
        /// Its release.
        last_release: &'static str,
    },
    /// What was read cannot be right.
    #[error("the database says something odd: {0}")]
    Odd(String),
}

impl SourceError {
    /// Returns whether the source wants to know who asks.
    pub fn is_sign_in(&self) -> bool {
        matches!(self, Self::Net(NetError::Status { status, .. }) if *status == 401 || *status == 403)
    }
}

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The source could not be read.
    #[error("failed to read the source")]
    Source(#[from] SourceError),
    /// The Windlass server failed or refused.
    #[error("failed to write to the Windlass server")]
    Target(#[source] ClientError),
    /// Somebody asked for a stop.
    #[error("the import was interrupted")]
    Interrupted,
    /// A file on its way over could not be kept here.
    #[error("failed to use the scratch folder")]
    Scratch(#[source] io::Error),
}
