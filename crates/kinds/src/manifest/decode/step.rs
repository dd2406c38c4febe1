//! One step of a pipeline.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        Foreach, InputSource, OutputSpec, StepSpec,
        fields::{At, Fields, boolean, json, list, map, name, name_key, parsed, word, written},
        report::Report,
        show,
        tree::Tree,
    },
    pipeline::{parameter, parameters},
    placeholder,
    settings::{expression, settings},
};
use crate::Name;

/// The most values of a fan-out; each is a step run.
const VALUES_MAX: usize = 10_000;

/// Reads one step; what could not be read has a stand-in, so that positions in the list stay true.
pub(super) fn step(at: &At<'_>, index: usize, report: &mut Report) -> StepSpec {
    let mut step = StepSpec {
        name: placeholder(&format!("unnamed-{index}")),
        command: Vec::new(),
        needs: Vec::new(),
        inputs: BTreeMap::new(),
        outputs: BTreeMap::new(),
        writes: Vec::new(),
        cache: true,
        parameters: BTreeMap::new(),
        foreach: None,
        when: None,
        wait_idle: false,
        template: None,
        settings: super::StepDefaults::default(),
    };
    let Some(mut fields) = Fields::open(at, report) else { return step };
    if let Some(own) = fields.require("name", "give the step a name", report).and_then(|at| step_name(&at, report)) {
        step.name = own;
    }
    let program = fields.require("command", "write a list: [python, train.py]", report);
    step.command = program.and_then(|at| command(&at, report)).unwrap_or_default();
    step.needs = fields.get("needs").and_then(|at| names(&at, report)).unwrap_or_default();
    step.inputs = fields.get("inputs").and_then(|at| map(&at, report, name_key, input)).unwrap_or_default();
    step.outputs = fields.get("outputs").and_then(|at| outputs(&at, report)).unwrap_or_default();
    step.writes = fields.get("writes").and_then(|at| names(&at, report)).unwrap_or_default();
    step.parameters = fields.get("parameters").map(|at| parameters(&at, report)).unwrap_or_default();
    step.foreach = fields.get("foreach").and_then(|at| foreach(&at, report));
    step.when = fields.get("when").and_then(|at| expression(&at, report));
    step.wait_idle = fields.get("wait").and_then(|at| word(&at, &[("idle", ())], report)).is_some();
    step.template = fields.get("template").and_then(|at| parsed(&at, report));
    // What acts on the world outside its outputs must act each time.
    let acts = step.wait_idle || !step.writes.is_empty();
    step.cache = !acts;
    if let Some(at) = fields.get("cache")
        && let Some(cache) = boolean(&at, report)
    {
        step.cache = cache;
        if cache && acts {
            let message = "a cached step neither writes nor waits when its result is already known";
            report.warn(at.node.position, &at.path, message, Some("leave `cache` out here".to_owned()));
        }
    }
    step.settings = settings(&mut fields, report);
    fields.finish(report);
    step
}

/// Reads a step's name. `dataset` is taken: inputs say `dataset/flights`.
fn step_name(at: &At<'_>, report: &mut Report) -> Option<Name> {
    let own = name(at, report)?;
    if own.as_str() == "dataset" {
        at.error(
            report,
            "no step may be called `dataset`: inputs say `dataset/NAME` for datasets",
            "choose another name".to_owned(),
        );
        return None;
    }
    Some(own)
}

/// Reads program and arguments.
fn command(at: &At<'_>, report: &mut Report) -> Option<Vec<String>> {
    if let Tree::Scalar(scalar) = &at.node.tree {
        let words: Vec<&str> = scalar.text.split_whitespace().collect();
        let shell = scalar.text.contains(['|', '>', '<', '&', ';', '$', '"', '\'', '\n']);
        let hint = match words.as_slice() {
            [] => "write a list: [python, train.py]".to_owned(),
            _ if shell => "write [sh, -c, \"…\"] where a shell should read it".to_owned(),
            words => format!("write [{}]", show(&words.join(", "))),
        };
        at.wrong(report, "a list of program and arguments", hint);
        return None;
    }
    let command = list(at, report, written)?;
    if command.first().is_none_or(String::is_empty) {
        at.error(report, "this command names no program", "write a list: [python, train.py]".to_owned());
        return None;
    }
    Some(command)
}

