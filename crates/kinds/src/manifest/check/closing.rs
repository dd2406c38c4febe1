//! The kinds that close the loop: what an endpoint, a monitor and a gate name.

use super::{
    super::{
        EndpointSpec, LabelsSpec, ModelAt, ModelRef, ModelSpec, MonitorSpec, Parsed, Rule, Spec, WindowSpec,
        nearest::nearest,
    },
    Findings, World, reference,
};
use crate::{Kind, Name, ObjectRef, Severity};

/// Warns of a gate whose rule names an alias that is nearly the alias of a gate. An alias without a gate is fine.
pub(super) fn model(parsed: &Parsed, spec: &ModelSpec, findings: &mut Findings) {
    for (index, gate) in spec.gates.iter().enumerate() {
        for (place, rule) in gate.rules.iter().enumerate() {
            if let Rule::Better { than, .. } = &rule.rule {
                let field = format!("spec.gates[{index}].rules[{place}].than");
                misspelt_alias(parsed, than, spec, &field, findings);
            }
        }
    }
}

pub(super) fn endpoint(parsed: &Parsed, spec: &EndpointSpec, world: &World<'_>, findings: &mut Findings) {
    if !parsed.has_gap("spec.model") {
        model_ref(parsed, &spec.model, "spec.model", world, findings);
    }
    if let Some(dataset) = spec.labels.as_ref().and_then(LabelsSpec::dataset)
        && !parsed.has_gap("spec.labels.dataset")
    {
        reference(parsed, Kind::Dataset, dataset, "spec.labels.dataset", world, findings);
    }
}

pub(super) fn monitor(parsed: &Parsed, spec: &MonitorSpec, world: &World<'_>, findings: &mut Findings) {
    if !parsed.has_gap("spec.endpoint") {
        reference(parsed, Kind::Endpoint, &spec.endpoint, "spec.endpoint", world, findings);
    }
    match &spec.window {
        WindowSpec::Version(dataset) => {
            reference(parsed, Kind::Dataset, dataset, "spec.window.version", world, findings);
            sent_labels(parsed, spec, world, findings);
        }
        WindowSpec::Rows(_) | WindowSpec::Time { .. } | WindowSpec::Every(_) => {}
    }
}

/// Reports windows of a dataset's versions where labels never come from a dataset.
fn sent_labels(parsed: &Parsed, spec: &MonitorSpec, world: &World<'_>, findings: &mut Findings) {
    let endpoint = ObjectRef::new(Kind::Endpoint, spec.endpoint.clone());
    let Some(Parsed { manifest, .. }) = world.get(&parsed.manifest.project, &endpoint) else { return };
    if let Spec::Endpoint(EndpointSpec { labels: Some(LabelsSpec::Api), .. }) = &manifest.spec {
        let message = format!("the labels of Endpoint/{} come by the API, in no dataset's versions", spec.endpoint);
        let hint = "write `{rows: 5000}` or `{column: time, every: 7d}`".to_owned();
        findings.add(|| parsed.finding(Severity::Error, "spec.window.version", message, Some(hint)));
    }
}

/// Reports a model that does not exist, and warns of an alias that is nearly one of its gates'.
pub(super) fn model_ref(parsed: &Parsed, wanted: &ModelRef, field: &str, world: &World<'_>, findings: &mut Findings) {
    // The decoder took only names of objects.
    let Ok(name) = wanted.model.parse::<Name>() else { return };
    reference(parsed, Kind::Model, &name, field, world, findings);
    let found = world.get(&parsed.manifest.project, &ObjectRef::new(Kind::Model, name));
    if let (ModelAt::Alias(alias), Some(Parsed { manifest, .. })) = (&wanted.at, found)
        && let Spec::Model(spec) = &manifest.spec
    {
        misspelt_alias(parsed, alias, spec, field, findings);
    }
}

fn misspelt_alias(parsed: &Parsed, alias: &str, spec: &ModelSpec, field: &str, findings: &mut Findings) {
    if spec.gate(alias).is_some() {
        return;
    }
    let Some(meant) = nearest(alias, spec.gates.iter().map(|gate| gate.alias.as_str())) else { return };
    let message = format!("no gate stands before the alias `{alias}`");
    let hint = format!("did you mean `{meant}`?");
    findings.add(|| parsed.finding(Severity::Warning, field, message, Some(hint)));
}
