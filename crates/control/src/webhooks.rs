//! Tells webhooks what changed in the registry: at least once each, in the background.
//!
//! Deliveries lie in the store, written with the change they tell of. This task takes those that are due, hands each to a
//! [`Courier`], and takes it out of the store once it was taken, refused for good, or tried often enough. A receiver that
//! does not answer holds up only its own deliveries, since each webhook has a few hands at most; and nothing else waits
//! for any of this: deliveries do not count when it is asked whether all is idle. An orderly stop lets those that were
//! never tried go out first, within [`STOP_PATIENCE`]; what is left goes out after the next start.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::task::JoinSet;
use windlass_kinds::{
    Micros,
    record::{Webhook, WebhookDelivery},
};
use windlass_store::StoreError;

use crate::{Control, chain};

/// How many deliveries are under way at the same time.
const AT_ONCE: usize = 32;

/// How many of them go to one webhook.
const AT_ONCE_EACH: usize = 4;

/// How often the store is asked though nobody said that something is in it: another server may have put it there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The waits after failed tries, in seconds. After the last of them the delivery is given up: all in all 8 tries within
/// an hour and three quarters.
const WAITS: [u64; 7] = [1, 5, 30, 120, 600, 1800, 3600];

/// The longest wait that a receiver can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How long a stop waits for deliveries that were never tried.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// What became of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The receiver took it.
    Taken,
    /// It will never be taken: the reason, in one line for people, without secrets.
    Refused(String),
    /// It may be taken another time: the reason, and how long the receiver asked to wait.
    Later(String, Option<Duration>),
}

/// Carries deliveries to their receivers.
#[async_trait]
pub trait Courier: Send + Sync {
    /// Tries once to deliver. Takes no longer than half a minute.
    async fn deliver(&self, webhook: &Webhook, delivery: &WebhookDelivery, now: Micros) -> Delivered;
}

/// What is to be done with a delivery after a try.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// It is over; where it failed, what to tell people.
    Done(Option<String>),
    /// It is tried again then, having been tried so often.
    Again(u32, Micros),
}

/// Decides what follows a try.
fn next(outcome: Delivered, tries: u32, now: Micros) -> Next {
    match outcome {
        Delivered::Taken => Next::Done(None),
        Delivered::Refused(reason) => Next::Done(Some(reason)),
        Delivered::Later(reason, asked) => {
            let done = usize::try_from(tries).unwrap_or(usize::MAX);
            let Some(wait) = WAITS.get(done) else {
                return Next::Done(Some(format!("{reason}; given up after {} tries", WAITS.len() + 1)));
            };
            let wait = Duration::from_secs(*wait).max(asked.unwrap_or_default().min(LONGEST_WAIT));
            Next::Again(tries.saturating_add(1), now.plus(wait))
        }
    }
}

/// The deliveries under way.
#[derive(Default)]
struct InHand {
    places: HashMap<i64, String>,
}

impl InHand {
    fn of(&self, webhook: &str) -> usize {
        self.places.values().filter(|held| *held == webhook).count()
    }

    /// Returns the webhooks to which no more may be under way.
    fn full(&self) -> Vec<String> {
        let mut full: Vec<String> =
            self.places.values().filter(|webhook| self.of(webhook) >= AT_ONCE_EACH).cloned().collect();
        full.sort();
        full.dedup();
        full
    }
}

