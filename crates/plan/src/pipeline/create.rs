//! Lays a run out: every step run it will have, all waiting.

use std::collections::BTreeMap;

use serde_json::Value;
use windlass_kinds::{
    Micros, Name, PipelineRunId,
    manifest::{PipelineSpec, StepSpec},
    record::{Cause, FrozenDataset, Item, PipelineRun, PipelineRunState, StepRun, StepState},
};

use super::RunState;

/// Returns a new run with its steps, fanned out; nothing has begun.
#[expect(clippy::too_many_arguments, reason = "the facts of a run, each named at the one call")]
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
    let steps = spec.steps.iter().flat_map(|step| step_runs(step, &id)).collect();
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
        reason: String::new(),
        cancelled_by: None,
        created_at: now,
        started_at: None,
        ended_at: None,
    };
    RunState { run, steps, attempts: BTreeMap::new() }
}

fn step_runs(step: &StepSpec, run: &PipelineRunId) -> Vec<StepRun> {
    let Some(foreach) = &step.foreach else { return vec![waiting(step, run, None)] };
    let items = (0..).zip(&foreach.values).map(|(index, value)| Item {
        index,
        parameter: foreach.parameter.clone(),
        value: value.clone(),
        label: label(value),
    });
    items.map(|item| waiting(step, run, Some(item))).collect()
}

fn waiting(step: &StepSpec, run: &PipelineRunId, item: Option<Item>) -> StepRun {
    StepRun {
        id: StepRun::derive_id(run, &step.name, item.as_ref().map(|item| item.index)),
        run: run.clone(),
        step: step.name.clone(),
        item,
        state: StepState::Waiting,
        reason: String::new(),
        environment: None,
        key: None,
        cached_from: None,
        outputs: BTreeMap::new(),
        attempts: 0,
        failures: 0,
        attempt: None,
        preparations: 0,
        not_before: None,
        started_at: None,
        ended_at: None,
    }
}

/// Returns a value as text for names: text as it is, anything else as JSON.
fn label(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns the parameters a step run sees: the run's, the step's own over them, its item's value over both.
pub fn step_parameters(run: &PipelineRun, step: &StepSpec, item: Option<&Item>) -> BTreeMap<String, Value> {
    let mut parameters = run.parameters.clone();
    parameters.extend(step.parameters.clone());
    if let Some(item) = item {
        parameters.insert(item.parameter.clone(), item.value.clone());
    }
    parameters
}
