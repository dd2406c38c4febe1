//! What a step reads: whether it is there, and what it is in the step's key.

use std::collections::BTreeMap;

use windlass_kinds::{
    Digest, Name, canonical,
    manifest::InputSource,
    record::{CacheKey, Output, StepRun, StepState},
};

use super::{
    create::step_parameters,
    graph::item_by_item,
    key::{KeyFacts, key},
    machine::Machine,
};
use crate::condition;

impl Machine<'_> {
    /// Returns why a step that has all it waited for does not run after all: its condition, a dataset without a
    /// version, an output that is not there.
    pub(super) fn refused(&self, place: usize) -> Option<(StepState, String)> {
        let spec = self.spec(place);
        if let Some(expression) = &spec.when {
            let parameters = step_parameters(&self.state.run, spec, self.step(place).item.as_ref());
            match condition::eval_step(expression, &parameters) {
                Ok(true) => {}
                Ok(false) => return Some((StepState::Skipped, format!("its condition `{expression}` does not hold"))),
                Err(error) => return Some((StepState::Failed, format!("its condition `{expression}` {error}"))),
            }
        }
        spec.inputs.values().find_map(|source| match source {
            InputSource::Dataset(name) => (!self.state.run.datasets.contains_key(name)).then(|| {
                let reason = format!(
                    "dataset {name} has no accepted version; start a new run once it has one, since a run keeps to \
                     the versions it began with"
                );
                (StepState::Failed, reason)
            }),
            InputSource::Step { step, output } => {
                let lacks = |source: &&StepRun| !source.outputs.contains_key(output);
                let source = self.sources(place, step).find(lacks)?;
                let optional = self.facts.spec.steps[self.graph.step_of[self.graph.group(step).start]]
                    .outputs
                    .get(output)
                    .is_some_and(|output| output.optional);
                let state = if optional { StepState::Skipped } else { StepState::Failed };
                Some((state, format!("{} left no output `{output}`", source.display_name())))
            }
        })
    }

    /// Returns the step runs whose outputs an input from `step` takes.
    fn sources(&self, place: usize, step: &Name) -> impl Iterator<Item = &StepRun> {
        let group = self.graph.group(step);
        let together = !group.is_empty()
            && item_by_item(&self.facts.spec.steps[self.graph.step_of[group.start]], self.spec(place));
        let index = self.step(place).item.as_ref().map(|item| item.index).filter(|_| together);
        let matches = move |source: &&StepRun| {
            index.is_none_or(|index| source.item.as_ref().is_some_and(|item| item.index == index))
        };
        self.state.steps[group].iter().filter(matches)
    }

    /// Returns the key of a step whose inputs and environment are known.
    pub(super) fn key_of(&self, place: usize) -> CacheKey {
        let (step, spec) = (self.step(place), self.spec(place));
        let inputs: BTreeMap<Name, String> =
            spec.inputs.iter().map(|(name, source)| (name.clone(), self.input_digest(place, source))).collect();
        key(&KeyFacts {
            step: spec,
            code: self.facts.resolved.code.as_ref(),
            lock: step.environment.as_ref(),
            parameters: &step_parameters(&self.state.run, spec, step.item.as_ref()),
            inputs: &inputs,
            architecture: self.facts.architecture,
            project: &self.state.run.project,
            environment: &self.facts.spec.environment,
        })
    }

    fn input_digest(&self, place: usize, source: &InputSource) -> String {
        let one = |output: &Output| match output.single_file {
            true => format!("file {}", output.tree),
            false => output.tree.to_string(),
        };
        match source {
            InputSource::Dataset(name) => {
                let frozen = self.state.run.datasets.get(name);
                frozen.map_or_else(|| "none".to_owned(), |frozen| frozen.digest.to_string())
            }
            InputSource::Step { step, output } => {
                let fans_in = self.spec(place).foreach.is_none();
                let mut items = Vec::new();
                for source in self.sources(place, step) {
                    let text = source.outputs.get(output).map_or_else(|| "none".to_owned(), one);
                    match &source.item {
                        Some(item) if fans_in => items.push((&item.value, text)),
                        Some(_) | None => return text,
                    }
                }
                let digest: Digest = canonical::digest(&items);
                format!("{} items {digest}", items.len())
            }
        }
    }
}
