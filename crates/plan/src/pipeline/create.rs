//! The beginning of a run: its steps and their parameters.

use std::collections::BTreeMap;

use serde_json::Value;
use windlass_kinds::{
    Micros, Name, PipelineRunId,
    manifest::{PipelineSpec, StepSpec},
    record::{Cause, FrozenDataset, Item, PipelineRun, PipelineRunState, StepRun, StepState},
};

use super::{RunState, predecessors};

/// Lays out a run: everything waits, and the run waits for its turn.
#[expect(clippy::too_many_arguments, reason = "the facts of one run, each of its own type")]
pub fn create(
    spec: &PipelineSpec,
    revision: u32,
    project: &Name,
    pipeline: &Name,
    number: u32,
    cause: Cause,
    parameters: BTreeMap<String, Value>,
    datasets: BTreeMap<Name, FrozenDataset>,
    id: PipelineRunId,
    now: Micros,
) -> RunState {
    let mut steps = Vec::new();
    for step in &spec.steps {
        match &step.foreach {
            None => steps.push(step_run(&id, step, None)),
            Some(foreach) => steps.extend((0..).zip(&foreach.values).map(|(index, value)| {
                let label = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let item = Item { index, parameter: foreach.parameter.clone(), value: value.clone(), label };
                step_run(&id, step, Some(item))
            })),
        }
    }
    let run = PipelineRun {
        id,
        project: project.clone(),
        pipeline: pipeline.clone(),
        number,
        revision,
        cause,
        parameters,
        datasets,
        state: PipelineRunState::Pending,
        reason: "waits for its turn".to_owned(),
        created_at: now,
        started_at: None,
        ended_at: None,
        cancelled_by: None,
    };
    RunState { run, steps, attempts: BTreeMap::new() }
}

fn step_run(run: &PipelineRunId, step: &StepSpec, item: Option<Item>) -> StepRun {
    let reason = predecessors(step)
        .first()
        .map_or_else(|| "waits for the run to begin".to_owned(), |first| format!("waits for {first}"));
    StepRun {
        id: StepRun::derive_id(run, &step.name, item.as_ref().map(|item| item.index)),
        run: run.clone(),
        step: step.name.clone(),
        item,
        state: StepState::Waiting,
        reason,
        environment: None,
        key: None,
        cached_from: None,
        outputs: BTreeMap::new(),
        preparations: 0,
        attempts: 0,
        failures: 0,
        attempt: None,
        not_before: None,
        started_at: None,
        ended_at: None,
    }
}

/// Returns the parameters a step sees: the run's, the step's own on top, the item's value on top of both.
pub fn step_parameters(run: &PipelineRun, step: &StepSpec, item: Option<&Item>) -> BTreeMap<String, Value> {
    let mut parameters = run.parameters.clone();
    parameters.extend(step.parameters.iter().map(|(name, value)| (name.clone(), value.clone())));
    parameters.extend(item.map(|item| (item.parameter.clone(), item.value.clone())));
    parameters
}
