//! MLflow's own database, read as its server reads it.

mod connection;
mod read;
mod schema;

use std::path::PathBuf;

use crate::{Files, Folder, SourceError};
use connection::Connection;
use schema::Schema;

/// An MLflow database, and the folder of its files where that was named.
pub struct DatabaseSource {
    connection: Connection,
    schema: Schema,
    shown: String,
    folder: Option<Folder>,
}

impl DatabaseSource {
    /// Opens a database by MLflow's own address of it: `sqlite:///path/to/mlflow.db`,
    /// `postgresql://user@host/database`. Refuses one whose schema is not known. It is never written to.
    pub async fn open(address: &str, folder: Option<PathBuf>) -> Result<Self, SourceError> {
        let (scheme, rest) =
            address.split_once("://").ok_or_else(|| SourceError::Address(windlass_net::mask(address)))?;
        let (connection, shown) = match scheme.split('+').next().unwrap_or_default() {
            "sqlite" => {
                // SQLAlchemy writes a relative path after three slashes and an absolute one after four.
                let path = rest.strip_prefix('/').unwrap_or(rest);
                (Connection::sqlite(path.as_ref()).await?, format!("sqlite:///{path}"))
            }
            "postgresql" | "postgres" => {
                let url = format!("postgres://{rest}");
                (Connection::postgres(&url).await?, windlass_net::mask(&url))
            }
            _ => return Err(SourceError::Address(windlass_net::mask(address))),
        };
        let revision = read::revision(&connection).await?;
        let schema = Schema::of(&revision)?;
        Ok(Self { connection, schema, shown, folder: folder.map(Folder::new) })
    }

    fn folder(&self) -> Option<&dyn Files> {
        self.folder.as_ref().map(|folder| folder as &dyn Files)
    }
}