/// Runs until the task is ended.
pub(crate) async fn run(control: Control) {
    let Some(courier) = control.inner.courier.get().cloned() else { return };
    let mut in_hand = InHand::default();
    let mut under_way = JoinSet::new();
    loop {
        let wait = match take(&control, &courier, &mut in_hand, &mut under_way).await {
            Ok(next) => next.map_or(LOOK_EVERY, |at| at.since(control.inner.clock.now())),
            Err(error) => {
                control.inner.notice(format!("webhooks wait for the store: {}", chain(&error)));
                LOOK_EVERY
            }
        };
        tokio::select! {
            Some(ended) = under_way.join_next(), if !under_way.is_empty() => {
                let (place, outcome) = match ended {
                    Ok(ended) => ended,
                    // A mistake of ours in one delivery: all places are asked for anew, those under way too.
                    Err(error) => {
                        control.inner.notice(format!("a webhook's delivery broke off: {error}"));
                        under_way.shutdown().await;
                        in_hand = InHand::default();
                        tokio::time::sleep(LOOK_EVERY).await;
                        continue;
                    }
                };
                let webhook = in_hand.places.get(&place).cloned().unwrap_or_default();
                if let Err(error) = settle(&control, place, &webhook, outcome).await {
                    // It stays due and is delivered once more under the same id.
                    control.inner.notice(format!("a webhook's delivery waits for the store: {}", chain(&error)));
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                in_hand.places.remove(&place);
            }
            () = control.inner.deliver.notified() => {}
            () = tokio::time::sleep(wait.clamp(Duration::from_millis(10), LOOK_EVERY)) => {}
        }
    }
}

/// Begins what is due; returns when the next delivery is.
async fn take(
    control: &Control,
    courier: &Arc<dyn Courier>,
    in_hand: &mut InHand,
    under_way: &mut JoinSet<(i64, (u32, Delivered))>,
) -> Result<Option<Micros>, StoreError> {
    let now = control.inner.clock.now();
    let next = control.inner.store.read_one(|tx| Box::pin(async move { tx.webhook_deliveries_next().await })).await?;
    let Some(first) = next else { return Ok(None) };
    if first > now {
        return Ok(Some(first));
    }
    let room = AT_ONCE.saturating_sub(in_hand.places.len());
    if room == 0 {
        return Ok(None);
    }
    let (full, places): (Vec<String>, Vec<i64>) = (in_hand.full(), in_hand.places.keys().copied().collect());
    let limit = u32::try_from(room).unwrap_or(u32::MAX);
    let due = control
        .inner
        .store
        .read(move |tx| {
            let (full, places) = (full.clone(), places.clone());
            Box::pin(async move { tx.webhook_deliveries_due(now, &full, &places, limit).await })
        })
        .await?;
    for (delivery, webhook) in due {
        if in_hand.of(&webhook.id) >= AT_ONCE_EACH {
            continue;
        }
        in_hand.places.insert(delivery.place, webhook.id.clone());
        let courier = courier.clone();
        under_way.spawn(async move {
            let outcome = courier.deliver(&webhook, &delivery, now).await;
            (delivery.place, (delivery.tries, outcome))
        });
    }
    Ok(None)
}

/// Writes what follows a try.
async fn settle(
    control: &Control,
    place: i64,
    webhook: &str,
    (tries, outcome): (u32, Delivered),
) -> Result<(), StoreError> {
    let next = next(outcome, tries, control.inner.clock.now());
    if let Next::Done(Some(reason)) = &next {
        control.inner.notice(format!("webhook {webhook} was not told of a change: {reason}"));
    }
    control
        .inner
        .store
        .write(move |tx| {
            let next = next.clone();
            Box::pin(async move {
                match next {
                    Next::Done(_) => tx.webhook_delivery_done(place).await,
                    Next::Again(tries, due) => tx.webhook_delivery_later(place, tries, due).await,
                }
            })
        })
        .await
}

impl Control {
    /// Sets who carries deliveries to webhooks; once, and before [`Control::run`].
    pub fn deliver_by(&self, courier: Arc<dyn Courier>) {
        let _ = self.inner.courier.set(courier);
    }

    /// Has deliveries looked for at once.
    pub fn webhooks_moved(&self) {
        self.inner.deliver.notify_one();
    }

    /// Waits until every delivery was tried once, or for [`STOP_PATIENCE`].
    pub(crate) async fn deliveries_out(&self) {
        if self.inner.courier.get().is_none() {
            return;
        }
        self.webhooks_moved();
        let gone = async {
            let untried =
                || self.inner.store.read_one(|tx| Box::pin(async move { tx.webhook_deliveries_untried().await }));
            while let Ok(true) = untried().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(STOP_PATIENCE, gone).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = Micros(1_000_000);

    #[test]
    fn tries_grow_apart_and_end() {
        let later = |tries, asked: Option<u64>| {
            next(Delivered::Later("503".to_owned(), asked.map(Duration::from_secs)), tries, NOW)
        };
        for (tries, asked, seconds) in
            [(0, None, 1), (1, None, 5), (1, Some(2), 5), (1, Some(60), 60), (0, Some(100_000), 3600), (6, None, 3600)]
        {
            let expected = Next::Again(tries + 1, NOW.plus(Duration::from_secs(seconds)));
            assert_eq!(later(tries, asked), expected, "{tries} {asked:?}");
        }
        assert_eq!(later(7, None), Next::Done(Some("503; given up after 8 tries".to_owned())));
        assert_eq!(next(Delivered::Taken, 3, NOW), Next::Done(None));
        assert_eq!(next(Delivered::Refused("400".to_owned()), 0, NOW), Next::Done(Some("400".to_owned())));
    }

    #[test]
    fn one_webhook_has_few_hands() {
        let mut in_hand = InHand::default();
        for place in 0..4 {
            in_hand.places.insert(place, "slow".to_owned());
        }
        in_hand.places.insert(9, "other".to_owned());
        assert_eq!(in_hand.full(), ["slow"]);
        assert_eq!((in_hand.of("slow"), in_hand.of("other"), in_hand.of("none")), (4, 1, 0));
    }
}
