//! The steps of one pipeline: names, inputs, needs, fan-out.

use std::collections::BTreeMap;

use super::{
    super::{
        InputSource, Parsed, PipelineSpec, StepSpec,
        nearest::{did_you_mean, either, nearest},
    },
    Findings, World, cycle, reference,
};
use crate::{Finding, Kind, Name, Severity};

/// The most names in a remedy.
const NAMED: usize = 12;

/// One step waiting for another, and the field that says so.
pub(super) struct Edge {
    /// The step waited for, as an index.
    pub(super) on: usize,
    /// The field.
    pub(super) field: String,
}

pub(super) fn check(parsed: &Parsed, spec: &PipelineSpec, world: &World<'_>, findings: &mut Findings) {
    let steps = Steps::new(parsed, spec, findings);
    let mut edges: Vec<Vec<Edge>> = Vec::with_capacity(spec.steps.len());
    for (index, step) in spec.steps.iter().enumerate() {
        let field = format!("spec.steps[{index}]");
        let mut waits = Vec::new();
        for (number, needed) in step.needs.iter().enumerate() {
            let field = format!("{field}.needs[{number}]");
            match steps.by_name.get(needed) {
                Some(on) => waits.push(Edge { on: *on, field }),
                None => steps.unknown(needed, &field, &[], world, findings),
            }
        }
        for (input, source) in &step.inputs {
            let field = format!("{field}.inputs.{input}");
            match source {
                InputSource::Dataset(name) => reference(parsed, Kind::Dataset, name, &field, world, findings),
                InputSource::Step { step: from, output } => match steps.by_name.get(from) {
                    Some(on) => {
                        steps.input(index, *on, output, &field, findings);
                        waits.push(Edge { on: *on, field });
                    }
                    None => steps.unknown(from, &field, &[from, output], world, findings),
                },
            }
        }
        for (number, dataset) in step.writes.iter().enumerate() {
            reference(parsed, Kind::Dataset, dataset, &format!("{field}.writes[{number}]"), world, findings);
        }
        for (output, made) in &step.outputs {
            if let Some(model) = &made.model {
                reference(parsed, Kind::Model, model, &format!("{field}.outputs.{output}.model"), world, findings);
            }
        }
        edges.push(waits);
    }
    cycle::check(parsed, spec, &edges, findings);
}

/// The steps by name.
struct Steps<'a> {
    parsed: &'a Parsed,
    spec: &'a PipelineSpec,
    by_name: BTreeMap<&'a Name, usize>,
    /// Whether all names could be read.
    complete: bool,
}

impl<'a> Steps<'a> {
    /// Gathers the steps, reporting names that stand twice.
    fn new(parsed: &'a Parsed, spec: &'a PipelineSpec, findings: &mut Findings) -> Self {
        let mut by_name = BTreeMap::new();
        let mut complete = true;
        for (index, step) in spec.steps.iter().enumerate() {
            let field = format!("spec.steps[{index}]");
            complete &= !parsed.has_gap(&format!("{field}.name")) && !parsed.gaps.contains(&field);
            if let Some(first) = by_name.get(&step.name) {
                findings.add(|| {
                    let line = parsed.spans.value(&format!("spec.steps[{first}]")).line;
                    let message = format!("two steps are called `{}`", step.name);
                    let hint = format!("choose another name; the other is in line {line}");
                    parsed.finding(Severity::Error, &format!("{field}.name"), message, Some(hint))
                });
            } else {
                by_name.insert(&step.name, index);
            }
        }
        Self { parsed, spec, by_name, complete }
    }

