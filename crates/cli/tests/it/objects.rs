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
fn what_closes_the_loop_is_read_back_and_kept_while_in_use() {
    let data = head("Dataset", "d") + "spec: {uri: data}\n";
    let model = head("Model", "m") + "spec: {gates: [{alias: champion, rules: [{data: accepted}]}]}\n";
    let endpoint = head("Endpoint", "e")
        + "spec: {model: m@champion, rowId: [id], labels: {dataset: d, value: y}, limits: {maxBody: 1MiB}}\n";
    let monitor = head("Monitor", "o")
        + "spec: {endpoint: e, quality: [mae], window: {version: d}, thresholds: [{measure: mae, above: 2, of: test}]}\n";
    let user = pipeline("p", "triggers: [{monitor: o, unless: m@champion}]", &[&shell("a", "true", "")]);
    let place = Place::of(&[
        ("d.yaml", &data),
        ("m.yaml", &model),
        ("e.yaml", &endpoint),
        ("o.yaml", &monitor),
        ("p.yaml", &user),
    ]);
    std::fs::create_dir_all(place.path("data")).unwrap();
    let _up = place.up(&["."]);
    for (object, words) in [
        ("model/m", ["alias: champion", "name: accepted-data"]),
        ("endpoint/e", ["model: m@champion", "maxBody: 1Mi"]),
        ("monitor/o", ["quality: [mae]", "of: test"]),
        ("pipeline/p", ["monitor: o", "unless: m@champion"]),
    ] {
        let told = place.run(&["get", object, "-o", "yaml"]);
        shows(&told, &words);
        place.write("again.yml", &told.out);
        shows(&place.run(&["plan", "-f", "again.yml"]), &["1 unchanged"]);
    }
    for (object, user) in [
        ("dataset/d", "in use by Endpoint/e, Monitor/o"),
        ("model/m", "in use by Endpoint/e, Pipeline/p"),
        ("endpoint/e", "in use by Monitor/o"),
        ("monitor/o", "in use by Pipeline/p"),
    ] {
        place.run(&["delete", object]).says(1, &[user]);
    }
    for object in ["pipeline/p", "monitor/o", "endpoint/e", "model/m"] {
        place.run(&["delete", object]).fine();
    }
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
    place.run(&["run", "--project", "team", "--", "sh", "-c", "echo $MLFLOW_TRACKING_URI"]).fine();
    place
        .run(&["run", "--project", "taem", "--", "true"])
        .says(1, &["there is no project taem", "did you mean `team`"]);
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
