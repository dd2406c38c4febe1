//! Reading typed values off the spanned tree.
//!
//! Every reader takes a place ([`At`]) and a report; it returns nothing where the value is wrong, after saying so.
//! [`Fields`] reads a mapping field by field and, at its end, names the fields nobody asked for.

use std::{collections::BTreeMap, str::FromStr};

use serde_json::{Map, Number, Value};

use super::{
    clean,
    nearest::{did_you_mean, either, nearest},
    report::Report,
    scalar::{Resolved, Scalar, to_json},
    show,
    spans::{element, field},
    tree::{Entry, Node, Tree},
};
use crate::{Name, Position, Span};

/// A value and the path to it.
#[derive(Clone)]
pub(super) struct At<'a> {
    /// The path: `spec.steps[2].name`.
    pub(super) path: String,
    /// The value.
    pub(super) node: &'a Node,
}

impl<'a> At<'a> {
    /// Reports an error about this value.
    pub(super) fn error(&self, report: &mut Report, message: impl Into<String>, hint: impl Into<Option<String>>) {
        report.error(self.node.position, &self.path, message, hint);
    }

    /// Reports that the value has the wrong type.
    pub(super) fn wrong(&self, report: &mut Report, wanted: &str, hint: impl Into<Option<String>>) {
        self.error(report, format!("{wanted} is wanted here, not {}", describe(self.node)), hint);
    }

    /// Tells whether this is a list without elements.
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(&self.node.tree, Tree::List(items) if items.is_empty())
    }

    fn entry(&self, entry: &'a Entry) -> At<'a> {
        At { path: field(&self.path, &entry.key), node: &entry.value }
    }

    fn scalar(&self) -> Option<&'a Scalar> {
        match &self.node.tree {
            Tree::Scalar(scalar) => Some(scalar),
            Tree::List(_) | Tree::Map(_) => None,
        }
    }
}

/// Names what stands in a place, for people.
fn describe(node: &Node) -> String {
    match &node.tree {
        Tree::List(_) => "a list".to_owned(),
        Tree::Map(_) => "a mapping".to_owned(),
        Tree::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => "nothing".to_owned(),
            Resolved::Boolean(_) | Resolved::Number(_) | Resolved::Beyond => format!("`{}`", show(&scalar.text)),
            Resolved::Text => format!("the text `{}`", show(&scalar.text)),
        },
    }
}

/// Words people bring from elsewhere, and what to say instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("on", "write `triggers`; YAML 1.1 reads the key `on` as true, so it is never used here"),
    ("true", "write `triggers`; YAML 1.1 turned the key `on` into true"),
    ("schedule", "a schedule is an entry of `spec.triggers`"),
    ("cron", "write `schedule: {cron: \"0 3 * * *\"}`"),
    ("if", "write `when`"),
    ("dependsOn", "write `needs`"),
    ("depends_on", "write `needs`"),
    ("depends", "write `needs`"),
    ("run", "write `command`, a list of program and arguments"),
    ("script", "write `command`, a list of program and arguments"),
    ("args", "put the arguments into `command`, after the program"),
    ("matrix", "write `foreach` with one parameter and its values"),
    ("withItems", "write `foreach` with one parameter and its values"),
    ("image", "steps in containers come with a later release"),
    ("approval", "approvals come with a later release"),
    ("manual", "leave it out: `windlass start` needs no entry"),
    ("gates", "gates are a Model's: `spec.gates`"),
    ("status", "the status is written by Windlass; leave it out"),
    ("namespace", "write `project`"),
    ("path", "write `uri`"),
    ("url", "write `uri`"),
];

/// Tells whether someone who wrote `given` meant the field `wanted`.
fn stands_for(given: &str, wanted: &str) -> bool {
    given != wanted
        && (nearest(given, [wanted]).is_some()
            || ELSEWHERE.iter().any(|(word, hint)| *word == given && hint.starts_with(&format!("write `{wanted}`"))))
}

