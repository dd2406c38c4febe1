//! The rules of a gate, each over the evidence of one version.

use windlass_kinds::{
    Measure,
    manifest::{GateSpec, Rule, RuleSpec},
    record::{Comparison, Evidence, RuleOutcome, Servability},
};

use super::{
    Judgement,
    show::{number, pair},
};

pub(super) fn verdict(gate: &GateSpec, evidence: &Evidence) -> Judgement {
    let rules: Vec<RuleOutcome> = gate.rules.iter().map(|rule| outcome(rule, evidence)).collect();
    Judgement { passed: rules.iter().all(|rule| rule.passed), rules }
}

fn outcome(spec: &RuleSpec, evidence: &Evidence) -> RuleOutcome {
    let (passed, text) = match &spec.rule {
        Rule::Floor { measure, min, max } => floor(*measure, *min, *max, evidence),
        Rule::Better { measure, than, confidence, by, resamples } => {
            let asked = Asked { measure: *measure, than, confidence: *confidence, by: *by, resamples: *resamples };
            better(&asked, evidence)
        }
        Rule::Bias { max } => bias(*max, evidence),
        Rule::Servable { tolerance } => servable(*tolerance, evidence),
        Rule::AcceptedData => accepted_data(evidence),
    };
    RuleOutcome { name: spec.name.to_string(), passed, text }
}

/// Returns a measure of the version, where it is a number.
fn measured(measure: Measure, evidence: &Evidence) -> Option<f64> {
    evidence.measures.get(&measure.to_string()).copied().filter(|value| value.is_finite())
}

/// Says that something is not known, with the reasons there are.
fn unknown(what: &str, evidence: &Evidence) -> (bool, String) {
    match evidence.problems.as_slice() {
        [] => (false, what.to_owned()),
        problems => (false, format!("{what}: {}", problems.join("; "))),
    }
}

fn floor(measure: Measure, min: Option<f64>, max: Option<f64>, evidence: &Evidence) -> (bool, String) {
    let Some(value) = measured(measure, evidence) else {
        return unknown(&format!("{measure} is unknown"), evidence);
    };
    let below = min.filter(|min| value < *min);
    let above = max.filter(|max| value > *max);
    let say = |sign: &str, bound: f64| {
        let (value, bound) = pair(value, bound);
        format!("{measure} {value} {sign} {bound}")
    };
    match (below, above) {
        (Some(min), _) => (false, say("<", min)),
        (None, Some(max)) => (false, say(">", max)),
        (None, None) => {
            let text = match (min, max) {
                (Some(min), Some(max)) => format!("{}, ≤ {}", say("≥", min), number(max)),
                (Some(min), None) => say("≥", min),
                (None, Some(max)) => say("≤", max),
                (None, None) => format!("{measure} {}", number(value)),
            };
            (true, text)
        }
    }
}

/// What a rule `better` asks.
struct Asked<'a> {
    measure: Measure,
    than: &'a str,
    confidence: f64,
    by: f64,
    resamples: u32,
}

fn better(asked: &Asked<'_>, evidence: &Evidence) -> (bool, String) {
    let Asked { measure, than, confidence, by, resamples } = *asked;
    let Some(&other) = evidence.aliases.get(than) else { return (true, format!("nothing is {than} yet")) };
    if other == evidence.version {
        return (true, format!("version {other} is {than} already"));
    }
    // A comparison made otherwise (with another version, or by a gate that changed since) answers another question.
    let found = evidence.comparisons.iter().find(|comparison| {
        comparison.measure == measure
            && comparison.than == than
            && comparison.than_version == Some(other)
            && comparison.resamples == resamples
            && comparison.confidence.total_cmp(&confidence).is_eq()
    });
    let Some(Comparison { difference, low, high, .. }) = found else {
        return unknown(&format!("{measure} was not compared with {than}, version {other}"), evidence);
    };
    if ![*difference, *low, *high].iter().all(|value| value.is_finite()) {
        return unknown(&format!("the difference in {measure} to {than}, version {other}, is unknown"), evidence);
    }
    let passed = *low > by;
    let scores = scores(measure, other, evidence);
    let (low, bound) = pair(*low, by);
    let interval = format!("{}% interval {low} to {}", number(confidence * 100.0), number(*high));
    let (word, size) = if *difference < 0.0 { ("worse", -difference) } else { ("better", *difference) };
    let lies = if passed { "above" } else { "not above" };
    (passed, format!("{scores}{word} than {than} (version {other}) by {}; {interval}, {lies} {bound}", number(size)))
}

/// Returns the scores of both sides, as far as they are known: `mae 12.1 against 12.6, `.
fn scores(measure: Measure, other: u32, evidence: &Evidence) -> String {
    let own = measured(measure, evidence);
    let theirs = evidence.champion_measures.get(&measure.to_string()).copied();
    match (own, theirs.filter(|theirs| theirs.is_finite() && evidence.champion == Some(other))) {
        (Some(own), Some(theirs)) => {
            let (own, theirs) = pair(own, theirs);
            format!("{measure} {own} against {theirs}, ")
        }
        (Some(own), None) => format!("{measure} {}, ", number(own)),
        (None, _) => format!("{measure} "),
    }
}

fn bias(max: f64, evidence: &Evidence) -> (bool, String) {
    let Some(value) = measured(Measure::Bias, evidence) else { return unknown("the bias is unknown", evidence) };
    let (size, bound) = pair(value.abs(), max);
    let sign = if value < 0.0 { "-" } else { "" };
    let passed = value.abs() <= max;
    (passed, format!("bias {sign}{size} {} ±{bound}", if passed { "within" } else { "beyond" }))
}

fn servable(tolerance: f64, evidence: &Evidence) -> (bool, String) {
    match &evidence.servable {
        None => unknown("no model server was asked", evidence),
        Some(Servability::Not { reason }) => (false, format!("not servable: {reason}")),
        Some(Servability::Served { max_difference: _, rows: 0 }) => (false, "no row was answered".to_owned()),
        Some(Servability::Served { max_difference, rows }) => {
            let passed = *max_difference <= tolerance;
            let (difference, bound) = pair(*max_difference, tolerance);
            let sign = if passed { "≤" } else { ">" };
            let rows = if *rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
            (passed, format!("answers differ from the framework's by {difference} {sign} {bound} over {rows}"))
        }
    }
}

fn accepted_data(evidence: &Evidence) -> (bool, String) {
    let named = |accepted: bool| -> Vec<String> {
        let some = evidence.datasets.iter().filter(|dataset| dataset.accepted == accepted);
        some.map(|dataset| format!("{} version {}", dataset.name, dataset.version)).collect()
    };
    let rejected = named(false);
    if evidence.datasets.is_empty() {
        return unknown("it is not known what data it was made from", evidence);
    }
    if rejected.is_empty() {
        return (true, format!("made from accepted data: {}", named(true).join(", ")));
    }
    (false, format!("made from data that was not accepted: {}", rejected.join(", ")))
}
