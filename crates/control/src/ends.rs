//! Ends of attempts on their way from an executor to the decision about them.
//!
//! An end is kept twice before it is acknowledged: by the executor, until it is told to forget the attempt, and in the
//! inbox. While the deciding task runs it takes ends at first hand and writes the inbox's row in the transaction that
//! answers it: the same rows, in one commit instead of two. Whatever it does not take (it stops, it is in trouble, it
//! knows no such attempt) goes into the inbox first, as any other event does.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{Notify, oneshot};
use windlass_kinds::{AttemptId, record::AttemptResult};

/// An end that waits for the deciding task.
pub(crate) struct Arrival {
    pub(crate) attempt: AttemptId,
    pub(crate) result: AttemptResult,
    /// Told when the end is on disk with its answer; dropped where it was not taken.
    pub(crate) taken: oneshot::Sender<()>,
}

/// All ends that were reported and are not on disk yet.
#[derive(Default)]
pub(crate) struct Ends {
    under_way: AtomicU64,
    none: Notify,
    /// Those for the deciding task; `None` while it does not run.
    waiting: Mutex<Option<Vec<Arrival>>>,
    arrived: Notify,
}

impl Ends {
    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Arrival>>> {
        // Nothing panics while it is held; were it so, the list is still whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that an end is under way.
    pub(crate) fn begun(&self) {
        self.under_way.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes note that an end that was under way is on disk.
    pub(crate) fn settled(&self) {
        if self.under_way.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.none.notify_waiters();
        }
    }

    /// Returns once no end is under way.
    pub(crate) async fn all_settled(&self) {
        loop {
            let none = self.none.notified();
            if self.under_way.load(Ordering::SeqCst) == 0 {
                return;
            }
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), none).await;
        }
    }

    /// Offers an end to the deciding task; returns whether it took it.
    pub(crate) async fn offer(&self, attempt: &AttemptId, result: &AttemptResult) -> bool {
        let (taken, answer) = oneshot::channel();
        match &mut *self.waiting() {
            Some(waiting) => waiting.push(Arrival { attempt: attempt.clone(), result: result.clone(), taken }),
            None => return false,
        }
        self.arrived.notify_one();
        answer.await.is_ok()
    }

    /// Begins to take ends, until what is returned goes.
    pub(crate) fn open(&self) -> Open<'_> {
        *self.waiting() = Some(Vec::new());
        Open(self)
    }

    /// Takes no more ends, and turns away those that wait.
    pub(crate) fn close(&self) {
        *self.waiting() = None;
    }

    /// Takes the ends that wait.
    pub(crate) fn take(&self) -> Vec<Arrival> {
        self.waiting().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Returns once an end was offered since this returned last.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }
}

/// Ends are taken while this is held.
pub(crate) struct Open<'a>(&'a Ends);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use windlass_kinds::record::{AttemptEnd, Usage};

    use super::*;

    fn end() -> (AttemptId, AttemptResult) {
        let result = AttemptResult { end: AttemptEnd::Succeeded, outputs: Default::default(), usage: Usage::default() };
        (AttemptId::new("a"), result)
    }

    #[tokio::test]
    async fn an_end_is_taken_or_turned_away_and_never_kept_waiting() {
        let ends = Ends::default();
        let (attempt, result) = end();
        assert!(!ends.offer(&attempt, &result).await, "nobody decides");
        let open = ends.open();
        let decide = async {
            ends.arrived().await;
            ends.take().into_iter().for_each(|arrival| arrival.taken.send(()).unwrap());
        };
        let (taken, ()) = tokio::join!(ends.offer(&attempt, &result), decide);
        assert!(taken);
        let fail = async {
            ends.arrived().await;
            drop(ends.take());
        };
        let (taken, ()) = tokio::join!(ends.offer(&attempt, &result), fail);
        assert!(!taken, "the decision failed");
        let stop = async {
            ends.arrived().await;
            drop(open);
        };
        let (taken, ()) = tokio::join!(ends.offer(&attempt, &result), stop);
        assert!(!taken, "nobody decides any more");
    }
}
