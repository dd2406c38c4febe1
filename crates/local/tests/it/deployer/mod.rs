//! Model servers that die, hang, grow and fail, and endpoints that answer all the same.

mod place;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::json;
use windlass_control::{Deployer as _, ProbeFailure};

use self::place::{Place, until};

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn is_there(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    test_kill_process(pid).is_ok()
}

#[tokio::test]
async fn a_revision_takes_the_place_of_another_and_the_other_ends_when_it_is_drained() {
    let place = Place::new();
    place.deploy(1, json!({})).await.unwrap();
    let first = place.answering().await;
    let condition = place.condition().await;
    assert_eq!((condition.number, condition.trouble.as_str(), condition.restarts), (Some(1), "", 0));

    // Asked again, as after a crash of whoever asks: nothing is started.
    place.deploy(1, json!({})).await.unwrap();
    assert_eq!((place.answering().await, place.front.switches()), (first, 1));

    let hold = place.front.hold_requests();
    place.deploy(2, json!({"other": "model"})).await.unwrap();
    let second = place.answering().await;
    assert_ne!(first, second);
    assert!(is_there(first), "it has requests to answer");
    drop(hold);
    until("the first server ends", || !is_there(first)).await;
    until("its files are gone", || place.models().len() == 1).await;

    // An old revision never comes back.
    place.deploy(1, json!({})).await.unwrap();
    assert_eq!(place.answering().await, second);

    place.deployer.remove(&place.project, &place.endpoint).await;
    assert!(place.front.socket().is_none());
    until("the second server ends", || !is_there(second)).await;
    until("no files are left", || place.models().is_empty()).await;
    assert_eq!(place.deployer.condition(&place.project, &place.endpoint).await, None);
}

#[tokio::test]
async fn a_server_that_dies_hangs_or_grows_is_replaced() {
    let place = Place::new();
    place.deploy(1, json!({})).await.unwrap();
    // At the last of them it takes 128 MiB.
    for (restarts, sent) in [(1, Signal::KILL), (2, Signal::STOP), (3, Signal::USR1)] {
        let before = place.answering().await;
        signal(before, sent);
        place.until_other_than(before).await;
        until("the one before is gone", || !is_there(before)).await;
        let condition = place.condition().await;
        assert!(condition.restarts >= restarts, "{sent:?}: {condition:?}");
        assert_eq!((condition.number, condition.trouble.as_str()), (Some(1), ""), "{sent:?}");
    }
    let last = place.answering().await;
    place.deployer.stop().await;
    until("the last server ends", || !is_there(last)).await;
}

#[tokio::test]
async fn what_cannot_be_served_says_why_and_leaves_the_one_before() {
    let place = Place::new();
    place.deploy(1, json!({})).await.unwrap();
    let first = place.answering().await;
    for (number, behaviour, why) in [
        (2, json!({"fail": "operator TreeEnsemble is not known"}), "operator TreeEnsemble is not known"),
        (3, json!({"exit": 3, "words": "not a model"}), "its model server ended with exit code 3: not a model"),
        (4, json!({"exit": 3}), "its model server ended with exit code 3"),
        (5, json!({"silent": true}), "its model server was not ready after"),
        (6, json!({"broken": true}), "it failed on its own example: no kernel for this operator"),
        (7, json!({"requirements": "onnx==1\n"}), "its requirements.txt names no onnxruntime"),
        (8, json!({"requirements": null}), "it has no requirements.txt"),
        (9, json!({"requirements": "onnxruntime==0.0.1\n"}), "its onnxruntime cannot be installed: no such version"),
        (10, json!({"description": "flavors: {sklearn: {}}"}), "the model has the flavours `sklearn`, and served are"),
    ] {
        match place.deploy(number, behaviour).await {
            Err(ProbeFailure::NotServable(reason)) => assert!(reason.starts_with(why), "{number}: {reason}"),
            other => panic!("{number}: {other:?}"),
        }
        assert_eq!(place.answering().await, first);
        let condition = place.condition().await;
        assert_eq!((condition.number, condition.starting, condition.trouble.as_str()), (Some(1), None, ""));
    }
    until("the files of what failed are gone", || place.models().len() == 1).await;
    // A mishap of the place, not of the model.
    let outcome = place.deploy(11, json!({"requirements": "onnxruntime==0.0.2\n"})).await;
    assert!(matches!(outcome, Err(ProbeFailure::Unavailable(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_probe_answers_rows_or_says_why_not() {
    let place = Place::new();
    let answer = place.probe(json!({}), "1.5\n\n-2\n").await.unwrap();
    assert_eq!(format!("{:?}", answer.predictions), "[1.5, NaN, -2.0]");
    for (behaviour, why) in [
        (json!({"fail": "column `distance` is missing"}), "column `distance` is missing"),
        (json!({"exit": 139, "words": "Segmentation fault"}), "its model server ended with exit code 139: Segm"),
        (json!({"silent": true}), "it took more than"),
    ] {
        match place.probe(behaviour, "1\n").await {
            Err(ProbeFailure::NotServable(reason)) => assert!(reason.starts_with(why), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    until("no files are left", || place.models().is_empty()).await;
}
