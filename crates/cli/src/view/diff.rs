//! A plan, as people read it: `+` new, `~` changed with its fields, `-` gone; in colour on a terminal.

use windlass_plan::diff::{ChangeAction, FieldChange, ObjectChange, Plan};

/// Returns the text of a plan.
pub(crate) fn plan(plan: &Plan, colour: bool) -> String {
    let paint = |code: &str, text: String| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text };
    let mut lines = Vec::new();
    let mut counts = [0; 4];
    for ObjectChange { object, action, fields, .. } in &plan.changes {
        let (mark, code, word, index) = match action {
            ChangeAction::Create => ("+", "32", "create", 0),
            ChangeAction::Update => ("~", "33", "change", 1),
            ChangeAction::Delete => ("-", "31", "delete", 2),
            ChangeAction::Unchanged => ("=", "2", "unchanged", 3),
        };
        counts[index] += 1;
        lines.push(paint(code, format!("{mark} {object} ({word})")));
        if *action == ChangeAction::Update {
            for FieldChange { path, old, new } in fields {
                let show = |value: &Option<serde_json::Value>| {
                    value.as_ref().map_or_else(|| "(none)".to_owned(), |value| short(&value.to_string()))
                };
                lines.push(format!("    {path}: {} -> {}", paint("31", show(old)), paint("32", show(new))));
            }
        }
    }
    let [create, change, delete, unchanged] = counts;
    lines.push(format!("{create} to create, {change} to change, {delete} to delete, {unchanged} unchanged"));
    lines.join("\n")
}

fn short(text: &str) -> String {
    const MOST: usize = 120;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain(['…']).collect() }
}