    /// Reports a step that does not exist. `datasets` are names that a dataset may have been meant by.
    fn unknown(&self, name: &Name, field: &str, datasets: &[&Name], world: &World<'_>, findings: &mut Findings) {
        if !self.complete {
            return;
        }
        findings.add(|| {
            let known = world.names(&self.parsed.manifest.project, Kind::Dataset);
            let dataset = datasets.iter().find(|dataset| known.contains(dataset));
            let maker = self.spec.steps.iter().find(|step| step.outputs.contains_key(name));
            let names = || self.by_name.keys().map(|name| name.as_str());
            let hint = match (did_you_mean(name.as_str(), names()), dataset, maker) {
                (Some(hint), _, _) => hint,
                (None, Some(dataset), _) => format!("did you mean `dataset/{dataset}`?"),
                (None, None, Some(maker)) => format!("`{name}` is an output of `{}`", maker.name),
                (None, None, None) => format!("the steps are {}", either(names().take(NAMED))),
            };
            self.parsed.finding(Severity::Error, field, format!("there is no step `{name}`"), Some(hint))
        });
    }

    /// Checks that step `to` can have an output of step `from`.
    fn input(&self, to: usize, from: usize, output: &Name, field: &str, findings: &mut Findings) {
        let (maker, user) = (&self.spec.steps[from], &self.spec.steps[to]);
        match maker.outputs.get(output) {
            Some(made) if made.optional => {
                let message = format!("`{}/{output}` is optional, and an input must always be there", maker.name);
                let hint = "take `optional` off the output, or let the step leave an empty file or folder".to_owned();
                findings.add(|| self.parsed.finding(Severity::Error, field, message, Some(hint)));
            }
            Some(_) => {}
            None if self.outputs_unread(from) => {}
            None => findings.add(|| self.no_output(maker, output, field)),
        }
        self.fan_out(maker, user, from, to, field, findings);
    }

    /// Describes an output that nobody makes.
    fn no_output(&self, maker: &StepSpec, output: &Name, field: &str) -> Finding {
        let names = || maker.outputs.keys().map(Name::as_str);
        let other = self.spec.steps.iter().find(|step| step.outputs.contains_key(output));
        let hint = match (did_you_mean(output.as_str(), names()), other, maker.outputs.is_empty()) {
            (Some(hint), _, _) => hint,
            (None, Some(other), _) => format!("did you mean `{}/{output}`?", other.name),
            (None, None, true) => format!("declare it: `outputs: [{output}]` in step `{}`", maker.name),
            (None, None, false) => format!("`{}` makes {}", maker.name, either(names().take(NAMED))),
        };
        let message = format!("nobody produces this: the step `{}` has no output `{output}`", maker.name);
        self.parsed.finding(Severity::Error, field, message, Some(hint))
    }

    /// Checks that two fanned-out steps, one feeding the other, fan out over the same values.
    fn fan_out(&self, maker: &StepSpec, user: &StepSpec, from: usize, to: usize, field: &str, findings: &mut Findings) {
        let (Some(made), Some(used)) = (&maker.foreach, &user.foreach) else { return };
        if made.values == used.values && made.parameter == used.parameter {
            return;
        }
        let unread = |index: usize| self.parsed.has_gap(&format!("spec.steps[{index}].foreach"));
        if unread(from) || unread(to) {
            return;
        }
        let what = if made.values == used.values { "parameters" } else { "values" };
        let message =
            format!("`{}` and `{}` fan out over different {what}, so no item feeds another", maker.name, user.name);
        let hint =
            format!("use the same `foreach` in both, or gather the items of `{}` in a step without one", maker.name);
        findings.add(|| self.parsed.finding(Severity::Error, field, message, Some(hint)));
    }

    /// Tells whether the outputs of a step could not be read, under their own or a misspelt name.
    fn outputs_unread(&self, index: usize) -> bool {
        let step = format!("spec.steps[{index}]");
        let below = format!("{step}.");
        self.parsed.gaps.contains(&step)
            || self.parsed.gaps.iter().filter_map(|gap| gap.strip_prefix(&below)).any(|gap| {
                let key = gap.split(['.', '[']).next().unwrap_or_default();
                nearest(key, ["outputs"]).is_some()
            })
    }
}
