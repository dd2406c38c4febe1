//! The one who writes SQLite, on a thread of its own.
//!
//! SQLite admits one writer at a time, and a commit waits for the disk. So one thread owns the only connection that
//! writes; while the disk is busy with one commit, the writes that arrive form the next group: each runs under a
//! savepoint of its own, one commit makes all of them durable, and then all are answered. A member that fails takes only
//! its own changes back. If the commit itself fails, the members are run again, each alone, so that none suffers for
//! another's size.

use std::{any::Any, io, panic::AssertUnwindSafe, thread};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::SqliteConnection;
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

/// Owns the connection that writes.
pub(super) struct Writer {
    tx: Tx,
    queue: mpsc::Receiver<Message>,
    closing: bool,
}

impl Writer {
    /// Starts the thread, which ends on [`Message::Close`] or when nobody can hand it anything any more.
    pub(super) fn start(
        connection: SqliteConnection,
        queue: mpsc::Receiver<Message>,
    ) -> io::Result<thread::JoinHandle<()>> {
        let tx = Tx { connection: Connection::Sqlite(connection), scope: Scope::Transaction };
        let writer = Self { tx, queue, closing: false };
        // What a closure may wait for beside its statements is the runtime's; the statements themselves never wait.
        let runtime = Handle::current();
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || runtime.block_on(writer.run()))
    }

    async fn run(mut self) {
        while !self.closing {
            match self.queue.recv().await {
                Some(Message::Job(job)) => self.group(job).await,
                Some(Message::Close) | None => break,
            }
        }
        // The connection closes with `self`: it copies the log into the file; if that fails the next opening does it.
        self.queue.close();
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