/// The fields of one mapping.
pub(super) struct Fields<'a> {
    at: At<'a>,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
    /// Fields of later releases: known, and no remedy for a misspelt one.
    later: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Opens a mapping; what is no mapping is reported, and read as if empty by the caller.
    pub(super) fn open(at: &At<'a>, report: &mut Report) -> Option<Self> {
        match &at.node.tree {
            Tree::Map(entries) => Some(Self { at: at.clone(), entries, asked: Vec::new(), later: Vec::new() }),
            Tree::List(_) | Tree::Scalar(_) => {
                at.wrong(report, "a mapping", None);
                None
            }
        }
    }

    /// Opens a mapping that may be left out (`null` counts as left out).
    pub(super) fn open_or_null(at: &At<'a>, report: &mut Report) -> Option<Self> {
        if at.node.is_null() {
            return Some(Self { at: at.clone(), entries: &[], asked: Vec::new(), later: Vec::new() });
        }
        Self::open(at, report)
    }

    /// Returns the place of the mapping itself.
    pub(super) fn at(&self) -> &At<'a> {
        &self.at
    }

    /// Returns a field; nothing where it is missing or `null`.
    pub(super) fn get(&mut self, key: &'static str) -> Option<At<'a>> {
        self.asked.push(key);
        self.entry(key)
    }

    /// Returns a field of later releases; nothing where it is missing or `null`.
    pub(super) fn later(&mut self, key: &'static str) -> Option<At<'a>> {
        self.later.push(key);
        self.entry(key)
    }

    /// Takes fields for known whose values do not matter any more.
    pub(super) fn ask(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    /// Tells whether a field that is here was meant for one of these. It gets its finding from [`Self::finish`].
    pub(super) fn misspells(&self, wanted: &[&str]) -> bool {
        self.entries.iter().any(|entry| wanted.iter().any(|wanted| stands_for(&entry.key, wanted)))
    }

    fn entry(&self, key: &str) -> Option<At<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!entry.value.is_null()).then(|| self.at.entry(entry))
    }

    /// Returns a field that must be there, after reporting it missing with the hint.
    pub(super) fn require(&mut self, key: &'static str, hint: &str, report: &mut Report) -> Option<At<'a>> {
        let found = self.get(key);
        if found.is_none() && self.entries.iter().any(|entry| stands_for(&entry.key, key)) {
            // The misspelt field gets its finding from `finish`; one mistake, one finding.
            report.gap(&field(&self.at.path, key));
        } else if found.is_none() {
            let empty = self.entries.iter().find(|entry| entry.key == key);
            let position = empty.map_or(self.at.node.position, |entry| entry.position);
            let message = if empty.is_some() { format!("`{key}` is empty") } else { format!("`{key}` is missing") };
            report.error(position, &field(&self.at.path, key), message, hint.to_owned());
        }
        found
    }

    /// Reports fields that nobody asked for.
    pub(super) fn finish(self, report: &mut Report) {
        let Self { at, entries, asked, later } = self;
        for entry in entries {
            if asked.contains(&entry.key.as_str()) || later.contains(&entry.key.as_str()) {
                continue;
            }
            let path = field(&at.path, &entry.key);
            let elsewhere = ELSEWHERE.iter().find(|(word, _)| *word == entry.key);
            let hint = if report.is_full() {
                None
            } else if let Some((_, hint)) = elsewhere {
                Some((*hint).to_owned())
            } else {
                did_you_mean(&entry.key, asked.iter().copied())
                    .or_else(|| Some(format!("fields here: {}", asked.join(", "))))
            };
            let message = format!("there is no field `{}` here", show(&entry.key));
            report.error(entry.position, &path, message, hint);
        }
    }
}

/// Reads text. A number or truth value wants quotes, because what was meant is not certain.
pub(super) fn text(at: &At<'_>, report: &mut Report) -> Option<String> {
    let scalar = at.scalar().filter(|scalar| !matches!(scalar.resolve(), Resolved::Null));
    let Some(scalar) = scalar else {
        at.wrong(report, "text", None);
        return None;
    };
    if scalar.resolve() != Resolved::Text {
        at.wrong(report, "text", format!("quote it: \"{}\"", show(&scalar.text)));
        return None;
    }
    Some(scalar.text.clone())
}

/// Reads text that may not be empty.
pub(super) fn some_text(at: &At<'_>, report: &mut Report) -> Option<String> {
    let text = text(at, report)?;
    if text.trim().is_empty() {
        at.error(report, "this text is empty", None);
        return None;
    }
    Some(text)
}

/// Reads text where a number or truth value means its own spelling: `3.10`, `--seed 7`.
pub(super) fn written(at: &At<'_>, report: &mut Report) -> Option<String> {
    match at.scalar() {
        Some(scalar) if scalar.resolve() != Resolved::Null => Some(scalar.text.clone()),
        Some(_) => {
            at.wrong(report, "text", "quote it, `\"\"` for empty text".to_owned());
            None
        }
        None => {
            at.wrong(report, "text", None);
            None
        }
    }
}

/// Reads something that has a spelling of its own: a name, a length of time.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(at: &At<'_>, report: &mut Report) -> Option<T> {
    let text = written(at, report)?;
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            at.error(report, clean(&error.to_string()), None);
            None
        }
    }
}

