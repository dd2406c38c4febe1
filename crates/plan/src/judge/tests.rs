use serde_json::{Value, json};
use windlass_kinds::manifest::{Source, Spec, parse};

use super::*;

/// Reads a gate before `champion` as people write its rules.
fn gate(rules: &str) -> GateSpec {
    let text = format!(
        "apiVersion: windlass.dev/v1alpha1\nkind: Model\nmetadata: {{name: flights}}\nspec:\n  \
         evaluation: {{label: y, prediction: p, key: [id]}}\n  gates:\n    - {{alias: champion, rules: [{rules}]}}\n"
    );
    let outcome = parse(&[Source::new("model.yaml", text)]);
    assert!(!outcome.has_errors(), "{:?}", outcome.findings);
    match &outcome.manifests[0].manifest.spec {
        Spec::Model(spec) => spec.gates[0].clone(),
        other => panic!("{other:?}"),
    }
}

/// Returns the evidence of version 4 where version 2 is champion, with some of it put in other words.
fn evidence(changes: Value) -> Evidence {
    let mut evidence = json!({
        "model": "flights",
        "version": 4,
        "champion": 2,
        "aliases": {"champion": 2},
        "rows": null,
        "measures": {"mae": 12.41, "bias": -0.52, "auc": 0.81},
        "champion_measures": {"mae": 12.92},
        "comparisons": [comparison(json!({}))],
        "servable": {"served": {"max_difference": 3.14159e-6, "rows": 1000}},
        "datasets": [
            {"name": "flights", "version": 1, "accepted": true},
            {"name": "arrivals", "version": 5, "accepted": true},
        ],
        "problems": [],
    });
    merge(&mut evidence, changes);
    serde_json::from_value(evidence).unwrap()
}

fn comparison(changes: Value) -> Value {
    let mut comparison = json!({
        "measure": "mae", "than": "champion", "than_version": 2, "confidence": 0.95, "resamples": 2000, "seed": "s",
        "difference": 0.51, "low": 0.12, "high": 0.9,
    });
    merge(&mut comparison, changes);
    comparison
}

fn merge(into: &mut Value, changes: Value) {
    for (key, value) in changes.as_object().unwrap() {
        into[key] = value.clone();
    }
}

fn says(rules: &str, evidence: &Evidence) -> String {
    let Judgement { passed, rules } = verdict(&gate(rules), evidence);
    assert_eq!(passed, rules.iter().all(|rule| rule.passed));
    let lines: Vec<String> =
        rules.iter().map(|rule| format!("{}: {}", if rule.passed { "yes" } else { "no" }, rule.text)).collect();
    lines.join("\n")
}

