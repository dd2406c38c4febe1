use serde_json::json;

use super::*;

fn facts() -> TriggerFacts {
    TriggerFacts {
        text: "dataset arrivals version 3".to_owned(),
        version: Some(3),
        files: Some(2),
        rows: None,
        added: vec!["2013-03.parquet".to_owned()],
        changed: Vec::new(),
        removed: Vec::new(),
        breach: None,
    }
}

#[test]
fn triggers_ask_about_versions() {
    let cases: &[(&str, Result<bool, &str>)] = &[
        ("version.files >= 2", Ok(true)),
        ("version.files > 2", Ok(false)),
        ("version.number == 3 && trigger.count == 7", Ok(true)),
        ("size(version.added) == 1", Ok(true)),
        ("version.added.exists(path, path.endsWith('.parquet'))", Ok(true)),
        ("version.added.filter(p, p.startsWith('2013')).all(p, p != '')", Ok(true)),
        ("version.rows == null", Ok(true)),
        ("version.rows != null && version.rows > 10", Ok(false)),
        ("true", Ok(true)),
        ("version.file >= 2", Err("cannot be evaluated: there is no `file`")),
        ("version.files", Err("gives a value of type int, not true or false")),
        ("1 / 0 == 1", Err("cannot be evaluated: it divides by zero")),
        ("params.x == 1", Err("nothing is called `params` here; there is `version`, `trigger`")),
        (
            "version.added.all(a, version.added.all(b, a == b))",
            Err("`all`, `exists`, `map` and `filter` must not stand within each other"),
        ),
    ];
    for (expression, expected) in cases {
        let got = eval_trigger(expression, &facts(), 7);
        assert_eq!(got.as_ref().map_err(ToString::to_string).copied(), expected.map_err(str::to_owned), "{expression}");
    }
}

#[test]
fn triggers_ask_about_breaches() {
    let breach = BreachFacts {
        monitor: "quality".parse().unwrap(),
        measure: "mae".to_owned(),
        value: 14.2,
        threshold: 13.9,
        window: "arrivals version 5".to_owned(),
    };
    let of_monitor = TriggerFacts { breach: Some(breach), ..TriggerFacts::default() };
    for (expression, facts, expected) in [
        ("trigger.measure == 'mae' && trigger.value > trigger.threshold", &of_monitor, true),
        ("trigger.value > trigger.threshold * 1.1", &of_monitor, false),
        ("trigger.monitor == 'quality' && trigger.window.startsWith('arrivals')", &of_monitor, true),
        ("version.number == null", &of_monitor, true),
        ("trigger.measure == null", &facts(), true),
    ] {
        assert_eq!(eval_trigger(expression, facts, 1), Ok(expected), "{expression}");
    }
}

#[test]
fn steps_ask_about_parameters() {
    let params: BTreeMap<String, Value> = [
        ("window".to_owned(), json!("all")),
        ("tick".to_owned(), json!(13)),
        ("alpha".to_owned(), json!(0.5)),
        ("list".to_owned(), json!([1, {"a": true}])),
    ]
    .into();
    let cases = [
        ("params.window == 'all'", true),
        ("params.window in ['all', 'none']", true),
        ("params.tick < 13", false),
        ("params.alpha > 0.4", true),
        ("params.list[1].a", true),
        ("has(params.missing)", false),
        ("type(params.tick) == int", true),
    ];
    for (expression, expected) in cases {
        assert_eq!(eval_step(expression, &params), Ok(expected), "{expression}");
    }
}

#[test]
fn mistakes_are_said_with_their_place() {
    assert_eq!(check("version.files >= 2"), Ok(()));
    assert_eq!(check("params.window == 'all'"), Ok(()));
    match check("version.files >=\n >= 2") {
        Err(ConditionError::Syntax { line: 2, column, .. }) => assert!(column >= 1),
        other => panic!("{other:?}"),
    }
    for broken in ["", "version.files >= ", "'open", "a b", ")", "\u{0}", "version..files", "version.files >= é"] {
        assert!(matches!(check(broken), Err(ConditionError::Syntax { .. })), "{broken:?}: {:?}", check(broken));
    }
    assert!(matches!(check("versions.files > 1"), Err(ConditionError::Unknown { .. })));
}

#[test]
fn size_and_depth_are_bounded() {
    assert_eq!(check(&"1".repeat(EXPRESSION_MAX + 1)), Err(ConditionError::TooLong(EXPRESSION_MAX + 1)));
    for deep in ["(".repeat(500), "[".repeat(500), "!".repeat(500), "-".repeat(500), "true ? ".repeat(100)] {
        assert_eq!(check(&deep), Err(ConditionError::TooDeep(32)), "{deep}");
    }
    // Long but flat is fine.
    assert_eq!(check(&format!("true{}", " && true".repeat(100))), Ok(()));
    assert_eq!(check("params.a == '((((((((((((((((((((((((((((((((((((((((((((('"), Ok(()));
}
