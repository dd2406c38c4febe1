//! The verbs as a user meets them: starting, stopping and going on; runs, logs and reasons; plans; help.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::harness::{ONCE, Place, head, is_alive, pipeline, shell, skip, wait_for};

/// A step that begins, says so in `begun`, and ends once `go` is there.
fn gated(place: &Place, name: &str, settings: &str) -> String {
    let (begun, go) = (place.path("begun").display().to_string(), place.path("go").display().to_string());
    shell(name, &format!("echo $$ >> {begun}; while [ ! -e {go} ]; do sleep 0.02; done; echo done"), settings)
}

fn begun(place: &Place, line: usize) -> Pid {
    wait_for("a step that begins", || Pid::from_raw(place.read("begun").lines().nth(line)?.parse().ok()?))
}

#[test]
fn an_interrupt_ends_steps_and_the_next_start_repeats_them_uncounted() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new();
        place.write("p.yaml", pipeline("p", "retries: 0", &[&gated(&place, "a", "")]));
        let up = place.up(&["."]);
        place.run(&["start", "p"]).fine();
        let first = begun(&place, 0);
        up.wait_for_word("p-1/a");
        assert_eq!(up.stop(signal), 0);
        assert!(!is_alive(first));
        assert!(place.read(".server.log").contains("stopping: running steps get TERM, then KILL"));
        place.write("go", "");
        place.until_idle(&[]).fine();
        let _up = place.up(&[]);
        let detail = place.json(&["describe", "run", "p-1"]);
        assert_eq!(detail["run"]["state"], "succeeded");
        assert_eq!((&detail["steps"][0]["attempts"], &detail["steps"][0]["failures"]), (&2.into(), &0.into()));
        let attempts = place.json(&["why", "p-1/a"])["attempts"].clone();
        assert_eq!(attempts[0]["state"], "interrupted");
    }
}

#[test]
fn a_step_that_ignores_term_is_killed_after_the_grace() {
    let place = Place::new();
    let mark = place.path("begun").display().to_string();
    let line = format!("trap '' TERM INT; echo $$ >> {mark}; while true; do sleep 0.1; done");
    place.write("p.yaml", pipeline("p", "", &[&shell("a", &line, "")]));
    let up = place.up(&[".", "--grace", "500ms"]);
    place.run(&["start", "p"]).fine();
    let step = begun(&place, 0);
    let before = std::time::Instant::now();
    assert_eq!(up.stop(Signal::INT), 0);
    assert!(!is_alive(step));
    assert!(before.elapsed().as_secs() < 15, "the grace is not kept: {:?}", before.elapsed());
}

#[test]
fn an_interrupt_before_everything_is_idle_is_no_success() {
    let place = Place::new();
    place.write("p.yaml", pipeline("p", ONCE, &[&gated(&place, "a", "")]));
    let up = place.up(&[".", "--until-idle"]);
    begun(&place, 0);
    assert_eq!(up.stop(Signal::INT), 1);
}

#[test]
fn where_everything_stands_is_told_to_programs_too() {
    let place = Place::new();
    place.write("p.yaml", pipeline("p", ONCE, &[&shell("a", "exit 3", "")]));
    let said = place.until_idle(&["-o", "json"]);
    assert_eq!(said.code, 1, "{said:?}");
    let closing: Value = serde_json::from_str(&said.out).expect("one document");
    assert_eq!((&closing["runs"][0]["pipeline"], &closing["runs"][0]["state"]), (&json!("p"), &json!("failed")));
    assert!(closing["reasons"][0].as_str().expect("text").starts_with("p-1 failed: "), "{closing}");
    assert!(closing["address"].as_str().expect("text").starts_with("http://127.0.0.1:"), "{closing}");
}

