//! `kill -9` of the server, of the processes that watch over steps, and of all: the work goes on, nothing acknowledged
//! is lost, nothing is done twice, nothing of it counts as a failure, and the end is that of an undisturbed run.

use std::collections::BTreeMap;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use crate::harness::{Place, children, head, is_alive, pipeline, same_text, shell, wait_for};

/// Steps of the pipeline over both runs: what `mark` counts up to.
const STEPS: usize = 2 * 5;

/// Two runs of: three values, in; one that takes them together; one that registers a model. No retries: an attempt
/// that counted would fail its run. Each step writes a line when it begins and one when it ends.
fn place() -> Place {
    let mut place = Place::new();
    // Where the lines go must not be in the manifest, which two places would then not have in common.
    place.variables = vec![("HOME".to_owned(), place.path("").display().to_string())];
    let step = |name: &str, line: &str, settings: &str| {
        let label = format!("{name}-$WINDLASS_PARAM_N-$WINDLASS_PARAM_ROUND");
        shell(name, &format!("echo {label} >> $HOME/begun; {line}; sleep 0.15; echo {label} >> $HOME/done"), settings)
    };
    let steps = [
        step("make", "echo $WINDLASS_PARAM_N > $WINDLASS_OUTPUTS/out", "foreach: {n: [1, 2, 3]}, outputs: [out]"),
        step(
            "join",
            "cat $WINDLASS_INPUTS/all/[0-9]* > $WINDLASS_OUTPUTS/sum",
            "inputs: {all: make/out}, outputs: [sum]",
        ),
        step(
            "register",
            "mkdir $WINDLASS_OUTPUTS/model; cp $WINDLASS_INPUTS/sum $WINDLASS_OUTPUTS/model/weights",
            "inputs: {sum: join/sum}, outputs: {model: {model: net}}",
        ),
    ];
    let settings =
        "triggers: [{schedule: {when: idle, times: 2}, parameters: {round: \"${trigger.count}\"}}]\nretries: 0";
    place.write("p.yaml", pipeline("work", settings, &steps.each_ref().map(String::as_str)));
    place.write("model.yaml", head("Model", "net") + "spec: {}\n");
    place
}

fn lines(place: &Place, file: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for line in place.read(file).lines() {
        *lines.entry(line.to_owned()).or_default() += 1;
    }
    lines
}

fn undisturbed() -> String {
    let place = place();
    place.until_idle(&[]).fine();
    let (begun, done) = (lines(&place, "begun"), lines(&place, "done"));
    assert_eq!(begun, done);
    assert_eq!(done.len(), STEPS);
    place.export()
}

/// Whom to kill.
#[derive(Debug, Clone, Copy)]
enum Victims {
    Server,
    Shims,
    All,
}

/// Kills each time another step has begun.
fn disturbed(victims: Victims) -> Place {
    let place = place();
    let begun = || place.read("begun").lines().count();
    for _ in 0..4 {
        let mut up = place.up(&["."]);
        for _ in 0..3 {
            let before = begun();
            if place.read("done").lines().count() >= STEPS {
                break;
            }
            wait_for("another step", || (begun() > before || idle(&place)).then_some(()));
            match victims {
                Victims::Server => {
                    up.kill();
                    up = place.up(&[]);
                }
                Victims::Shims => place.shims().into_iter().for_each(kill),
                Victims::All => {
                    // First the server, so that nobody reports anything; then all it had going.
                    up.kill();
                    for shim in place.shims() {
                        let steps = children(shim);
                        kill(shim);
                        for step in steps {
                            let _ = kill_process_group(step, Signal::KILL);
                        }
                    }
                    up = place.up(&[]);
                }
            }
        }
        assert_eq!(up.stop(Signal::INT), 0);
    }
    place.until_idle(&[]).fine();
    place
}

