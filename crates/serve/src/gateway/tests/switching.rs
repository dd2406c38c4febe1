//! Versions that come and go, and model servers that die, under requests that must not notice.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use windlass_data::table::{TableLimits, Values, read_table};

use super::harness::{Behaviour, Place, name, row, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_when_the_version_changes() {
    let place = Place::new();
    let mut server = place.server(0.0);
    place.switch(place.route(1, &server)).await;
    let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let (router, is_over, answered) = (place.router.clone(), Arc::clone(&is_over), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut turn = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let answer = send(&router, row(&format!("{client}-{turn}"), 0.5, 1)).await;
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    // The version that is named is the one that answered.
                    let version: f64 = answer.header("x-model-version").parse().expect("a version");
                    let expected =
                        format!(r#"{{"predictions": [{{"variable": {:?}}}]}}"#, 1.5 + (version - 1.0) * 100.0);
                    assert_eq!(answer.body, expected);
                    answered.fetch_add(1, Ordering::SeqCst);
                    turn += 1;
                }
                turn
            })
        })
        .collect();
    for version in 2..=12 {
        let before = answered.load(Ordering::SeqCst);
        let next = place.server(f64::from(version - 1) * 100.0);
        place.switch(place.route(version, &next)).await;
        // Drained: nobody needs it any more.
        server.kill();
        server = next;
        while answered.load(Ordering::SeqCst) < before + 32 {
            tokio::task::yield_now().await;
        }
    }
    is_over.store(true, Ordering::SeqCst);
    let mut sent = 0;
    for client in clients {
        sent += client.await.expect("no request failed");
    }
    assert_eq!(place.stats().retried, 0);
    // Each is logged, once, under its own name.
    let mut rows = Vec::new();
    for path in place.gateway.close_segments(&name("default"), &name("flights")).await.expect("closed") {
        let table = read_table(&path, None, None, &TableLimits::default()).expect("a table");
        let ids = windlass_data::table::row_ids(&table, &["row_id".to_owned()]).expect("ids");
        rows.extend(ids);
    }
    let all = rows.len();
    rows.sort();
    rows.dedup();
    assert_eq!((all, rows.len()), (sent, sent));
}

#[tokio::test]
async fn a_switch_ends_when_the_last_request_did() {
    let place = Place::new();
    let (old, new) = (place.server(0.0), place.server(100.0));
    place.switch(place.route(1, &old)).await;
    old.behave(Behaviour::Waits);
    let router = place.router.clone();
    let waiting = tokio::spawn(async move { send(&router, row("1", 1.0, 2)).await });
    old.was_asked(1).await;
    let drained = tokio::spawn(place.gateway.switch(place.route(2, &new)).await.expect("switched"));
    assert_eq!(place.send(row("1", 1.0, 2)).await.header("x-model-version"), "2");
    assert!(!drained.is_finished() && !waiting.is_finished());
    old.behave(Behaviour::Answers);
    assert_eq!(waiting.await.expect("answered").header("x-model-version"), "1");
    drained.await.expect("drained");

    place.gateway.remove(&name("default"), &name("flights")).await;
    assert_eq!(place.send(row("1", 1.0, 2)).await.status, 404);
    // Made anew, it has its predictions still.
    place.switch(place.route(3, &new)).await;
    assert_eq!(place.send(row("1", 1.0, 2)).await.header("x-model-version"), "3");
    let files = place.gateway.close_segments(&name("default"), &name("flights")).await.expect("closed");
    let versions = files.iter().map(|path| read_table(path, None, None, &TableLimits::default()).expect("a table"));
    let versions: Vec<_> = versions.map(|table| table.column("model_version").cloned()).collect();
    let of = |versions: &[i64]| Some(Values::Int(versions.iter().copied().map(Some).collect()));
    assert_eq!(versions, [of(&[2, 1]), of(&[3])]);
}

#[tokio::test]
async fn a_model_server_that_dies_is_asked_again_once() {
    let place = Place::new();
    let (poisoned, new) = (place.server(0.0), place.server(100.0));
    place.switch(place.route(1, &poisoned)).await;
    poisoned.behave(Behaviour::Dies);
    let answer = place.send(row("1", 1.0, 2)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!((poisoned.asked.load(Ordering::SeqCst), place.stats().retried), (2, 1));

    // One that dies while it answers, when another has taken over: the other answers.
    poisoned.behave(Behaviour::Waits);
    let router = place.router.clone();
    let waiting = tokio::spawn(async move { send(&router, row("1", 1.0, 2)).await });
    poisoned.was_asked(3).await;
    let drained = place.gateway.switch(place.route(2, &new)).await.expect("switched");
    poisoned.behave(Behaviour::Dies);
    let answer = waiting.await.expect("answered");
    assert_eq!((answer.status, answer.header("x-model-version")), (200, "2"));
    drained.await;

    // One that is gone: whoever asks waits a little for the next.
    new.kill();
    let router = place.router.clone();
    let waiting = tokio::spawn(async move { send(&router, row("1", 1.0, 2)).await });
    while place.stats().retried < 3 {
        tokio::task::yield_now().await;
    }
    let next = place.server(200.0);
    place.switch(place.route(3, &next)).await;
    let answer = waiting.await.expect("answered");
    assert_eq!((answer.status, answer.header("x-model-version")), (200, "3"));
}
