//! Who decides: one at a time, by the database's clock, and nobody who lost the lease commits anything.

use std::time::Duration;

use windlass_store::{Fence, Leader, Store, StoreError};
use windlass_testkit::store_tests;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);

async fn take(store: &Store, holder: &'static str, term: Duration) -> Option<Fence> {
    let taken = store.write(move |tx| Box::pin(async move { tx.lease_take(holder, "here:1", term).await }));
    taken.await.unwrap()
}

async fn decide(store: &Store, fence: Fence) -> Result<u64, StoreError> {
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.fence(fence).await?;
                tx.counter_next("decisions").await
            })
        })
        .await
}

async fn renew(store: &Store, fence: Fence, term: Duration) -> Result<(), StoreError> {
    store.write(move |tx| Box::pin(async move { tx.lease_renew(fence, term).await })).await
}

async fn leader(store: &Store) -> Option<Leader> {
    store.read(|tx| Box::pin(async move { tx.leader().await })).await.unwrap()
}

store_tests! {
    async fn one_holds_it_until_it_runs_out(store) {
        assert_eq!(leader(&store).await, None);
        let first = take(&store, "one", LONG).await.unwrap();
        assert_eq!(take(&store, "other", LONG).await, None);
        assert_eq!(decide(&store, first).await.unwrap(), 1);
        let seen = leader(&store).await.unwrap();
        assert_eq!((seen.holder.as_str(), seen.address.as_str(), seen.epoch), ("one", "here:1", 1));
        assert!(seen.is_current && seen.since.0 > 0);

        // Run out and not taken it goes on; taken by another it does not.
        renew(&store, first, Duration::ZERO).await.unwrap();
        assert!(!leader(&store).await.unwrap().is_current);
        assert_eq!(decide(&store, first).await.unwrap(), 2);
        renew(&store, first, Duration::ZERO).await.unwrap();
        let second = take(&store, "other", LONG).await.unwrap();
        assert!(matches!(decide(&store, first).await, Err(StoreError::Fenced)));
        assert!(matches!(renew(&store, first, LONG).await, Err(StoreError::Fenced)));
        assert_eq!(decide(&store, second).await.unwrap(), 3);
        assert_eq!(leader(&store).await.unwrap().epoch, 2);
    }

    async fn its_holder_started_anew_need_not_wait_and_one_that_ends_lets_it_go(store) {
        let before = take(&store, "one", LONG).await.unwrap();
        let again = take(&store, "one", LONG).await.unwrap();
        assert!(matches!(decide(&store, before).await, Err(StoreError::Fenced)));
        assert_eq!(decide(&store, again).await.unwrap(), 1);
        // Too late: it is another's by now.
        store.write(move |tx| Box::pin(async move { tx.lease_release(before).await })).await.unwrap();
        assert_eq!(take(&store, "other", LONG).await, None);
        store.write(move |tx| Box::pin(async move { tx.lease_release(again).await })).await.unwrap();
        assert!(take(&store, "other", LONG).await.is_some());
    }

    async fn of_many_that_want_it_one_gets_it(store) {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let takers = names.map(|name| {
            let store = store.clone();
            async move { take(&store, name, LONG).await }
        });
        let taken = futures_util::future::join_all(takers).await;
        assert_eq!(taken.iter().flatten().count(), 1, "{taken:?}");
    }

    async fn a_decision_under_way_is_seen_by_the_next_holder(store) {
        let first = take(&store, "one", Duration::ZERO).await.unwrap();
        let (begun, has_begun) = tokio::sync::watch::channel(false);
        let slow = tokio::spawn({
            let store = store.clone();
            async move {
                store
                    .write(move |tx| {
                        let begun = begun.clone();
                        Box::pin(async move {
                            tx.fence(first).await?;
                            let _ = begun.send(true);
                            tokio::time::sleep(Duration::from_millis(100)).await;
                            tx.counter_next("decisions").await
                        })
                    })
                    .await
            }
        });
        let mut has_begun = has_begun;
        has_begun.wait_for(|begun| *begun).await.unwrap();
        // The lease ran out at once, and yet it changes hands only once the decision is written.
        take(&store, "other", LONG).await.unwrap();
        let seen = store.read(|tx| Box::pin(async move { tx.counter_get("decisions").await })).await.unwrap();
        assert_eq!(seen, 1);
        assert_eq!(slow.await.unwrap().unwrap(), 1);
    }
}
