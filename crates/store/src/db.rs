//! The handle that everybody holds, and how it is opened.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use futures_util::future::BoxFuture;

use crate::{Fence, StoreError, Tx, postgres::PostgresStore, sqlite::SqliteStore};

/// Where the metadata lives.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A file; its folder is made if need be.
    Sqlite(PathBuf),
    /// `postgres://user:password@host/database`.
    Postgres(String),
}

/// Why a text does not say where a store is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a database is written postgres://user@host/database or sqlite:path/to/windlass.db")]
pub struct StoreUrlError;

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.strip_prefix("//").unwrap_or(path).into())),
            _ => Err(StoreUrlError),
        }
    }
}

impl fmt::Debug for StoreUrl {
    /// Leaves the password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let rest = url.rsplit_once('@').map_or("…", |(_, host)| host);
                write!(f, "postgres://…@{rest}")
            }
        }
    }
}

/// The metadata store: a cheap handle, shared by cloning.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.engine {
            Engine::Sqlite(_) => f.write_str("Store(SQLite)"),
            Engine::Postgres(_) => f.write_str("Store(PostgreSQL)"),
        }
    }
}

impl Store {
    /// Opens the store, brings its schema up to date, and refuses one that a newer Windlass made.
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        let engine = match url {
            StoreUrl::Sqlite(path) => Engine::Sqlite(SqliteStore::open(path).await?),
            StoreUrl::Postgres(url) => Engine::Postgres(PostgresStore::open(url).await?),
        };
        Ok(Self { engine })
    }

    /// Opens a store that is there, to look at it, also where it cannot be written: a copy on a read-only disk, say. Then
    /// every write answers [`StoreError::Closed`], and a schema that is not up to date is [`StoreError::ReadOnly`].
    pub async fn open_to_look(url: &StoreUrl) -> Result<Self, StoreError> {
        if let StoreUrl::Sqlite(path) = url {
            std::fs::metadata(path).map_err(|source| StoreError::Open { path: path.clone(), source })?;
        }
        match (Self::open(url).await, url) {
            (Err(StoreError::ReadOnly), StoreUrl::Sqlite(path)) => {
                Ok(Self { engine: Engine::Sqlite(SqliteStore::open_to_read(path).await?) })
            }
            (opened, _) => opened,
        }
    }

    /// Runs `work` in a write transaction; the answer comes when the commit is on disk.
    ///
    /// `work` may be run again (PostgreSQL could not order it among others, or a member of its group failed), so it
    /// must be repeatable: it captures values and clones them. Waiting for anything but the transaction inside it holds
    /// up every other writer. It passes errors of the transaction on, since after one PostgreSQL refuses all further
    /// statements. Once handed over, a write is carried out even where its caller goes away.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        match &self.engine {
            Engine::Sqlite(store) => store.write(work).await,
            Engine::Postgres(store) => store.write(work).get().await,
        }
    }

    /// As [`Store::write`] where `fence` still holds; [`StoreError::Fenced`] where another server leads since. Without a
    /// fence there is nobody else.
    pub async fn write_under<T, F>(&self, fence: Option<Fence>, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        let Some(fence) = fence else { return self.write(work).await };
        let work = Arc::new(work);
        self.write(move |tx| {
            let work = work.clone();
            Box::pin(async move {
                tx.fence(fence).await?;
                work(tx).await
            })
        })
        .await
    }

    /// As [`Store::write`], on the calling thread where that can be: nobody else writes, the disk is a quick one, and
    /// `work` waits for nothing but its statements. It saves waking two threads, which for a short write costs more than
    /// the write; meanwhile the thread does nothing else, so it is for one that has nothing else to do.
    pub async fn write_here<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        match &self.engine {
            Engine::Sqlite(store) => store.write_here(work).await,
            Engine::Postgres(store) => store.write(work).get().await,
        }
    }

    /// Runs `work` over an unchanging view of the store as of its first statement; it sees every write answered before.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        match &self.engine {
            Engine::Sqlite(store) => store.read(work).await,
            Engine::Postgres(store) => store.read(work).get().await,
        }
    }

    /// As [`Store::read`] for `work` that makes one statement, which both databases answer from one moment anyway: a
    /// transaction around it would cost PostgreSQL two more round trips. It must not change anything.
    ///
    /// # Panics
    /// At a second statement, which might see another moment than the first.
    pub async fn read_one<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        match &self.engine {
            Engine::Sqlite(store) => store.read_one(work).await,
            Engine::Postgres(store) => store.read_one(work).get().await,
        }
    }

    /// Returns whether other servers may work over the same database. A file has one server, by its folder's lock.
    pub fn is_shared(&self) -> bool {
        match &self.engine {
            Engine::Sqlite(_) => false,
            Engine::Postgres(_) => true,
        }
    }

    /// Returns what damage of the database's file was met since it was opened, if any: a reason to restore a backup soon,
    /// though what is not damaged is still answered.
    pub fn damage(&self) -> Option<&str> {
        match &self.engine {
            Engine::Sqlite(store) => store.damage(),
            // It looks after its files itself.
            Engine::Postgres(_) => None,
        }
    }

    /// Ends all connections once what was handed over is done; later calls answer [`StoreError::Closed`].
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(store) => store.close().await,
            Engine::Postgres(store) => store.close().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever waits for the store carries its futures along, through every layer around it.
    #[test]
    fn futures_are_small() {
        fn check<F: Future, Work>(_: impl Fn(&'static Store, Work) -> F) {
            assert!(size_of::<F>() <= 512, "{} bytes", size_of::<F>());
        }
        type Work = for<'t> fn(&'t mut Tx) -> BoxFuture<'t, Result<u8, StoreError>>;
        check(Store::write::<u8, Work>);
        check(Store::write_here::<u8, Work>);
        check(Store::read::<u8, Work>);
        check(Store::read_one::<u8, Work>);
    }
}
