//! The attempts this process looks after, and wishes that they end.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use windlass_kinds::AttemptId;

use crate::step::{StopReason, StopRequest};

/// All attempts that began here or were adopted and whose end is not reported yet.
#[derive(Default)]
pub(super) struct Table {
    state: Mutex<State>,
    /// How many ends are not reported yet; who waits for all to end watches this.
    unreported: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    attempts: HashMap<AttemptId, watch::Sender<Option<StopRequest>>>,
    /// The wish that everything end; it holds for what enters later, too.
    stopping: Option<StopRequest>,
}

/// The end of a wish at which an attempt's task listens.
pub(super) struct Handle(watch::Receiver<Option<StopRequest>>);

impl Handle {
    /// Returns once the attempt is asked to end; never where it is not.
    pub(super) async fn asked_to_end(&self) -> StopRequest {
        let mut wishes = self.0.clone();
        match wishes.wait_for(Option::is_some).await.map(|wish| *wish) {
            Ok(Some(request)) => request,
            // The table let go of the attempt: nobody will ask.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; were it so, the map is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an attempt in; `None` where it is in already.
    pub(super) fn enter(&self, attempt: &AttemptId) -> Option<Handle> {
        let mut state = self.lock();
        if state.attempts.contains_key(attempt) {
            return None;
        }
        let (sender, receiver) = watch::channel(state.stopping);
        state.attempts.insert(attempt.clone(), sender);
        self.unreported.send_modify(|count| *count += 1);
        Some(Handle(receiver))
    }

    /// Lets an attempt go; [`Table::reported`] follows.
    pub(super) fn leave(&self, attempt: &AttemptId) {
        self.lock().attempts.remove(attempt);
    }

    /// Takes note that the end of an attempt that left is reported.
    pub(super) fn reported(&self) {
        self.unreported.send_modify(|count| *count = count.saturating_sub(1));
    }

    /// Returns whether an attempt is looked after.
    pub(super) fn is_known(&self, attempt: &AttemptId) -> bool {
        self.lock().attempts.contains_key(attempt)
    }

    /// Returns whether everything is being ended, so that nothing new may begin.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping.is_some()
    }

    /// Asks an attempt to end; the first reason stands.
    pub(super) fn ask_to_end(&self, attempt: &AttemptId, request: StopRequest) {
        if let Some(wish) = self.lock().attempts.get(attempt) {
            ask(wish, request);
        }
    }

    /// Asks all attempts to end, lets none begin from now on, and returns when all ends are reported.
    pub(super) async fn interrupt_all(&self, request: StopRequest) {
        let mut unreported = self.unreported.subscribe();
        {
            let mut state = self.lock();
            state.stopping.get_or_insert(request);
            for wish in state.attempts.values() {
                ask(wish, request);
            }
        }
        // The sender lives as long as we do.
        let _ = unreported.wait_for(|&count| count == 0).await;
    }
}

fn ask(wish: &watch::Sender<Option<StopRequest>>, request: StopRequest) {
    wish.send_if_modified(|wish| match wish {
        None => {
            *wish = Some(request);
            true
        }
        // The end is under way; a second TERM would say nothing new.
        Some(StopRequest { reason: StopReason::Cancelled | StopReason::Interrupted, .. }) => false,
    });
}
