//! From what was sent to a message, and what is said of mistakes.
//!
//! MLflow's server fills a protobuf message from the JSON first, and stops at the first field that does not fit; then it
//! holds the JSON against a list of checks, and only if one of them fails is the request refused. So a mistake that no
//! check looks for leaves its field unset, and every field after it. Both steps are done here in the same way, over the
//! tables that each request brings.

use super::{
    json::Json,
    python::{self, Int},
};
use crate::mlflow::error::{Error, Result};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// 64 bits.
    Long,
    /// 32 bits.
    Int,
    Double,
    Bool,
    /// One of these names, or their numbers.
    Choice(&'static [(&'static str, i64)]),
    Texts,
    Message(&'static [Field]),
    Messages(&'static [Field]),
}

/// A field of a message: its name and what it holds.
pub(crate) type Field = (&'static str, Kind);

/// A check of one parameter. Checks of types are passed over where the message could be filled whole.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Check {
    /// It is there, and not empty.
    Required,
    IsText,
    IsInt,
    IsFloat,
    IsList,
    /// Its items are texts.
    AreTexts,
    /// Its number lies between these; the message otherwise.
    Within(i64, i64, &'static str),
    /// It has at most so many items; the beginning of the message otherwise, which ends in their number.
    CountAtMost(usize, &'static str),
    /// In each of its items, these are there and not empty.
    ItemsHave(&'static [&'static str]),
}

impl Check {
    fn is_of_type(self) -> bool {
        matches!(self, Self::IsText | Self::IsInt | Self::IsFloat | Self::IsList | Self::AreTexts)
    }
}

/// What a request may hold, and what is checked, in this order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) fields: &'static [Field],
    pub(crate) checks: &'static [(&'static str, &'static [Check])],
}

/// A field could not be filled; it and what follows are unset.
struct Unfilled;

type Filled = std::result::Result<(), Unfilled>;

impl Shape {
    /// Returns the message: an object whose values are of the right types.
    pub(super) fn message(&self, given: &Json) -> Result<Json> {
        refuse_twice(given, self.fields)?;
        let mut message = Vec::new();
        let filled = fill(given, self.fields, &mut message).is_ok();
        for (name, checks) in self.checks {
            self.check(given, name, checks, filled)?;
        }
        Ok(Json::Map(message))
    }

    fn check(&self, given: &Json, name: &str, checks: &[Check], filled: bool) -> Result<()> {
        let is_required = checks.iter().any(|check| matches!(check, Check::Required));
        let there = given.get(name);
        if there.is_none() && !is_required {
            return Ok(());
        }
        let mut value = there.unwrap_or(&Json::Null);
        if name == "run_id" && *value == Json::Null {
            value = given.get("run_uuid").unwrap_or(value);
        }
        for check in checks {
            if !(filled && check.is_of_type()) {
                one(*check, name, value)?;
            }
        }
        Ok(())
    }
}

/// Refuses an object that names a field in both ways that are allowed, `run_id` and `runId`.
fn refuse_twice(given: &Json, fields: &[Field]) -> Result<()> {
    for (name, kind) in fields {
        let other = camel(name);
        let (plain, alias) = (given.get(name), given.get(&other));
        if other != *name && plain.is_some() && alias.is_some() {
            return Err(Error::invalid(format!(
                "Request specifies both '{name}' and '{other}'; provide only one of them."
            )));
        }
        if let (Kind::Message(inner) | Kind::Messages(inner), Some(value)) = (kind, plain.or(alias)) {
            match value {
                Json::List(items) => items.iter().try_for_each(|item| refuse_twice(item, inner))?,
                value => refuse_twice(value, inner)?,
            }
        }
    }
    Ok(())
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut characters = part.chars();
        text.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        text.push_str(characters.as_str());
    }
    text
}

/// Fills a message from JSON, as far as it goes.
fn fill(given: &Json, fields: &[Field], message: &mut Vec<(String, Json)>) -> Filled {
    let find = |key: &str| {
        fields.iter().find(|(name, _)| *name == key || (key.contains(char::is_uppercase) && camel(name) == key))
    };
    let pairs = match given {
        Json::Map(pairs) => pairs,
        // What can be walked through and names no field is an empty message.
        Json::Text(_) | Json::Torn(_) => return Ok(()),
        Json::List(items) => {
            let unknown = |item: &Json| matches!(item, Json::Text(text) if find(text).is_none());
            return if items.iter().all(unknown) { Ok(()) } else { Err(Unfilled) };
        }
        _ => return Err(Unfilled),
    };
    for (key, value) in pairs {
        let Some((name, kind)) = find(key) else { continue };
        message.retain(|(old, _)| old != name);
        if *value == Json::Null {
            continue;
        }
        fill_one(name, *kind, value, message)?;
    }
    Ok(())
}

