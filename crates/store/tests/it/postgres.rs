//! What only PostgreSQL brings: TLS, and a server that goes away and comes back while everybody writes.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use windlass_store::{Store, StoreError, StoreUrl};
use windlass_testkit::{PrivatePostgres, run};

#[test]
fn a_certificate_is_checked_as_the_url_says() {
    let Some(server) = PrivatePostgres::start() else { return };
    run(async {
        let (right, wrong) = (server.authority(), server.other_authority());
        let with = |mode: &str, root: &Path| server.by_tcp(&format!("sslmode={mode}&sslrootcert={}", root.display()));
        for (url, opens) in [
            (server.by_tcp("sslmode=disable"), true),
            (server.by_tcp("sslmode=require"), true),
            (with("verify-ca", &right), true),
            (with("verify-full", &right), true),
            // The name in the certificate is another one.
            (with("verify-full", &right).replace("@localhost", "@127.0.0.1"), false),
            (with("verify-ca", &wrong), false),
            (with("verify-full", &wrong), false),
            // No authority that this machine trusts.
            (server.by_tcp("sslmode=verify-full"), false),
        ] {
            let opened = Store::open(&StoreUrl::Postgres(url.clone())).await;
            assert_eq!(opened.is_ok(), opens, "{url}: {opened:?}");
            if let Ok(store) = opened {
                store.close().await;
            }
        }
    });
}

/// Adds numbers until told to stop; returns those that were acknowledged. Failures must be plain ones.
async fn write_until(store: Store, task: usize, stop: Arc<AtomicBool>, done: Arc<AtomicUsize>) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let name = format!("{task}/{number}");
        let wanted = name.clone();
        let answer = store
            .write(move |tx| {
                let name = wanted.clone();
                Box::pin(async move {
                    tx.counter_next("all").await?;
                    tx.counter_next(&name).await
                })
            })
            .await;
        match answer {
            Ok(count) => {
                assert_eq!(count, 1, "{name} was written once");
                kept.insert(name);
                done.fetch_add(1, Ordering::SeqCst);
            }
            Err(StoreError::Unreachable(_) | StoreError::Busy) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    kept
}

#[test]
fn a_server_that_crashes_and_restarts_under_load_loses_nothing_that_was_answered() {
    let Some(mut server) = PrivatePostgres::start() else { return };
    run(async {
        let store = Store::open(&StoreUrl::Postgres(server.by_socket())).await.unwrap();
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> =
            (0..4).map(|task| tokio::spawn(write_until(store.clone(), task, stop.clone(), done.clone()))).collect();
        let further = async |more: usize| {
            let goal = done.load(Ordering::SeqCst) + more;
            while done.load(Ordering::SeqCst) < goal {
                assert!(tasks.iter().all(|task| !task.is_finished()), "a writer broke off");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        further(100).await;
        let mut server = tokio::task::spawn_blocking(move || {
            server.crash();
            server
        })
        .await
        .unwrap();
        further(100).await;
        let server = tokio::task::spawn_blocking(move || {
            server.stop();
            server.start_again();
            server
        })
        .await
        .unwrap();
        further(100).await;
        stop.store(true, Ordering::SeqCst);
        let kept: Vec<String> = join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
        for name in &kept {
            let wanted = name.clone();
            let count = store
                .read(move |tx| {
                    let name = wanted.clone();
                    Box::pin(async move { tx.counter_get(&name).await })
                })
                .await
                .unwrap();
            assert_eq!(count, 1, "{name}");
        }
        store.close().await;
        drop(server);
    });
}

#[test]
fn a_server_that_stays_away_is_said_plainly() {
    let Some(mut server) = PrivatePostgres::start() else { return };
    run(async {
        let store = Store::open(&StoreUrl::Postgres(server.by_socket())).await.unwrap();
        let mut server = tokio::task::spawn_blocking(move || {
            server.stop();
            server
        })
        .await
        .unwrap();
        let read = store.read_one(|tx| Box::pin(async move { tx.counter_get("n").await }));
        let write = store.write(|tx| Box::pin(async move { tx.counter_next("n").await }));
        let (read, write) = tokio::join!(read, write);
        assert!(matches!(read, Err(StoreError::Unreachable(_))), "{read:?}");
        assert!(matches!(write, Err(StoreError::Unreachable(_))), "{write:?}");
        let server = tokio::task::spawn_blocking(move || {
            server.start_again();
            server
        })
        .await
        .unwrap();
        store.write(|tx| Box::pin(async move { tx.counter_next("n").await })).await.unwrap();
        drop(server);
    });
}
