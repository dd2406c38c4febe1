//! Which step needs which, and an order in which each comes after all it needs.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
};

use windlass_kinds::{
    Name,
    manifest::{InputSource, PipelineSpec, StepSpec},
    record::{StepRun, StepState},
};

/// Returns the steps that must be final before `step` can move, each once: those its inputs name, then its `needs`.
pub fn predecessors(step: &StepSpec) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    let inputs = step.inputs.values().filter_map(|source| match source {
        InputSource::Dataset(_) => None,
        InputSource::Step { step, output: _ } => Some(step),
    });
    for name in inputs.chain(&step.needs) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// One step needs another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    /// The place of the needed step in the pipeline.
    pub(super) from: usize,
    /// Whether each item needs the same item alone.
    pub(super) by_item: bool,
}

/// The shape of a run.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    /// For each step of the pipeline, the places of its step runs.
    pub(super) groups: Vec<Range<usize>>,
    /// For each step run, the place of its step in the pipeline.
    pub(super) step_of: Vec<usize>,
    spec: &'a PipelineSpec,
    index: HashMap<&'a str, usize>,
}

/// What the steps that wait need, and an order to look at all steps in.
#[derive(Debug)]
pub(super) struct Needs {
    /// For each step of the pipeline, what it needs, in the order of the file; empty where none of its runs waits.
    pub(super) edges: Vec<Vec<Edge>>,
    /// The steps of the pipeline, each that waits after all it needs.
    pub(super) order: Vec<usize>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(spec: &'a PipelineSpec, runs: &[StepRun]) -> Self {
        let index: HashMap<&str, usize> =
            spec.steps.iter().enumerate().map(|(place, step)| (step.name.as_str(), place)).collect();
        let mut groups = Vec::with_capacity(spec.steps.len());
        let mut step_of = Vec::with_capacity(runs.len());
        let mut next = 0;
        for (place, step) in spec.steps.iter().enumerate() {
            let length = runs[next..].iter().take_while(|run| run.step == step.name).count();
            groups.push(next..next + length);
            step_of.extend(std::iter::repeat_n(place, length));
            next += length;
        }
        Self { groups, step_of, spec, index }
    }

    /// Returns what the steps that wait now need. Steps that no longer wait never look back, and cost nothing here.
    pub(super) fn needs(&self, runs: &[StepRun]) -> Needs {
        let waits = |group: &Range<usize>| runs[group.clone()].iter().any(|run| run.state == StepState::Waiting);
        let steps = self.spec.steps.iter().zip(&self.groups);
        let edges: Vec<Vec<Edge>> =
            steps.map(|(step, group)| if waits(group) { self.edges(step) } else { Vec::new() }).collect();
        let order = order(&edges);
        Needs { edges, order }
    }

    fn edges(&self, step: &StepSpec) -> Vec<Edge> {
        let mut edges: Vec<Edge> = Vec::new();
        let inputs = step.inputs.values().filter_map(|source| match source {
            InputSource::Dataset(_) => None,
            InputSource::Step { step, output: _ } => Some((step, true)),
        });
        for (name, input) in inputs.chain(step.needs.iter().map(|name| (name, false))) {
            let Some(from) = self.index.get(name.as_str()).copied() else { continue };
            let by_item = input && item_by_item(&self.spec.steps[from], step);
            match edges.iter_mut().find(|edge| edge.from == from) {
                // A step that is both an input and in `needs` must be done with all its items.
                Some(edge) => edge.by_item &= by_item,
                None => edges.push(Edge { from, by_item }),
            }
        }
        edges.sort_by_key(|edge| edge.from);
        edges
    }

    /// Returns the places of the step runs of the step called `name`.
    pub(super) fn group(&self, name: &Name) -> Range<usize> {
        self.index.get(name.as_str()).map_or(0..0, |place| self.groups[*place].clone())
    }
}

/// Returns whether the items of two steps belong together one by one.
pub(super) fn item_by_item(from: &StepSpec, to: &StepSpec) -> bool {
    match (&from.foreach, &to.foreach) {
        (Some(from), Some(to)) => from.values == to.values,
        (None, _) | (_, None) => false,
    }
}

/// Returns the steps so that each comes after all it needs; the order of the file where that does already.
fn order(needs: &[Vec<Edge>]) -> Vec<usize> {
    let sorted = needs.iter().enumerate().all(|(place, edges)| edges.iter().all(|edge| edge.from < place));
    if sorted {
        return (0..needs.len()).collect();
    }
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    let mut missing: Vec<usize> = needs.iter().map(Vec::len).collect();
    for (place, edges) in needs.iter().enumerate() {
        edges.iter().for_each(|edge| followers[edge.from].push(place));
    }
    let mut free: VecDeque<usize> = (0..needs.len()).filter(|place| missing[*place] == 0).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(place) = free.pop_front() {
        order.push(place);
        for follower in &followers[place] {
            missing[*follower] -= 1;
            if missing[*follower] == 0 {
                free.push_back(*follower);
            }
        }
    }
    // Steps on a cycle (the parser refuses them) never get here, so that they wait for ever and say for what.
    order
}