/// Reads a name.
pub(super) fn name(at: &At<'_>, report: &mut Report) -> Option<Name> {
    parsed(at, report)
}

/// Reads a length of time.
pub(super) fn span(at: &At<'_>, report: &mut Report) -> Option<Span> {
    if let Some(scalar) = at.scalar()
        && let Resolved::Number(number) = scalar.resolve()
        && number.as_f64() != Some(0.0)
    {
        at.error(
            report,
            format!("`{}` has no unit", show(&scalar.text)),
            format!("write {0}s or {0}m", show(&scalar.text)),
        );
        return None;
    }
    parsed(at, report)
}

/// Reads a length of time above zero.
pub(super) fn some_span(at: &At<'_>, report: &mut Report) -> Option<Span> {
    let span = span(at, report)?;
    if span.0.is_zero() {
        at.error(report, "this must be longer than 0s", None);
        return None;
    }
    Some(span)
}

/// Reads `true` or `false`.
pub(super) fn boolean(at: &At<'_>, report: &mut Report) -> Option<bool> {
    let scalar = at.scalar();
    if let Some(Resolved::Boolean(value)) = scalar.map(Scalar::resolve) {
        return Some(value);
    }
    let old = scalar.filter(|scalar| scalar.is_old_boolean());
    let hint = old.map(|scalar| {
        let value = matches!(scalar.text.to_ascii_lowercase().as_str(), "yes" | "on" | "y");
        format!("YAML 1.2 reads `{}` as text; write {value}", scalar.text)
    });
    at.wrong(report, "true or false", hint);
    None
}

/// Reads a finite number.
pub(super) fn number(at: &At<'_>, report: &mut Report) -> Option<f64> {
    match at.scalar().map(Scalar::resolve) {
        Some(Resolved::Number(number)) => number.as_f64(),
        Some(Resolved::Beyond) => {
            at.wrong(report, "a finite number", "leave the field out for no limit".to_owned());
            None
        }
        _ => {
            let quoted = at.scalar().filter(|scalar| !scalar.plain && !scalar.text.is_empty());
            at.wrong(report, "a number", quoted.map(|_| "take the quotes off".to_owned()));
            None
        }
    }
}

/// Reads a whole number from `least` up.
pub(super) fn whole<T: TryFrom<u64>>(at: &At<'_>, least: u64, report: &mut Report) -> Option<T> {
    let number = match at.scalar().map(Scalar::resolve) {
        Some(Resolved::Number(number)) => Some(number),
        _ => None,
    };
    let value = number
        .as_ref()
        .and_then(Number::as_u64)
        .filter(|value| *value >= least)
        .and_then(|value| T::try_from(value).ok());
    if value.is_none() {
        let quoted = at.scalar().filter(|scalar| !scalar.plain && scalar.text.parse::<u64>().is_ok());
        let hint = quoted.map(|_| "take the quotes off".to_owned());
        at.wrong(report, &format!("a whole number from {least} up"), hint);
    }
    value
}

