//! The values of filters: which kinds of key are compared with what.

use windlass_kinds::filter::{Attribute, Value};

use super::{
    Fault,
    fields::{self, Entity, Key, Of},
    lists,
    pieces::{Piece, PieceKind},
};

/// Reads what a key is compared with.
pub(super) fn value(entity: Entity, key: &Key, comparator: &str, text: &str, piece: &Piece) -> Result<Value, Fault> {
    let shown = &text[piece.at.clone()];
    let fault = |message: String| Err(Fault::new(message, piece.at.start));
    if entity == Entity::LoggedModel {
        return logged_model(key, shown, piece);
    }
    match (key.of, &piece.kind) {
        (Of::Metric, PieceKind::Integer | PieceKind::Float) => real(shown, piece),
        (Of::Metric, _) => fault(format!("Expected numeric value type for metric. Found {shown}")),
        (Of::Attribute(_, true), PieceKind::Integer) => Ok(integer(shown)),
        (Of::Attribute(_, true), PieceKind::Float) => real(shown, piece),
        (Of::Attribute(_, true), _)
            if matches!(entity, Entity::Run | Entity::Experiment | Entity::EvaluationDataset) =>
        {
            fault(format!("Expected numeric value type for numeric attribute: {}. Found {shown}", key.name))
        }
        (Of::Feedback | Of::Expectation, PieceKind::Integer) => Ok(integer(shown)),
        (Of::Feedback | Of::Expectation, PieceKind::Float) => real(shown, piece),
        (_, PieceKind::Text | PieceKind::Key) => quoted(shown, piece),
        (_, PieceKind::Brackets) if takes_list(entity, key, piece)? => match lists::items(shown) {
            Ok(items) => Ok(Value::List(items)),
            Err(error) => fault(error.message(shown)),
        },
        (Of::Attribute(..), PieceKind::Integer | PieceKind::Float)
            if matches!(entity, Entity::Version | Entity::Trace) =>
        {
            fault(format!("Only the '{}' attributes support comparison with numeric values.", fields::numbers(entity)))
        }
        (Of::Attribute(..), _) if matches!(entity, Entity::Model | Entity::Version | Entity::Trace) => fault(format!(
            "Expected a quoted string value or a list of quoted string values for attributes. Got value {shown}"
        )),
        (Of::Attribute(..), _) => fault(format!("Expected a quoted string value for attributes. Got value {shown}")),
        (Of::Dataset, _) => fault(format!("Expected a quoted string value for dataset attributes. Got value {shown}")),
        (Of::Feedback | Of::Expectation, _) if matches!(comparator, "<" | "<=" | ">" | ">=") => fault(format!(
            "Expected a numeric value for {} when using comparator '{comparator}'. Got value {shown}",
            key.of.word()
        )),
        (of, _) => {
            fault(format!("Expected a quoted string value for {} (e.g. 'my-value'). Got value {shown}", of.word()))
        }
    }
}

/// Returns whether a key is compared with lists; refuses it where attributes of its kind are, but not this one.
fn takes_list(entity: Entity, key: &Key, piece: &Piece) -> Result<bool, Fault> {
    let named: &[&str] = match (entity, key.of) {
        (_, Of::Dataset | Of::Span) => return Ok(true),
        (Entity::Trace, Of::Tag) => return Ok(true),
        (Entity::Run, Of::Attribute(..)) => &["run_id"],
        (Entity::Experiment, Of::Attribute(..)) => &["experiment_id"],
        (Entity::Model | Entity::EvaluationDataset, Of::Attribute(..)) => &["name"],
        (Entity::Version, Of::Attribute(..)) => &["name", "run_id"],
        (Entity::Trace, Of::Attribute(..)) => &["name", "status", "request_id", "run_id", "client_request_id"],
        _ => return Ok(false),
    };
    if named.contains(&key.name.as_str()) {
        return Ok(true);
    }
    let names: Vec<String> = named.iter().map(|name| format!("'{name}'")).collect();
    let names = names.join(", ");
    Err(Fault::new(
        match entity {
            Entity::Trace => {
                format!("Only attributes in {{{names}}} supports comparison with a list of quoted string values.")
            }
            _ => format!("Only [{names}] attributes support comparison with a list of quoted string values."),
        },
        piece.at.start,
    ))
}

