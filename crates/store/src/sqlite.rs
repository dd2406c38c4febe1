//! The store on SQLite: one file, a few readers, one writer.
//!
//! SQLite admits one writer at a time, and a commit waits for the disk. So one task owns the only connection that
//! writes; while the disk is busy with one commit, the writes that arrive form the next group: each runs under a
//! savepoint of its own, one commit makes all of them durable, and then all are answered. A member that fails takes only
//! its own changes back. If the commit itself fails, the members are run again, each alone, so that none suffers for
//! another's size.

use std::{
    any::Any,
    io::ErrorKind,
    panic::AssertUnwindSafe,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::{
    ConnectOptions as _, Connection as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::{StoreError, Tx, migrate, tx::Connection};

const READERS: u32 = 4;
/// How many writes wait for the writer before callers wait to hand theirs over.
const QUEUE: usize = 1024;
/// How many writes one commit makes durable at most.
const GROUP: usize = 256;
/// How long another process (`sqlite3`, a backup) may hold the file before we say busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct SqliteStore {
    readers: SqlitePool,
    jobs: mpsc::Sender<Message>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

enum Message {
    Job(Box<dyn Job>),
    Close,
}

impl SqliteStore {
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        prepare_folder(path)?;
        let options = options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("journal_size_limit", "67108864");
        let mut connection = options.clone().thread_name(|_| "store-writer".to_owned()).connect().await?;
        migrate::sqlite(&mut connection).await?;
        let readers = readers(options.create_if_missing(false));
        let (jobs, queue) = mpsc::channel(QUEUE);
        let tx = Tx { connection: Connection::Writer(Box::new(connection)) };
        let writer = tokio::spawn(Writer { tx, queue, closing: false }.run());
        Ok(Self { readers, jobs, writer: Arc::new(Mutex::new(Some(writer))) })
    }

    /// Opens a file that cannot be written, with a schema that is ours already; there is no writer.
    pub(crate) async fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        // Closed in good order, all is in the file, and SQLite need not make the files beside it that it shares a log by.
        let whole = std::fs::metadata(log).map_or(true, |log| log.len() == 0);
        let options = options(path).read_only(true).immutable(whole);
        let mut connection = options.clone().connect().await?;
        if !migrate::is_current(&mut connection).await? {
            return Err(StoreError::ReadOnly);
        }
        let (jobs, _) = mpsc::channel(1);
        Ok(Self { readers: readers(options), jobs, writer: Arc::default() })
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Work { work, outcome: None, reply };
        self.jobs.send(Message::Job(Box::new(job))).await.map_err(|_| StoreError::Closed)?;
        match answer.await {
            Ok(Outcome::Returned(answer)) => answer,
            Ok(Outcome::Panicked(payload)) => std::panic::resume_unwind(payload),
            Err(_) => Err(StoreError::Closed),
        }
    }

    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>>,
    {
        let transaction = self.readers.begin().await?;
        let mut tx = Tx { connection: Connection::Reader(transaction) };
        let answer = work(&mut tx).await?;
        match tx.connection {
            Connection::Reader(transaction) => transaction.commit().await?,
            Connection::Writer(_) | Connection::Postgres(_) => unreachable!("opened as a reader above"),
        }
        Ok(answer)
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        let writer = self.writer.lock().expect("never poisoned: nothing panics while it is held").take();
        if let Some(writer) = writer {
            // A writer that is gone already needs no message.
            let _ = self.jobs.send(Message::Close).await;
            let _ = writer.await;
        }
    }
}

/// What every connection has.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        // As in PostgreSQL.
        .pragma("case_sensitive_like", "ON")
        .statement_cache_capacity(512)
        .disable_statement_logging()
}

fn readers(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .max_lifetime(None)
        .connect_lazy_with(options.pragma("query_only", "ON").thread_name(|number| format!("store-reader-{number}")))
}

/// Makes the folder and finds out early whether files can be written in it, in clearer words than SQLite's.
fn prepare_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut probe = path.as_os_str().to_owned();
    probe.push(format!(".probe-{}", std::process::id()));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&probe, b"windlass"))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|source| {
            let _ = std::fs::remove_file(&probe);
            match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull,
                ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => StoreError::ReadOnly,
                _ => StoreError::Open { path: path.to_owned(), source },
            }
        })
}

