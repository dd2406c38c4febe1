//! Pipeline: steps as a DAG, what starts them, and the settings that its steps share.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::{
        PipelineSpec, StepDefaults,
        fields::{At, Fields, json, list, map, name, some_text, whole},
        report::Report,
        show,
    },
    placeholder, settings,
    simple::description,
    step::step,
    trigger::trigger,
};

/// The longest name of a parameter.
const PARAMETER_MAX: usize = 63;

/// Reads a pipeline; the settings its steps share go to `defaults`.
pub(super) fn pipeline(at: &At<'_>, defaults: &mut StepDefaults, report: &mut Report) -> Option<PipelineSpec> {
    let mut fields = Fields::open(at, report)?;
    let description = description(&mut fields, report);
    let environment = fields.get("environment").and_then(|at| name(&at, report));
    let code = fields.get("code").and_then(|at| some_text(&at, report));
    let parameters = fields.get("parameters").map(|at| parameters(&at, report)).unwrap_or_default();
    let concurrency = fields.get("concurrency").and_then(|at| whole(&at, 1, report)).unwrap_or(1);
    *defaults = settings::settings(&mut fields, report);
    let mut index = 0;
    let triggers = fields.get("triggers").and_then(|at| {
        list(&at, report, |at, report| {
            index += 1;
            Some(trigger(at, index - 1, report))
        })
    });
    let mut index = 0;
    let steps_at = fields.require("steps", "a pipeline needs at least one step", report);
    let steps = steps_at.as_ref().and_then(|at| {
        list(at, report, |at, report| {
            index += 1;
            Some(step(at, index - 1, report))
        })
    });
    if let Some(at) = steps_at.filter(|_| steps.as_ref().is_some_and(Vec::is_empty)) {
        at.error(report, "a pipeline needs at least one step", "write `- name: train` and a `command`".to_owned());
    }
    fields.finish(report);
    Some(PipelineSpec {
        description,
        environment: environment.unwrap_or_else(|| placeholder("local")),
        code,
        parameters,
        concurrency,
        triggers: triggers.unwrap_or_default(),
        steps: steps.unwrap_or_default(),
    })
}

/// Reads parameters. Each becomes a variable `WINDLASS_PARAM_<NAME>`, so no two names may differ in case or
/// hyphens alone.
pub(super) fn parameters(at: &At<'_>, report: &mut Report) -> BTreeMap<String, Value> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let key = |key: &str| {
        let key = parameter(key)?;
        match seen.insert(variable(&key), key.clone()) {
            Some(other) => Err(format!("the parameters `{other}` and `{key}` would be one variable for steps")),
            None => Ok(key),
        }
    };
    map(at, report, key, json).unwrap_or_default()
}

/// Accepts the name of a parameter: a letter or `_`, then letters, digits, `_` and `-`.
pub(super) fn parameter(key: &str) -> Result<String, String> {
    let first = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if first && rest && key.len() <= PARAMETER_MAX {
        return Ok(key.to_owned());
    }
    Err(format!("`{}` is not the name of a parameter: a letter, then letters, digits and `_`", show(key)))
}

/// Returns the part of a step's variable that a parameter's name becomes.
fn variable(key: &str) -> String {
    key.to_ascii_uppercase().replace('-', "_")
}
