//! Places by field path, so that whoever checks a manifest later can still point into the file.

use std::sync::Arc;

use super::tree::{Node, Tree};
use crate::Position;

/// The places of all fields of one document.
#[derive(Debug, Clone)]
pub struct Spans(Arc<Node>);

#[derive(Clone, Copy)]
struct Place {
    key: Position,
    value: Position,
}

impl Spans {
    /// Wraps a document.
    pub(super) fn of(root: &Arc<Node>) -> Self {
        Self(Arc::clone(root))
    }

    /// Returns where the value of a field begins (`spec.steps[2].inputs.model`), or of the nearest field around it
    /// that the file has.
    pub fn value(&self, path: &str) -> Position {
        self.nearest(path).value
    }

    /// Returns where the key of a field begins, or of the nearest field around it that the file has.
    pub fn key(&self, path: &str) -> Position {
        self.nearest(path).key
    }

    fn nearest(&self, path: &str) -> Place {
        let mut node: &Node = &self.0;
        let mut place = Place { key: node.position, value: node.position };
        let mut rest = path;
        while let Some((part, after)) = first_part(rest) {
            let found = match &node.tree {
                Tree::Scalar(_) => None,
                Tree::List(items) => {
                    let index = part.strip_prefix('[').and_then(|part| part.strip_suffix(']'));
                    let item = index.and_then(|index| index.parse::<usize>().ok()).and_then(|index| items.get(index));
                    item.map(|item| (item, item.position))
                }
                Tree::Map(entries) => {
                    let entry = if part.starts_with('[') {
                        entries.iter().find(|entry| field("", &entry.key) == part)
                    } else {
                        entries.iter().find(|entry| entry.key == part)
                    };
                    entry.map(|entry| (&entry.value, entry.position))
                }
            };
            let Some((value, key)) = found else { break };
            place = Place { key, value: value.position };
            node = value;
            rest = after;
        }
        place
    }
}

/// Splits the first part off a path: a word, `[2]` or `["odd key"]`.
fn first_part(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return None;
    }
    let end = if path.starts_with("[\"") {
        path.find("\"]").map_or(path.len(), |at| at + 2)
    } else if path.starts_with('[') {
        path.find(']').map_or(path.len(), |at| at + 1)
    } else {
        path.find(['.', '[']).unwrap_or(path.len())
    };
    Some(path.split_at(end))
}

/// Returns the path of a field within `parent`.
pub(super) fn field(parent: &str, key: &str) -> String {
    let plain = matches!(key.len(), 1..=64) && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    if !plain {
        format!("{parent}[\"{}\"]", super::show(key))
    } else if parent.is_empty() {
        key.to_owned()
    } else {
        format!("{parent}.{key}")
    }
}

/// Returns the path of an element within `parent`.
pub(super) fn element(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_split() {
        let mut parts = Vec::new();
        let mut rest = r#"spec.steps[2].labels["a.b/c"].x"#;
        while let Some((part, after)) = first_part(rest) {
            parts.push(part);
            rest = after;
        }
        assert_eq!(parts, ["spec", "steps", "[2]", "labels", "[\"a.b/c\"]", "x"]);
    }
}
