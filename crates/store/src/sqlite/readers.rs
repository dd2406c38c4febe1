//! Reads of SQLite: a few connections, opened when they are needed first.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use futures_util::future::BoxFuture;
use tokio::{runtime::Handle, sync::Semaphore};

use super::{
    connection::{Access, SqliteConnection},
    wait,
};
use crate::{
    StoreError, Tx,
    tx::{Connection, Scope},
};

const READERS: u32 = 4;

#[derive(Clone)]
pub(super) struct Readers {
    /// One for each connection that may be in use.
    permits: Arc<Semaphore>,
    pool: Arc<Pool>,
}

struct Pool {
    path: PathBuf,
    access: Access,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Readers {
    pub(super) fn new(path: &Path, access: Access) -> Self {
        let pool = Pool { path: path.to_owned(), access, idle: Mutex::default() };
        Self { permits: Arc::new(Semaphore::new(READERS as usize)), pool: Arc::new(pool) }
    }

    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        self.run(move |mut connection| {
            connection.batch("BEGIN")?;
            let (answer, mut connection) = run(connection, Scope::Transaction, work);
            // Nothing was written, so there is nothing that ending it can lose.
            connection.batch("ROLLBACK")?;
            Ok((answer, connection))
        })
        .await
    }

    pub(super) async fn read_one<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        self.run(move |connection| Ok(run(connection, Scope::One { spent: false }, work))).await
    }

    /// Lends a connection to `work` on a thread that may wait. A connection that `work` keeps, because it failed or
    /// panicked, is closed.
    async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(SqliteConnection) -> Result<(Result<T, StoreError>, SqliteConnection), StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let pool = Arc::clone(&self.pool);
        wait(move || {
            let idle = pool.idle().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => SqliteConnection::open(&pool.path, pool.access)?,
            };
            let (answer, connection) = work(connection)?;
            pool.idle().push(connection);
            drop(permit);
            answer
        })
        .await
    }

    /// Waits for the reads under way and closes their connections; later reads are refused.
    pub(super) async fn close(&self) {
        // Closed already: nothing is under way.
        let _all = self.permits.acquire_many(READERS).await;
        self.permits.close();
        self.pool.idle().clear();
    }
}

impl Pool {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().expect("never poisoned: nothing panics while it is held")
    }
}

/// Runs `work` to its end on this thread. Statements never make it wait; what else it may wait for is the runtime's.
fn run<T, F>(connection: SqliteConnection, scope: Scope, work: F) -> (Result<T, StoreError>, SqliteConnection)
where
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>>,
{
    let mut tx = Tx { connection: Connection::Sqlite(connection), scope };
    let answer = Handle::current().block_on(work(&mut tx));
    match tx.connection {
        Connection::Sqlite(connection) => (answer, connection),
        Connection::Postgres(_) | Connection::PostgresOne(_) => unreachable!("opened on SQLite above"),
    }
}
