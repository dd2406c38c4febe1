//! What happens when somebody kills, cancels or stops.

use std::{fs, process::Command, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use windlass_control::Executor as _;
use windlass_kinds::AttemptId;
use windlass_local::{
    layout::AttemptFolder,
    step::{self, StepEnd, StepResult},
};

use crate::place::{Place, is_alive, script, text};

fn shim(place: &Place, attempt: &AttemptId) -> Pid {
    let number = fs::read_to_string(place.data().attempt(attempt).alive()).unwrap();
    Pid::from_raw(number.parse().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_whose_shim_is_killed_is_lost_and_gone() {
    let place = Place::new();
    let attempt = AttemptId::new("orphan");
    place.executor.start(script("orphan", "env -i sleep 1000 & setsid sleep 1000 & echo pids $! $$; wait")).await;
    place.printed(&attempt, "pids").await;
    kill_process(shim(&place, &attempt), Signal::KILL).unwrap();
    let end = text(&place.end().await.end);
    assert_eq!(end, "lost: its shim vanished; 3 processes of the step were killed");
    let log = place.log(&attempt).await;
    assert!(log.trim().split(' ').skip(1).all(|pid| !is_alive(pid)), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_step_ends() {
    let place = Place::new();
    let attempt = AttemptId::new("cancelled");
    let line = "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    place.executor.start(script("cancelled", line)).await;
    place.printed(&attempt, "ready").await;
    place.executor.cancel(&attempt).await;
    assert_eq!(text(&place.end().await.end), "cancelled");
    assert!(place.log(&attempt).await.contains("told\n"));
    place.executor.cancel(&attempt).await;
    place.executor.cancel(&AttemptId::new("unknown")).await;
    place.expect_quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_interrupts_all_and_kills_the_stubborn() {
    let place = Place::new();
    for name in ["one", "two"] {
        place.executor.start(script(name, "trap '' TERM; echo ready; while :; do sleep 0.05; done")).await;
        place.printed(&AttemptId::new(name), "ready").await;
    }
    place.executor.interrupt_all(Duration::from_millis(200)).await;
    assert_eq!(text(&place.end().await.end), "interrupted");
    assert_eq!(text(&place.end().await.end), "interrupted");
    assert_eq!(text(&place.run(script("three", "true")).await.end), "interrupted", "nothing begins any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_to_the_shim_alone_interrupts() {
    let place = Place::new();
    let attempt = AttemptId::new("signalled");
    place.executor.start(script("signalled", "echo ready; exec sleep 1000")).await;
    place.printed(&attempt, "ready").await;
    kill_process(shim(&place, &attempt), Signal::TERM).unwrap();
    assert_eq!(text(&place.end().await.end), "interrupted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shim_that_cannot_work_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (job, expected) in [("{}", "failed to read"), ("", "failed to read")] {
        let folder = AttemptFolder::new(folder.path().join(if job.is_empty() { "empty" } else { "other" }));
        fs::create_dir(folder.path()).unwrap();
        fs::write(folder.job(), job).unwrap();
        let mut shim = Command::new(env!("CARGO_BIN_EXE_windlass-step-for-tests"));
        let output = shim.arg("step").arg("--dir").arg(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        match step::read::<StepResult>(&folder.result()).unwrap().end {
            StepEnd::NotStarted { reason, retryable: true } => assert!(reason.contains(expected), "{reason}"),
            end => panic!("{end:?}"),
        }
    }
}
