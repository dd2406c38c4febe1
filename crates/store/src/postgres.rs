//! The store on PostgreSQL: a pool, serialisable transactions, and running again those that could not be ordered.

use std::{
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use sqlx::{
    ConnectOptions as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{
    StoreError, Tx, migrate,
    tx::{Connection, Scope},
};

/// How often a transaction that lost against others is run again.
const BUSY_TRIES: u32 = 40;
/// How often a transaction that met a duplicate is run again: the other's row is then visible to it.
const CONFLICT_TRIES: u32 = 3;
/// How long a server that is gone is waited for: a restart takes a few seconds, and callers have time-outs of their own.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECTIONS: u32 = 16;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a transaction may wait for its client, in milliseconds. One whose process is frozen or cut off holds its locks
/// no longer than this, so that another server can take over.
const IDLE_IN_TRANSACTION: &str = "10000";

#[derive(Clone)]
pub(crate) struct PostgresStore {
    pool: PgPool,
    /// Where the store was opened. A connection lives on the runtime that made it, and callers come from others too,
    /// which may end before.
    runtime: Handle,
}

impl PostgresStore {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("windlass")
            .options([("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION)])
            .statement_cache_capacity(512)
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(true)
            .connect_with(options)
            .await?;
        let mut transaction = pool.begin().await?;
        migrate::postgres(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Self { pool, runtime: Handle::current() })
    }

    /// Runs `work` as a task, so that a caller that goes away does not withdraw a write half-way.
    pub(crate) fn write<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        let pool = self.pool.clone();
        self.answer(async move {
            let (begun, mut tries) = (Instant::now(), 0);
            loop {
                tries += 1;
                match attempt(&pool, &work).await {
                    Err(Failed { error: StoreError::Busy, .. }) if tries < BUSY_TRIES => {}
                    Err(Failed { error: StoreError::Conflict { .. }, .. }) if tries < CONFLICT_TRIES => {}
                    // Whether a commit came through that nobody answered is for the caller to find out.
                    Err(Failed { error: StoreError::Unreachable(_), committing: false })
                        if begun.elapsed() < PATIENCE => {}
                    answer => return answer.map_err(|failed| failed.error),
                }
                tokio::time::sleep(pause(tries)).await;
            }
        })
    }

    pub(crate) fn read<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        let (pool, work) = (self.pool.clone(), Arc::new(work));
        self.answer(patiently(move || {
            let (pool, work) = (pool.clone(), work.clone());
            async move {
                let transaction = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
                let mut tx = Tx { connection: Connection::Postgres(transaction), scope: Scope::Transaction };
                let answer = work(&mut tx).await?;
                finish(tx).await?;
                Ok(answer)
            }
        }))
    }

    /// As [`PostgresStore::read`] for one statement: one round trip instead of three.
    pub(crate) fn read_one<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        let (pool, work) = (self.pool.clone(), Arc::new(work));
        self.answer(patiently(move || {
            let (pool, work) = (pool.clone(), work.clone());
            async move {
                let connection = pool.acquire().await?;
                let mut tx = Tx { connection: Connection::PostgresOne(connection), scope: Scope::One { spent: false } };
                work(&mut tx).await
            }
        }))
    }

    /// Hands `work` to the runtime that has the connections. Not a part of an async function: the states of a connection
    /// being made take 100 kB, which every future around them would carry along, on SQLite too.
    fn answer<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Answer<T> {
        Answer(self.runtime.spawn(work))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// What a task will answer.
pub(crate) struct Answer<T>(JoinHandle<Result<T, StoreError>>);

impl<T> Answer<T> {
    pub(crate) async fn get(self) -> Result<T, StoreError> {
        match self.0.await {
            Ok(answer) => answer,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StoreError::Closed),
        }
    }
}

/// Why a transaction did not come through.
struct Failed {
    error: StoreError,
    /// Whether it may have come through all the same: its commit was sent, and no answer came.
    committing: bool,
}

async fn attempt<T, F>(pool: &PgPool, work: &F) -> Result<T, Failed>
where
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>>,
{
    let before = |error| Failed { error, committing: false };
    let transaction =
        pool.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await.map_err(|error| before(error.into()))?;
    let mut tx = Tx { connection: Connection::Postgres(transaction), scope: Scope::Transaction };
    let answer = work(&mut tx).await.map_err(before)?;
    finish(tx).await.map_err(|error| Failed { error, committing: true })?;
    Ok(answer)
}

/// Reads until the database answers, as long as patience lasts: reading twice is harmless.
async fn patiently<T, F>(mut read: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let (begun, mut tries) = (Instant::now(), 0);
    loop {
        tries += 1;
        match read().await {
            Err(StoreError::Unreachable(_)) if begun.elapsed() < PATIENCE => tokio::time::sleep(pause(tries)).await,
            answer => return answer,
        }
    }
}

async fn finish(tx: Tx) -> Result<(), StoreError> {
    match tx.connection {
        Connection::Postgres(transaction) => Ok(transaction.commit().await?),
        Connection::Sqlite(_) | Connection::PostgresOne(_) => unreachable!("opened on PostgreSQL above"),
    }
}

/// Returns how long to wait before try `tries + 1`: longer each time, and different for those that met each other.
fn pause(tries: u32) -> Duration {
    let mut random = [0];
    // Without randomness the waits are merely equal.
    let _ = getrandom::fill(&mut random);
    let longest = 1000_u64 << tries.min(6);
    Duration::from_micros(longest * u64::from(random[0]) / 255)
}