#[test]
fn a_second_start_does_no_work_twice() {
    let place = Place::new();
    let count = place.path("count").display().to_string();
    let step = shell("a", &format!("echo x >> {count}; echo y > $WINDLASS_OUTPUTS/out"), "outputs: [out]");
    place.write("p.yaml", pipeline("p", &format!("{ONCE}parameters: {{alpha: 1}}"), &[&step]));
    let first = place.until_idle(&[]);
    first.says(0, &["1 to create"]);
    let calm = place.export();
    let second = place.until_idle(&[]);
    second.says(0, &["0 to create, 0 to change, 0 to delete, 1 unchanged"]);
    assert!(second.out.contains("p-1") && second.out.contains("1 runs"), "{second:?}");
    assert_eq!(place.export(), calm);
    assert_eq!(place.read("count"), "x\n");
    // Started by hand, its result comes from the cache; other parameters are other work.
    let _up = place.up(&["."]);
    place.run(&["start", "p", "--wait"]).fine();
    assert_eq!(place.read("count"), "x\n");
    let why = place.run(&["why", "p-2/a"]);
    assert!(
        why.out.contains("cached") && why.out.contains("every part of its key is the same as in p-1"),
        "{}",
        why.out
    );
    place.run(&["start", "p", "--param", "alpha=2", "--wait"]).fine();
    assert_eq!(place.read("count"), "x\nx\n");
    let why = place.run(&["why", "p-3/a"]).out;
    assert!(why.contains("its key differs in") && why.contains("alpha"), "{why}");
}

#[test]
fn logs_are_followed_while_they_grow() {
    let place = Place::new();
    let go = place.path("go").display().to_string();
    let line = format!("echo first; while [ ! -e {go} ]; do sleep 0.02; done; echo last; printf 'no end of line'");
    place.write("p.yaml", pipeline("p", "", &[&shell("a", &line, ""), &shell("b", "echo other", "needs: [a]")]));
    let _up = place.up(&["."]);
    place.run(&["start", "p"]).fine();
    wait_for("the log", || place.run(&["logs", "p-1/a"]).out.contains("first").then_some(()));
    for (target, expected) in
        [("p-1/a", vec!["last", "no end of line"]), ("p-1", vec!["a | last", "a | no end of line", "b | other"])]
    {
        let mut follow = place.command(&["logs", "-f", target]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.ends_with("first"), "{first}");
        place.write("go", "");
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        assert_eq!(rest, expected);
        assert!(follow.wait().unwrap().success());
    }
    place.run(&["logs", "p-1/nothing"]).says(1, &["there is no step nothing in p-1", "there is a, b"]);
    place.run(&["logs", "p-9"]).says(1, &["there is no run p-9"]);
    place.run(&["logs", "p-1/a", "--attempt", "7"]).says(1, &["there is no attempt 7 of a"]);
    place.run(&["why", "p-1"]).says(1, &["does not name a step", "train-3/features"]);
}

#[test]
fn waits_have_a_reason() {
    let place = Place::new();
    let (a, b) = (gated(&place, "a", ""), shell("b", "true", "needs: [a]"));
    place.write("p.yaml", pipeline("p", "", &[&a, &b]));
    place.write("q.yaml", pipeline("q", "", &[&shell("free", "true", "")]));
    let _up = place.up(&[".", "--max-parallel", "1"]);
    place.run(&["start", "p"]).fine();
    place.run(&["start", "p"]).fine();
    place.run(&["start", "q"]).fine();
    begun(&place, 0);
    for (step, reason) in [("p-1/b", "waits for a"), ("q-1/free", "waits for a free place")] {
        wait_for(reason, || place.run(&["why", step]).out.contains(reason).then_some(()));
    }
    let runs = place.run(&["get", "runs"]).out;
    assert!(runs.contains("waits for an earlier run of p; 1 at a time"), "{runs}");
    place.write("go", "");
    place.ended("p-2");
}

