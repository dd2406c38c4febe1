//! Triggers: what starts a run, and how often at most.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::{
        ModelAt, ModelRef, TriggerSource, TriggerSpec,
        fields::{At, Fields, name, some_text, whole, word},
        nearest::did_you_mean,
        report::Report,
        show,
    },
    closing::model_ref,
    pipeline::parameters,
    placeholder,
    settings::{expression, span_or},
};
use crate::Name;

/// Sources of later releases.
const LATER: [&str; 5] = ["alert", "model", "cve", "event", "endpoint"];

/// The facts of an event that parameters may name, as `${trigger.count}`; those of a monitor last.
const FACTS: [&str; 9] = ["count", "added", "version", "text", "monitor", "measure", "value", "threshold", "window"];

/// Reads one trigger; where its source cannot be read, a stand-in that never fires.
pub(super) fn trigger(at: &At<'_>, index: usize, report: &mut Report) -> TriggerSpec {
    let stand_in = || (placeholder(&format!("unnamed-{index}")), TriggerSource::Idle { times: Some(0) });
    let Some(mut fields) = Fields::open(at, report) else {
        let (name, source) = stand_in();
        let cool_down = "0s".parse().expect("built-in spans are spans");
        return TriggerSpec {
            name,
            source,
            condition: None,
            cool_down,
            max_per_day: None,
            breaker: None,
            max_without_improvement: None,
            unless: None,
            parameters: BTreeMap::new(),
        };
    };
    let own = fields.get("name").and_then(|at| name(&at, report));
    let source = source(&mut fields, report);
    let condition = fields.get("condition").and_then(|at| expression(&at, report));
    let cool_down = span_or(&mut fields, "coolDown", "0s", report);
    let max_per_day = fields.get("maxPerDay").and_then(|at| whole(&at, 1, report));
    let breaker = fields.get("breaker").and_then(|at| whole(&at, 1, report));
    let max_without_improvement = fields.get("maxWithoutImprovement").and_then(|at| whole(&at, 1, report));
    let unless = fields.get("unless").and_then(|at| alias(&at, report));
    let parameters = fields.get("parameters").map(|at| placeholders(&at, report)).unwrap_or_default();
    fields.finish(report);
    let (usual, source) = source.unwrap_or_else(stand_in);
    TriggerSpec {
        name: own.unwrap_or(usual),
        source,
        condition,
        cool_down,
        max_per_day,
        breaker,
        max_without_improvement,
        unless,
        parameters,
    }
}

/// Reads an alias of a model.
fn alias(at: &At<'_>, report: &mut Report) -> Option<ModelRef> {
    let reference = model_ref(at, report)?;
    match reference.at {
        ModelAt::Alias(_) => Some(reference),
        ModelAt::Version(_) => {
            let hint = "name an alias, such as flights@champion: the trigger acts while it points at nothing";
            at.error(report, "a fixed version is always there", hint.to_owned());
            None
        }
    }
}

/// Reads the one source of a trigger, and the name a trigger gets from it.
fn source(fields: &mut Fields<'_>, report: &mut Report) -> Option<(Name, TriggerSource)> {
    let dataset = fields.get("dataset");
    let monitor = fields.get("monitor");
    let schedule = fields.get("schedule");
    let later: Vec<At<'_>> = LATER.into_iter().filter_map(|key| fields.later(key)).collect();
    for at in &later {
        let source = at.path.rsplit('.').next().unwrap_or_default().to_owned();
        let hint = "this one knows `dataset`, `monitor` and `schedule`; `windlass start` needs no entry";
        at.error(report, format!("triggers by `{source}` come with a later release"), hint.to_owned());
    }
    let of = |kind: &str, name: &Name| format!("{kind}-{name}").parse().unwrap_or_else(|_| name.clone());
    match (dataset, monitor, schedule) {
        (Some(at), None, None) => {
            name(&at, report).map(|dataset| (of("dataset", &dataset), TriggerSource::Dataset(dataset)))
        }
        (None, Some(at), None) => {
            name(&at, report).map(|monitor| (of("monitor", &monitor), TriggerSource::Monitor(monitor)))
        }
        (None, None, Some(at)) => self::schedule(&at, report),
        (None, None, None) => {
            if later.is_empty() && !fields.misspells(&["dataset", "monitor", "schedule"]) {
                let hint = "write `dataset: NAME`, `monitor: NAME`, or `schedule: {cron: …}` or `{when: idle}`";
                fields.at().clone().error(report, "this trigger listens to nothing", hint.to_owned());
            }
            None
        }
        (_, Some(second), None) | (_, _, Some(second)) => {
            second.error(report, "a trigger listens to one thing", "make two entries of this one".to_owned());
            None
        }
    }
}