fn fill_one(name: &str, kind: Kind, value: &Json, message: &mut Vec<(String, Json)>) -> Filled {
    let mut put = |value: Json| message.push((name.to_owned(), value));
    match kind {
        Kind::Texts => {
            let Json::List(items) = value else { return Err(Unfilled) };
            let texts: Vec<Json> = items.iter().take_while(|item| matches!(item, Json::Text(_))).cloned().collect();
            let whole = texts.len() == items.len();
            put(Json::List(texts));
            if whole { Ok(()) } else { Err(Unfilled) }
        }
        Kind::Messages(fields) => {
            let Json::List(items) = value else { return Err(Unfilled) };
            let mut messages = Vec::with_capacity(items.len());
            let mut filled = Ok(());
            for item in items {
                let mut inner = Vec::new();
                filled = match item {
                    Json::Null => Err(Unfilled),
                    item => fill(item, fields, &mut inner),
                };
                messages.push(Json::Map(inner));
                if filled.is_err() {
                    break;
                }
            }
            put(Json::List(messages));
            filled
        }
        Kind::Message(fields) => {
            let mut inner = Vec::new();
            let filled = fill(value, fields, &mut inner);
            put(Json::Map(inner));
            filled
        }
        Kind::Choice(choices) => {
            if let Some(choice) = choice(choices, value)? {
                put(choice);
            }
            Ok(())
        }
        Kind::Text | Kind::Long | Kind::Int | Kind::Double | Kind::Bool => {
            put(scalar(kind, value).ok_or(Unfilled)?);
            Ok(())
        }
    }
}

fn scalar(kind: Kind, value: &Json) -> Option<Json> {
    match (kind, value) {
        (Kind::Text, Json::Text(_)) | (Kind::Bool, Json::Bool(_)) => Some(value.clone()),
        (Kind::Long, value) => integer(value).map(Json::Int),
        (Kind::Int, value) => integer(value).filter(|number| i32::try_from(*number).is_ok()).map(Json::Int),
        (Kind::Double, Json::Real(number)) if number.is_finite() => Some(Json::Real(*number)),
        (Kind::Double, Json::Int(number)) => Some(Json::Real(*number as f64)),
        (Kind::Double, Json::Big(digits)) => {
            digits.parse().ok().filter(|number: &f64| number.is_finite()).map(Json::Real)
        }
        (Kind::Double, Json::Bool(value)) => Some(Json::Real(f64::from(u8::from(*value)))),
        (Kind::Double, Json::Text(text)) if text != "nan" => python::real(text).map(Json::Real),
        _ => None,
    }
}

/// Returns a whole number, however it is written.
fn integer(value: &Json) -> Option<i64> {
    match value {
        Json::Int(number) => Some(*number),
        Json::Real(number) => whole(*number),
        Json::Text(text) if !text.contains(' ') => match python::int(text) {
            Int::Is(number) => Some(number),
            Int::Beyond => None,
            Int::Not => python::real(text).and_then(whole),
        },
        _ => None,
    }
}

fn whole(number: f64) -> Option<i64> {
    // Both bounds are powers of two, so that the comparison is exact.
    let fits = number.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
    fits.then_some(number as i64)
}

/// Returns one of several names; none where the text is no name of them, which is passed over.
fn choice(choices: &[(&str, i64)], value: &Json) -> std::result::Result<Option<Json>, Unfilled> {
    let number = match value {
        Json::Text(text) => {
            if choices.iter().any(|(name, _)| name == text) {
                return Ok(Some(value.clone()));
            }
            match python::int(text) {
                Int::Is(number) => number,
                Int::Beyond => return Err(Unfilled),
                Int::Not => return Ok(None),
            }
        }
        Json::Int(number) => *number,
        Json::Bool(value) => i64::from(*value),
        Json::Real(number) if number.is_nan() => return Ok(None),
        Json::Real(number) if number.is_finite() => *number as i64,
        _ => return Err(Unfilled),
    };
    let found = choices.iter().find(|(_, choice)| *choice == number);
    found.map(|(name, _)| Some(Json::Text((*name).to_owned()))).ok_or(Unfilled)
}

fn one(check: Check, name: &str, value: &Json) -> Result<()> {
    let mistyped = || Err(Error::mistyped(name, &python::dumps(value), python::kind(value)));
    let missing = |value: &Json| *value == Json::Null || matches!(value, Json::Text(text) if text.is_empty());
    let holds = match check {
        Check::Required if missing(value) => return Err(Error::required(name)),
        Check::Required => true,
        Check::IsText => matches!(value, Json::Text(_) | Json::Torn(_)),
        Check::IsInt => number(value).is_some(),
        Check::IsFloat => match value {
            Json::Text(text) => python::real(text).is_some(),
            Json::Big(digits) => digits.parse::<f64>().is_ok_and(f64::is_finite),
            value => matches!(value, Json::Int(_) | Json::Real(_) | Json::Bool(_)),
        },
        Check::IsList => matches!(value, Json::List(_)),
        Check::AreTexts => match value {
            Json::List(items) => items.iter().all(|item| matches!(item, Json::Text(_) | Json::Torn(_))),
            value => matches!(value, Json::Text(_) | Json::Torn(_) | Json::Map(_)),
        },
        Check::Within(least, most, message) => match number(value) {
            Some(number) if (i128::from(least)..=i128::from(most)).contains(&number) => true,
            Some(_) => return Err(Error::told(message)),
            None => false,
        },
        Check::CountAtMost(most, message) => match value {
            Json::List(items) if items.len() > most => {
                return Err(Error::told(format!("{message} Received {} {name}.", items.len())));
            }
            _ => true,
        },
        Check::ItemsHave(fields) => {
            let Json::List(items) = value else { return mistyped() };
            for (place, item) in items.iter().enumerate() {
                if !matches!(item, Json::Map(_)) {
                    return Err(Error::mistyped(format!("{name}[{place}]"), &python::dumps(item), python::kind(item)));
                }
                for field in fields {
                    if missing(item.get(field).unwrap_or(&Json::Null)) {
                        return Err(Error::required(format!("{name}[{place}].{field}")));
                    }
                }
            }
            true
        }
    };
    if holds { Ok(()) } else { mistyped() }
}