/// Reads the value of a logged model's filter, whose language takes texts without quotes too.
fn logged_model(key: &Key, shown: &str, piece: &Piece) -> Result<Value, Fault> {
    if matches!(key.of, Of::Metric | Of::Attribute(_, true)) {
        return match (&piece.kind, key.of) {
            (PieceKind::Integer, Of::Attribute(..)) => Ok(integer(shown)),
            _ => real(shown, piece),
        };
    }
    match piece.kind {
        PieceKind::Brackets => match lists::items(shown) {
            Ok(items) => Ok(Value::List(items)),
            Err(error) => Err(Fault::new(error.message(shown), piece.at.start)),
        },
        _ => Ok(Value::Text(shown.trim_matches('\'').to_owned())),
    }
}

fn quoted(shown: &str, piece: &Piece) -> Result<Value, Fault> {
    match fields::quotes(shown) {
        Some(text) => Ok(Value::Text(text.to_owned())),
        None => Err(Fault::new(
            format!(
                "Parameter value is either not quoted or unidentified quote types used for string value {shown}. Use \
                 either single or double quotes."
            ),
            piece.at.start,
        )),
    }
}

/// Returns a whole number; one that is too large for the databases is compared as another number.
fn integer(shown: &str) -> Value {
    shown.parse().map_or_else(|_| Value::Number(shown.parse().unwrap_or(f64::INFINITY)), Value::Integer)
}

fn real(shown: &str, piece: &Piece) -> Result<Value, Fault> {
    match shown.parse::<f64>() {
        Ok(number) => Ok(Value::Number(number)),
        Err(_) => Err(Fault::new(format!("could not convert string to float: {shown:?}"), piece.at.start)),
    }
}

/// Makes the value of an attribute that is a whole number one: texts of digits are taken, fractions are not.
pub(super) fn whole(entity: Entity, name: &str, value: Value, at: usize) -> Result<Value, Fault> {
    let shown = match value {
        Value::Integer(_) => return Ok(value),
        Value::Text(text) => match text.trim().parse() {
            Ok(number) => return Ok(Value::Integer(number)),
            Err(_) => super::repr(&text),
        },
        Value::Number(number) if entity == Entity::Version => format!("{number:?}"),
        Value::Number(number) => format!("'{number:?}'"),
        Value::List(items) => format!("{items:?}"),
        Value::Integers(numbers) => format!("{numbers:?}"),
        Value::None => "None".to_owned(),
    };
    Err(Fault::new(format!("Invalid value for numeric attribute '{name}': {shown}"), at))
}

/// Makes texts the ids of experiments, which are whole numbers.
pub(super) fn experiments(value: Value, at: usize) -> Result<Value, Fault> {
    let number = |text: &str| {
        text.parse::<i64>().map_err(|_| {
            Fault::new(format!("Invalid experiment ID '{text}'. Experiment ID must be a valid integer."), at)
        })
    };
    match value {
        Value::Text(text) => Ok(Value::Integer(number(&text)?)),
        Value::List(texts) => Ok(Value::Integers(texts.iter().map(|text| number(text)).collect::<Result<_, Fault>>()?)),
        Value::Integer(_) | Value::Integers(_) | Value::Number(_) | Value::None => Ok(value),
    }
}

/// Returns whether an attribute is the id of an experiment.
pub(super) fn is_experiment_id(entity: Entity, of: Of) -> bool {
    entity == Entity::Experiment && matches!(of, Of::Attribute(Attribute::Id, _))
}
