//! Which comparators which keys take, in the dialect's words.

use windlass_kinds::filter::{Operator, Value};

use super::{
    Fault,
    fields::{Entity, Of},
    values,
};

const NUMBERS: &[&str] = &["=", "!=", "<", "<=", ">", ">="];
const TEXTS: &[&str] = &["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"];
const PLAIN: &[&str] = &["=", "!=", "LIKE", "ILIKE"];
const KEYED: &[&str] = &["=", "!=", "LIKE", "ILIKE", "IS NULL", "IS NOT NULL"];
const TRACE_TEXTS: &[&str] = &["=", "!=", "IN", "NOT IN", "LIKE", "ILIKE", "RLIKE"];
const TRACE_KEYED: &[&str] = &["=", "!=", "LIKE", "ILIKE", "RLIKE", "IS NULL", "IS NOT NULL"];
const ASSESSMENTS: &[&str] = &["=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "RLIKE", "IS NULL", "IS NOT NULL"];

/// A comparator that may stand between a key and a value.
pub(super) struct Case<'c> {
    pub(super) entity: Entity,
    pub(super) of: Of,
    /// The key's name.
    pub(super) name: &'c str,
    /// As written.
    pub(super) comparator: &'c str,
    /// Where the comparison begins.
    pub(super) at: usize,
}

/// Returns the operator and the value as the store compares them.
pub(super) fn judge(case: &Case<'_>, value: Value) -> Result<(Operator, Value), Fault> {
    let Case { entity, of, name, comparator, at } = *case;
    let upper = comparator.to_uppercase();
    // Experiments and datasets to evaluate with take keywords in capitals only.
    let exact = matches!(entity, Entity::Experiment | Entity::EvaluationDataset);
    let asked = if exact { comparator } else { upper.as_str() };
    let fault = |message: String| Fault::new(message, at);
    let among = |allowed: &[&str]| allowed.contains(&asked);
    let set = |allowed: &[&str]| {
        let names: Vec<String> = allowed.iter().map(|name| format!("'{name}'")).collect();
        format!("{{{}}}", names.join(", "))
    };
    // Some of the messages end in a quote, some do not.
    let not_one = |allowed: &[&str], end: &str| {
        Err(fault(format!("Invalid comparator '{asked}' not one of '{}{end}", set(allowed))))
    };
    let mut value = value;
    match (entity, of) {
        // Judged before their values are read.
        (Entity::LoggedModel, _) => {}
        _ if values::is_experiment_id(entity, of) => {
            if !among(&["=", "!=", "IN", "NOT IN"]) {
                return Err(fault(format!("Invalid comparator for experiment_id: {asked}")));
            }
            value = values::experiments(value, at)?;
        }
        (Entity::Model, Of::Attribute(..)) if !among(TEXTS) => {
            return Err(fault(format!("Invalid comparator for attribute: {asked}")));
        }
        (Entity::Version, Of::Attribute(_, true)) => {
            if !among(NUMBERS) {
                return Err(fault(format!("Invalid comparator for attribute {name}: {asked}")));
            }
            value = values::whole(entity, name, value, at)?;
        }
        (Entity::Version, Of::Attribute(_, false)) => {
            let list = matches!(asked, "IN" | "NOT IN");
            if !among(TEXTS) || (list && !matches!(name, "run_id" | "name")) {
                return Err(fault(format!("Invalid comparator for attribute: {asked}")));
            }
        }
        (Entity::Experiment | Entity::Model | Entity::Version | Entity::EvaluationDataset, Of::Tag) => {
            let allowed = if entity == Entity::Experiment { KEYED } else { PLAIN };
            if !among(allowed) {
                return Err(fault(format!("Invalid comparator for tag: {asked}")));
            }
        }
        (Entity::EvaluationDataset, Of::Attribute(_, number)) => {
            let list = name == "name" && asked == "IN";
            if matches!(value, Value::List(_)) && !list {
                return Err(fault("List values for 'name' are only supported with the IN comparator.".to_owned()));
            }
            if number && !among(NUMBERS) {
                return Err(fault(format!("Invalid comparator for numeric attribute: {asked}")));
            }
            // MLflow forgets to refuse the others, and compares texts by their order then.
            if !number && !among(PLAIN) && !among(NUMBERS) && !list {
                return Err(fault(format!("Invalid comparator for string attribute: {asked}")));
            }
            if number {
                value = values::whole(entity, name, value, at)?;
            }
        }
        (Entity::Experiment | Entity::Run, Of::Attribute(_, true)) => {
            if !among(NUMBERS) {
                return not_one(TEXTS, "");
            }
            if entity == Entity::Experiment
                && let Value::Number(number) = value
            {
                return Err(fault(format!("Invalid value for numeric attribute '{name}': '{number:?}'")));
            }
        }
        (Entity::Experiment | Entity::Run, Of::Attribute(_, false)) if !among(TEXTS) => return not_one(TEXTS, "'"),
        (Entity::Trace, Of::Attribute(_, true)) if !among(NUMBERS) => return not_one(TRACE_TEXTS, ""),
        (Entity::Trace, Of::Attribute(_, false)) if !among(TRACE_TEXTS) => return not_one(TRACE_TEXTS, "'"),
        // Their lists come from attributes that are kept as tags and notes.
        (Entity::Trace, Of::Tag | Of::Metadata) if matches!(value, Value::List(_)) && among(&["IN", "NOT IN"]) => {}
        (Entity::Trace, Of::Tag | Of::Metadata) if matches!(value, Value::List(_)) => {
            return not_one(TRACE_KEYED, "");
        }
        (Entity::Trace, Of::Tag) if !among(TRACE_KEYED) => return not_one(TRACE_KEYED, ""),
        (Entity::Trace, Of::Metadata) if !among(TRACE_KEYED) => return not_one(TRACE_KEYED, "'"),
        // Keywords in capitals only, except for the search for text.
        (_, Of::Span) => span(name, if name == "text" { asked } else { comparator }, at)?,
        (_, Of::Feedback | Of::Expectation) => assessment(of, name, asked, &value, at)?,
        (_, Of::Issue) => {
            if name != "id" {
                return Err(fault(format!("Invalid issue attribute '{name}'. Supported attributes: id")));
            }
            if asked != "=" {
                return Err(fault(format!("issue.{name} comparator '{asked}' not one of '{}'", set(&["="]))));
            }
        }
        (_, Of::Metric) if !among(NUMBERS) => return not_one(NUMBERS, ""),
        (_, Of::Param) if !among(KEYED) => return not_one(KEYED, "'"),
        (Entity::Run, Of::Tag) if !among(KEYED) => return not_one(KEYED, ""),
        (_, Of::Dataset) if !among(TEXTS) => return not_one(TEXTS, ""),
        _ => {}
    }
    let operator = operator(asked).ok_or_else(|| fault(format!("Invalid comparator '{asked}'")))?;
    let list = matches!(value, Value::List(_) | Value::Integers(_));
    if list != matches!(operator, Operator::In | Operator::NotIn) {
        return Err(fault(format!("Invalid comparator '{asked}' for the value it stands before")));
    }
    Ok((operator, value))
}

