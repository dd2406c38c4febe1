//! Files that are wrong: file, line, column, what and remedy, from every verb that reads them; nothing is applied.

use std::fs;

use crate::harness::{Place, head, pipeline};

/// What is wrong, the file, and what must be said.
const MISTAKES: &[(&str, &str, &[&str])] = &[
    (
        "a tab",
        "apiVersion: windlass.dev/v1alpha1\nkind: Model\nmetadata:\n\tname: a\n",
        &["bad.yaml:4:1", "a tab indents this line", "indent with spaces"],
    ),
    (
        "a misspelt field",
        "apiVersion: windlass.dev/v1alpha1\nkind: Dataset\nmetadata: {name: a}\nspec:\n  uri: data\n  setle: 1s\n",
        &["bad.yaml:6:3", "spec.setle", "there is no field `setle`", "did you mean `settle`?"],
    ),
    (
        "a misspelt kind",
        "apiVersion: windlass.dev/v1alpha1\nkind: Pipelin\nmetadata: {name: a}\n",
        &["bad.yaml:2:7", "there is no kind `Pipelin`", "did you mean `Pipeline`?"],
    ),
    (
        "a wrong type",
        "apiVersion: windlass.dev/v1alpha1\nkind: Dataset\nmetadata: {name: a}\nspec:\n  uri: data\n  expectations: {minRows: many}\n",
        &["bad.yaml:6:27", "spec.expectations.minRows", "a whole number from 0 up", "the text `many`"],
    ),
    (
        "a duplicate name",
        "apiVersion: windlass.dev/v1alpha1\nkind: Model\nmetadata: {name: fine}\nspec: {}\n",
        &["fine.yaml:3:18", "Model/fine stands here a second time", "the first is at ./bad.yaml:3:18"],
    ),
    (
        "a duplicate key",
        "apiVersion: windlass.dev/v1alpha1\nkind: Model\nmetadata: {name: a}\nspec: {}\nkind: Model\n",
        &["bad.yaml:5:1", "kind"],
    ),
    (
        "a cycle",
        "apiVersion: windlass.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: a}\nspec:\n  steps:\n    - {name: x, command: [sh], needs: [y]}\n    - {name: y, command: [sh], needs: [x]}\n",
        &["bad.yaml:6:40", "x → y → x", "take one of these"],
    ),
    (
        "references to nothing",
        "apiVersion: windlass.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: a}\nspec:\n  triggers: [{dataset: flight}]\n  steps:\n    - {name: x, command: [sh], inputs: {d: dataset/none, e: y/out}}\n",
        &[
            "bad.yaml:5:24",
            "there is no Dataset `flight`",
            "bad.yaml:7:44",
            "there is no Dataset `none`",
            "bad.yaml:7:61",
            "there is no step `y`",
            "the steps are x",
            "3 mistakes",
        ],
    ),
    (
        "a version to come",
        "apiVersion: windlass.dev/v2\nkind: Model\nmetadata: {name: a}\n",
        &["bad.yaml:1:13", "made for a newer Windlass", "this one reads v1alpha1"],
    ),
    (
        "a key `on`",
        "apiVersion: windlass.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: a}\nspec:\n  on: {dataset: b}\n  steps: [{name: x, command: [sh]}]\n",
        &["bad.yaml:5:3", "there is no field `on`", "write `triggers`", "YAML 1.1"],
    ),
    (
        "a gate without rows to judge by",
        "apiVersion: windlass.dev/v1alpha1\nkind: Model\nmetadata: {name: a}\nspec:\n  gates: [{alias: champion, rules: [{floor: mea, max: 1}, {bias: 2}]}]\n",
        &[
            "bad.yaml:5:45",
            "there is no measure `mea`",
            "did you mean `mae`?",
            "bad.yaml:5:59",
            "this rule needs rows to score a version over",
        ],
    ),
    (
        "an endpoint and a monitor of what is not there",
        "apiVersion: windlass.dev/v1alpha1\nkind: Endpoint\nmetadata: {name: e}\nspec: {model: fin@champion, traffic: {}}\n---\napiVersion: windlass.dev/v1alpha1\nkind: Monitor\nmetadata: {name: m}\nspec: {endpoint: ee, quality: [mae], window: {version: d}, thresholds: [{measure: rmse, above: 1}]}\n",
        &[
            "there is no Model `fin`",
            "did you mean `fine`?",
            "`traffic` comes with a later release",
            "there is no Endpoint `ee`",
            "there is no Dataset `d`",
            "this monitor does not measure `rmse`",
        ],
    ),
    (
        "a kind to come",
        "apiVersion: windlass.dev/v1alpha1\nkind: Policy\nmetadata: {name: a}\n",
        &["bad.yaml:2:7", "the kind `Policy` comes with a later release"],
    ),
    ("text that is no YAML", "a: [", &["bad.yaml:", "a value is missing", "hint:"]),
    (
        "a condition that does not parse",
        "apiVersion: windlass.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: a}\nspec:\n  steps: [{name: x, command: [sh], when: 'params.a ='}]\n",
        &["bad.yaml:5:", "spec.steps[0].when", "hint: conditions are CEL"],
    ),
    (
        "a folder of code that is not there",
        "apiVersion: windlass.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: a}\nspec:\n  code: stepz\n  steps: [{name: x, command: [sh]}]\n",
        &["bad.yaml:5:9", "spec.code", "there is no folder"],
    ),
];

