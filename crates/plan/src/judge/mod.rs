//! Gates and thresholds: what do the numbers say?
//!
//! A gate passes where every rule holds, and every rule says so with its numbers. Of the candidates of one run the best
//! that passes is chosen. A threshold is crossed, or not, or cannot be judged. Nothing here measures: what was not
//! measured, or is no finite number, never passes a gate and never crosses a threshold.

mod choice;
mod rules;
mod show;
mod thresholds;

use std::collections::BTreeMap;

use windlass_kinds::{
    manifest::{GateSpec, MonitorSpec, ThresholdSpec},
    record::{Breach, Evidence, Observation, RuleOutcome},
};

/// What a gate says of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether every rule held.
    pub passed: bool,
    /// The rules, in the gate's order.
    pub rules: Vec<RuleOutcome>,
}

/// Judges one version by what was measured of it.
pub fn verdict(gate: &GateSpec, evidence: &Evidence) -> Judgement {
    rules::verdict(gate, evidence)
}

/// Returns the version that takes the gate's alias: of those that passed the one with the least loss by the measure of
/// the gate's first rule that compares or bounds one; the lowest version of several that are equal, and where no rule
/// names a measure.
pub fn choose(candidates: &[(Evidence, Judgement)], gate: &GateSpec) -> Option<u32> {
    choice::choose(candidates, gate)
}

/// Returns the thresholds that a window's values cross.
///
/// `test` holds the serving version's own scores by measure; `history` the monitor's earlier windows of that version,
/// in any order. A window whose value is unknown counts neither way.
pub fn breaches(
    spec: &MonitorSpec,
    test: &BTreeMap<String, f64>,
    history: &[Observation],
    values: &BTreeMap<String, Option<f64>>,
) -> Vec<Breach> {
    thresholds::breaches(spec, test, history, values)
}

/// Returns why thresholds cannot be judged by these values, each one line for people: a test score is missing, or no
/// value belongs to the threshold. A value that is there and unknown has its reason where it was measured.
pub fn unjudged(
    spec: &MonitorSpec,
    test: &BTreeMap<String, f64>,
    values: &BTreeMap<String, Option<f64>>,
) -> Vec<String> {
    thresholds::unjudged(spec, test, values)
}

/// Returns the bound of a threshold for a measure (`mae`, `psi:temp`), in the measure's unit; `None` where it needs a
/// test score that is not there.
pub fn bound(threshold: &ThresholdSpec, measure: &str, test: &BTreeMap<String, f64>) -> Option<f64> {
    thresholds::bound(threshold, measure, test)
}

#[cfg(test)]
mod tests;
