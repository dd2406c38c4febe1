//! How steps end: a state with its reason, children gone, disk bounded.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use crate::harness::{ONCE, Place, is_alive, pipeline, shell, wait_for};

/// Returns state and reason of each step of a run.
fn ends(detail: &Value) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let steps = detail["steps"].as_array().expect("steps");
    steps.iter().map(|step| (text(&step["step"]), (text(&step["state"]), text(&step["reason"])))).collect()
}

#[test]
fn every_end_has_its_reason() {
    let out = "outputs: [out]";
    let cases: &[(&str, &str, &str, &str, &str)] = &[
        ("fine", "echo x > $WINDLASS_OUTPUTS/out", out, "succeeded", ""),
        ("one", "echo about to fail; exit 1", out, "failed", "exit code 1"),
        ("kill", "kill -9 $$", "", "failed", "killed by signal 9 (SIGKILL); not by Windlass"),
        ("term", "kill -TERM $$", "", "failed", "killed by signal 15 (SIGTERM); not by Windlass"),
        ("never", "sleep 1000", "timeout: 1s", "failed", "took longer than 1s"),
        ("missing", "true", out, "failed", "output \"out\" is missing"),
        (
            "pipe",
            "mkfifo $WINDLASS_OUTPUTS/out",
            out,
            "failed",
            "output \"out\" is a named pipe; only files and folders can be kept",
        ),
        (
            "link",
            "ln -s /etc/passwd $WINDLASS_OUTPUTS/out",
            out,
            "failed",
            "output \"out\" is a link out of its folder, to `/etc/passwd`; copy the file instead",
        ),
        (
            "inner",
            "mkdir $WINDLASS_OUTPUTS/out; ln -s ../../../../.. $WINDLASS_OUTPUTS/out/up",
            out,
            "failed",
            "output \"out\": `up` is a link out of its folder",
        ),
        (
            "again",
            "exit 3",
            "retries: {limit: 2, backoff: 10ms}",
            "failed",
            "exit code 3, also when tried 2 times again",
        ),
    ];
    let steps: Vec<String> = cases.iter().map(|(name, line, settings, ..)| shell(name, line, settings)).collect();
    let mut steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    steps.push("{name: nobody, command: [no-such-program]}");
    steps.push("{name: after, command: [\"true\"], inputs: {a: one/out}}");
    let place = Place::of(&[("p.yaml", &pipeline("ends", ONCE, &steps))]);
    place
        .until_idle(&["--max-parallel", "4"])
        .says(1, &["not as the manifests allow: ends-1 failed", "one: exit code 1"]);
    let _up = place.up(&[]);
    let found = ends(&place.json(&["describe", "run", "ends-1"]));
    for (name, _, _, state, reason) in cases {
        let (found_state, found_reason) = &found[*name];
        assert_eq!(found_state, state, "{name}: {found_reason}");
        assert!(found_reason.starts_with(reason), "{name}: {found_reason}");
    }
    assert_eq!(found["nobody"].0, "failed");
    assert!(found["nobody"].1.contains("the program `no-such-program` was not found"), "{:?}", found["nobody"]);
    assert_eq!(found["after"], ("blocked".to_owned(), "needs one, which failed".to_owned()));
    assert!(place.run(&["logs", "ends-1/one"]).out.contains("about to fail"));
    let attempts = place.json(&["why", "ends-1/again"])["attempts"].as_array().map(Vec::len);
    assert_eq!(attempts, Some(3));
}

#[test]
fn a_socket_is_no_output() {
    if !Path::new("/usr/bin/python3").exists() && std::env::var_os("CI").is_none() {
        return crate::harness::skip("making a socket from the shell takes /usr/bin/python3");
    }
    let line = "cd $WINDLASS_OUTPUTS && python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"out\")'";
    let place = Place::of(&[("p.yaml", &pipeline("p", ONCE, &[&shell("socket", line, "outputs: [out]")]))]);
    place.until_idle(&[]).says(1, &["output \"out\" is a socket; only files and folders can be kept"]);
}

