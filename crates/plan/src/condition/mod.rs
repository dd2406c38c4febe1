//! Conditions: expressions in CEL (the Common Expression Language) over a handful of variables.
//!
//! A trigger's condition sees `version` (number, files, rows, added, changed, removed) and `trigger` (count, and of a
//! monitor: monitor, measure, value, threshold, window); a step's `when` sees `params`. The language has no loops but
//! the macros over lists, and here these do not nest, so that an expression of bounded size ends in bounded time. An
//! expression that cannot be evaluated is an error, never `false` in silence.

mod limits;

use std::collections::{BTreeMap, HashMap};

use cel::{Context, ExecutionError, Program, Value as CelValue, objects::Key};
use serde_json::Value;
use windlass_kinds::record::{BreachFacts, TriggerFacts};

/// The longest expression, in bytes.
pub const EXPRESSION_MAX: usize = 1024;

/// The variables a trigger's condition sees.
const TRIGGER_VARIABLES: [&str; 2] = ["version", "trigger"];
/// The variables a step's condition sees.
const STEP_VARIABLES: [&str; 1] = ["params"];

/// Why a condition has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// More than [`EXPRESSION_MAX`] bytes.
    #[error("the expression has {0} bytes, more than {EXPRESSION_MAX}; compute the answer in a step instead")]
    TooLong(usize),
    /// It is not an expression.
    #[error("not a CEL expression: {message} (line {line}, column {column} of the expression)")]
    Syntax {
        /// The line within the expression, from 1.
        line: u32,
        /// The character within the line, from 1.
        column: u32,
        /// The parser's words.
        message: String,
    },
    /// A macro within a macro, whose time would grow with the product of two lists.
    #[error("`all`, `exists`, `map` and `filter` must not stand within each other")]
    Nested,
    /// Parentheses, operators or calls within each other, too many.
    #[error("the expression is nested more than {0} levels deep")]
    TooDeep(usize),
    /// A variable that is not there.
    #[error("nothing is called `{name}` here; there is {known}")]
    Unknown {
        /// The name.
        name: String,
        /// What there is.
        known: String,
    },
    /// It broke while it was evaluated.
    #[error("cannot be evaluated: {0}")]
    Evaluate(String),
    /// It has an answer that is neither true nor false.
    #[error("gives {0}, not true or false")]
    NotBoolean(String),
}

/// Checks that `expression` can be compiled and names only variables that a trigger or a step has.
pub fn check(expression: &str) -> Result<(), ConditionError> {
    let known: Vec<&str> = TRIGGER_VARIABLES.into_iter().chain(STEP_VARIABLES).collect();
    compile(expression, &known).map(|_| ())
}

/// Returns whether a trigger's condition holds for an event; `count` is the number of the run it would start, from 1.
pub fn eval_trigger(expression: &str, facts: &TriggerFacts, count: u32) -> Result<bool, ConditionError> {
    let program = compile(expression, &TRIGGER_VARIABLES)?;
    // No `..`: a new fact must be offered here or this stops compiling.
    let TriggerFacts { text: _, version, files, rows, added, changed, removed, breach } = facts;
    let number = |value: Option<u64>| {
        value.map_or(CelValue::Null, |value| i64::try_from(value).map_or(CelValue::UInt(value), CelValue::Int))
    };
    let paths = |paths: &[String]| -> CelValue {
        let paths: Vec<CelValue> = paths.iter().map(|path| CelValue::from(path.as_str())).collect();
        CelValue::from(paths)
    };
    let version = map([
        ("number", number(version.map(u64::from))),
        ("files", number(files.map(u64::from))),
        ("rows", number(*rows)),
        ("added", paths(added)),
        ("changed", paths(changed)),
        ("removed", paths(removed)),
    ]);
    let (monitor, measure, value, threshold, window) = match breach {
        Some(BreachFacts { monitor, measure, value, threshold, window }) => (
            CelValue::from(monitor.as_str()),
            CelValue::from(measure.as_str()),
            CelValue::Float(*value),
            CelValue::Float(*threshold),
            CelValue::from(window.as_str()),
        ),
        None => (CelValue::Null, CelValue::Null, CelValue::Null, CelValue::Null, CelValue::Null),
    };
    let trigger = map([
        ("count", CelValue::Int(count.into())),
        ("monitor", monitor),
        ("measure", measure),
        ("value", value),
        ("threshold", threshold),
        ("window", window),
    ]);
    answer(&program, [("version", version), ("trigger", trigger)])
}

/// Returns whether a step's condition holds for its parameters.
pub fn eval_step(expression: &str, parameters: &BTreeMap<String, Value>) -> Result<bool, ConditionError> {
    let program = compile(expression, &STEP_VARIABLES)?;
    let params = map(parameters.iter().map(|(name, value)| (name.as_str(), from_json(value))));
    answer(&program, [("params", params)])
}

fn compile(expression: &str, known: &[&str]) -> Result<Program, ConditionError> {
    if expression.len() > EXPRESSION_MAX {
        return Err(ConditionError::TooLong(expression.len()));
    }
    // Before the parser, which recurses: deep nesting must not cost it the stack.
    limits::check_depth(expression)?;
    let program = Program::compile(expression).map_err(|errors| {
        let first = errors.errors.into_iter().next();
        let (position, message) = first.map_or(((1, 0), String::new()), |error| (error.pos, error.msg));
        let place = |number: isize, offset: u32| u32::try_from(number).unwrap_or(0).saturating_add(offset).max(1);
        // One line, since it becomes part of one.
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        ConditionError::Syntax { line: place(position.0, 0), column: place(position.1, 0), message }
    })?;
    limits::check_names(program.expression(), known)?;
    Ok(program)
}

fn answer<const N: usize>(program: &Program, variables: [(&str, CelValue); N]) -> Result<bool, ConditionError> {
    let mut context = Context::default();
    for (name, value) in variables {
        context.add_variable_from_value(name, value);
    }
    match program.execute(&context) {
        Ok(CelValue::Bool(answer)) => Ok(answer),
        Ok(other) => Err(ConditionError::NotBoolean(format!("a value of type {}", other.type_of()))),
        Err(error) => Err(ConditionError::Evaluate(words(&error))),
    }
}

/// Returns what went wrong, in our words where the library's would show its own types.
fn words(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}`"),
        ExecutionError::UndeclaredReference(name) => format!("nothing is called `{name}`"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number grows too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "a list has no element at that place".to_owned(),
        // The library's enum is open: what it adds speaks for itself.
        other => {
            let text = other.to_string();
            let mut characters = text.chars();
            characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
        }
    }
}

fn map<'a>(fields: impl IntoIterator<Item = (&'a str, CelValue)>) -> CelValue {
    let fields: HashMap<Key, CelValue> = fields.into_iter().map(|(name, value)| (Key::from(name), value)).collect();
    CelValue::Map(fields.into())
}

fn from_json(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(value) => CelValue::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => CelValue::Int(number),
            (None, Some(number)) => CelValue::UInt(number),
            (None, None) => CelValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => CelValue::from(text.as_str()),
        Value::Array(values) => CelValue::from(values.iter().map(from_json).collect::<Vec<_>>()),
        Value::Object(fields) => map(fields.iter().map(|(name, value)| (name.as_str(), from_json(value)))),
    }
}

#[cfg(test)]
mod tests;
