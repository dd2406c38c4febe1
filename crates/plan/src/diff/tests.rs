use serde_json::{Value, json};
use windlass_kinds::{
    Micros,
    manifest::{ModelSpec, Spec},
    record::Actor,
};

use super::*;

fn check(old: Value, new: Value, expected: &[&str]) {
    let text = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
    let changes: Vec<String> = diff(Some(&old), &new)
        .iter()
        .map(|change| format!("{}: {} -> {}", change.path, text(&change.old), text(&change.new)))
        .collect();
    assert_eq!(changes, expected, "{old} -> {new}");
}

#[test]
fn fields_that_differ_are_named() {
    check(json!({"a": 1}), json!({"a": 1}), &[]);
    check(json!({"a": 1, "b": 2}), json!({"a": 3, "c": 4}), &["a: 1 -> 3", "b: 2 -> -", "c: - -> 4"]);
    check(json!({"a": {"b": {"c": 1}}}), json!({"a": {"b": {"c": null}}}), &["a.b.c: 1 -> null"]);
    check(json!({"a": {"x/y": 1}}), json!({"a": {"x/y": 2}}), &["a[\"x/y\"]: 1 -> 2"]);
    check(json!({"a": 1}), json!({"a": {"b": 1}}), &["a: 1 -> {\"b\":1}"]);
    check(json!({"a": ["x", "y"]}), json!({"a": ["x"]}), &["a: [\"x\",\"y\"] -> [\"x\"]"]);
    check(json!({"a": [{"x": 1}, {"x": 2}]}), json!({"a": [{"x": 1}, {"x": 3}]}), &["a[1].x: 2 -> 3"]);
}

#[test]
fn named_elements_are_found_by_name() {
    let step = |name: &str, n: u32| json!({"name": name, "n": n});
    check(
        json!({"steps": [step("a", 1), step("b", 2)]}),
        json!({"steps": [step("new", 9), step("a", 1), step("b", 3)]}),
        &["steps[b].n: 2 -> 3", "steps[new]: - -> {\"n\":9,\"name\":\"new\"}"],
    );
    check(
        json!({"steps": [step("a", 1), step("b", 2)]}),
        json!({"steps": [step("b", 2), step("a", 1)]}),
        &["steps (order): [\"a\",\"b\"] -> [\"b\",\"a\"]"],
    );
}

#[test]
fn nothing_before_lists_every_field() {
    let changes = diff(None, &json!({"a": 1, "b": {"c": 2}}));
    assert_eq!(changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

fn model(name: &str, description: &str) -> (Manifest, Resolved) {
    let spec = Spec::Model(ModelSpec { description: description.to_owned(), ..ModelSpec::default() });
    let manifest = Manifest {
        name: name.parse().unwrap(),
        project: "default".parse().unwrap(),
        labels: Default::default(),
        annotations: Default::default(),
        spec,
    };
    (manifest, Resolved { base: format!("/{description}"), ..Resolved::default() })
}

fn revision((manifest, resolved): (Manifest, Resolved), number: u32) -> Revision {
    Revision {
        project: manifest.project.clone(),
        kind: manifest.kind(),
        name: manifest.name.clone(),
        number,
        digest: Revision::content_digest(&manifest, &resolved),
        manifest,
        resolved,
        deleted: false,
        actor: Actor::system(),
        created_at: Micros(0),
    }
}

#[test]
fn a_plan_follows_the_order_of_what_is_wanted() {
    let current = [revision(model("same", "x"), 1), revision(model("other", "x"), 4)];
    let mut moved = model("same", "x");
    moved.1.base = "/elsewhere".to_owned();
    let made = plan(&current, &[model("new", "x"), moved, model("other", "y")]);
    let actions: Vec<_> = made.changes.iter().map(|change| (change.object.to_string(), change.action)).collect();
    assert_eq!(
        actions,
        [
            ("Model/new".to_owned(), ChangeAction::Create),
            ("Model/same".to_owned(), ChangeAction::Unchanged),
            ("Model/other".to_owned(), ChangeAction::Update),
        ]
    );
    let fields: Vec<_> = made.changes[2].fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(fields, ["spec.description"]);
    assert!(!made.is_empty());
}

#[test]
fn a_plan_is_stale_once_its_project_moved_on() {
    let mut current = vec![revision(model("a", "x"), 1)];
    let made = plan(&current, &[model("a", "y")]);
    assert!(!is_stale(&made, &current));
    let mut elsewhere = revision(model("b", "x"), 1);
    elsewhere.project = "other".parse().unwrap();
    current.push(elsewhere);
    assert!(!is_stale(&made, &current), "another project does not count");
    current.push(revision(model("b", "x"), 1));
    assert!(is_stale(&made, &current));
    let text = serde_json::to_string(&made).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), made);
}

#[test]
fn edited_code_and_requirements_show() {
    let resolved = |code: &str, text: &str| Resolved {
        base: String::new(),
        code: Some(Digest::sha256(code)),
        requirements: [("requirements.txt".to_owned(), text.to_owned())].into(),
    };
    let (manifest, _) = model("a", "x");
    let current = [revision((manifest.clone(), resolved("one", "numpy")), 1)];
    let made = plan(&current, &[(manifest, resolved("two", "numpy==2"))]);
    let paths: Vec<_> = made.changes[0].fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, ["content.code", "content.requirements[\"requirements.txt\"]"]);
}

#[test]
fn a_deletion_is_planned_by_itself() {
    let current = [revision(model("a", "x"), 1)];
    let object = current[0].manifest.object();
    let project = current[0].project.clone();
    assert_eq!(plan_deletion(&current, &project, &object).changes[0].action, ChangeAction::Delete);
    assert!(plan_deletion(&[], &project, &object).is_empty());
}