/// Reads a list of names, each once.
fn names(at: &At<'_>, report: &mut Report) -> Option<Vec<Name>> {
    let mut seen = BTreeSet::new();
    list(at, report, |at, report| {
        let one = name(at, report)?;
        if !seen.insert(one.clone()) {
            at.error(report, format!("`{one}` stands here a second time"), "once is enough".to_owned());
            return None;
        }
        Some(one)
    })
}

/// Reads an input: `dataset/flights` or `train/model`.
fn input(at: &At<'_>, report: &mut Report) -> Option<InputSource> {
    let text = written(at, report)?;
    let usual = "write STEP/OUTPUT, such as train/model, or dataset/NAME";
    let Some((from, what)) = text.split_once('/') else {
        let hint = format!("write {0}/OUTPUT for a step, or dataset/{0}", show(&text));
        at.error(report, format!("`{}` does not say where the input comes from", show(&text)), hint);
        return None;
    };
    let mut part = |text: &str| match text.parse::<Name>() {
        Ok(name) => Some(name),
        Err(error) => {
            at.error(report, super::clean(&error.to_string()), usual.to_owned());
            None
        }
    };
    let (from, what) = (part(from)?, part(what)?);
    Some(if from.as_str() == "dataset" {
        InputSource::Dataset(what)
    } else {
        InputSource::Step { step: from, output: what }
    })
}

/// Reads outputs: a list of names, or a mapping of names to what is special about them.
fn outputs(at: &At<'_>, report: &mut Report) -> Option<BTreeMap<Name, OutputSpec>> {
    match &at.node.tree {
        Tree::List(_) => {
            let names = names(at, report)?;
            Some(names.into_iter().map(|name| (name, OutputSpec::default())).collect())
        }
        Tree::Map(_) | Tree::Scalar(_) => map(at, report, name_key, output),
    }
}

fn output(at: &At<'_>, report: &mut Report) -> Option<OutputSpec> {
    let mut fields = Fields::open_or_null(at, report)?;
    let model = fields.get("model").and_then(|at| name(&at, report));
    let optional = fields.get("optional").and_then(|at| boolean(&at, report)).unwrap_or(false);
    fields.finish(report);
    Some(OutputSpec { model, optional })
}

/// Reads the fan-out: one parameter and its values.
fn foreach(at: &At<'_>, report: &mut Report) -> Option<Foreach> {
    let Tree::Map(entries) = &at.node.tree else {
        at.wrong(report, "one parameter and its values", "write {window: [all, last-3-months]}".to_owned());
        return None;
    };
    if entries.len() != 1 {
        let message = format!("a step fans out over one parameter, not {}", entries.len());
        at.error(report, message, "make one parameter of lists, or two steps".to_owned());
        return None;
    }
    let mut fan = map(at, report, parameter, values)?;
    let (parameter, values) = fan.pop_first()?;
    Some(Foreach { parameter, values })
}

/// Reads the values of a fan-out: at least one, none twice.
fn values(at: &At<'_>, report: &mut Report) -> Option<Vec<serde_json::Value>> {
    let mut seen = BTreeSet::new();
    let values = list(at, report, |at, report| {
        let value = json(at, report)?;
        if !seen.insert(value.to_string()) {
            at.error(report, format!("the value {} stands here a second time", show(&value.to_string())), None);
            return None;
        }
        Some(value)
    })?;
    if values.is_empty() {
        at.error(report, "a fan-out needs at least one value", "write {window: [all, last-3-months]}".to_owned());
        return None;
    }
    if values.len() > VALUES_MAX {
        let message = format!("a fan-out over {} values is more than the {VALUES_MAX} allowed", values.len());
        at.error(report, message, "put several values into one".to_owned());
        return None;
    }
    Some(values)
}
