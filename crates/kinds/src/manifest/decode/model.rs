//! Model: how its versions are scored, and the gates before its aliases.

use std::collections::BTreeMap;

use super::{
    super::{
        EvaluationSpec, GateSpec, ModelSpec, Rule, RuleSpec,
        fields::{At, Fields, boolean, element_position, list, name, number, some_text, whole, word},
        is_alias,
        nearest::either,
        report::Report,
        show,
        spans::element,
    },
    closing::{column, columns, measure},
    placeholder,
    simple::description,
};
use crate::{Measure, Name};

/// The artifact of evaluation rows where the file names none.
const ARTIFACT: &str = "evaluation.parquet";
/// The confidence of an interval where the file says nothing.
const CONFIDENCE: f64 = 0.95;
/// How often clusters are drawn where the file says nothing.
const RESAMPLES: u32 = 2000;
/// The most drawings: each is a pass over all rows.
const RESAMPLES_MAX: u32 = 100_000;

/// What a rule may ask, by the field that says it.
const RULES: [&str; 5] = ["floor", "better", "bias", "servable", "data"];
/// What stands beside the first two.
const DETAILS: [&str; 6] = ["min", "max", "than", "confidence", "by", "resamples"];
/// What a rule may ask in later releases.
const LATER: [&str; 4] = ["approval", "scan", "signature", "sbom"];

pub(super) fn model(body: Option<At<'_>>, report: &mut Report) -> Option<ModelSpec> {
    let Some(at) = body else { return Some(ModelSpec::default()) };
    let mut fields = Fields::open(&at, report)?;
    let description = description(&mut fields, report);
    let evaluation_at = fields.get("evaluation");
    let evaluation = evaluation_at.as_ref().and_then(|at| evaluation(at, report));
    let gates = fields.get("gates").map(|at| gates(&at, evaluation_at.is_some(), report)).unwrap_or_default();
    fields.finish(report);
    Some(ModelSpec { description, evaluation, gates })
}

fn evaluation(at: &At<'_>, report: &mut Report) -> Option<EvaluationSpec> {
    let mut fields = Fields::open(at, report)?;
    let artifact_at = fields.get("artifact");
    let artifact = match &artifact_at {
        Some(at) => artifact(at, report).unwrap_or_default(),
        None => ARTIFACT.to_owned(),
    };
    let label = fields.require("label", "name the column with the truth", report);
    let label = label.and_then(|at| column(&at, report)).unwrap_or_default();
    let prediction_at = fields.require("prediction", "name the column with the training framework's answers", report);
    let prediction = prediction_at.as_ref().and_then(|at| column(at, report)).unwrap_or_default();
    if let Some(at) = prediction_at.filter(|_| !label.is_empty() && label == prediction) {
        at.error(report, "`label` and `prediction` are one column", "name the column with the answers".to_owned());
    }
    let key_at = fields.require("key", "name the columns that together name a row", report);
    let key = key_at.as_ref().map(|at| columns(at, report)).unwrap_or_default();
    if let Some(at) = key_at.filter(|at| key.is_empty() && at.is_empty_list()) {
        at.error(report, "a key needs a column", "name the columns that together name a row".to_owned());
    }
    let cluster = fields.get("cluster").and_then(|at| column(&at, report));
    let training = fields.get("training").and_then(|at| self::artifact(&at, report));
    fields.finish(report);
    Some(EvaluationSpec { artifact, label, prediction, key, cluster, training })
}

/// Reads the path of an artifact, relative to those of a run.
fn artifact(at: &At<'_>, report: &mut Report) -> Option<String> {
    let path = some_text(at, report)?;
    if path.contains("://") || path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let message = format!("`{}` is not the path of an artifact", show(&path));
        at.error(report, message, "write a path among the run's artifacts, such as evaluation.parquet".to_owned());
        return None;
    }
    Some(path)
}

/// Reads the gates. An evaluation that is there and could not be read has its own findings.
fn gates(at: &At<'_>, has_evaluation: bool, report: &mut Report) -> Vec<GateSpec> {
    let mut lacks = !has_evaluation;
    let gates = list(at, report, |at, report| Some(gate(at, &mut lacks, report))).unwrap_or_default();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, gate) in gates.iter().enumerate().filter(|(_, gate)| !gate.alias.is_empty()) {
        if seen.insert(&gate.alias, index).is_some() {
            let message = format!("two gates stand before `{}`", gate.alias);
            let path = format!("{}.alias", element(&at.path, index));
            report.error(element_position(at, index), &path, message, "put their rules into one".to_owned());
        }
    }
    gates
}

