//! What manifests hold once they are applied: published templates, limits of environments, projects; and how objects
//! are looked at.

use serde_json::json;

use crate::harness::{Answer, Place, head, pipeline, shell, wait_for};

/// Checks that results hold some words.
#[track_caller]
fn shows(answer: &Answer, words: &[&str]) {
    answer.fine();
    words.iter().for_each(|word| assert!(answer.out.contains(word), "no {word:?} in {answer:#?}"));
}

/// A template that sets one variable.
fn template(version: u32, value: &str) -> String {
    format!("{}spec: {{version: {version}, defaults: {{env: {{A: {value}}}}}}}\n", head("JobTemplate", "t"))
}

#[test]
fn a_published_template_stays_usable_and_never_changes() {
    let user = pipeline("p", "", &[&shell("a", "echo A=$A", "template: t@1")]);
    let place = Place::of(&[("one.yaml", &template(1, "one")), ("two.yaml", &template(2, "two"))]);
    let _up = place.up(&[]);
    for file in ["one.yaml", "two.yaml"] {
        place.run(&["apply", "-f", file]).fine();
    }
    place.write("p.yaml", user);
    place.run(&["apply", "-f", "p.yaml"]).fine();
    place.run(&["start", "p", "--wait"]).fine();
    assert_eq!(place.run(&["logs", "p-1/a"]).out, "A=one\n");
    place.write("one.yaml", template(1, "other"));
    place.run(&["apply", "-f", "one.yaml"]).says(1, &["one.yaml:4:", "version 1 of JobTemplate/t is published"]);
    place.run(&["delete", "jobtemplate/t"]).says(1, &["in use by Pipeline/p"]);
    shows(&place.run(&["history", "jobtemplate/t"]), &["created", "spec.defaults.env.A, spec.version"]);
}

#[test]
fn an_environment_says_how_much_runs_at_once() {
    let place = Place::of(&[
        ("e.yaml", &(head("Environment", "local") + "spec: {type: local, maxParallel: 1}\n")),
        ("p.yaml", &pipeline("p", "", &["a", "b"].map(hold).each_ref().map(String::as_str))),
    ]);
    let _up = place.up(&[".", "--max-parallel", "8"]);
    place.run(&["start", "p"]).fine();
    wait_for("one step", || place.run(&["describe", "p-1"]).out.contains("waits for a free place").then_some(()));
    assert_eq!(place.run(&["describe", "p-1"]).out.matches(" running ").count(), 1, "one step at a time");
    place.write("go", "");
    place.ended("p-1");
}

/// A step that runs until the file `go` is there.
fn hold(name: &str) -> String {
    shell(name, "while [ ! -e ../../../../go ]; do sleep 0.05; done", "")
}

#[test]
fn a_project_is_named_on_the_command_line() {
    let text = pipeline("p", "", &[&shell("a", "echo in team", "")]).replace("{name: p}", "{name: p, project: team}");
    let place = Place::of(&[("p.yaml", &text)]);
    let _up = place.up(&["."]);
    place.run(&["start", "p"]).says(1, &["there is no Pipeline/p"]);
    place.run(&["--project", "team", "start", "p", "--wait"]).fine();
    assert_eq!(place.run(&["--project", "team", "logs", "p-1"]).out, "a | in team\n");
    assert_eq!(place.json(&["get", "runs"]), json!([]));
    assert_eq!(place.json(&["get"]).as_array().map(Vec::len), Some(1));
    assert_eq!(place.json(&["get", "--project", "default"]), json!([]));
    place.run(&["run", "--project", "team", "--", "true"]).says(1, &["project of its token", "windlass token create"]);
    let secret = place.run(&["token", "create", "of-team", "--project", "team"]).fine().out.trim().to_owned();
    shows(&place.run(&["--token", &secret, "describe", "pipeline/p"]), &["project: team", "p-1"]);
    place.run(&["--token", &secret, "--project", "default", "get"]).says(1, &["not good for project default"]);
}

#[test]
fn what_a_step_used_is_shown() {
    let place = Place::of(&[("p.yaml", &pipeline("p", "", &[&shell("a", "true", "")]))]);
    let _up = place.up(&["."]);
    place.run(&["start", "p", "--wait"]).fine();
    shows(&place.run(&["describe", "p-1"]), &["CPU", "MEMORY", "MiB"]);
    let attempts = place.json(&["describe", "p-1"])["attempts"].clone();
    assert!(attempts[0]["usage"]["peak_memory"].as_u64().is_some_and(|bytes| bytes > 0), "{attempts}");
    place.run(&["describe", "pipelines"]).says(1, &["does not name one object", "windlass get pipelines"]);
}

#[test]
fn programs_read_mistakes_too() {
    let place = Place::of(&[("m.yaml", &(head("Model", "m") + "spec: {descripton: x}\n"))]);
    let answer = place.run(&["validate", ".", "-o", "json"]);
    answer.says(1, &["did you mean `description`?"]);
    let value: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(value["manifests"], json!([]));
    assert_eq!(value["findings"][0]["position"], json!({"line": 4, "column": 8}));
}
