//! A shim that takes one attempt after another, and keeps nothing of any.

use std::{
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use windlass_control::{Executor as _, Job};
use windlass_kinds::AttemptId;
use windlass_local::{
    layout::AttemptFolder,
    step::{self, READY, StepEnd, StepJob, StepResult},
};

use crate::place::{Place, is_alive, script, text};

/// Runs a script and returns the number of its shim, which is the parent of its shell.
async fn shim_of(place: &Place, name: &str, line: &str) -> String {
    shim_of_job(place, script(name, &format!("echo $PPID; {line}"))).await
}

async fn shim_of_job(place: &Place, job: Job) -> String {
    let attempt = job.attempt.clone();
    place.run(job).await;
    place.log(&attempt).await.lines().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shim_goes_on_after_a_step_that_left_it_as_new() {
    let cases = [
        ("ended-well", "true", true),
        ("ended-badly", "exit 3", true),
        ("orphan-that-ended", "(true &) ; sleep 0.05", true),
        ("was-killed", "kill -9 $$", false),
        ("left-a-process", "sleep 1000 >/dev/null 2>&1 &", false),
        ("told-its-shim-to-end", "kill -TERM $PPID; sleep 1000", false),
    ];
    for (name, line, expected) in cases {
        let place = Place::new();
        let first = shim_of(&place, name, line).await;
        let second = shim_of(&place, &format!("{name}-next"), "true").await;
        assert_eq!(first == second, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shim_serves_one_project() {
    let place = Place::new();
    let mut other = script("other", "echo $PPID");
    other.project = "other".parse().unwrap();
    let first = shim_of(&place, "first", "true").await;
    assert_ne!(shim_of_job(&place, other).await, first);
    assert_eq!(shim_of(&place, "second", "true").await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_an_attempt_reaches_the_next() {
    let place = Place::new();
    let mut first = script("first", "echo $PPID; x=$(head -c 50000000 /dev/zero | tr '\\0' x); echo ${#x}");
    first.env.insert("MINE_ALONE".to_owned(), "hidden-from-others".to_owned());
    let heavy = place.run(first).await;
    let line = "echo $PPID; env; tr '\\0' '\\n' < /proc/$PPID/environ; ls -l /proc/$PPID/fd /proc/self/fd; pwd";
    let light = place.run(script("second", line)).await;
    let (before, after) = (place.log(&AttemptId::new("first")).await, place.log(&AttemptId::new("second")).await);
    assert_eq!(before.lines().next(), after.lines().next(), "one shim should have served both");
    assert!(!after.contains("MINE_ALONE") && !after.contains("hidden-from-others"), "{after}");
    assert!(!after.contains("first"), "{after}");
    assert!(heavy.usage.peak_memory > 50_000_000, "{heavy:?}");
    assert!(light.usage.peak_memory < 50_000_000, "{light:?}");
    assert!(light.usage.cpu_micros < heavy.usage.cpu_micros, "{light:?}, {heavy:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_shim_may_be_killed() {
    let place = Place::new();
    let first = shim_of(&place, "first", "true").await;
    kill_process(Pid::from_raw(first.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    while is_alive(&first) {
        tokio::task::yield_now().await;
    }
    assert_ne!(shim_of(&place, "second", "true").await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_shims_end_with_the_server() {
    let place = Place::new();
    let shim = shim_of(&place, "first", "true").await;
    place.executor.interrupt_all(std::time::Duration::ZERO).await;
    assert!(!is_alive(&shim));
}

#[test]
fn a_shim_whose_server_is_gone_ends_its_attempt_and_itself() {
    let data = tempfile::tempdir().unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut shim = Command::new(env!("CARGO_BIN_EXE_windlass-step-for-tests"));
    shim.arg("step").arg("--attempts").arg(data.path()).stdin(OwnedFd::from(theirs)).stderr(Stdio::null());
    let mut shim = shim.spawn().unwrap();
    let lay_out = |name: &str, line: &str| {
        let folder = AttemptFolder::new(data.path().join(name));
        std::fs::create_dir(folder.path()).unwrap();
        let job = StepJob {
            attempt: name.to_owned(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), line.to_owned()],
            environment: Default::default(),
            directory: folder.path().to_owned(),
            log: data.path().join(format!("{name}.log")),
            log_limit: step::LOG_LIMIT,
            secrets: Vec::new(),
            timeout_millis: None,
            grace_millis: step::GRACE_MILLIS,
            memory: None,
        };
        step::write(&folder.job(), &job).unwrap();
        folder
    };
    let end = |folder: &AttemptFolder| step::read::<StepResult>(&folder.result()).unwrap().end;

    let first = lay_out("first", "exit 1");
    ours.write_all(b"first\n").unwrap();
    let mut answer = [0];
    ours.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [READY]);
    assert_eq!(end(&first), StepEnd::Exited { code: 1 });

    let second = lay_out("second", "until [ -e go ]; do sleep 0.01; done; exit 2");
    ours.write_all(b"second\n").unwrap();
    drop(ours);
    std::fs::write(second.path().join("go"), "").unwrap();
    assert!(shim.wait().unwrap().success());
    assert_eq!(end(&second), StepEnd::Exited { code: 2 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_step_takes_its_shim_with_it() {
    let place = Place::new();
    let attempt = AttemptId::new("cancelled");
    place.executor.start(script("cancelled", "echo $PPID; echo ready; exec sleep 1000")).await;
    place.printed(&attempt, "ready").await;
    place.executor.cancel(&attempt).await;
    assert_eq!(text(&place.end().await.end), "cancelled");
    let first = place.log(&attempt).await.lines().next().unwrap().to_owned();
    assert!(!is_alive(&first));
    assert_ne!(shim_of(&place, "next", "true").await, first);
}
