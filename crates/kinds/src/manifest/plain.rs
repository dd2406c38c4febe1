//! YAML that is no manifest: files of other tools, read with the same caps and as strictly.

use serde_json::Value;

use super::{
    SOURCE_MAX, Source,
    report::Report,
    scalar,
    tree::{self, Node, Tree},
};
use crate::{Finding, Position, Severity};

/// Reads the one document in `source` as JSON.
///
/// A number that JSON cannot hold, such as `.nan`, stays the text that it was.
///
/// # Errors
/// Everything that is no YAML 1.2, tags outside its core schema and keys that stand twice; more than
/// [`SOURCE_MAX`] bytes; no document, or more than one.
pub fn read_yaml(source: &Source) -> Result<Value, Vec<Finding>> {
    let mut report = Report::new(&source.name);
    let start = Position { line: 1, column: 1 };
    if source.text.len() > SOURCE_MAX {
        report.error(start, "", format!("more than {SOURCE_MAX} bytes, the most that is read"), None);
        return Err(report.finish());
    }
    let documents = tree::documents(&source.text, &mut report);
    if documents.len() > 1 {
        report.error(documents[1].root.position, "", "a second document", None);
    }
    let findings = report.finish();
    let wrong = findings.iter().any(|finding| finding.severity == Severity::Error);
    match documents.into_iter().next() {
        Some(document) if !wrong => Ok(value(&document.root)),
        Some(_) => Err(findings),
        None if wrong => Err(findings),
        None => {
            let mut report = Report::new(&source.name);
            report.error(start, "", "there is nothing in this file", None);
            Err(report.finish())
        }
    }
}

/// Returns a node as JSON. As deep as the tree, whose depth is capped.
fn value(node: &Node) -> Value {
    match &node.tree {
        Tree::Scalar(scalar) => scalar::to_json(scalar).unwrap_or_else(|| Value::String(scalar.text.clone())),
        Tree::List(items) => items.iter().map(|item| value(item)).collect(),
        Tree::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), value(&entry.value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let lines = |findings: Vec<Finding>| findings.iter().map(|it| format!("{it}\n")).collect::<String>();
        read_yaml(&Source::new("f", text)).map(|value| value.to_string()).map_err(lines)
    }

    #[test]
    fn one_document_becomes_json() {
        for (text, json) in [
            ("a: null\nb: [1, .nan, yes]\n", r#"{"a":null,"b":[1,".nan","yes"]}"#),
            ("a: 'x\n\n  y'\nb: \"1\"\n", r#"{"a":"x\ny","b":"1"}"#),
            ("a: &x {b: 1}\nc: *x\n", r#"{"a":{"b":1},"c":{"b":1}}"#),
            ("--- 1\n", "1"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(json), "{text}");
        }
        for (text, message) in [
            ("", "nothing in this file"),
            ("a: 1\n---\nb: 2\n", "a second document"),
            ("a: 1\na: 2\n", "stands here a second time"),
            ("a: !!python/object:os.system x\n", "means nothing here"),
            ("a: [1\n", "f:"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
        assert!(read(&"#".repeat(SOURCE_MAX + 1)).unwrap_err().contains("the most that is read"));
    }
}
