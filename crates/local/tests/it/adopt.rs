//! A server that comes back finds its attempts.

use std::fs;

use windlass_control::Executor as _;
use windlass_kinds::AttemptId;

use crate::place::{Place, is_alive, script, text, with_output};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_step_is_adopted() {
    let before = Place::new();
    let attempt = AttemptId::new("adopted");
    let line = "echo ready; until [ -e go ]; do sleep 0.02; done; echo x > $WINDLASS_OUTPUTS/out";
    before.executor.start(with_output(script("adopted", line), "out")).await;
    before.printed(&attempt, "ready").await;

    let after = before.again();
    assert!(!after.executor.log(&attempt, 0, 100).await.unwrap().complete);
    after.executor.recover(vec![attempt.clone()], Vec::new()).await;
    after.executor.start(with_output(script("adopted", line), "out")).await;
    after.expect_quiet().await;
    fs::write(after.data().attempt(&attempt).code().join("go"), "").unwrap();
    let result = after.end().await;
    assert_eq!(text(&result.end), "succeeded");
    assert_eq!(result.outputs.len(), 1);
    // Both lives saw the same end.
    assert_eq!(before.end().await, result);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adopted_step_can_be_cancelled() {
    let before = Place::new();
    let attempt = AttemptId::new("adopted");
    before.executor.start(script("adopted", "echo ready; exec sleep 1000")).await;
    before.printed(&attempt, "ready").await;
    let after = before.again();
    after.executor.recover(vec![attempt.clone()], Vec::new()).await;
    after.executor.cancel(&attempt).await;
    assert_eq!(text(&after.end().await.end), "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_any_more_is_ended() {
    let before = Place::new();
    let attempt = AttemptId::new("stray");
    before.executor.start(script("stray", "echo ready; exec sleep 1000")).await;
    before.printed(&attempt, "ready").await;
    let after = before.again();
    after.executor.recover(Vec::new(), Vec::new()).await;
    // The place it was begun at sees its end; the one that found it has nothing to report.
    assert_eq!(text(&before.end().await.end), "cancelled");
    after.expect_quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_meanwhile_is_reported_once_a_life() {
    let before = Place::new();
    let attempt = AttemptId::new("ended");
    let first = before.run(with_output(script("ended", "echo x > $WINDLASS_OUTPUTS/out"), "out")).await;
    let after = before.again();
    after.executor.recover(vec![attempt.clone()], Vec::new()).await;
    assert_eq!(after.end().await, first);
    after.executor.forget(&attempt).await;
    // A start that comes late runs nothing, and leaves nobody waiting.
    after.executor.start(script("ended", "exit 1")).await;
    assert_eq!(text(&after.end().await.end), "lost: nothing is left of it but its log");
    assert!(!after.data().attempt(&attempt).path().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_before_its_start_was_noted_is_kept() {
    let before = Place::new();
    let attempt = AttemptId::new("fast");
    let first = before.run(with_output(script("fast", "echo x > $WINDLASS_OUTPUTS/out"), "out")).await;
    let after = before.again();
    after.executor.recover(Vec::new(), vec![attempt.clone()]).await;
    after.expect_quiet().await;
    after.executor.start(with_output(script("fast", "exit 1"), "out")).await;
    assert_eq!(after.end().await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_vanished_is_lost() {
    let before = Place::new();
    let half = before.data().attempt(&AttemptId::new("half"));
    fs::create_dir_all(half.path()).unwrap();
    fs::write(half.job(), "{}").unwrap();
    let forgotten = before.data().attempt(&AttemptId::new("forgotten"));
    fs::create_dir_all(forgotten.path()).unwrap();

    let place = before.again();
    place.executor.recover(vec![AttemptId::new("half"), AttemptId::new("never")], Vec::new()).await;
    let mut ends = [text(&place.end().await.end), text(&place.end().await.end)];
    ends.sort();
    assert_eq!(ends, ["lost: its shim vanished", "lost: nothing is left of it"]);
    assert!(!forgotten.path().exists(), "nobody waits for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_shim_left_is_killed() {
    let before = Place::new();
    let attempt = AttemptId::new("left");
    let folder = before.data().attempt(&attempt);
    let mut sleep = std::process::Command::new("sleep");
    sleep.arg("1000").stdout(std::process::Stdio::null());
    let mut orphan = sleep.env("WINDLASS_OUTPUTS", folder.outputs()).spawn().unwrap();
    // The same attempt of another data folder.
    let mut stranger = sleep.env("WINDLASS_OUTPUTS", Place::new().data().attempt(&attempt).outputs()).spawn().unwrap();
    fs::create_dir_all(folder.path()).unwrap();
    fs::write(folder.job(), "{}").unwrap();
    let place = before.again();
    place.executor.recover(vec![attempt], Vec::new()).await;
    assert_eq!(text(&place.end().await.end), "lost: its shim vanished; a process of the step was killed");
    assert!(!is_alive(&orphan.id().to_string()));
    orphan.wait().unwrap();
    assert!(is_alive(&stranger.id().to_string()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_from_before_a_start_of_the_machine_are_not_believed() {
    let before = Place::new();
    let attempt = AttemptId::new("booted");
    before.run(with_output(script("booted", "echo x > $WINDLASS_OUTPUTS/out"), "out")).await;
    let job = before.data().attempt(&attempt).job();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    fs::write(&job, fs::read_to_string(&job).unwrap().replace(boot.trim(), "another")).unwrap();
    let after = before.again();
    after.executor.recover(vec![attempt], Vec::new()).await;
    let expected = "lost: the machine was started anew before its outputs were kept";
    assert_eq!(text(&after.end().await.end), expected);
}