/// Reads one of a few words.
pub(super) fn word<T: Copy>(at: &At<'_>, words: &[(&str, T)], report: &mut Report) -> Option<T> {
    let text = text(at, report)?;
    let found = words.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let options = || words.iter().map(|(word, _)| *word);
        let hint = did_you_mean(&text, options()).unwrap_or_else(|| format!("write {}", either(options())));
        at.error(report, format!("`{}` is not one of the words known here", show(&text)), hint);
    }
    found.map(|(_, value)| *value)
}

/// Reads a list; elements that are wrong are left out after being reported.
pub(super) fn list<'a, T>(
    at: &At<'a>,
    report: &mut Report,
    mut read: impl FnMut(&At<'a>, &mut Report) -> Option<T>,
) -> Option<Vec<T>> {
    let Tree::List(items) = &at.node.tree else {
        let hint = at.scalar().map(|scalar| format!("write [{}]", show(&scalar.text)));
        at.wrong(report, "a list", hint);
        return None;
    };
    let items = items.iter().enumerate();
    Some(items.filter_map(|(index, node)| read(&At { path: element(&at.path, index), node }, report)).collect())
}

/// Reads a mapping whose keys people choose; entries that are wrong are left out after being reported.
pub(super) fn map<'a, K: Ord, V>(
    at: &At<'a>,
    report: &mut Report,
    mut key: impl FnMut(&str) -> Result<K, String>,
    mut read: impl FnMut(&At<'a>, &mut Report) -> Option<V>,
) -> Option<BTreeMap<K, V>> {
    let Tree::Map(entries) = &at.node.tree else {
        at.wrong(report, "a mapping", None);
        return None;
    };
    let mut result = BTreeMap::new();
    for entry in entries {
        let place = at.entry(entry);
        let key = match key(&entry.key) {
            Ok(key) => Some(key),
            Err(message) => {
                report.error(entry.position, &place.path, message, None);
                None
            }
        };
        if let (Some(value), Some(key)) = (read(&place, report), key) {
            result.insert(key, value);
        }
    }
    Some(result)
}

/// Accepts a key that is a name.
pub(super) fn name_key(key: &str) -> Result<Name, String> {
    key.parse().map_err(|error: crate::names::NameError| clean(&error.to_string()))
}

/// Reads any value as JSON. What YAML 1.1 reads otherwise gets a warning.
pub(super) fn json(at: &At<'_>, report: &mut Report) -> Option<Value> {
    match &at.node.tree {
        Tree::Scalar(scalar) => {
            if scalar.is_old_boolean() {
                let message = format!("`{}` is text in YAML 1.2 and a truth value in YAML 1.1", scalar.text);
                let hint = format!("write true or false, or quote it: \"{}\"", scalar.text);
                report.warn(at.node.position, &at.path, message, Some(hint));
            }
            let value = to_json(scalar);
            if value.is_none() {
                let message = format!("the number `{}` cannot be kept exactly", show(&scalar.text));
                at.error(report, message, "quote it to pass it as text".to_owned());
            }
            value
        }
        Tree::List(_) => list(at, report, json).map(Value::Array),
        Tree::Map(_) => {
            let entries = map(at, report, |key| Ok(key.to_owned()), json)?;
            Some(Value::Object(entries.into_iter().collect::<Map<_, _>>()))
        }
    }
}

/// Returns where a key of a mapping stands, if the mapping has it.
pub(super) fn key_position(at: &At<'_>, key: &str) -> Option<Position> {
    match &at.node.tree {
        Tree::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| entry.position),
        Tree::List(_) | Tree::Scalar(_) => None,
    }
}

/// Returns where an element of a list stands; the list itself where it has no such element.
pub(super) fn element_position(at: &At<'_>, index: usize) -> Position {
    match &at.node.tree {
        Tree::List(items) => items.get(index).map_or(at.node.position, |item| item.position),
        Tree::Map(_) | Tree::Scalar(_) => at.node.position,
    }
}
