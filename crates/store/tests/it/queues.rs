//! The queues forget what is done long enough, and until then a repetition has no effect.

use std::time::Duration;

use serde_json::Map;
use windlass_kinds::{
    AttemptId, Micros, Name,
    record::{Action, ActionBody, Actor, Event, EventBody},
};
use windlass_store::Store;
use windlass_testkit::store_tests;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn project() -> Name {
    "default".parse().unwrap()
}

fn event(number: u32) -> Event {
    let body = EventBody::Start { pipeline: "train".parse().unwrap(), parameters: Map::new() };
    Event::new(project(), format!("start/{number}"), Actor::system(), body, Micros(1))
}

fn action(number: u32) -> Action {
    let body = ActionBody::StopAttempt { attempt: AttemptId::new(number.to_string()) };
    Action { key: format!("stop/{number}"), project: project(), body }
}

/// Puts an event and an action in; returns whether each was new.
async fn push(store: &Store, number: u32) -> (bool, bool) {
    let pushed = store.write(move |tx| {
        Box::pin(async move { Ok((tx.inbox_push(&event(number)).await?, tx.outbox_push(&action(number)).await?)) })
    });
    pushed.await.unwrap()
}

async fn done(store: &Store, number: u32) {
    let done = store.write(move |tx| {
        Box::pin(async move {
            tx.inbox_done(&event(number).id).await?;
            tx.outbox_done(&action(number).key).await
        })
    });
    done.await.unwrap();
}

async fn mark(store: &Store, day: u32) {
    store.write(move |tx| Box::pin(tx.queues_mark(Micros(1).plus(DAY * day), DAY))).await.unwrap();
}

async fn prune(store: &Store, before_day: u32, limit: u32) -> u64 {
    store.write(move |tx| Box::pin(tx.queues_prune(Micros(1).plus(DAY * before_day), limit))).await.unwrap()
}

store_tests! {
    async fn done_rows_go_once_they_are_old_enough_and_others_stay(store) {
        for number in 0..5 {
            assert_eq!(push(&store, number).await, (true, true));
            if number != 2 {
                done(&store, number).await;
            }
        }
        assert_eq!(prune(&store, 100, 10).await, 0, "nothing tells how old they are");
        mark(&store, 10).await;
        push(&store, 5).await;
        done(&store, 5).await;
        // Marked not long ago: the sixth is not taken for older than it is.
        store.write(|tx| Box::pin(tx.queues_mark(Micros(2).plus(DAY * 10), DAY))).await.unwrap();
        assert_eq!(prune(&store, 9, 10).await, 0, "too young");
        assert_eq!(push(&store, 1).await, (false, false), "a repetition has no effect");
        assert_eq!(prune(&store, 10, 3).await, 3);
        assert_eq!(push(&store, 4).await, (false, false), "not its turn yet");
        assert_eq!(prune(&store, 10, 3).await, 1);
        assert_eq!(prune(&store, 10, 3).await, 0);
        // What waits stays however old it is, and what is younger than the mark too.
        assert_eq!(push(&store, 2).await, (false, false));
        assert_eq!(push(&store, 5).await, (false, false));
        assert_eq!(push(&store, 4).await, (true, true), "forgotten");
        let (events, actions) = store
            .read(|tx| Box::pin(async move { Ok((tx.inbox_pending(10).await?, tx.outbox_pending(10).await?)) }))
            .await
            .unwrap();
        assert_eq!(events, [event(2), event(4)]);
        assert_eq!(actions, [action(2), action(4)]);
        mark(&store, 20).await;
        assert_eq!(prune(&store, 20, 10).await, 1);
        assert_eq!(push(&store, 5).await, (true, true));
    }
}