/// Returns what `int(value)` makes of a value.
fn number(value: &Json) -> Option<i128> {
    match value {
        Json::Int(number) => Some(i128::from(*number)),
        Json::Bool(value) => Some(i128::from(*value)),
        Json::Big(digits) => Some(if digits.starts_with('-') { i128::MIN } else { i128::MAX }),
        // The cast saturates.
        Json::Real(number) if number.is_finite() => Some(*number as i128),
        Json::Text(text) => match python::int(text) {
            Int::Is(number) => Some(i128::from(number)),
            Int::Beyond => Some(if text.trim().starts_with('-') { i128::MIN } else { i128::MAX }),
            Int::Not => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::json, *};

    const PAIR: &[Field] = &[("key", Kind::Text), ("value", Kind::Text)];
    const SHAPE: Shape = Shape {
        fields: &[
            ("run_id", Kind::Text),
            ("run_uuid", Kind::Text),
            ("time", Kind::Long),
            ("value", Kind::Double),
            ("user", Kind::Text),
            ("status", Kind::Choice(&[("ON", 1), ("OFF", 2)])),
            ("tags", Kind::Messages(PAIR)),
        ],
        checks: &[
            ("run_id", &[Check::Required, Check::IsText]),
            ("time", &[Check::IsInt, Check::Within(0, 50, "time: at most 50")]),
            ("tags", &[Check::IsList, Check::ItemsHave(&["key"])]),
        ],
    };

    fn check(given: &str, expected: &str) {
        let given = json::read(given.as_bytes()).expect("JSON");
        let answer = match SHAPE.message(&given) {
            Ok(message) => python::dumps(&message),
            Err(error) => format!("{error:?}").replace('\\', ""),
        };
        assert!(answer.contains(expected), "{given:?}: {answer}");
    }

    #[test]
    fn what_fits_is_taken() {
        check(r#"{"run_id": "x", "time": "5", "value": "NaN"}"#, r#"{"run_id":"x","time":5,"value":NaN}"#);
        check(r#"{"run_id": "x", "runUuid": "y", "other": 1}"#, r#"{"run_id":"x","run_uuid":"y"}"#);
        check(r#"{"run_uuid": "x", "status": "OFF"}"#, r#"{"run_uuid":"x","status":"OFF"}"#);
        check(r#"{"run_id": "x", "status": 2}"#, r#""status":"OFF""#);
        check(r#"{"run_id": "x", "status": "NO", "user": "u"}"#, r#"{"run_id":"x","user":"u"}"#);
        check(r#"{"run_id": "x", "tags": [{"key": "a"}]}"#, r#""tags":[{"key":"a"}]"#);
        check(r#"{"run_id": "x", "time": null}"#, "Invalid value null");
    }

    #[test]
    fn nothing_after_a_mistake_is_taken() {
        check(r#"{"run_id": "x", "user": 5, "time": 7}"#, r#"{"run_id":"x"}"#);
        check(r#"{"run_id": "x", "time": 7, "user": 5}"#, r#"{"run_id":"x","time":7}"#);
        check(r#"{"run_id": "x", "tags": [{"key": "a", "value": 5}, {"key": "b"}]}"#, r#""tags":[{"key":"a"}]"#);
        check(r#"{"run_id": "x", "time": 1.5}"#, r#"{"run_id":"x"}"#);
    }

    #[test]
    fn mistakes_are_named() {
        check("{}", "Missing value for required parameter 'run_id'. See the API docs");
        check(r#"{"run_id": 5}"#, "Invalid value 5 for parameter 'run_id' supplied:  Hint: Value was of type 'int'.");
        check(r#"{"run_id": "x", "run_id": "", "time": 1}"#, "Missing value");
        check(r#"{"runId": "x"}"#, "Missing value");
        check(r#"{"run_id": "x", "runId": "x"}"#, "Request specifies both 'run_id' and 'runId'");
        check(r#"{"run_id": "x", "time": 51}"#, "time: at most 50");
        check(r#"{"run_id": "x", "time": "ä"}"#, "Invalid value \"u00e4\"");
        check(r#"{"run_id": "x", "tags": {}}"#, "Value was of type 'dict'");
        check(r#"{"run_id": "x", "tags": [{"key": "a"}, {"key": ""}]}"#, "parameter 'tags[1].key'");
    }
}
