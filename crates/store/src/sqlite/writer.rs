//! The one who writes SQLite, on a thread of its own.
//!
//! SQLite admits one writer at a time, and a commit waits for the disk. So one thread owns the only connection that
//! writes; while the disk is busy with one commit, the writes that arrive form the next group: each runs under a
//! savepoint of its own, one commit makes all of them durable, and then all are answered. A member that fails takes only
//! its own changes back. If the commit itself fails, the members are run again, each alone, so that none suffers for
//! another's size.
//!
//! Waking this thread and being woken by it costs more than a short write. So the connection lies where others can take it
//! as long as nobody waits for it, and a caller whose thread has nothing else to do may write with it by itself.

use std::{any::Any, io, panic::AssertUnwindSafe, sync::Arc, thread, time::Instant};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{
    runtime::Handle,
    sync::{Mutex, mpsc, oneshot},
};

use super::{SqliteConnection, pace::Pace};
use crate::{
    StoreError, Tx,
    tx::{Connection, Scope},
};

/// How many writes one commit makes durable at most.
const GROUP: usize = 256;

pub(super) enum Message {
    Job(Box<dyn Job>),
    Close,
}

/// Returns a write to hand over, and where its answer will be.
pub(super) fn job<T, F>(work: F) -> (Box<dyn Job>, Answer<T>)
where
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Work { work, outcome: None, reply }), Answer(answer))
}

/// Where the answer to a write will be.
pub(super) struct Answer<T>(oneshot::Receiver<Outcome<T>>);

impl<T> Answer<T> {
    pub(super) async fn get(self) -> Result<T, StoreError> {
        match self.0.await {
            Ok(Outcome::Returned(answer)) => answer,
            Ok(Outcome::Panicked(payload)) => std::panic::resume_unwind(payload),
            Err(_) => Err(StoreError::Closed),
        }
    }
}

/// A write of any type.
pub(super) trait Job: Send {
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

/// The connection that writes, for whoever comes first; the writer's thread, once it waits for it, is next. `None` when
/// the store is closed.
#[derive(Clone)]
pub(super) struct Desk {
    tx: Arc<Mutex<Option<Tx>>>,
    pace: Arc<Pace>,
}

impl Desk {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        let tx = Tx { connection: Connection::Sqlite(connection), scope: Scope::Transaction };
        Self { tx: Arc::new(Mutex::new(Some(tx))), pace: Arc::default() }
    }

    /// Writes on this thread; `None` if somebody else writes, if the disk is too slow to wait for it here, or if `work`
    /// waits for anything but its statements. Then nothing has changed.
    pub(super) fn write<T, F>(&self, work: &F) -> Option<Result<T, StoreError>>
    where
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>>,
    {
        if !self.pace.is_quick() {
            return None;
        }
        let mut desk = self.tx.try_lock().ok()?;
        let tx = desk.as_mut()?;
        if let Err(error) = statement(tx, "BEGIN IMMEDIATE").now_or_never()? {
            return Some(Err(error));
        }
        let outcome = AssertUnwindSafe(work(tx)).catch_unwind().now_or_never();
        let committed = match &outcome {
            Some(Ok(Ok(_))) => commit(tx, &self.pace).now_or_never()?,
            Some(Ok(Err(_)) | Err(_)) | None => Ok(()),
        };
        if committed.is_err() || !matches!(outcome, Some(Ok(Ok(_)))) {
            // The transaction may be gone already, which is as good.
            let _ = statement(tx, "ROLLBACK").now_or_never();
        }
        match outcome? {
            Ok(answer) => Some(committed.and(answer)),
            Err(payload) => {
                drop(desk);
                std::panic::resume_unwind(payload)
            }
        }
    }
}

/// Runs a statement without arguments. On SQLite it never waits for anybody.
async fn statement(tx: &mut Tx, sql: &'static str) -> Result<(), StoreError> {
    tx.execute(sql, Vec::new()).await.map(|_| ())
}

/// Makes a transaction durable, and notes how long that took.
async fn commit(tx: &mut Tx, pace: &Pace) -> Result<(), StoreError> {
    let begun = Instant::now();
    let outcome = statement(tx, "COMMIT").await;
    pace.note(begun.elapsed());
    outcome
}

/// Runs the writes that are handed over.
pub(super) struct Writer {
    desk: Desk,
    queue: mpsc::Receiver<Message>,
    closing: bool,
}

impl Writer {
    /// Starts the thread, which ends on [`Message::Close`] or when nobody can hand it anything any more.
    pub(super) fn start(desk: Desk, queue: mpsc::Receiver<Message>) -> io::Result<thread::JoinHandle<()>> {
        let writer = Self { desk, queue, closing: false };
        // What a closure may wait for beside its statements is the runtime's; the statements themselves never wait.
        let runtime = Handle::current();
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || runtime.block_on(writer.run()))
    }

    async fn run(mut self) {
        let Desk { tx, pace } = self.desk.clone();
        while !self.closing {
            match self.queue.recv().await {
                Some(Message::Job(job)) => match tx.lock().await.as_mut() {
                    Some(tx) => self.group(tx, &pace, job).await,
                    None => unreachable!("nobody but this thread takes it away, below"),
                },
                Some(Message::Close) | None => break,
            }
        }
        // The connection closes: it copies the log into the file; if that fails the next opening does it.
        tx.lock().await.take();
        self.queue.close();
    }

    /// Runs `first` and what has arrived meanwhile, makes all durable at once, and answers.
    async fn group(&mut self, tx: &mut Tx, pace: &Pace, first: Box<dyn Job>) {
        let mut members: Vec<Box<dyn Job>> = Vec::new();
        let mut next = Some(first);
        while let Some(mut job) = next.take() {
            let opened = statement(tx, if members.is_empty() { "BEGIN IMMEDIATE" } else { "SAVEPOINT member" }).await;
            if let Err(error) = opened {
                job.answer(Some(error));
                break;
            }
            if job.run(tx).await {
                if !members.is_empty() && statement(tx, "RELEASE member").await.is_err() {
                    members.push(job);
                    return each_alone(tx, members).await;
                }
                members.push(job);
            } else if members.is_empty() {
                // The transaction may be gone already, which is as good.
                let _ = statement(tx, "ROLLBACK").await;
                job.answer(None);
            } else {
                let undone = statement(tx, "ROLLBACK TO member").await;
                job.answer(None);
                // After a full disk or a failed read SQLite gives up the whole transaction, savepoints and all.
                if undone.is_err() || statement(tx, "RELEASE member").await.is_err() {
                    return each_alone(tx, members).await;
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
        match commit(tx, pace).await.map_err(Some) {
            Ok(()) => members.into_iter().for_each(|job| job.answer(None)),
            Err(mut error) => {
                if members.len() > 1 {
                    return each_alone(tx, members).await;
                }
                let _ = statement(tx, "ROLLBACK").await;
                members.into_iter().for_each(|job| job.answer(error.take()));
            }
        }
    }
}

/// Runs each member again in a transaction of its own.
async fn each_alone(tx: &mut Tx, members: Vec<Box<dyn Job>>) {
    let _ = statement(tx, "ROLLBACK").await;
    for mut job in members {
        let failure = match statement(tx, "BEGIN IMMEDIATE").await {
            Err(error) => Some(error),
            Ok(()) => {
                let ended = if job.run(tx).await { statement(tx, "COMMIT").await } else { Ok(()) };
                ended.err()
            }
        };
        // Harmless after a commit; needed after anything else.
        let _ = statement(tx, "ROLLBACK").await;
        job.answer(failure);
    }
}