#[test]
fn a_run_is_cancelled_and_goes_on_from_its_failed_steps() {
    let place = Place::new();
    let (count, fine) = (place.path("count").display().to_string(), place.path("fine").display().to_string());
    let first =
        shell("first", &format!("echo x >> {count}; echo 1 > $WINDLASS_OUTPUTS/out"), "outputs: [out], cache: false");
    let second = shell("second", &format!("test -e {fine}"), "inputs: {a: first/out}");
    place.write("p.yaml", pipeline("p", "", &[&first, &second, &shell("third", "true", "needs: [second]")]));
    let _up = place.up(&["."]);
    place.run(&["start", "p", "--wait"]).says(1, &[]);
    assert_eq!(place.ended("p-1")["run"]["reason"], "second: exit code 1");
    place.run(&["cancel", "p-1"]).says(1, &["p-1"]);
    place.write("fine", "");
    place.run(&["retry", "p-1"]).fine();
    wait_for("the retry", || (place.json(&["describe", "run", "p-1"])["run"]["state"] == "succeeded").then_some(()));
    assert_eq!(place.read("count"), "x\n");
    place.run(&["retry", "p-1"]).says(1, &["p-1"]);
    place.run(&["retry", "p-7"]).says(1, &["there is no run p-7"]);
    place.run(&["start", "nothing"]).says(1, &["there is no Pipeline/nothing", "there is p"]);
    place.run(&["start", "p", "--param", "seed"]).says(1, &["`seed` is not a parameter", "NAME=VALUE"]);
}

#[test]
fn a_breaker_opens_once_and_waits_for_a_person() {
    let place = Place::new();
    let fine = place.path("fine").display().to_string();
    let settings = "triggers: [{dataset: d, breaker: 2}]";
    place.write(
        "p.yaml",
        pipeline("p", settings, &[&shell("a", &format!("test -e {fine}"), "inputs: {d: dataset/d}, cache: false")]),
    );
    place.write("d.yaml", head("Dataset", "d") + "spec: {uri: data, settle: 20ms, poll: 200ms}\n");
    let up = place.up(&["."]);
    for number in 1..=2 {
        place.write(&format!("data/{number}.txt"), "x");
        place.ended(&format!("p-{number}"));
    }
    up.wait_for_word("2 runs in a row failed");
    place.write("data/3.txt", "x");
    let held = wait_for("the held event", || {
        let triggers = place.json(&["get", "triggers", "p"]);
        (!triggers[0]["state"]["held"].is_null()).then(|| triggers[0]["state"].clone())
    });
    assert!(held["open"].as_str().is_some_and(|text| text.contains("waits for a person")), "{held}");
    up.wait_for_word("`windlass reset p dataset-d` lets it go on");
    place.run(&["get", "triggers", "p"]).says(0, &["`windlass reset p dataset-d`"]);
    assert_eq!(place.json(&["get", "runs"]).as_array().map(Vec::len), Some(2));
    place.write("fine", "");
    place.run(&["reset", "p", "dataset-d"]).fine();
    // What was held goes on, with what it was about.
    let detail = place.ended("p-3");
    assert_eq!(detail["run"]["state"], "succeeded");
    assert_eq!(up.log().matches("2 runs in a row failed").count(), 1, "{}", up.log());
    place.run(&["reset", "p", "nothing"]).says(1, &["nothing"]);
}

