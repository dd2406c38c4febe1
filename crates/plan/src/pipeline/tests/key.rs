//! What enters a key, and what does not.

use std::collections::BTreeMap;

use serde_json::json;
use windlass_kinds::{
    Digest, Name,
    manifest::{Foreach, OutputSpec, Resources, RetrySpec, StepSpec},
    record::CacheKey,
};

use super::world::{World, name, pipeline};
use crate::pipeline::{KeyFacts, explain, key};

struct Case {
    step: StepSpec,
    code: Option<Digest>,
    lock: Option<Digest>,
    parameters: BTreeMap<String, serde_json::Value>,
    inputs: BTreeMap<Name, String>,
    architecture: String,
    project: Name,
    environment: Name,
}

impl Case {
    fn new() -> Self {
        let mut step = pipeline("a").steps.remove(0);
        step.settings.env.insert("LEVEL".to_owned(), "secret".to_owned());
        Self {
            step,
            code: Some(Digest::sha256("code")),
            lock: None,
            parameters: [("seed".to_owned(), json!(7))].into(),
            inputs: [(name("flights"), "sha256:1".to_owned())].into(),
            architecture: "x86_64".to_owned(),
            project: name("default"),
            environment: name("local"),
        }
    }

    fn key(&self) -> CacheKey {
        key(&KeyFacts {
            step: &self.step,
            code: self.code.as_ref(),
            lock: self.lock.as_ref(),
            parameters: &self.parameters,
            inputs: &self.inputs,
            architecture: &self.architecture,
            project: &self.project,
            environment: &self.environment,
        })
    }
}

/// Changes one thing and names the parts that differ then.
fn check(change: impl FnOnce(&mut Case), expected: &[&str]) {
    let before = Case::new().key();
    let mut case = Case::new();
    change(&mut case);
    let after = case.key();
    let parts: Vec<String> = explain(&after, &before).into_iter().map(|difference| difference.part).collect();
    assert_eq!(parts, expected);
    assert_eq!(after.digest == before.digest, expected.is_empty());
}

#[test]
fn what_changes_a_result_changes_the_key() {
    check(|case| case.step.command.push("--fast".to_owned()), &["command"]);
    check(|case| case.step.command = vec!["run a".to_owned()], &["command"]);
    check(|case| case.code = None, &["code"]);
    check(|case| case.lock = Some(Digest::sha256("lock")), &["lock"]);
    check(|case| _ = case.parameters.insert("seed".to_owned(), json!("7")), &["parameter.seed"]);
    check(|case| _ = case.parameters.insert("x".to_owned(), json!(null)), &["parameter.x"]);
    check(|case| _ = case.inputs.insert(name("flights"), "sha256:2".to_owned()), &["input.flights"]);
    check(|case| _ = case.inputs.remove("flights"), &["input.flights"]);
    check(|case| _ = case.step.settings.env.insert("LEVEL".to_owned(), "2".to_owned()), &["env.LEVEL"]);
    check(|case| _ = case.step.outputs.insert(name("report"), OutputSpec::default()), &["output.report"]);
    check(|case| case.step.outputs.get_mut("out").unwrap().model = Some(name("flights")), &["output.out"]);
    check(|case| case.architecture = "aarch64".to_owned(), &["architecture"]);
    check(|case| case.project = name("other"), &["project"]);
    check(|case| case.environment = name("cluster"), &["environment"]);
}

#[test]
fn what_does_not_change_a_result_leaves_the_key() {
    check(|case| case.step.name = name("b"), &[]);
    check(|case| case.step.needs.push(name("b")), &[]);
    check(|case| case.step.when = Some("true".to_owned()), &[]);
    check(|case| case.step.wait_idle = true, &[]);
    check(|case| case.step.cache = false, &[]);
    check(|case| case.step.settings.retries = Some(RetrySpec { limit: 9, ..RetrySpec::default() }), &[]);
    check(|case| case.step.settings.timeout = Some("1m".parse().unwrap()), &[]);
    check(|case| case.step.settings.resources = Some(Resources { cpu: 8.0, memory: None }), &[]);
    check(|case| case.step.template = Some("train@3".parse().unwrap()), &[]);
    check(|case| case.step.foreach = Some(Foreach { parameter: "x".to_owned(), values: vec![json!(1)] }), &[]);
}

#[test]
fn a_key_shows_no_value_of_a_variable() {
    let parts = Case::new().key().parts;
    assert!(parts["env.LEVEL"].starts_with("sha256:"), "{}", parts["env.LEVEL"]);
}

#[test]
fn differences_read_well() {
    let (before, mut case) = (Case::new().key(), Case::new());
    case.parameters = [("alpha".to_owned(), json!(0.5))].into();
    case.lock = Some(Digest::sha256("lock"));
    let said: Vec<String> = explain(&case.key(), &before).iter().map(ToString::to_string).collect();
    let lock = &Digest::sha256("lock").to_string()[..19];
    assert_eq!(
        said,
        [
            format!("lock: {lock}, was none"),
            "parameter.alpha: 0.5, was not there".to_owned(),
            "parameter.seed: gone, was 7".to_owned(),
        ]
    );
}

#[test]
fn inputs_enter_by_content_and_fan_ins_by_order() {
    let parts = |text: &str, step: &str| {
        let mut world = World::new(text);
        for line in ["look", "ok a[x]", "ok a[y]"] {
            world.play(line);
        }
        world.step(step).key.clone().unwrap().parts
    };
    let forward = parts("a[x,y]; b: a", "b");
    let backward = parts("a[y,x]; b: a", "b");
    assert!(forward["input.a"].starts_with("2 items sha256:"), "{}", forward["input.a"]);
    assert_ne!(forward["input.a"], backward["input.a"]);
    let by_item = parts("a[x,y]; b[x,y]: a", "b[y]");
    assert_eq!(by_item["input.a"], super::world::output("a[y]").tree.to_string());
    assert_eq!(by_item["parameter.item"], "\"y\"");
    let dataset = parts("a[x,y] @dataset=flights", "a[x]");
    assert_eq!(dataset["input.flights"], Digest::sha256("flights").to_string());
}