fn idle(place: &Place) -> bool {
    let answer = place.run(&["get", "runs", "-o", "json"]);
    let runs: Value = serde_json::from_str(&answer.out).unwrap_or_default();
    runs.as_array().is_some_and(|runs| runs.len() == 2 && runs.iter().all(|run| run["state"] == "succeeded"))
}

fn kill(pid: Pid) {
    let _ = kill_process(pid, Signal::KILL);
    wait_for("the end of a killed process", || (!is_alive(pid)).then_some(()));
}

#[track_caller]
fn check(victims: Victims) {
    let calm = undisturbed();
    let place = disturbed(victims);
    same_text(&place.export(), &calm, &format!("{victims:?}"));
    place.run(&["ledger", "verify"]).fine();
    let up = place.up(&[]);
    for run in ["work-1", "work-2"] {
        let detail = place.json(&["describe", "run", run]);
        assert_eq!(detail["run"]["state"], "succeeded");
        for step in detail["steps"].as_array().unwrap() {
            assert_eq!(step["failures"], 0, "{step}");
        }
    }
    let versions = place.json(&["model", "show", "net"]);
    assert_eq!(versions["versions"].as_array().map(Vec::len), Some(2), "{versions}");
    assert_eq!(up.stop(Signal::TERM), 0);
    assert!(place.shims().is_empty());
}

#[test]
fn of_the_server() {
    check(Victims::Server);
}

#[test]
fn of_the_server_leaves_steps_running_and_does_nothing_twice() {
    let place = place();
    for count in [1, 3, 5] {
        let up = place.up(&["."]);
        wait_for("steps", || (place.read("begun").lines().count() >= count).then_some(()));
        up.kill();
    }
    place.until_idle(&[]).fine();
    // Adopted, not repeated.
    assert!(lines(&place, "done").values().all(|count| *count == 1), "{:?}", lines(&place, "done"));
    assert_eq!(lines(&place, "begun"), lines(&place, "done"));
}

#[test]
fn of_the_shims() {
    check(Victims::Shims);
}

#[test]
fn of_all() {
    check(Victims::All);
}

#[test]
fn a_step_whose_shim_was_killed_is_ended_before_it_begins_again() {
    let place = Place::new();
    let pids = place.path("pids").display().to_string();
    let go = place.path("go").display().to_string();
    let line = format!("echo $$ >> {pids}; while [ ! -e {go} ]; do sleep 0.02; done");
    place.write("p.yaml", pipeline("p", "retries: 0", &[&shell("a", &line, "")]));
    let _up = place.up(&["."]);
    place.run(&["start", "p"]).fine();
    let pid = |line: usize| wait_for("the step", || Pid::from_raw(place.read("pids").lines().nth(line)?.parse().ok()?));
    let first = pid(0);
    place.shims().into_iter().for_each(kill);
    let second = pid(1);
    assert!(!is_alive(first) && is_alive(second));
    place.write("go", "");
    let detail = place.ended("p-1");
    assert_eq!(detail["run"]["state"], "succeeded");
    assert_eq!((&detail["steps"][0]["attempts"], &detail["steps"][0]["failures"]), (&2.into(), &0.into()));
    let attempts = place.json(&["why", "p-1/a"])["attempts"].clone();
    assert_eq!(attempts[0]["state"], "lost");
    assert!(attempts[0]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{attempts}");
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let place = Place::new();
    for round in 1..=5 {
        let up = place.up(&[]);
        let name = format!("m{round}");
        place.write("model.yaml", head("Model", &name) + "spec: {}\n");
        place.run(&["apply", "-f", "model.yaml"]).fine();
        up.kill();
    }
    let _up = place.up(&[]);
    assert_eq!(place.json(&["get", "models"]).as_array().map(Vec::len), Some(5));
    let rows = place.json(&["ledger", "list"]);
    let applied =
        rows.as_array().unwrap().iter().filter(|row| row["subject"].as_str().is_some_and(|s| s.starts_with("Model/")));
    assert_eq!(applied.count(), 5);
}
