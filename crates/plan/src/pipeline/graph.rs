//! Which step waits for which.

use std::collections::BTreeMap;

use windlass_kinds::{
    Name,
    manifest::{InputSource, PipelineSpec, StepSpec},
    record::StepRun,
};

/// Returns the steps that a step needs, by `needs` and by its inputs; each once, in order of mention.
pub fn predecessors(step: &StepSpec) -> Vec<Name> {
    let from_inputs = step.inputs.values().filter_map(|input| match input {
        InputSource::Step { step, output: _ } => Some(step),
        InputSource::Dataset(_) => None,
    });
    let mut names: Vec<Name> = Vec::new();
    for name in step.needs.iter().chain(from_inputs) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// The graph of one pipeline over the step runs of one run.
pub(super) struct Graph<'a> {
    /// For each step of the pipeline: its specification and what it needs.
    specs: BTreeMap<&'a Name, (&'a StepSpec, Vec<Name>)>,
    /// For each step name: the indices of its step runs.
    runs: BTreeMap<Name, Vec<usize>>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(spec: &'a PipelineSpec, steps: &[StepRun]) -> Self {
        let specs = spec.steps.iter().map(|step| (&step.name, (step, predecessors(step)))).collect();
        let mut runs: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
        for (index, step) in steps.iter().enumerate() {
            match runs.get_mut(&step.step) {
                Some(indices) => indices.push(index),
                None => {
                    runs.insert(step.step.clone(), vec![index]);
                }
            }
        }
        Self { specs, runs }
    }

    /// Returns a step's specification; `None` where the revision has no such step, which only a damaged store gives.
    pub(super) fn spec(&self, step: &Name) -> Option<&'a StepSpec> {
        self.specs.get(step).map(|(spec, _)| *spec)
    }

    /// Returns the indices of the step runs that one step run waits for: of a step fanned out over equal values the
    /// same item, of any other step all.
    pub(super) fn needed(&self, step: &StepRun) -> Vec<usize> {
        let Some((spec, names)) = self.specs.get(&step.step) else { return Vec::new() };
        let mut needed = Vec::new();
        for name in names {
            needed.extend(self.sources(spec, step, name));
        }
        needed
    }

    /// Returns the indices of the step runs of `from` that feed one step run.
    pub(super) fn sources(&self, spec: &StepSpec, step: &StepRun, from: &Name) -> Vec<usize> {
        let all = self.runs.get(from).map_or(&[][..], Vec::as_slice);
        let item_by_item = match (self.spec(from).and_then(|from| from.foreach.as_ref()), &spec.foreach) {
            (Some(theirs), Some(ours)) => theirs.values == ours.values,
            (Some(_) | None, None) | (None, Some(_)) => false,
        };
        match (&step.item, item_by_item) {
            (Some(item), true) => all.get(item.index as usize).copied().into_iter().collect(),
            (Some(_), false) | (None, _) => all.to_vec(),
        }
    }
}