/// Reads one gate; where it cannot be read, a stand-in before no alias, so that the places of the others stay right.
fn gate(at: &At<'_>, lacks_evaluation: &mut bool, report: &mut Report) -> GateSpec {
    let Some(mut fields) = Fields::open(at, report) else {
        return GateSpec { alias: String::new(), automatic: false, rules: Vec::new() };
    };
    let alias = fields.require("alias", "name the alias, such as champion", report);
    let alias = alias.and_then(|at| alias_text(&at, report)).unwrap_or_default();
    let automatic = fields.get("automatic").and_then(|at| boolean(&at, report)).unwrap_or(false);
    let rules_at = fields.require("rules", "a gate needs at least one rule", report);
    let mut index = 0;
    let rules = rules_at.as_ref().and_then(|at| {
        list(at, report, |at, report| {
            index += 1;
            Some(rule(at, index - 1, lacks_evaluation, report))
        })
    });
    let rules = rules.unwrap_or_default();
    if let Some(at) = &rules_at {
        if at.is_empty_list() {
            at.error(report, "a gate needs at least one rule", "write `- {floor: mae, max: 20}`".to_owned());
        }
        let mut seen: BTreeMap<&Name, usize> = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            if seen.insert(&rule.name, index).is_some() {
                let path = format!("{}.name", element(&at.path, index));
                let message = format!("two rules are called `{}`", rule.name);
                report.error(element_position(at, index), &path, message, "give each a `name` of its own".to_owned());
            }
        }
    }
    fields.finish(report);
    GateSpec { alias, automatic, rules }
}

/// Reads an alias.
fn alias_text(at: &At<'_>, report: &mut Report) -> Option<String> {
    let alias = some_text(at, report)?;
    if !is_alias(&alias) {
        let hint = "write letters, digits, `_`, `-` and `.`, such as champion; not `latest`, nor v3 and the like";
        at.error(report, format!("`{}` cannot be an alias", show(&alias)), hint.to_owned());
        return None;
    }
    Some(alias)
}

/// Reads one rule; where what it asks cannot be read, a stand-in, so that the places of the others stay right.
fn rule(at: &At<'_>, index: usize, lacks_evaluation: &mut bool, report: &mut Report) -> RuleSpec {
    let stand_in = || (placeholder(&format!("unnamed-{index}")), Rule::AcceptedData);
    let Some(mut fields) = Fields::open(at, report) else {
        let (name, rule) = stand_in();
        return RuleSpec { name, rule };
    };
    let own = fields.get("name").and_then(|at| name(&at, report));
    let asked = asked(&mut fields, report);
    fields.finish(report);
    if let Some((_, rule)) = &asked
        && rule.needs_evaluation()
        && std::mem::take(lacks_evaluation)
    {
        let hint = "add `evaluation: {label: …, prediction: …, key: […]}` to `spec`";
        at.error(report, "this rule needs rows to score a version over", hint.to_owned());
    }
    let (usual, rule) = asked.unwrap_or_else(stand_in);
    RuleSpec { name: own.unwrap_or(usual), rule }
}

