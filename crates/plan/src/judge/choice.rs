//! Which of several candidates takes the alias.

use windlass_kinds::{
    Measure,
    manifest::{GateSpec, Rule},
    record::Evidence,
};

use super::Judgement;

pub(super) fn choose(candidates: &[(Evidence, Judgement)], gate: &GateSpec) -> Option<u32> {
    let measure = measure(gate);
    let loss = |evidence: &Evidence| -> f64 {
        let value = measure.and_then(|measure| Some(measure.loss(*evidence.measures.get(&measure.to_string())?)));
        // What was not measured comes last; without a measure all are equal.
        value.filter(|value| value.is_finite()).unwrap_or(f64::INFINITY)
    };
    candidates
        .iter()
        .filter(|(_, judgement)| judgement.passed)
        .map(|(evidence, _)| (loss(evidence), evidence.version))
        .min_by(|(loss, version), (other_loss, other)| loss.total_cmp(other_loss).then(version.cmp(other)))
        .map(|(_, version)| version)
}

/// Returns the measure of the gate's first rule that names one.
fn measure(gate: &GateSpec) -> Option<Measure> {
    let of = |compares: bool| {
        gate.rules.iter().find_map(|rule| match &rule.rule {
            Rule::Better { measure, .. } if compares => Some(*measure),
            Rule::Floor { measure, .. } if !compares => Some(*measure),
            Rule::Better { .. } | Rule::Floor { .. } => None,
            Rule::Bias { .. } | Rule::Servable { .. } | Rule::AcceptedData => None,
        })
    };
    // What decides between old and new decides between two new ones; a floor is only a floor.
    of(true).or_else(|| of(false))
}