#[test]
fn rules_say_what_they_found() {
    let better = "{better: mae, than: champion}";
    let compared = |changes: Value| json!({"comparisons": [comparison(changes)]});
    let cases = [
        ("{floor: mae, max: 20}", json!({}), "yes: mae 12.41 ≤ 20"),
        ("{floor: mae, max: 12.41}", json!({}), "yes: mae 12.41 ≤ 12.41"),
        ("{floor: mae, max: 12.409999}", json!({}), "no: mae 12.41 > 12.409999"),
        ("{floor: auc, min: 0.7}", json!({}), "yes: auc 0.81 ≥ 0.7"),
        ("{floor: auc, min: 0.9}", json!({}), "no: auc 0.81 < 0.9"),
        ("{floor: auc, min: 0.7, max: 1}", json!({}), "yes: auc 0.81 ≥ 0.7, ≤ 1"),
        ("{floor: rmse, max: 20}", json!({}), "no: rmse is unknown"),
        (
            "{floor: rmse, max: 20}",
            json!({"problems": ["evaluation.parquet is not there"]}),
            "no: rmse is unknown: evaluation.parquet is not there",
        ),
        (
            better,
            json!({}),
            "yes: mae 12.41 against 12.92, better than champion (version 2) by 0.51; 95% interval 0.12 to 0.9, above 0",
        ),
        (
            "{better: mae, than: champion, by: 0.12}",
            json!({}),
            "no: mae 12.41 against 12.92, better than champion (version 2) by 0.51; 95% interval 0.12 to 0.9, not above 0.12",
        ),
        (
            better,
            compared(json!({"difference": -0.3, "low": -0.8, "high": 0.2})),
            "no: mae 12.41 against 12.92, worse than champion (version 2) by 0.3; 95% interval -0.8 to 0.2, not above 0",
        ),
        (
            better,
            compared(json!({"low": 0.0})),
            "no: mae 12.41 against 12.92, better than champion (version 2) by 0.51; 95% interval 0 to 0.9, not above 0",
        ),
        (better, json!({"champion": null, "aliases": {}, "comparisons": []}), "yes: nothing is champion yet"),
        (
            better,
            json!({"champion": 4, "aliases": {"champion": 4}, "comparisons": []}),
            "yes: version 4 is champion already",
        ),
        (better, json!({"comparisons": []}), "no: mae was not compared with champion, version 2"),
        (better, compared(json!({"confidence": 0.9})), "no: mae was not compared with champion, version 2"),
        (better, compared(json!({"resamples": 100})), "no: mae was not compared with champion, version 2"),
        (better, compared(json!({"than_version": 1})), "no: mae was not compared with champion, version 2"),
        (
            better,
            json!({"comparisons": [], "problems": ["version 2 does not load", "later"]}),
            "no: mae was not compared with champion, version 2: version 2 does not load; later",
        ),
        (
            "{better: rmse, than: best}",
            json!({"aliases": {"best": 3}, "comparisons": [comparison(json!({"measure": "rmse", "than": "best", "than_version": 3}))]}),
            "yes: rmse better than best (version 3) by 0.51; 95% interval 0.12 to 0.9, above 0",
        ),
        ("{bias: 2}", json!({}), "yes: bias -0.52 within ±2"),
        ("{bias: 0.52}", json!({}), "yes: bias -0.52 within ±0.52"),
        ("{bias: 0.5}", json!({}), "no: bias -0.52 beyond ±0.5"),
        ("{bias: 2}", json!({"measures": {}}), "no: the bias is unknown"),
        ("{servable: 1.0e-4}", json!({}), "yes: answers differ from the framework's by 3.14e-6 ≤ 1e-4 over 1000 rows"),
        ("{servable: 1.0e-6}", json!({}), "no: answers differ from the framework's by 3.14e-6 > 1e-6 over 1000 rows"),
        (
            "{servable: 1}",
            json!({"servable": {"served": {"max_difference": 0.0, "rows": 0}}}),
            "no: no row was answered",
        ),
        (
            "{servable: 1}",
            json!({"servable": {"not": {"reason": "no operator Foo"}}}),
            "no: not servable: no operator Foo",
        ),
        ("{servable: 1}", json!({"servable": null}), "no: no model server was asked"),
        ("{data: accepted}", json!({}), "yes: made from accepted data: flights version 1, arrivals version 5"),
        (
            "{data: accepted}",
            json!({"datasets": [{"name": "a", "version": 1, "accepted": true}, {"name": "b", "version": 2, "accepted": false}]}),
            "no: made from data that was not accepted: b version 2",
        ),
        ("{data: accepted}", json!({"datasets": []}), "no: it is not known what data it was made from"),
        (
            "{data: accepted}, {bias: 0.1}",
            json!({}),
            "yes: made from accepted data: flights version 1, arrivals version 5\nno: bias -0.52 beyond ±0.1",
        ),
    ];
    for (rules, changes, expected) in cases {
        assert_eq!(says(rules, &evidence(changes.clone())), expected, "{rules} {changes}");
    }
}

#[test]
fn numbers_that_are_none_pass_nothing() {
    let mut broken = evidence(json!({}));
    for value in broken.measures.values_mut() {
        *value = f64::NAN;
    }
    broken.comparisons[0].low = f64::INFINITY;
    broken.servable = Some(windlass_kinds::record::Servability::Served { max_difference: f64::NAN, rows: 5 });
    let rules = "{floor: mae, max: 20}, {floor: auc, min: 0}, {better: mae, than: champion}, {bias: 2}, {servable: 1}";
    let judged = verdict(&gate(rules), &broken);
    let passed: Vec<&str> = judged.rules.iter().filter(|rule| rule.passed).map(|rule| rule.text.as_str()).collect();
    assert_eq!(passed, [""; 0]);
}