fn schedule(at: &At<'_>, report: &mut Report) -> Option<(Name, TriggerSource)> {
    let mut fields = Fields::open(at, report)?;
    let when = fields.get("when");
    let cron_at = fields.get("cron");
    let timezone_at = fields.get("timezone");
    let times = fields.get("times").and_then(|at| whole(&at, 1, report));
    fields.finish(report);
    match (when, cron_at) {
        (Some(_), Some(cron)) => {
            cron.error(report, "a schedule has `when` or `cron`, not both", "make two triggers of this one".to_owned());
            None
        }
        (Some(when), None) => {
            if let Some(at) = timezone_at {
                at.error(report, "a time zone needs a `cron`", "leave it out".to_owned());
            }
            word(&when, &[("idle", ())], report)?;
            Some((placeholder("schedule-idle"), TriggerSource::Idle { times }))
        }
        (None, Some(at)) => {
            let cron = cron(&at, report);
            let timezone = match timezone_at {
                Some(at) => timezone(&at, report),
                None => Some("UTC".to_owned()),
            };
            Some((placeholder("schedule-cron"), TriggerSource::Cron { cron: cron?, timezone: timezone?, times }))
        }
        (None, None) => {
            at.error(report, "this schedule says no time", "write `cron: \"0 3 * * *\"` or `when: idle`".to_owned());
            None
        }
    }
}

/// Reads a cron expression of five fields (POSIX crontab, with names and steps): minute, hour, day, month, weekday.
fn cron(at: &At<'_>, report: &mut Report) -> Option<String> {
    let text = some_text(at, report)?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    let hint = "write minute, hour, day of month, month, day of week: \"0 3 * * *\"".to_owned();
    if fields.len() != 5 {
        at.error(report, format!("`{}` has {} fields; cron has five", show(&text), fields.len()), hint);
        return None;
    }
    let bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
    let wrong = fields.iter().zip(bounds).find(|(field, (low, high))| !cron_field(field, *low, *high));
    if let Some((field, (low, high))) = wrong {
        at.error(report, format!("`{}` is not a cron field from {low} to {high}", show(field)), hint);
        return None;
    }
    Some(fields.join(" "))
}

/// Tells whether a field is a list of `*`, numbers, names and ranges, each with an optional step.
fn cron_field(field: &str, low: u32, high: u32) -> bool {
    let value = |text: &str| match text.parse::<u32>() {
        Ok(number) => (low..=high).contains(&number),
        Err(_) => text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) && matches!(high, 7 | 12),
    };
    field.split(',').all(|part| {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step = step.is_none_or(|step| step.parse::<u32>().is_ok_and(|step| step > 0));
        step && (range == "*" || range.split_once('-').map_or(value(range), |(from, to)| value(from) && value(to)))
    })
}

/// Reads the name of a time zone; whether this machine knows it is found out where it is used.
fn timezone(at: &At<'_>, report: &mut Report) -> Option<String> {
    let text = some_text(at, report)?;
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-+".contains(c));
    if !text.split('/').all(plain) || text.starts_with(['+', '-']) {
        at.error(
            report,
            format!("`{}` is not a time zone", show(&text)),
            "write a name such as Europe/Berlin or UTC".to_owned(),
        );
        return None;
    }
    Some(text)
}

/// Reads the parameters of a trigger and checks the placeholders in them.
fn placeholders(at: &At<'_>, report: &mut Report) -> BTreeMap<String, Value> {
    let parameters = parameters(at, report);
    for (key, value) in &parameters {
        for text in texts(value) {
            for wrong in unknown_facts(text) {
                let path = super::super::spans::field(&at.path, key);
                let fact = wrong.strip_prefix("trigger.").unwrap_or(&wrong);
                let hint = did_you_mean(fact, FACTS).unwrap_or_else(|| {
                    format!("there are {}", FACTS.map(|fact| format!("${{trigger.{fact}}}")).join(", "))
                });
                let position = super::super::fields::key_position(at, key).unwrap_or(at.node.position);
                report.error(position, &path, format!("nothing is called `${{{}}}`", show(&wrong)), hint);
            }
        }
    }
    parameters
}

/// Returns the texts within a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(entries) => entries.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Returns what stands in placeholders of `text` and is no fact of an event.
fn unknown_facts(text: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        let (inside, next) = after.split_once('}').unwrap_or((after, ""));
        if !FACTS.iter().any(|fact| inside.strip_prefix("trigger.") == Some(fact)) {
            unknown.push(inside.to_owned());
        }
        rest = next;
    }
    unknown
}