#[test]
fn children_are_gone_with_their_step() {
    let place = Place::new();
    let pids = place.path("pids").display().to_string();
    // One in the background, one that leaves its session, and one whose parent is gone already.
    let line = format!(
        "sleep 1000 & echo $! >> {pids}; setsid sh -c 'echo $$ >> {pids}; exec sleep 1000' & \
         (setsid sh -c 'trap \"\" TERM HUP; echo $$ >> {pids}; exec sleep 1000' &) ; \
         while [ $(wc -l < {pids}) -lt 3 ]; do sleep 0.01; done"
    );
    place.write("p.yaml", pipeline("p", ONCE, &[&shell("parent", &line, "")]));
    place.until_idle(&[]).fine();
    let text = place.read("pids");
    let left: Vec<_> = text.lines().filter_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?)).collect();
    assert_eq!(left.len(), 3, "{text}");
    assert!(left.iter().all(|pid| !is_alive(*pid)), "{text}");
    let _up = place.up(&[]);
    let log = place.run(&["logs", "p-1/parent"]).out;
    assert!(log.contains("windlass: killed 3 processes that the step left behind"), "{log}");
}

#[test]
fn a_flood_of_output_takes_little_disk_and_keeps_both_ends() {
    let line = "echo the beginning; yes 'a line among very many others' | head -c 100000000; echo the end";
    let place = Place::of(&[("p.yaml", &pipeline("p", ONCE, &[&shell("flood", line, "")]))]);
    place.until_idle(&[]).fine();
    let mut size = 0;
    let mut folders = vec![place.data().join("logs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.metadata().unwrap() {
                kind if kind.is_dir() => folders.push(entry.path()),
                file => size += file.len(),
            }
        }
    }
    assert!(size <= 64 << 20, "{size}");
    let _up = place.up(&[]);
    let log = place.run(&["logs", "p-1/flood"]).out;
    assert!(log.starts_with("the beginning\n") && log.trim_end().ends_with("the end"), "{}", log.len());
    assert!(log.contains("left out"), "nothing says that there was more");
}

#[test]
fn a_retry_sees_no_half_written_outputs_but_its_checkpoints() {
    let line = "ls $WINDLASS_OUTPUTS | wc -l; if [ -e $WINDLASS_CHECKPOINTS/was-here ]; then \
                cp $WINDLASS_CHECKPOINTS/was-here $WINDLASS_OUTPUTS/out; else \
                echo kept > $WINDLASS_CHECKPOINTS/was-here; echo half > $WINDLASS_OUTPUTS/junk; exit 1; fi";
    let settings = "outputs: [out], retries: {limit: 1, backoff: 10ms}";
    let check = shell("check", "test $(cat $WINDLASS_INPUTS/a) = kept", "inputs: {a: a/out}");
    let place = Place::of(&[("p.yaml", &pipeline("p", ONCE, &[&shell("a", line, settings), &check]))]);
    place.until_idle(&[]).fine();
    let _up = place.up(&[]);
    for attempt in ["1", "2"] {
        let log = place.run(&["logs", "p-1/a", "--attempt", attempt]).out;
        assert_eq!(log.lines().next(), Some("0"), "attempt {attempt}: {log}");
    }
}

#[test]
fn secrets_do_not_reach_the_log() {
    let line = "echo token=$MLFLOW_TRACKING_TOKEN; printf %s $MLFLOW_TRACKING_TOKEN | cut -c1-4; exit 0";
    let place = Place::of(&[("p.yaml", &pipeline("p", ONCE, &[&shell("a", line, "")]))]);
    place.until_idle(&[]).fine();
    let _up = place.up(&[]);
    let log = place.run(&["logs", "p-1/a"]).out;
    assert!(log.contains("token=***") && log.contains("wla_"), "{log}");
    assert_eq!(place.files_with("token=wla_"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_step_over_its_memory_ends_with_that_reason() {
    // tail keeps the last line, and there is but one.
    let place = Place::of(&[(
        "p.yaml",
        &pipeline(
            "p",
            ONCE,
            &[&shell("big", "head -c 400000000 /dev/zero | tail; sleep 5", "resources: {memory: 64Mi}")],
        ),
    )]);
    let said = place.until_idle(&[]);
    said.says(1, &["64", "memory"]);
}

#[test]
fn a_stubborn_step_is_killed_when_it_is_cancelled() {
    let place = Place::new();
    let mark = place.path("mark").display().to_string();
    let line = format!("trap '' INT; echo $$ > {mark}; sleep 1000");
    place.write("p.yaml", pipeline("p", "", &[&shell("a", &line, "")]));
    let _up = place.up(&["."]);
    place.run(&["start", "p"]).fine();
    let pid = wait_for("the step", || place.read("mark").trim().parse().ok());
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    place.run(&["cancel", "p-1"]).fine();
    let detail = place.ended("p-1");
    assert_eq!(detail["run"]["state"], "cancelled");
    assert_eq!(detail["run"]["reason"], "cancelled by token:local");
    assert!(!is_alive(pid));
}