#[test]
fn mistakes_have_a_place_a_reason_and_a_remedy() {
    for (what, text, words) in MISTAKES {
        let place = Place::of(&[("fine.yaml", &(head("Model", "fine") + "spec: {}\n")), ("bad.yaml", text)]);
        let said = place.run(&["validate", "."]);
        said.says(1, words).says(1, &["nothing was applied"]);
        assert!(said.out.is_empty(), "{what}: {said:?}");
        let planned = place.run(&["plan", "--offline", "-f", "."]);
        assert_eq!(planned.err, said.err, "{what}");
        assert_eq!(planned.code, 1, "{what}");
        // Not even a data folder comes into being.
        let up = place.until_idle(&[]);
        assert_eq!(up.err, said.err, "{what}");
        assert_eq!(up.code, 1, "{what}");
        assert!(!place.data().exists(), "{what}");
    }
}

#[test]
fn a_running_server_applies_all_or_nothing() {
    let place = Place::new();
    let up = place.up(&[]);
    for (what, text, words) in MISTAKES {
        place.write("in/fine.yaml", head("Model", "fine") + "spec: {}\n");
        place.write("in/bad.yaml", text);
        let said = place.run(&["apply", "-f", "in"]);
        let words: Vec<String> = words.iter().map(|word| word.replace("./bad.yaml", "in/bad.yaml")).collect();
        said.says(1, &words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(place.json(&["get"]), serde_json::json!([]), "{what}");
        let rows = place.json(&["ledger", "list"]);
        let applied = |row: &serde_json::Value| row["subject"].as_str().is_some_and(|text| text.contains('/'));
        assert!(!rows.as_array().unwrap().iter().any(applied), "{what}: {rows}");
    }
    drop(up);
}

#[test]
fn hostile_files_are_refused_soon_and_in_little_memory() {
    let place = Place::new();
    let bomb = |levels: &str| {
        let mut text = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        let mut last = 'a';
        for level in levels.chars() {
            let items = vec![format!("*{last}"); 9].join(",");
            text.push_str(&format!("{level}: &{level} [{items}]\n"));
            last = level;
        }
        text
    };
    let big = fs::File::create(place.path("big.yaml")).unwrap();
    big.set_len(50 << 20).unwrap();
    for (file, text, words) in [
        ("big.yaml", None, vec!["big.yaml", "more than 1 MiB", "a manifest names data by its uri"]),
        ("bomb.yaml", Some(bomb("bcdefghi")), vec!["bomb.yaml:6:8", "aliases expand to too much"]),
        ("deep.yaml", Some("[".repeat(100_000)), vec!["deep.yaml:1:", "nested too deep"]),
        ("binary.yaml", Some("kind: \u{0}\u{1}\n".to_owned()), vec!["binary.yaml:1:"]),
    ] {
        if let Some(text) = text {
            place.write(file, text);
        }
        // 600 MB of address space and ten seconds of processor: the shell holds what `ulimit` promises.
        let mut limited = std::process::Command::new("sh");
        limited
            .args([
                "-c",
                "ulimit -v 600000 -t 10; exec \"$0\" \"$@\"",
                env!("CARGO_BIN_EXE_windlass"),
                "validate",
                file,
            ])
            .current_dir(place.path("."));
        let output = limited.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{file}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{file}: {said}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    let place = Place::of(&[("empty.yaml", "# nothing\n")]);
    fs::create_dir(place.path("none")).unwrap();
    place.run(&["validate", "gone.yaml"]).says(1, &["gone.yaml", "No such file"]);
    place.run(&["validate", "none"]).says(1, &["no manifests in none", "end in .yaml or .yml", "windlass init"]);
    place.run(&["validate", "empty.yaml"]).says(1, &["no manifests in empty.yaml"]);
    place.until_idle(&[]).says(1, &["no manifests in ."]);
    place.run(&["up", "gone"]).says(1, &["there is no folder gone"]);
}

#[test]
fn warnings_and_plans_exit_as_promised() {
    let place = Place::of(&[("p.yaml", &pipeline("p", "", &["{name: a, command: [\"true\"]}"]))]);
    place.run(&["validate", "p.yaml"]).fine();
    place.run(&["plan", "--offline", "-f", "p.yaml"]).fine();
    place.run(&["plan", "--offline", "--exit-code", "-f", "p.yaml"]).says(2, &[]);
}
