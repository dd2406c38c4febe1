//! Thresholds of a monitor over the values of one window.

use std::{cmp::Reverse, collections::BTreeMap};

use windlass_kinds::{
    manifest::{MonitorSpec, ThresholdSpec},
    record::{Breach, Observation},
};

use super::show::{number, pair};

pub(super) fn breaches(
    spec: &MonitorSpec,
    test: &BTreeMap<String, f64>,
    history: &[Observation],
    values: &BTreeMap<String, Option<f64>>,
) -> Vec<Breach> {
    let mut earlier: Vec<&Observation> = history.iter().collect();
    earlier.sort_by_key(|observation| Reverse(observation.sequence));
    let mut breaches = Vec::new();
    for threshold in &spec.thresholds {
        for (measure, value) in values.iter().filter(|(measure, _)| belongs(threshold, measure)) {
            let (Some(value), Some(bound)) = (known(*value), bound(threshold, measure, test)) else { continue };
            if !crosses(threshold, value, bound) {
                continue;
            }
            let before = usize::try_from(threshold.n.saturating_sub(1)).unwrap_or(usize::MAX);
            let seen = earlier.iter().filter_map(|observation| known(*observation.values.get(measure)?)).take(before);
            let crossed = 1 + seen.filter(|value| crosses(threshold, *value, bound)).count();
            if crossed >= usize::try_from(threshold.k).unwrap_or(usize::MAX) {
                let text = text(threshold, measure, value, bound, test, crossed);
                breaches.push(Breach { measure: measure.clone(), value, threshold: bound, text, warn: threshold.warn });
            }
        }
    }
    breaches
}

pub(super) fn unjudged(
    spec: &MonitorSpec,
    test: &BTreeMap<String, f64>,
    values: &BTreeMap<String, Option<f64>>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for threshold in &spec.thresholds {
        let measure = &threshold.measure;
        if !values.keys().any(|key| belongs(threshold, key)) {
            reasons.push(format!("there is no value of {measure} to judge"));
        } else if bound(threshold, measure, test).is_none() {
            reasons.push(format!("{measure} cannot be judged: the version that serves has no test score of it"));
        }
    }
    reasons.dedup();
    reasons
}

pub(super) fn bound(threshold: &ThresholdSpec, measure: &str, test: &BTreeMap<String, f64>) -> Option<f64> {
    let given = threshold.above.or(threshold.below)?;
    if !threshold.of_test {
        return Some(given);
    }
    let score = known(test.get(measure).copied())?;
    Some(given * if threshold.absolute { score.abs() } else { score })
}

/// Returns a value that is a number.
fn known(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

/// Tells whether a value is one that the threshold is about: `psi` is about `psi:temp` too.
fn belongs(threshold: &ThresholdSpec, measure: &str) -> bool {
    let rest = measure.strip_prefix(threshold.measure.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

fn crosses(threshold: &ThresholdSpec, value: f64, bound: f64) -> bool {
    let value = if threshold.absolute { value.abs() } else { value };
    if threshold.above.is_some() { value > bound } else { value < bound }
}

fn text(
    threshold: &ThresholdSpec,
    measure: &str,
    value: f64,
    bound: f64,
    test: &BTreeMap<String, f64>,
    crossed: usize,
) -> String {
    let (name, value) =
        if threshold.absolute { (format!("|{measure}|"), value.abs()) } else { (measure.to_owned(), value) };
    let side = if threshold.above.is_some() { "above" } else { "below" };
    let (value, limit) = pair(value, bound);
    let mut text = format!("{name} {value} {side} {limit}");
    if let (true, Some(factor), Some(score)) =
        (threshold.of_test, threshold.above.or(threshold.below), test.get(measure))
    {
        text.push_str(&format!(" ({} × the test score {})", number(factor), number(*score)));
    }
    if threshold.n > 1 {
        text.push_str(&format!(", in {crossed} of {} windows", threshold.n));
    }
    text
}