/// A write of any type.
trait Job: Send {
    /// Runs it and keeps what it said; returns whether its changes may stay.
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, bool>;
    /// Tells the caller what the last run said, or `failure` in its place.
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

enum Outcome<T> {
    Returned(Result<T, StoreError>),
    Panicked(Box<dyn Any + Send>),
}

struct Work<T, F> {
    work: F,
    outcome: Option<Outcome<T>>,
    reply: oneshot::Sender<Outcome<T>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync,
{
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            // A mistake in one closure must not end the writer: the panic goes on in the caller.
            let outcome = match AssertUnwindSafe((self.work)(tx)).catch_unwind().await {
                Ok(answer) => Outcome::Returned(answer),
                Err(payload) => Outcome::Panicked(payload),
            };
            let stays = matches!(&outcome, Outcome::Returned(Ok(_)));
            self.outcome = Some(outcome);
            stays
        })
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        let outcome = match failure {
            Some(error) => Outcome::Returned(Err(error)),
            None => self.outcome.unwrap_or(Outcome::Returned(Err(StoreError::Closed))),
        };
        // A caller that went away needs no answer.
        let _ = self.reply.send(outcome);
    }
}

/// The task that owns the connection that writes.
struct Writer {
    tx: Tx,
    queue: mpsc::Receiver<Message>,
    closing: bool,
}

impl Writer {
    async fn run(mut self) {
        while !self.closing {
            match self.queue.recv().await {
                Some(Message::Job(job)) => self.group(job).await,
                Some(Message::Close) | None => break,
            }
        }
        self.queue.close();
        if let Connection::Writer(connection) = self.tx.connection {
            // Closing copies the log into the file; if that fails the next opening does it.
            let _ = connection.close().await;
        }
    }

    /// Runs `first` and what has arrived meanwhile, makes all durable at once, and answers.
    async fn group(&mut self, first: Box<dyn Job>) {
        let mut members: Vec<Box<dyn Job>> = Vec::new();
        let mut next = Some(first);
        while let Some(mut job) = next.take() {
            let opened = self.statement(if members.is_empty() { "BEGIN IMMEDIATE" } else { "SAVEPOINT member" }).await;
            if let Err(error) = opened {
                job.answer(Some(error));
                break;
            }
            if job.run(&mut self.tx).await {
                if !members.is_empty() && self.statement("RELEASE member").await.is_err() {
                    members.push(job);
                    return self.each_alone(members).await;
                }
                members.push(job);
            } else if members.is_empty() {
                // The transaction may be gone already, which is as good.
                let _ = self.statement("ROLLBACK").await;
                job.answer(None);
            } else {
                let undone = self.statement("ROLLBACK TO member").await;
                job.answer(None);
                // After a full disk or a failed read SQLite gives up the whole transaction, savepoints and all.
                if undone.is_err() || self.statement("RELEASE member").await.is_err() {
                    return self.each_alone(members).await;
                }
            }
            if members.len() < GROUP && !self.closing {
                match self.queue.try_recv() {
                    Ok(Message::Job(job)) => next = Some(job),
                    Ok(Message::Close) => self.closing = true,
                    Err(_) => {}
                }
            }
        }
        if members.is_empty() {
            return;
        }
        match self.statement("COMMIT").await.map_err(Some) {
            Ok(()) => members.into_iter().for_each(|job| job.answer(None)),
            Err(mut error) => {
                if members.len() > 1 {
                    return self.each_alone(members).await;
                }
                let _ = self.statement("ROLLBACK").await;
                members.into_iter().for_each(|job| job.answer(error.take()));
            }
        }
    }

    /// Runs each member again in a transaction of its own.
    async fn each_alone(&mut self, members: Vec<Box<dyn Job>>) {
        let _ = self.statement("ROLLBACK").await;
        for mut job in members {
            let failure = match self.statement("BEGIN IMMEDIATE").await {
                Err(error) => Some(error),
                Ok(()) => {
                    let ended = if job.run(&mut self.tx).await { self.statement("COMMIT").await } else { Ok(()) };
                    ended.err()
                }
            };
            // Harmless after a commit; needed after anything else.
            let _ = self.statement("ROLLBACK").await;
            job.answer(failure);
        }
    }

    async fn statement(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.tx.execute(sql, Vec::new()).await.map(|_| ())
    }
}
