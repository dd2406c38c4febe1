//! Whether this server decides, where several share a database.
//!
//! All of them serve and take commands into the inbox; one of them, the leader, decides, carries out and publishes the
//! ledger. It holds a lease in the database and decides under its fence, so that a leader that was frozen or cut off and
//! comes back commits nothing any more. A follower takes the lease once it ran out. Where there is only one server by
//! construction, that one always leads and none of this costs anything.

use std::{
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use windlass_store::{Fence, StoreError, Tx};

use crate::{
    Control, ControlError,
    core::{EndsWithUs, Inner},
};

/// How often a follower asks for the lease.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How often a leader looks at what other servers took in.
pub(crate) const LOOK_ELSEWHERE: Duration = Duration::from_millis(250);

/// Name of the counter of changes of the manifests.
pub(crate) const APPLIED: &str = "applied";

/// As whom a server asks for the lease.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name: the same at each start over a data folder, of which there is one server at a time.
    pub holder: String,
    /// Where others can reach it.
    pub address: String,
    /// How long the lease holds without being renewed: what a takeover takes at most, but for a second.
    pub term: Duration,
}

/// What this server knows about leading.
#[derive(Default)]
pub(crate) struct Leading {
    /// Set once, before anything moves; unset where this is the only server.
    candidate: OnceLock<Candidate>,
    fence: Mutex<Option<Fence>>,
    lost: Notify,
    /// The counter of changes of the manifests when it was looked at last.
    applied: AtomicU64,
}

impl Leading {
    fn fence(&self) -> MutexGuard<'_, Option<Fence>> {
        // Nothing panics while it is held; were it so, the value is still whole.
        self.fence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.candidate.get().is_some()
    }

    /// Returns once the lease is lost.
    pub(crate) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Control {
    /// Shares the database with other servers; once, and before [`Control::run`], which from then on waits until this
    /// server leads, and ends with [`StoreError::Fenced`] when another does.
    pub fn share(&self, candidate: Candidate) {
        let _ = self.inner.leading.candidate.set(candidate);
    }

    /// Returns whether this server decides.
    pub fn leads(&self) -> bool {
        !self.inner.leading.is_shared() || self.inner.leading.fence().is_some()
    }

    /// Returns the address of the server that decides, where several share the database and one of them does.
    pub async fn leader(&self) -> Result<Option<String>, ControlError> {
        if !self.inner.leading.is_shared() {
            return Ok(None);
        }
        let leader = self.inner.store.read(|tx| Box::pin(tx.leader())).await?;
        Ok(leader.filter(|leader| leader.is_current).map(|leader| leader.address))
    }

    /// Returns the fence to write under; none where there is no other server.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where another server leads.
    pub fn fence(&self) -> Result<Option<Fence>, StoreError> {
        self.inner.fence()
    }

    /// Waits until this server leads, and keeps it so until what is returned goes; `None` where it is told to stop first.
    pub(crate) async fn lead(&self) -> Result<Option<EndsWithUs>, ControlError> {
        let Some(candidate) = self.inner.leading.candidate.get() else {
            return Ok(Some(EndsWithUs::nothing()));
        };
        let mut told = false;
        let fence = loop {
            if self.inner.stopping.load(Ordering::SeqCst) {
                return Ok(None);
            }
            let asked = candidate.clone();
            let taken = self
                .inner
                .store
                .write(move |tx| {
                    let Candidate { holder, address, term } = asked.clone();
                    Box::pin(async move { tx.lease_take(&holder, &address, term).await })
                })
                .await?;
            if let Some(fence) = taken {
                break fence;
            }
            if !std::mem::replace(&mut told, true) {
                self.inner.tell("another server leads; this one serves, and takes over when that ends".to_owned());
                // Steps of a process before this one run elsewhere by now; here they are nobody's.
                self.inner.executor.recover(Vec::new(), Vec::new()).await;
            }
            self.follow().await?;
            tokio::select! {
                () = self.inner.wake.notified() => {}
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
        };
        *self.inner.leading.fence() = Some(fence);
        if told {
            self.inner.tell("this server leads now".to_owned());
        }
        // What is remembered was read as a follower, or before another server led.
        self.look_elsewhere(true).await?;
        Ok(Some(EndsWithUs::spawn(renew(self.clone(), fence, candidate.term))))
    }

    /// Takes note of what a follower should know: which endpoints there are, to ask for patience rather than deny them.
    async fn follow(&self) -> Result<(), ControlError> {
        let applied = self.inner.store.read_one(|tx| Box::pin(tx.counter_get(APPLIED))).await?;
        if self.inner.leading.applied.swap(applied, Ordering::SeqCst) != applied {
            self.expect_endpoints().await?;
        }
        Ok(())
    }

    /// Takes note that this server does not lead any more.
    pub(crate) fn lead_no_more(&self) {
        *self.inner.leading.fence() = None;
    }

    /// Lets the lease go at the end, so that another server need not wait until it runs out.
    pub async fn let_go(&self) {
        let fence = self.inner.leading.fence().take();
        if let Some(fence) = fence {
            let released = self.inner.store.write(move |tx| Box::pin(tx.lease_release(fence))).await;
            if let Err(error) = released {
                tracing::warn!("the lease runs out by itself: {}", crate::chain(&error));
            }
        }
    }

    /// Takes note of manifests that other servers changed, or of all with `anyway`.
    pub(crate) async fn look_elsewhere(&self, anyway: bool) -> Result<(), ControlError> {
        let leading = &self.inner.leading;
        if !leading.is_shared() {
            return Ok(());
        }
        let applied = self.inner.store.read_one(|tx| Box::pin(tx.counter_get(APPLIED))).await?;
        if leading.applied.swap(applied, Ordering::SeqCst) != applied || anyway {
            self.objects_changed().await?;
        }
        Ok(())
    }
}

impl Inner {
    pub(crate) fn fence(&self) -> Result<Option<Fence>, StoreError> {
        match *self.leading.fence() {
            Some(fence) => Ok(Some(fence)),
            None if self.leading.is_shared() => Err(StoreError::Fenced),
            None => Ok(None),
        }
    }

    /// As `store.write`, for what only the one that decides may write.
    pub(crate) async fn decide<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        self.store.write_under(self.fence()?, work).await
    }
}

async fn renew(control: Control, fence: Fence, term: Duration) {
    loop {
        tokio::time::sleep(term / 4).await;
        match control.inner.store.write(move |tx| Box::pin(tx.lease_renew(fence, term))).await {
            Ok(()) => {}
            Err(StoreError::Fenced) => {
                control.lead_no_more();
                control.inner.leading.lost.notify_one();
                return;
            }
            // As long as nobody else takes it, it is ours; who could not be asked did not.
            Err(error) => tracing::warn!("the lease was not renewed: {}", crate::chain(&error)),
        }
    }
}
