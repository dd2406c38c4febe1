//! What comes in: JSON bodies and query strings, read straight into types.
//!
//! MLflow's clients send 64-bit integers as numbers or text, NaN and infinities as text, and nothing for what is unset.
//! A [`Field`] takes whatever is there and judges it when it is asked for under its name, so that a refusal says which
//! parameter and what was wrong with it.

use std::{fmt, marker::PhantomData};

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, header, request::Parts},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::error::{Error, Result};
use crate::AppState;

/// One parameter of a body: absent, of the right type, or not.
#[derive(Debug, Clone, Default)]
pub(super) enum Field<T> {
    #[default]
    Absent,
    Is(T),
    /// The value as JSON, and its type in Python's words.
    Mistyped(String, &'static str),
}

impl<T> Field<T> {
    /// Returns the value; an absent one is a mistake.
    pub(super) fn required(self, name: impl fmt::Display + Copy) -> Result<T> {
        self.optional(name)?.ok_or_else(|| Error::required(name))
    }

    /// Returns the value, if there is one.
    pub(super) fn optional(self, name: impl fmt::Display) -> Result<Option<T>> {
        match self {
            Self::Absent => Ok(None),
            Self::Is(value) => Ok(Some(value)),
            Self::Mistyped(shown, kind) => Err(Error::mistyped(name, &shown, kind)),
        }
    }
}

impl Field<String> {
    /// Returns the text; an absent or empty one is a mistake.
    pub(super) fn text(self, name: impl fmt::Display + Copy) -> Result<String> {
        match self.optional(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(Error::required(name)),
        }
    }

    /// Returns the text, or the empty one.
    pub(super) fn or_empty(self, name: &str) -> Result<String> {
        Ok(self.optional(name)?.unwrap_or_default())
    }
}

/// A JSON value that is not a list or an object.
pub(super) enum Plain<'a> {
    Text(&'a str),
    Int(i64),
    Uint(u64),
    Real(f64),
    Bool(bool),
}

/// A type that a [`Field`] can hold.
pub(super) trait Scalar: Sized {
    /// Returns the value, unless it is of another type.
    fn of(plain: &Plain<'_>) -> Option<Self>;
    /// As [`Scalar::of`] for an owned text, which can be kept.
    fn of_text(text: String) -> std::result::Result<Self, String> {
        Self::of(&Plain::Text(&text)).ok_or(text)
    }
}

impl Scalar for String {
    fn of(plain: &Plain<'_>) -> Option<Self> {
        match plain {
            Plain::Text(text) => Some((*text).to_owned()),
            Plain::Int(_) | Plain::Uint(_) | Plain::Real(_) | Plain::Bool(_) => None,
        }
    }

    fn of_text(text: String) -> std::result::Result<Self, String> {
        Ok(text)
    }
}

impl Scalar for i64 {
    fn of(plain: &Plain<'_>) -> Option<Self> {
        match plain {
            Plain::Text(text) => text.parse().ok(),
            Plain::Int(value) => Some(*value),
            Plain::Uint(value) => i64::try_from(*value).ok(),
            // As MLflow does: 1.5 is 1. The cast saturates, and a NaN is 0.
            Plain::Real(value) => Some(*value as i64),
            Plain::Bool(value) => Some(i64::from(*value)),
        }
    }
}

impl Scalar for f64 {
    fn of(plain: &Plain<'_>) -> Option<Self> {
        match plain {
            Plain::Text("NaN" | "nan") => Some(f64::NAN),
            Plain::Text("Infinity" | "inf") => Some(f64::INFINITY),
            Plain::Text("-Infinity" | "-inf") => Some(f64::NEG_INFINITY),
            Plain::Text(text) => text.parse().ok(),
            Plain::Int(value) => Some(*value as f64),
            Plain::Uint(value) => Some(*value as f64),
            Plain::Real(value) => Some(*value),
            Plain::Bool(value) => Some(f64::from(u8::from(*value))),
        }
    }
}

impl Scalar for bool {
    fn of(plain: &Plain<'_>) -> Option<Self> {
        match plain {
            Plain::Bool(value) => Some(*value),
            Plain::Text("true" | "True") => Some(true),
            Plain::Text("false" | "False") => Some(false),
            Plain::Text(_) | Plain::Int(_) | Plain::Uint(_) | Plain::Real(_) => None,
        }
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<T: Scalar> FieldVisitor<T> {
    fn judge(plain: &Plain<'_>) -> Field<T> {
        if let Some(value) = T::of(plain) {
            return Field::Is(value);
        }
        match plain {
            Plain::Text(text) => {
                let text: String = text.chars().take(200).collect();
                Field::Mistyped(serde_json::Value::String(text).to_string(), "str")
            }
            Plain::Int(value) => Field::Mistyped(value.to_string(), "int"),
            Plain::Uint(value) => Field::Mistyped(value.to_string(), "int"),
            Plain::Real(value) => Field::Mistyped(value.to_string(), "float"),
            Plain::Bool(value) => Field::Mistyped(value.to_string(), "bool"),
        }
    }
}

impl<'de, T: Scalar> Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> std::result::Result<Field<T>, E> {
        Ok(Self::judge(&Plain::Text(value)))
    }

