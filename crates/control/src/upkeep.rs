//! Lets go of what nobody asks for any more: answered events and carried-out actions.
//!
//! Their identities are what makes a repetition have no effect, so they are kept for as long as anybody may repeat
//! something. What is decided from them lies in other records, which stay.

use std::time::Duration;

use windlass_store::StoreError;

use crate::Control;

/// How long answered events are kept, unless it is said otherwise: whoever delivers at least once gives up sooner.
pub(crate) const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

/// How often it is looked whether something may go.
const EVERY: Duration = Duration::from_secs(3600);

/// How many rows of each queue go in one transaction: few enough that nobody waits for it.
const AT_ONCE: u32 = 500;

/// The pause between two transactions.
const BREATH: Duration = Duration::from_millis(50);

impl Control {
    /// Sets how long answered events and carried-out actions are kept, and with them the time within which a repeated event
    /// has no effect; once, and before [`Control::run`].
    pub fn keep_answered(&self, span: Duration) {
        let _ = self.inner.keep_answered.set(span);
    }

    /// Removes what was answered longer ago than it is kept.
    async fn let_answered_go(&self) -> Result<(), StoreError> {
        let keep = self.inner.keep_answered.get().copied().unwrap_or(KEEP);
        let now = self.inner.clock.now();
        // A row is as old as the mark before it at least, and no older than by one more span between marks.
        let span = EVERY.min(keep);
        self.inner.decide(move |tx| Box::pin(tx.queues_mark(now, span))).await?;
        let before = windlass_kinds::Micros(now.0.saturating_sub(i64::try_from(keep.as_micros()).unwrap_or(i64::MAX)));
        loop {
            let gone = self.inner.decide(move |tx| Box::pin(tx.queues_prune(before, AT_ONCE))).await?;
            if gone < u64::from(AT_ONCE) {
                return Ok(());
            }
            tokio::time::sleep(BREATH).await;
        }
    }
}

/// Runs until the task is ended.
pub(crate) async fn run(control: Control) {
    loop {
        if let Err(error) = control.let_answered_go().await {
            tracing::warn!("answered events wait to be removed: {}", crate::chain(&error));
        }
        tokio::time::sleep(EVERY).await;
    }
}
