//! Manifests as YAML that people like to read.
//!
//! Fields come in the order in which people write them; lists of short values stand in one line; text is quoted only
//! where YAML 1.1 or 1.2 would read something else. What is written parses to the same manifest.

use serde_json::{Map, Value};

use super::{
    Manifest,
    scalar::{Resolved, is_old_boolean, resolve},
    surface::to_value,
};

/// The widest list written in one line, in characters.
const LINE_MAX: usize = 100;

/// The order of well-known fields; others follow in the order of their names.
const ORDER: &str = "\
    apiVersion kind metadata spec name project alias automatic type version description uri format \
    include settle poll expectations environment code dataset monitor schedule condition coolDown maxPerDay \
    breaker maxWithoutImprovement unless template command needs inputs outputs writes foreach when cron timezone \
    times wait cache concurrency requirements packages python env limit backoff maxBackoff retries timeout maxBody \
    cpu memory resources parameters triggers steps endpoint model rowId labels annotations log limits retention \
    maxSize redact evaluation gates rules artifact label prediction key cluster training floor better bias servable \
    data than quality drift measure above below of absolute windows warn window optional maxNullShare min max \
    confidence by resamples values extraColumns minRows maxRows unique column every columns defaults thresholds \
    maxParallel members \
";

/// Returns a manifest as one YAML document, without a `---` line.
pub fn to_yaml(manifest: &Manifest) -> String {
    let mut out = String::new();
    if let Value::Object(fields) = to_value(manifest) {
        mapping(&fields, 0, &mut out);
    }
    out
}

/// Writes any JSON value as YAML.
pub fn value_to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => mapping(fields, 0, &mut out),
        Value::Array(items) if !items.is_empty() => sequence(items, 0, &mut out),
        other => scalar(other, false, &mut out),
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out.trim_start_matches('\n').to_owned()
}

/// Writes the entries of a mapping, one a line; the first line is already indented.
fn mapping(fields: &Map<String, Value>, indent: usize, out: &mut String) {
    let mut entries: Vec<(&String, &Value)> = fields.iter().collect();
    let rank = |key: &str| ORDER.split(' ').position(|known| known == key).unwrap_or(usize::MAX);
    entries.sort_by_key(|(key, _)| rank(key));
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        text(key, true, out);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                newline(indent + 2, out);
                mapping(inner, indent + 2, out);
            }
            Value::Array(items) => match one_line(items) {
                Some(line) => {
                    out.push(' ');
                    out.push_str(&line);
                    out.push('\n');
                }
                None => {
                    newline(indent + 2, out);
                    sequence(items, indent + 2, out);
                }
            },
            scalar => {
                out.push(' ');
                self::scalar(scalar, false, out);
                out.push('\n');
            }
        }
    }
}

/// Writes the elements of a list, one a line; the first line is already indented.
fn sequence(items: &[Value], indent: usize, out: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push_str("- ");
        match item {
            Value::Object(inner) if !inner.is_empty() => mapping(inner, indent + 2, out),
            Value::Array(inner) => match one_line(inner) {
                Some(line) => {
                    out.push_str(&line);
                    out.push('\n');
                }
                None => sequence(inner, indent + 2, out),
            },
            scalar => {
                self::scalar(scalar, false, out);
                out.push('\n');
            }
        }
    }
}

fn newline(indent: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Returns a list in one line, if it is short and holds single values only.
fn one_line(items: &[Value]) -> Option<String> {
    let mut out = String::from("[");
    for (index, item) in items.iter().enumerate() {
        if matches!(item, Value::Array(_) | Value::Object(_)) || out.len() > LINE_MAX {
            return None;
        }
        if index > 0 {
            out.push_str(", ");
        }
        scalar(item, true, &mut out);
    }
    out.push(']');
    (items.len() < 2 || out.chars().count() <= LINE_MAX).then_some(out)
}

/// Writes a single value, or an empty collection.
fn scalar(value: &Value, flow: bool, out: &mut String) {
    match value {
        Value::String(value) => text(value, flow, out),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

/// Writes text, quoted where it must be.
fn text(value: &str, flow: bool, out: &mut String) {
    if is_plain(value, flow) {
        out.push_str(value);
        return;
    }
    out.push('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{2030}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' => {
                out.push(character)
            }
            '\u{ff00}'..='\u{fffd}' => out.push(character),
            '\u{10000}'.. => out.push_str(&format!("\\U{:08x}", u32::from(character))),
            _ => out.push_str(&format!("\\u{:04x}", u32::from(character))),
        }
    }
    out.push('"');
}

/// Tells whether text reads back as itself without quotes, in YAML 1.1 as well.
fn is_plain(text: &str, flow: bool) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '$'));
    let inner =
        text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./@+=<>()$'\"!*;: ".contains(c) || c == ',' && !flow);
    let colon = if flow { text.contains(':') } else { text.contains(": ") || text.ends_with(':') };
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && text.chars().all(|c| c.is_ascii_hexdigit() || "+-:._oxXTZ ".contains(c))
        && text.chars().any(|c| c.is_ascii_digit());
    let span = text.bytes().last().is_some_and(|last| matches!(last, b'd' | b's' | b'm' | b'h'))
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, 'd' | 'h' | 'm' | 's'));
    first
        && inner
        && !colon
        && (!numeric || span)
        && !text.ends_with(' ')
        && !text.contains("---")
        && !text.starts_with("...")
        && !is_old_boolean(text)
        && resolve(text) == Resolved::Text
}