    fn visit_string<E: de::Error>(self, value: String) -> std::result::Result<Field<T>, E> {
        Ok(T::of_text(value).map_or_else(|text| Self::judge(&Plain::Text(&text)), Field::Is))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> std::result::Result<Field<T>, E> {
        Ok(Self::judge(&Plain::Int(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> std::result::Result<Field<T>, E> {
        Ok(Self::judge(&Plain::Uint(value)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> std::result::Result<Field<T>, E> {
        Ok(Self::judge(&Plain::Real(value)))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> std::result::Result<Field<T>, E> {
        Ok(Self::judge(&Plain::Bool(value)))
    }

    fn visit_unit<E: de::Error>(self) -> std::result::Result<Field<T>, E> {
        Ok(Field::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Field<T>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Mistyped("[...]".to_owned(), "list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Field<T>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Mistyped("{...}".to_owned(), "dict"))
    }
}

impl<'de, T: Scalar> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

/// A list within a body.
#[derive(Debug, Clone)]
pub(super) struct List<T>(Field<Vec<T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Field::Absent)
    }
}

impl<T> List<T> {
    /// Returns the items; an absent list is a mistake, an empty one is not.
    pub(super) fn required(self, name: &str) -> Result<Vec<T>> {
        self.0.required(name)
    }

    /// Returns the items; none where the list is absent.
    pub(super) fn items(self, name: &str) -> Result<Vec<T>> {
        Ok(self.0.optional(name)?.unwrap_or_default())
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<List<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(List(Field::Is(items)))
    }

    fn visit_unit<E: de::Error>(self) -> std::result::Result<List<T>, E> {
        Ok(List::default())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> std::result::Result<List<T>, E> {
        let text: String = value.chars().take(200).collect();
        Ok(List(Field::Mistyped(serde_json::Value::String(text).to_string(), "str")))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> std::result::Result<List<T>, E> {
        Ok(List(Field::Mistyped(value.to_string(), "int")))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> std::result::Result<List<T>, E> {
        Ok(List(Field::Mistyped(value.to_string(), "int")))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> std::result::Result<List<T>, E> {
        Ok(List(Field::Mistyped(value.to_string(), "float")))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> std::result::Result<List<T>, E> {
        Ok(List(Field::Mistyped(value.to_string(), "bool")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<List<T>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(List(Field::Mistyped("{...}".to_owned(), "dict")))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// A key and its value: a tag or a param.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pair {
    #[serde(default)]
    pub(super) key: Field<String>,
    #[serde(default)]
    pub(super) value: Field<String>,
}

/// Where a parameter stands in a body: put into words only when something is wrong with it.
#[derive(Debug, Clone, Copy)]
struct Place {
    list: &'static str,
    /// The item's place in it.
    item: usize,
    parameter: &'static str,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { list, item, parameter } = self;
        write!(f, "{list}[{item}].{parameter}")
    }
}

/// Returns the pairs of a list: a value that is missing or no text is the empty one, as MLflow has it.
pub(super) fn pairs(list: List<Pair>, name: &'static str) -> Result<Vec<(String, String)>> {
    let pairs = list.items(name)?.into_iter().enumerate();
    pairs
        .map(|(place, pair)| {
            let key = pair.key.text(Place { list: name, item: place, parameter: "key" })?;
            let value = match pair.value {
                Field::Is(value) => value,
                Field::Absent | Field::Mistyped(..) => String::new(),
            };
            Ok((key, value))
        })
        .collect()
}

/// How deeply JSON may nest.
const DEPTH: usize = 64;

/// A JSON body, capped in size before it is read and in depth before it is parsed. An empty one is an empty object.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        let cap = state.settings.body_cap;
        parse(&bytes(request, cap).await?, cap).map(Self)
    }
}

/// Reads the body of a request that says it is JSON, or says nothing.
async fn bytes(request: Request, cap: usize) -> Result<Bytes> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = kind.is_none_or(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json"));
    if !is_json {
        return Err(Error::invalid("Bad Request. Content-Type must be one of ['application/json']."));
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > cap) {
        return Err(Error::too_large(cap));
    }
    to_bytes(request.into_body(), cap).await.map_err(|_| Error::too_large(cap))
}

fn parse<T: DeserializeOwned>(bytes: &[u8], cap: usize) -> Result<T> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    windlass_scan::check_json(bytes, DEPTH, cap)
        .map_err(|error| Error::invalid(format!("The request body is refused: {error}.")))?;
    serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid(format!("The request body is not the expected JSON: {error}.")))
}

/// The parameters of a query string, in their order.
pub(super) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map(|query| Self(query.0))
            .map_err(|error| Error::of_status(StatusCode::BAD_REQUEST, error.body_text()))
    }
}

impl Query {
    /// Returns a parameter; an absent or empty one is a mistake.
    pub(super) fn text(&self, name: &str) -> Result<&str> {
        self.get(name).filter(|text| !text.is_empty()).ok_or_else(|| Error::required(name))
    }

    /// Returns a parameter, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns every value of a parameter.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Returns an integer, if it is there.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let shown = serde_json::Value::String(text.to_owned()).to_string();
        text.parse().map(Some).map_err(|_| Error::mistyped(name, &shown, "str"))
    }

    /// Returns the run that a request is about: `run_id`, or `run_uuid` from old clients.
    pub(super) fn run(&self) -> Result<&str> {
        self.get("run_id")
            .or_else(|| self.get("run_uuid"))
            .filter(|id| !id.is_empty())
            .ok_or_else(|| Error::required("run_id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sample {
        #[serde(default)]
        text: Field<String>,
        #[serde(default)]
        number: Field<i64>,
        #[serde(default)]
        value: Field<f64>,
        #[serde(default)]
        tags: List<Pair>,
    }

    fn sample(json: &str) -> Sample {
        serde_json::from_str(json).expect("JSON")
    }

    #[test]
    fn numbers_come_as_numbers_or_text() {
        for (json, number) in [("5", 5), ("\"5\"", 5), ("1.5", 1), ("true", 1), ("-3", -3)] {
            assert_eq!(
                sample(&format!("{{\"number\": {json}}}")).number.required("number").ok(),
                Some(number),
                "{json}"
            );
        }
        for (json, bits) in [("\"Infinity\"", f64::INFINITY), ("2", 2.0), ("\"5\"", 5.0), ("1e400", f64::INFINITY)] {
            let Ok(sample) = serde_json::from_str::<Sample>(&format!("{{\"value\": {json}}}")) else { continue };
            assert_eq!(sample.value.required("value").ok(), Some(bits), "{json}");
        }
        assert!(sample("{\"value\": \"NaN\"}").value.required("value").is_ok_and(f64::is_nan));
    }

    #[test]
    fn mistakes_name_parameter_value_and_type() {
        let message = |error: Error| format!("{error:?}");
        let error = message(sample("{\"text\": 123}").text.text("name").unwrap_err());
        assert!(
            error.contains("Invalid value 123 for parameter 'name' supplied:  Hint: Value was of type 'int'."),
            "{error}"
        );
        let error = message(sample("{\"text\": \"\"}").text.text("name").unwrap_err());
        assert!(error.contains("Missing value for required parameter 'name'."), "{error}");
        let error = message(pairs(sample("{\"tags\": \"x\"}").tags, "tags").unwrap_err());
        assert!(error.contains("Value was of type 'str'"), "{error}");
        let found = pairs(sample("{\"tags\": [{\"key\": \"a\"}, {\"key\": \"b\", \"value\": 5}]}").tags, "tags");
        assert_eq!(found.unwrap(), [("a".to_owned(), String::new()), ("b".to_owned(), String::new())]);
    }
}