/// A candidate: its version, whether it passed, its measures.
type Candidate = (u32, bool, Value);

#[test]
fn the_best_that_passes_takes_the_alias() {
    let mae = "{floor: auc, min: 0.5, name: floor}, {better: mae, than: champion}";
    let cases: [(&str, &[Candidate], Option<u32>); 8] = [
        (mae, &[], None),
        (mae, &[(4, false, json!({"mae": 1}))], None),
        (mae, &[(4, true, json!({"mae": 12, "auc": 0.9})), (5, true, json!({"mae": 11, "auc": 0.8}))], Some(5)),
        (mae, &[(4, true, json!({"mae": 12})), (5, false, json!({"mae": 11}))], Some(4)),
        (mae, &[(5, true, json!({"mae": 12})), (4, true, json!({"mae": 12}))], Some(4)),
        (mae, &[(4, true, json!({})), (5, true, json!({"mae": 12}))], Some(5)),
        ("{floor: auc, min: 0.5}", &[(4, true, json!({"auc": 0.8})), (5, true, json!({"auc": 0.9}))], Some(5)),
        ("{data: accepted}", &[(5, true, json!({"mae": 1})), (4, true, json!({"mae": 9}))], Some(4)),
    ];
    for (rules, candidates, expected) in cases {
        let judged: Vec<(Evidence, Judgement)> = candidates
            .iter()
            .map(|(version, passed, measures)| {
                let evidence = evidence(json!({"version": version, "measures": measures}));
                (evidence, Judgement { passed: *passed, rules: Vec::new() })
            })
            .collect();
        assert_eq!(choose(&judged, &gate(rules)), expected, "{rules} {candidates:?}");
    }
}

/// Reads a monitor as people write it.
fn monitor(watch: &str, thresholds: &str) -> MonitorSpec {
    let text = format!(
        "apiVersion: windlass.dev/v1alpha1\nkind: Monitor\nmetadata: {{name: m}}\nspec:\n  endpoint: flights\n  \
         {watch}\n  window: {{rows: 100}}\n  thresholds: [{thresholds}]\n"
    );
    let outcome = parse(&[Source::new("monitor.yaml", text)]);
    assert!(!outcome.has_errors(), "{:?}", outcome.findings);
    match &outcome.manifests[0].manifest.spec {
        Spec::Monitor(spec) => spec.clone(),
        other => panic!("{other:?}"),
    }
}

fn values(values: Value) -> BTreeMap<String, Option<f64>> {
    serde_json::from_value(values).unwrap()
}

/// Returns earlier windows, given newest first, in an order that means nothing.
fn history(windows: &[Value]) -> Vec<Observation> {
    let observation = |(age, window): (usize, &Value)| Observation {
        project: "default".parse().unwrap(),
        monitor: "m".parse().unwrap(),
        endpoint: "flights".parse().unwrap(),
        sequence: 100 - u32::try_from(age).unwrap(),
        window: String::new(),
        version: Some(1),
        rows: 100,
        values: values(window.clone()),
        unknown: Vec::new(),
        breaches: Vec::new(),
        basis: Default::default(),
        observed_at: windlass_kinds::Micros(0),
    };
    let mut windows: Vec<Observation> = windows.iter().enumerate().map(observation).collect();
    windows.sort_by_key(|window| window.sequence % 2);
    windows
}

/// What is watched, the thresholds, a window's values, those of earlier windows (newest first), what crossed.
type Crossing<'a> = (&'a str, &'a str, Value, &'a [Value], &'a [&'a str]);

