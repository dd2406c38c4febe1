//! Parameters with facts of the event in them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windlass_kinds::record::TriggerFacts;

/// Returns the parameters with each `${trigger.…}` replaced: a text that is exactly one placeholder becomes the fact
/// with its own type; within a longer text, text stands as it is and anything else as JSON.
pub(super) fn fill(parameters: &BTreeMap<String, Value>, facts: &TriggerFacts, count: u32) -> BTreeMap<String, Value> {
    parameters.iter().map(|(name, value)| (name.clone(), fill_value(value, facts, count))).collect()
}

fn fill_value(value: &Value, facts: &TriggerFacts, count: u32) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => fill_text(text, facts, count),
        Value::Array(values) => values.iter().map(|value| fill_value(value, facts, count)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), fill_value(value, facts, count))).collect()
        }
    }
}

fn fill_text(text: &str, facts: &TriggerFacts, count: u32) -> Value {
    let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    if let Some(fact) = whole.and_then(|name| fact(name, facts, count)) {
        return fact;
    }
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let found = after.split_once('}').and_then(|(name, next)| Some((fact(name, facts, count)?, next)));
        match found {
            Some((Value::String(text), next)) => {
                filled.push_str(&text);
                rest = next;
            }
            Some((value, next)) => {
                filled.push_str(&value.to_string());
                rest = next;
            }
            None => {
                // Not a fact: the manifest was checked, so this is somebody's own text.
                filled.push_str("${");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled.into()
}

/// Returns a fact by the name it has in a manifest.
fn fact(name: &str, facts: &TriggerFacts, count: u32) -> Option<Value> {
    let breach = facts.breach.as_ref();
    match name {
        "trigger.count" => Some(json!(count)),
        "trigger.added" => Some(json!(facts.added)),
        "trigger.version" => Some(json!(facts.version)),
        "trigger.text" => Some(json!(facts.text)),
        "trigger.monitor" => Some(json!(breach.map(|breach| &breach.monitor))),
        "trigger.measure" => Some(json!(breach.map(|breach| &breach.measure))),
        "trigger.value" => Some(json!(breach.map(|breach| breach.value))),
        "trigger.threshold" => Some(json!(breach.map(|breach| breach.threshold))),
        "trigger.window" => Some(json!(breach.map(|breach| &breach.window))),
        _ => None,
    }
}
