//! The fields in which two JSON values differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Where: `spec.steps[train].command`. Elements of a list that all have a name are found by it, others by place.
    pub path: String,
    /// What is there; `None` where nothing is.
    pub old: Option<Value>,
    /// What would be there; `None` where it goes.
    pub new: Option<Value>,
}

/// Returns the fields in which `wanted` differs from `current`, in the order of their paths.
pub fn diff(current: Option<&Value>, wanted: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    compare(String::new(), current, Some(wanted), &mut changes);
    changes
}

fn compare(path: String, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<FieldChange>) {
    match (old, new) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => objects(&path, old, new, changes),
        (Some(Value::Array(old)), Some(Value::Array(new))) => arrays(path, old, new, changes),
        (None, Some(Value::Object(new))) if path.is_empty() => objects(&path, &Map::new(), new, changes),
        (old, new) => changes.push(FieldChange { path, old: old.cloned(), new: new.cloned() }),
    }
}

fn objects(path: &str, old: &Map<String, Value>, new: &Map<String, Value>, changes: &mut Vec<FieldChange>) {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        compare(join(path, key), old.get(key), new.get(key), changes);
    }
}

fn arrays(path: String, old: &[Value], new: &[Value], changes: &mut Vec<FieldChange>) {
    match (named(old), named(new)) {
        (Some(old_named), Some(new_named)) => {
            let names: BTreeSet<&str> = old_named.keys().chain(new_named.keys()).copied().collect();
            for name in names {
                compare(format!("{path}[{name}]"), old_named.get(name).copied(), new_named.get(name).copied(), changes);
            }
            let order = |values: &[Value]| -> Vec<Value> {
                let name = |value: &Value| value.get("name").cloned();
                let both = |name: &Value| {
                    name.as_str().is_some_and(|name| old_named.contains_key(name) && new_named.contains_key(name))
                };
                values.iter().filter_map(name).filter(both).collect()
            };
            let (was, is) = (order(old), order(new));
            if was != is {
                let change =
                    FieldChange { path: format!("{path} (order)"), old: Some(was.into()), new: Some(is.into()) };
                changes.push(change);
            }
        }
        // A list of plain values says more as a whole than element by element.
        (_, _) if old.iter().chain(new).all(|value| !value.is_object() && !value.is_array()) => {
            changes.push(FieldChange { path, old: Some(old.into()), new: Some(new.into()) });
        }
        (_, _) => {
            for index in 0..old.len().max(new.len()) {
                compare(format!("{path}[{index}]"), old.get(index), new.get(index), changes);
            }
        }
    }
}

/// Returns the elements by name, where there are elements and each has a name of its own.
fn named(values: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let by_name: BTreeMap<&str, &Value> =
        values.iter().filter_map(|value| Some((value.get("name")?.as_str()?, value))).collect();
    (by_name.len() == values.len()).then_some(by_name)
}

/// Joins a path and a key; a key that would read as something else is quoted.
fn join(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if key.is_empty() || !key.chars().all(plain) {
        return format!("{path}[{key:?}]");
    }
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
