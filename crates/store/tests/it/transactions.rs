//! What a transaction promises.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use futures_util::future::join_all;
use windlass_store::{Store, StoreError};
use windlass_testkit::store_tests;

async fn get(store: &Store, name: &'static str) -> u64 {
    store.read(move |tx| Box::pin(async move { tx.counter_get(name).await })).await.unwrap()
}

store_tests! {
    async fn a_failed_write_leaves_nothing(store) {
        let answer = store
            .write(|tx| {
                Box::pin(async move {
                    tx.counter_next("a").await?;
                    Err::<(), _>(StoreError::not_found("the moon"))
                })
            })
            .await;
        assert!(matches!(answer, Err(StoreError::NotFound { .. })), "{answer:?}");
        assert_eq!(get(&store, "a").await, 0);
    }

    async fn members_of_a_group_do_not_share_their_failures(store) {
        let writes = (0..200_u32).map(|number| {
            let store = store.clone();
            async move {
                store
                    .write(move |tx| {
                        Box::pin(async move {
                            tx.counter_next("all").await?;
                            tx.counter_next(if number % 3 == 0 { "lost" } else { "kept" }).await?;
                            if number % 3 == 0 { Err(StoreError::conflict("on purpose")) } else { Ok(()) }
                        })
                    })
                    .await
            }
        });
        let answers = join_all(writes).await;
        let failed = answers.iter().filter(|answer| answer.is_err()).count();
        assert_eq!(failed, 67);
        assert_eq!(get(&store, "all").await, 133);
        assert_eq!(get(&store, "kept").await, 133);
        assert_eq!(get(&store, "lost").await, 0);
    }

    async fn reading_and_writing_back_loses_no_update(store) {
        let writes = (0..60).map(|_| {
            let store = store.clone();
            async move {
                store
                    .write(|tx| {
                        Box::pin(async move {
                            let seen: u32 = tx.meta_get("sum").await?.map_or(0, |text| text.parse().unwrap());
                            tx.meta_set("sum", &(seen + 1).to_string()).await
                        })
                    })
                    .await
                    .unwrap();
            }
        });
        join_all(writes).await;
        let sum = store.read(|tx| Box::pin(async move { tx.meta_get("sum").await })).await.unwrap();
        assert_eq!(sum.as_deref(), Some("60"));
    }

    async fn a_read_sees_one_moment(store) {
        let inner = store.clone();
        store.write(|tx| Box::pin(async move { tx.counter_next("n").await })).await.unwrap();
        let (before, after) = store
            .read(move |tx| {
                let inner = inner.clone();
                Box::pin(async move {
                    let before = tx.counter_get("n").await?;
                    inner.write(|tx| Box::pin(async move { tx.counter_next("n").await })).await?;
                    Ok((before, tx.counter_get("n").await?))
                })
            })
            .await
            .unwrap();
        assert_eq!((before, after), (1, 1));
        assert_eq!(get(&store, "n").await, 2);
    }

    async fn one_statement_reads_what_was_answered_before(store) {
        for expected in 1..=3 {
            store.write(|tx| Box::pin(async move { tx.counter_next("n").await })).await.unwrap();
            let read = store.read_one(|tx| Box::pin(async move { tx.counter_get("n").await }));
            assert_eq!(read.await.unwrap(), expected);
        }
    }

    async fn two_statements_are_not_one(store) {
        let inner = store.clone();
        let task = tokio::spawn(async move {
            inner
                .read_one(|tx| Box::pin(async move { Ok((tx.counter_get("n").await?, tx.counter_get("n").await?)) }))
                .await
        });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(get(&store, "n").await, 0);
    }

    async fn a_read_cannot_write(store) {
        let answer = store.read(|tx| Box::pin(async move { tx.counter_next("n").await })).await;
        assert!(matches!(answer, Err(StoreError::ReadOnly)), "{answer:?}");
    }

    async fn a_panic_stays_with_its_caller(store) {
        let inner = store.clone();
        let task = tokio::spawn(async move {
            inner.write(|_| Box::pin(async move { panic!("a mistake in a closure") })).await.map(|(): ()| ())
        });
        assert!(task.await.unwrap_err().is_panic());
        store.write(|tx| Box::pin(async move { tx.counter_next("n").await })).await.unwrap();
    }

    async fn a_caller_that_goes_away_does_not_tear_a_write(store) {
        let begun = Arc::new(AtomicU32::new(0));
        for _ in 0..20 {
            let (inner, seen) = (store.clone(), begun.clone());
            let task = tokio::spawn(async move {
                inner
                    .write(move |tx| {
                        let seen = seen.clone();
                        Box::pin(async move {
                            seen.fetch_add(1, Ordering::SeqCst);
                            tx.counter_next("left").await?;
                            tx.counter_next("right").await
                        })
                    })
                    .await
            });
            tokio::task::yield_now().await;
            task.abort();
        }
        store.write(|tx| Box::pin(async move { tx.counter_next("end").await })).await.unwrap();
        let read = store.read(|tx| Box::pin(async move { Ok((tx.counter_get("left").await?, tx.counter_get("right").await?)) }));
        let (left, right) = read.await.unwrap();
        assert_eq!(left, right);
    }

    async fn a_write_in_place_keeps_what_a_write_promises(store) {
        store.write_here(|tx| Box::pin(async move { tx.counter_next("n").await })).await.unwrap();
        assert_eq!(get(&store, "n").await, 1);
        let failed = store
            .write_here(|tx| {
                Box::pin(async move {
                    tx.counter_next("n").await?;
                    Err::<(), _>(StoreError::conflict("on purpose"))
                })
            })
            .await;
        assert!(matches!(failed, Err(StoreError::Conflict { .. })), "{failed:?}");
        let inner = store.clone();
        let task = tokio::spawn(async move {
            let write = inner.write_here(|tx| {
                Box::pin(async move {
                    tx.counter_next("n").await?;
                    panic!("a mistake in a closure")
                })
            });
            write.await.map(|(): ()| ())
        });
        assert!(task.await.unwrap_err().is_panic());
        // What waits for anything else is begun here and carried out by the writer, once.
        let waiting = store.write_here(|tx| {
            Box::pin(async move {
                tx.counter_next("n").await?;
                tokio::task::yield_now().await;
                tx.counter_next("n").await
            })
        });
        waiting.await.unwrap();
        assert_eq!(get(&store, "n").await, 3);
        store.close().await;
        let closed = store.write_here(|tx| Box::pin(async move { tx.counter_next("n").await })).await;
        assert!(matches!(closed, Err(StoreError::Closed)), "{closed:?}");
    }

    async fn writes_in_place_and_handed_over_lose_nothing_to_each_other(store) {
        let writes = (0..40).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..5 {
                    match number % 2 {
                        0 => store.write_here(|tx| Box::pin(async move { tx.counter_next("n").await })).await.unwrap(),
                        _ => store.write(|tx| Box::pin(async move { tx.counter_next("n").await })).await.unwrap(),
                    };
                }
            })
        });
        join_all(writes).await.into_iter().for_each(|task| task.unwrap());
        assert_eq!(get(&store, "n").await, 200);
    }

    async fn a_nul_in_text_is_refused(store) {
        let answer = store.write(|tx| Box::pin(async move { tx.meta_set("a", "b\0c").await })).await;
        assert!(matches!(answer, Err(StoreError::Invalid { .. })), "{answer:?}");
    }

    async fn a_closed_store_says_so(store) {
        store.close().await;
        let write = store.write(|tx| Box::pin(async move { tx.counter_next("n").await })).await;
        assert!(matches!(write, Err(StoreError::Closed)), "{write:?}");
        let read = store.read(|tx| Box::pin(async move { tx.counter_get("n").await })).await;
        assert!(matches!(read, Err(StoreError::Closed)), "{read:?}");
    }

    async fn what_was_written_is_there_when_opened_again(store) {
        store.write(|tx| Box::pin(async move { tx.counter_next("n").await })).await.unwrap();
        store.close().await;
        let again = Store::open(store.url()).await.unwrap();
        assert_eq!(get(&again, "n").await, 1);
    }
}