/// Refuses a comparator that a key of logged models, `before.name`, does not take. Their language asks this first.
pub(super) fn logged_model(before: &str, name: &str, comparator: &str, at: usize) -> Result<(), Fault> {
    if !matches!(before, "attributes" | "metrics" | "params" | "tags") {
        return Ok(());
    }
    let asked = comparator.to_uppercase();
    let time = matches!(name, "creation_timestamp_ms" | "last_updated_timestamp_ms");
    let numeric = before == "metrics" || (before == "attributes" && time);
    let allowed = if numeric { &["<", "<=", ">", ">=", "=", "!="] } else { TEXTS };
    if allowed.contains(&asked.as_str()) {
        return Ok(());
    }
    let names: Vec<String> = allowed.iter().map(|name| format!("'{name}'")).collect();
    Err(Fault::new(
        format!("Invalid comparison operator for {before}.{name}: '{asked}'. Expected one of ({}).", names.join(", ")),
        at,
    ))
}

fn span(name: &str, asked: &str, at: usize) -> Result<(), Fault> {
    let (allowed, known): (&[&str], bool) = match name {
        // What a search for text is.
        "content" | "text" => (&["LIKE", "ILIKE"], true),
        "name" | "type" | "status" => (&["=", "!=", "IN", "NOT IN", "LIKE", "ILIKE", "RLIKE"], true),
        other => (&["=", "!=", "IN", "NOT IN", "LIKE", "ILIKE", "RLIKE"], other.starts_with("attributes.")),
    };
    if !known {
        return Err(Fault::new(
            format!(
                "Invalid span attribute '{name}'. Supported attributes: name, status, type, attributes.<attribute_name>."
            ),
            at,
        ));
    }
    if name == "attributes." {
        return Err(Fault::new("Span attribute name cannot be empty after 'attributes.'".to_owned(), at));
    }
    if allowed.contains(&asked) {
        return Ok(());
    }
    let names: Vec<String> = allowed.iter().map(|name| format!("'{name}'")).collect();
    let name = if name == "text" { "content" } else { name };
    Err(Fault::new(format!("span.{name} comparator '{asked}' not one of '{{{}}}'", names.join(", ")), at))
}

fn assessment(of: Of, name: &str, asked: &str, value: &Value, at: usize) -> Result<(), Fault> {
    let fault = |message: String| Err(Fault::new(message, at));
    if name.is_empty() {
        return fault("Assessment field name cannot be empty".to_owned());
    }
    if !ASSESSMENTS.contains(&asked) {
        let names: Vec<String> = ASSESSMENTS.iter().map(|name| format!("'{name}'")).collect();
        return fault(format!("assessment.{name} comparator '{asked}' not one of '{{{}}}'", names.join(", ")));
    }
    let of = of.word();
    match (matches!(asked, "<" | "<=" | ">" | ">="), value) {
        (_, Value::None) | (true, Value::Integer(_) | Value::Number(_)) | (false, Value::Text(_)) => Ok(()),
        (true, Value::Text(text)) => {
            fault(format!("Expected a numeric value for {of} when using comparator '{asked}'. Got value '{text}'"))
        }
        (false, Value::Integer(number)) => {
            fault(format!("Expected a quoted string value for {of} (e.g. 'my-value'). Got value {number}"))
        }
        (false, Value::Number(number)) => {
            fault(format!("Expected a quoted string value for {of} (e.g. 'my-value'). Got value {number:?}"))
        }
        (_, Value::List(_) | Value::Integers(_)) => {
            fault(format!("Expected a quoted string value or numeric value for {of} (e.g. 'my-value' or 0.8)."))
        }
    }
}

fn operator(text: &str) -> Option<Operator> {
    Some(match text {
        "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "LIKE" => Operator::Like,
        "ILIKE" => Operator::ILike,
        "RLIKE" => Operator::RLike,
        "IN" => Operator::In,
        "NOT IN" => Operator::NotIn,
        "IS NULL" => Operator::IsNull,
        "IS NOT NULL" => Operator::IsNotNull,
        _ => return None,
    })
}