#[test]
fn thresholds_say_what_crossed_them() {
    let quality = "quality: [mae, bias, auc]";
    let drift = "drift: {measure: psi}";
    let mae_of_test = "{measure: mae, above: 1.10, of: test}";
    let twice = "{measure: mae, above: 14, windows: \"2 of 3\"}";
    let test: BTreeMap<String, f64> = [("mae".to_owned(), 12.6), ("bias".to_owned(), -2.0)].into();
    let cases: &[Crossing<'_>] = &[
        (quality, mae_of_test, json!({"mae": 14.2}), &[], &["mae 14.2 above 13.86 (1.1 × the test score 12.6)"]),
        (quality, mae_of_test, json!({"mae": 13.8}), &[], &[]),
        (quality, mae_of_test, json!({"mae": null}), &[], &[]),
        (quality, mae_of_test, json!({}), &[], &[]),
        (quality, "{measure: auc, below: 0.9, of: test}", json!({"auc": 0.1}), &[], &[]),
        (quality, "{measure: mae, above: 14}", json!({"mae": 14}), &[], &[]),
        (
            quality,
            "{measure: auc, below: 0.7, warn: true}",
            json!({"auc": 0.65}),
            &[],
            &["(warning) auc 0.65 below 0.7"],
        ),
        (quality, "{measure: bias, above: 5, absolute: true}", json!({"bias": -6.1}), &[], &["|bias| 6.1 above 5"]),
        (quality, "{measure: bias, above: 5}", json!({"bias": -6.1}), &[], &[]),
        (
            quality,
            "{measure: bias, above: 1.5, of: test, absolute: true}",
            json!({"bias": 3.5}),
            &[],
            &["|bias| 3.5 above 3 (1.5 × the test score -2)"],
        ),
        (quality, twice, json!({"mae": 15}), &[], &[]),
        (quality, twice, json!({"mae": 15}), &[json!({"mae": 15})], &["mae 15 above 14, in 2 of 3 windows"]),
        (
            quality,
            twice,
            json!({"mae": 15}),
            &[json!({"mae": 1}), json!({"mae": 15})],
            &["mae 15 above 14, in 2 of 3 windows"],
        ),
        (quality, twice, json!({"mae": 15}), &[json!({"mae": 1}), json!({"mae": 1}), json!({"mae": 15})], &[]),
        (
            quality,
            twice,
            json!({"mae": 15}),
            &[json!({"mae": null}), json!({"mae": 1}), json!({"mae": 15})],
            &["mae 15 above 14, in 2 of 3 windows"],
        ),
        (quality, twice, json!({"mae": 13}), &[json!({"mae": 15}), json!({"mae": 15})], &[]),
        (
            drift,
            "{measure: psi, above: 0.25}, {measure: \"psi:temp\", above: 0.5, warn: true}",
            json!({"psi:temp": 0.6, "psi:wind": 0.3, "psi:dew": 0.1, "psi:rain": null}),
            &[],
            &["psi:temp 0.6 above 0.25", "psi:wind 0.3 above 0.25", "(warning) psi:temp 0.6 above 0.5"],
        ),
    ];
    for (watch, thresholds, now, before, expected) in cases {
        let spec = monitor(watch, thresholds);
        let found = breaches(&spec, &test, &history(before), &values(now.clone()));
        let texts: Vec<String> = found
            .iter()
            .map(|breach| format!("{}{}", if breach.warn { "(warning) " } else { "" }, breach.text))
            .collect();
        assert_eq!(texts, *expected, "{thresholds} {now}");
    }
}

#[test]
fn what_cannot_be_judged_says_so() {
    let test: BTreeMap<String, f64> = [("mae".to_owned(), 12.6)].into();
    let spec = monitor(
        "quality: [mae, auc, bias]",
        "{measure: mae, above: 1.1, of: test}, {measure: auc, below: 0.9, of: test}, {measure: bias, above: 5}",
    );
    assert_eq!(
        unjudged(&spec, &test, &values(json!({"mae": 1, "auc": 0.8}))),
        ["auc cannot be judged: the version that serves has no test score of it", "there is no value of bias to judge",]
    );
    assert_eq!(unjudged(&spec, &test, &values(json!({"mae": null, "bias": 1, "auc": null}))).len(), 1);
}