/// Reads the one thing that a rule asks, and the name a rule gets from it.
fn asked(fields: &mut Fields<'_>, report: &mut Report) -> Option<(Name, Rule)> {
    let given: Vec<(&str, At<'_>)> = RULES.into_iter().filter_map(|key| Some((key, fields.get(key)?))).collect();
    let later: Vec<(&str, At<'_>)> = LATER.into_iter().filter_map(|key| Some((key, fields.later(key)?))).collect();
    for (key, at) in &later {
        let message = format!("rules by `{key}` come with a later release");
        at.error(report, message, format!("this one knows {}", either(RULES)));
    }
    let (key, at) = match given.as_slice() {
        [(key, at)] => (*key, at),
        [] => {
            if later.is_empty() && !fields.misspells(&RULES) {
                let hint = "write `floor: mae` with `max`, `better: mae` with `than`, `bias: 2`, `servable: 1.0e-4` or `data: accepted`";
                fields.at().clone().error(report, "this rule asks for nothing", hint.to_owned());
            }
            fields.ask(&DETAILS);
            return None;
        }
        [_, (_, second), ..] => {
            second.error(report, "a rule asks for one thing", "make two entries of this one".to_owned());
            fields.ask(&DETAILS);
            return None;
        }
    };
    match key {
        "floor" => floor(at, fields, report),
        "better" => better(at, fields, report),
        "bias" => bound(at, report).map(|max| (placeholder("bias"), Rule::Bias { max })),
        "servable" => bound(at, report).map(|tolerance| (placeholder("servable"), Rule::Servable { tolerance })),
        _ => {
            word(at, &[("accepted", ())], report)?;
            Some((placeholder("accepted-data"), Rule::AcceptedData))
        }
    }
}

fn floor(at: &At<'_>, fields: &mut Fields<'_>, report: &mut Report) -> Option<(Name, Rule)> {
    let measure = measure(at, report);
    let min = fields.get("min").map(|at| (number(&at, report), at));
    let max = fields.get("max").map(|at| (number(&at, report), at));
    let measure = measure?;
    let usual = if measure.higher_is_better() { "min" } else { "max" };
    match (&min, &max) {
        (None, None) => {
            at.error(report, "this floor has no bound", format!("write `{usual}`, the {measure} still good enough"));
            return None;
        }
        (Some((Some(least), _)), Some((Some(most), at))) if most < least => {
            at.error(report, format!("`max` is below `min` ({least})"), "no version could satisfy both".to_owned());
        }
        (Some((_, at)), None) if !measure.higher_is_better() && measure != Measure::Bias => {
            report.warn(
                at.node.position,
                &at.path,
                format!("of {measure}, less is better: this lets the worse versions pass"),
                Some("did you mean `max`?".to_owned()),
            );
        }
        (None, Some((_, at))) if measure.higher_is_better() => {
            report.warn(
                at.node.position,
                &at.path,
                format!("of {measure}, more is better: this lets the worse versions pass"),
                Some("did you mean `min`?".to_owned()),
            );
        }
        (Some(_), Some(_)) | (Some(_), None) | (None, Some(_)) => {}
    }
    let (min, max) = (min.and_then(|(min, _)| min), max.and_then(|(max, _)| max));
    Some((by_measure("floor", measure), Rule::Floor { measure, min, max }))
}

fn better(at: &At<'_>, fields: &mut Fields<'_>, report: &mut Report) -> Option<(Name, Rule)> {
    let measure = measure(at, report);
    let than = fields.require("than", "name the alias of the version to beat, such as champion", report);
    let than = than.and_then(|at| alias_text(&at, report));
    let confidence = fields.get("confidence").and_then(|at| confidence(&at, report)).unwrap_or(CONFIDENCE);
    let by = fields.get("by").and_then(|at| bound(&at, report)).unwrap_or(0.0);
    let resamples = fields.get("resamples").and_then(|at| resamples(&at, report)).unwrap_or(RESAMPLES);
    let (measure, than) = (measure?, than?);
    Some((by_measure("better", measure), Rule::Better { measure, than, confidence, by, resamples }))
}

/// Returns the usual name of a rule about a measure: `floor-mae`.
fn by_measure(rule: &str, measure: Measure) -> Name {
    let text = format!("{rule}-{measure}").replace('.', "-");
    text.parse().unwrap_or_else(|_| placeholder(rule))
}

/// Reads a number from 0 up.
fn bound(at: &At<'_>, report: &mut Report) -> Option<f64> {
    let bound = number(at, report)?;
    if bound < 0.0 {
        at.error(report, format!("`{bound}` is below 0"), "write 0 or more".to_owned());
        return None;
    }
    Some(bound)
}

fn confidence(at: &At<'_>, report: &mut Report) -> Option<f64> {
    let confidence = number(at, report)?;
    if confidence <= 0.0 || confidence >= 1.0 {
        let percent = confidence > 1.0 && confidence < 100.0;
        let hint = if percent {
            format!("{confidence} percent is {}", confidence / 100.0)
        } else {
            "write 0.95 for 95 percent".to_owned()
        };
        at.error(report, format!("`{confidence}` is not strictly between 0 and 1"), hint);
        return None;
    }
    Some(confidence)
}

fn resamples(at: &At<'_>, report: &mut Report) -> Option<u32> {
    let resamples: u32 = whole(at, 100, report)?;
    if resamples > RESAMPLES_MAX {
        at.error(report, format!("{resamples} drawings are more than the {RESAMPLES_MAX} allowed"), None);
        return None;
    }
    Some(resamples)
}
