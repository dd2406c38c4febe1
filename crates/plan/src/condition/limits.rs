//! Bounds of an expression: how deep it nests, that its macros do not, and that it names what is there.

use cel::{
    IdedExpr,
    common::ast::{EntryExpr, Expr},
};

use super::ConditionError;

/// How deeply brackets may nest, and how many operators may pile up in front of one operand.
const DEPTH_MAX: usize = 32;

/// Refuses deep nesting from the text alone: the parser recurses many frames a level.
pub(super) fn check_depth(expression: &str) -> Result<(), ConditionError> {
    let (mut depth, mut prefix) = (0usize, 0usize);
    let mut quote = None;
    let mut escaped = false;
    for character in expression.chars() {
        if let Some(end) = quote {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if character == end => quote = None,
                _ => {}
            }
            continue;
        }
        match character {
            '"' | '\'' => quote = Some(character),
            '(' | '[' | '{' | '?' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '!' | '-' => prefix += 1,
            _ if character.is_whitespace() => {}
            _ => prefix = 0,
        }
        if depth > DEPTH_MAX || prefix > DEPTH_MAX {
            return Err(ConditionError::TooDeep(DEPTH_MAX));
        }
    }
    Ok(())
}

/// Refuses macros within macros, and names that are neither `known` nor a macro's own variable.
pub(super) fn check_names(expression: &IdedExpr, known: &[&str]) -> Result<(), ConditionError> {
    let mut own = Vec::new();
    walk(expression, known, &mut own, false)
}

fn walk<'a>(
    expression: &'a IdedExpr,
    known: &[&str],
    own: &mut Vec<&'a str>,
    within: bool,
) -> Result<(), ConditionError> {
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) => Ok(()),
        Expr::Ident(name) => {
            if known.contains(&name.as_str()) || own.contains(&name.as_str()) || is_type(name) {
                return Ok(());
            }
            let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            Err(ConditionError::Unknown { name: name.clone(), known })
        }
        Expr::Select(select) => walk(&select.operand, known, own, within),
        Expr::Call(call) => {
            call.target.iter().try_for_each(|target| walk(target, known, own, within))?;
            call.args.iter().try_for_each(|argument| walk(argument, known, own, within))
        }
        Expr::List(list) => list.elements.iter().try_for_each(|element| walk(element, known, own, within)),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| walk_entry(&entry.expr, known, own, within)),
        Expr::Struct(body) => body.entries.iter().try_for_each(|entry| walk_entry(&entry.expr, known, own, within)),
        Expr::Comprehension(comprehension) => {
            if within {
                return Err(ConditionError::Nested);
            }
            // Chained macros (`a.filter(…).all(…)`) follow each other, so that the range is not "within".
            walk(&comprehension.iter_range, known, own, within)?;
            let before = own.len();
            own.push(&comprehension.iter_var);
            own.extend(comprehension.iter_var2.as_deref());
            own.push(&comprehension.accu_var);
            let parts =
                [&comprehension.accu_init, &comprehension.loop_cond, &comprehension.loop_step, &comprehension.result];
            let result = parts.into_iter().try_for_each(|part| walk(part, known, own, true));
            own.truncate(before);
            result
        }
    }
}

fn walk_entry<'a>(
    entry: &'a EntryExpr,
    known: &[&str],
    own: &mut Vec<&'a str>,
    within: bool,
) -> Result<(), ConditionError> {
    match entry {
        EntryExpr::StructField(field) => walk(&field.value, known, own, within),
        EntryExpr::MapEntry(entry) => {
            walk(&entry.key, known, own, within)?;
            walk(&entry.value, known, own, within)
        }
    }
}

/// The names of types, which stand beside `type(x)`.
fn is_type(name: &str) -> bool {
    matches!(name, "bool" | "bytes" | "double" | "int" | "list" | "map" | "null_type" | "string" | "type" | "uint")
}
