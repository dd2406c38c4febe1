//! A value of an attribute, as OpenTelemetry has it, and as the JSON that it is kept and searched in.
//!
//! Keys keep their order, since people see it. The JSON is written as Python's `json` module writes it, with a blank after
//! each comma and colon: clients' filters search in that text.

use std::fmt::{self, Write as _};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};

/// A value.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Any {
    #[default]
    Nothing,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Any>),
    Map(Vec<(String, Any)>),
}

/// Writes a text as JSON, with characters beyond ASCII as they are.
pub(super) fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            character if character < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            character => out.push(character),
        }
    }
    out.push('"');
}

/// Writes a number as Python does: the shortest digits that mean it, with an exponent below 1e-4 and from 1e16 on.
pub(super) fn double(out: &mut String, value: f64) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{digits}e{sign}{:02}", exponent.abs());
        return;
    }
    let _ = write!(out, "{value:?}");
}

impl Any {
    /// Writes it as JSON.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Nothing => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Double(value) => double(out, *value),
            Self::Text(text) => quoted(out, text),
            Self::Bytes(bytes) => quoted(out, &STANDARD.encode(bytes)),
            Self::List(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place == 0 { "" } else { ", " });
                    item.write(out);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (place, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if place == 0 { "" } else { ", " });
                    quoted(out, key);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// Returns it as JSON.
    pub(super) fn json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// Returns the value that JSON means; `None` where it is none.
    pub(super) fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns what stands under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Any, E> {
        Ok(Any::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Any, E> {
        Ok(Any::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Any, E> {
        Ok(i64::try_from(value).map_or(Any::Double(value as f64), Any::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Any, E> {
        Ok(Any::Double(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Any, E> {
        Ok(Any::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Any, E> {
        Ok(Any::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Any, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Any::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Any::Map(entries))
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

impl Serialize for Any {
    /// As plain JSON.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Double(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::Double(value) => {
                let mut text = String::new();
                double(&mut text, *value);
                serializer.serialize_str(&text)
            }
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, value))),
        }
    }
}

/// A value in the JSON form of OpenTelemetry's protocol: `{"string_value": "x"}`.
pub(super) struct Wrapped<'a>(pub(super) &'a Any);

#[derive(Serialize)]
struct Values<T> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<T>,
}

/// A key and its value in that form.
#[derive(Serialize)]
pub(super) struct WrappedEntry<'a> {
    key: &'a str,
    value: Wrapped<'a>,
}

impl<'a> WrappedEntry<'a> {
    pub(super) fn of(entries: &'a [(String, Any)]) -> Vec<Self> {
        entries.iter().map(|(key, value)| Self { key, value: Wrapped(value) }).collect()
    }
}

impl Serialize for Wrapped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Any::Nothing => {}
            Any::Text(text) => map.serialize_entry("string_value", text)?,
            Any::Bool(value) => map.serialize_entry("bool_value", value)?,
            Any::Int(value) => map.serialize_entry("int_value", value)?,
            value @ Any::Double(_) => map.serialize_entry("double_value", value)?,
            value @ Any::Bytes(_) => map.serialize_entry("bytes_value", value)?,
            Any::List(items) => {
                map.serialize_entry("array_value", &Values { values: items.iter().map(Wrapped).collect() })?;
            }
            Any::Map(entries) => {
                map.serialize_entry("kvlist_value", &Values { values: WrappedEntry::of(entries) })?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_python_writes_it() {
        for (json, python) in [
            (r#"{"x":3,"b":[1,2.5,{"a":null}],"a":"é\n"}"#, r#"{"x": 3, "b": [1, 2.5, {"a": null}], "a": "é\n"}"#),
            ("4e-5", "4e-05"),
            ("7.500000000000001e-06", "7.500000000000001e-06"),
            ("0.0001", "0.0001"),
            ("1e16", "1e+16"),
            ("123456789012345680.0", "1.2345678901234568e+17"),
            ("5.0", "5.0"),
            ("18446744073709551615", "1.8446744073709552e+19"),
            (r#""\u0001\u2028""#, "\"\\u0001\u{2028}\""),
            ("[]", "[]"),
        ] {
            assert_eq!(Any::parse(json).unwrap().json(), python, "{json}");
        }
        assert_eq!(Any::parse("[1,]"), None);
    }

    #[test]
    fn values_are_wrapped_with_their_type() {
        let value = Any::parse(r#"{"a":[1,true,null,"x",1.5],"b":{}}"#).unwrap();
        let wrapped = serde_json::to_string(&Wrapped(&value)).unwrap();
        assert_eq!(
            wrapped,
            r#"{"kvlist_value":{"values":[{"key":"a","value":{"array_value":{"values":[{"int_value":1},{"bool_value":true},{},{"string_value":"x"},{"double_value":1.5}]}}},{"key":"b","value":{"kvlist_value":{}}}]}}"#
        );
    }
}