#[test]
fn until_idle_ends_with_one_where_a_breaker_is_open() {
    let place = Place::new();
    let settings = "triggers: [{schedule: {when: idle, times: 3}, breaker: 2}]";
    place.write("p.yaml", pipeline("p", settings, &[&shell("a", "exit 1", "")]));
    place.until_idle(&[]).says(1, &["windlass reset p", "p-1 failed", "p-2 failed"]);
    let _up = place.up(&[]);
    assert_eq!(place.json(&["get", "runs"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_cool_down_holds_events_and_fires_once_after_it() {
    let place = Place::new();
    place.write(
        "p.yaml",
        pipeline(
            "p",
            "triggers: [{dataset: d, coolDown: 3s}]",
            &[&shell("a", "ls $WINDLASS_INPUTS/d", "inputs: {d: dataset/d}")],
        ),
    );
    place.write("d.yaml", head("Dataset", "d") + "spec: {uri: data, settle: 20ms, poll: 100ms}\n");
    place.write("data/1.txt", "x");
    let _up = place.up(&["."]);
    place.ended("p-1");
    for number in 2..=3 {
        place.write(&format!("data/{number}.txt"), "x");
        wait_for("a version", || (place.json(&["get", "versions", "d"]).as_array()?.len() >= number).then_some(()));
    }
    let shown = place.run(&["get", "triggers", "p"]).out;
    assert!(shown.contains("cool"), "{shown}");
    place.ended("p-2");
    assert_eq!(place.run(&["logs", "p-2/a"]).out, "1.txt\n2.txt\n3.txt\n");
    assert_eq!(place.json(&["get", "runs"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_plan_is_stored_and_refused_once_stale() {
    let place = Place::of(&[("m.yaml", &(head("Model", "m") + "spec: {description: one}\n"))]);
    let _up = place.up(&[]);
    place
        .run(&["plan", "-f", "m.yaml", "--exit-code", "--out", "plan.json"])
        .says(2, &["stored; `windlass apply plan.json`"]);
    place.run(&["apply", "plan.json"]).fine();
    let again = place.run(&["apply", "plan.json"]);
    again.says(1, &["the plan is stale", "plan again"]);
    place.run(&["plan", "-f", "m.yaml", "--exit-code"]).fine();
    // Applying the same twice changes nothing.
    place.run(&["apply", "-f", "m.yaml"]).fine();
    assert_eq!(place.json(&["history", "model/m"]).as_array().map(Vec::len), Some(1));
    place.write("m.yaml", head("Model", "m") + "spec: {description: two}\n");
    let plan = place.run(&["plan", "-f", "m.yaml"]);
    assert!(plan.out.contains("\"one\" -> \"two\""), "{}", plan.out);
    place.run(&["apply", "-f", "m.yaml"]).fine();
    assert_eq!(place.json(&["history", "model/m"]).as_array().map(Vec::len), Some(2));
    place.run(&["apply", "m.yaml"]).says(1, &["m.yaml is not a stored plan", "-f"]);
    place.run(&["apply"]).says(1, &["PLAN"]);
    place.write("broken.json", "{\"format\": 9, \"plan\": 1}");
    place.run(&["apply", "broken.json"]).says(1, &["broken.json is not a stored plan"]);
}

#[test]
fn what_is_used_is_not_deleted() {
    let place = Place::of(&[
        ("d.yaml", &(head("Dataset", "d") + "spec: {uri: data}\n")),
        ("p.yaml", &pipeline("p", "", &[&shell("a", "true", "inputs: {d: dataset/d}")])),
    ]);
    let _up = place.up(&["."]);
    place.run(&["delete", "dataset/d"]).says(1, &["Dataset/d is in use by Pipeline/p", "delete or change those first"]);
    place.run(&["delete", "pipeline", "p"]).fine();
    place.run(&["delete", "dataset/d"]).fine();
    assert_eq!(place.json(&["get"]), json!([]));
    place.run(&["delete", "dataset/d"]).says(1, &["there is no Dataset/d"]);
    place.run(&["get", "dataset/d"]).says(1, &["there is no Dataset/d"]);
    place.run(&["get", "datasetz"]).says(1, &["datasetz", "dataset"]);
    place.run(&["describe", "x/y"]).says(1, &["x"]);
    assert!(place.json(&["history", "dataset/d"]).as_array().is_some_and(|rows| rows.len() == 2));
}

#[test]
fn standard_input_is_a_file_too() {
    let place = Place::of(&[("m.yaml", &(head("Model", "m") + "spec: {}\n"))]);
    let _up = place.up(&[]);
    let file = std::fs::File::open(place.path("m.yaml")).unwrap();
    let output = place.command(&["apply", "-f", "-"]).stdin(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(place.json(&["get", "models"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn every_listing_reads_as_json_and_yaml() {
    let place = Place::of(&[
        ("m.yaml", &(head("Model", "m") + "spec: {}\n")),
        ("p.yaml", &pipeline("p", ONCE, &[&shell("a", "true", "")])),
    ]);
    let _up = place.up(&["."]);
    place.ended("p-1");
    for words in [
        &["get"][..],
        &["get", "pipelines"],
        &["get", "pipeline/p"],
        &["get", "runs"],
        &["get", "triggers", "p"],
        &["describe", "pipeline/p"],
        &["describe", "run", "p-1"],
        &["history", "pipeline/p"],
        &["why", "p-1/a"],
        &["model", "ls"],
        &["ledger", "list"],
        &["ledger", "verify"],
        &["token", "list"],
        &["plan", "-f", "m.yaml"],
        &["doctor"],
    ] {
        assert!(!place.run(words).out.is_empty(), "{words:?}");
        let text = place.run(&[words, &["-o", "json"]].concat()).out;
        serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"));
        assert!(!place.run(&[words, &["-o", "yaml"]].concat()).out.is_empty(), "{words:?}");
    }
    // What `get` prints as YAML can be applied.
    place.write("again.yaml", place.run(&["get", "-o", "yaml"]).out);
    let plan = place.run(&["plan", "-f", "again.yaml", "--exit-code"]);
    assert_eq!(plan.code, 0, "{plan:?}");
}

#[test]
fn usage_errors_exit_with_one_and_help_has_examples() {
    let place = Place::new();
    for words in [&["nonsense"][..], &["get", "--nonsense"], &["start"], &["up", "--grace", "soon"], &[]] {
        let said = place.run(words);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(!said.err.is_empty());
    }
    let help = place.run(&["--help"]);
    assert_eq!(help.code, 0);
    // Not for people, and so not listed; yet who runs it by hand is told what it wants.
    for hidden in ["step", "model-server"] {
        let help = place.run(&[hidden, "--help"]);
        assert_eq!((help.code, help.out.contains("Usage")), (0, true), "{hidden}: {help:?}");
    }
    let verbs: Vec<&str> = help
        .out
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() > 20, "{verbs:?}");
    for verb in verbs {
        let help = place.run(&[verb, "--help"]);
        assert_eq!(help.code, 0, "{verb}: {help:?}");
        assert!(help.out.contains("Example"), "{verb} --help has no example");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.run(&["completions", shell]).out.contains("windlass"), "{shell}");
    }
    assert!(place.run(&["--version"]).out.starts_with("windlass "));
}

#[test]
fn init_writes_what_validates_and_never_over_what_is_there() {
    let place = Place::new();
    place.run(&["init", "new"]).fine();
    place.run(&["validate", "new"]).fine();
    let before = place.read("new/pipeline.yaml");
    place.write("new/pipeline.yaml", "mine");
    place.run(&["init", "new"]).says(1, &["pipeline.yaml", "there already", "nothing was written"]);
    assert_eq!(place.read("new/pipeline.yaml"), "mine");
    place.write("new/pipeline.yaml", before);
    if std::env::var_os("WINDLASS_TEST_NETWORK").is_none() && std::env::var_os("CI").is_none() {
        return skip("set WINDLASS_TEST_NETWORK to work on what init wrote: it needs a Python package");
    }
    place.write("new/data/first.csv", "x,y\n1,2\n2,4\n3,6\n");
    let said = place.run(&["up", "new", "--until-idle", "--listen", "127.0.0.1:0"]);
    said.fine();
    assert!(said.out.contains("train-1") && said.out.contains("line@1"), "{said:?}");
}

#[test]
fn a_command_is_tracked_without_a_server_and_its_exit_code_is_passed_on() {
    let place = Place::new();
    let said = place.run(&["run", "--", "sh", "-c", "echo hello; exit 7"]);
    assert!(said.out.contains("hello") || said.err.contains("hello"), "{said:?}");
    assert_eq!(said.code, 7, "{said:?}");
    place.run(&["run", "--", "no-such-program"]).says(1, &["no-such-program"]);
    place.run(&["run"]).says(1, &["CMD"]);
}
