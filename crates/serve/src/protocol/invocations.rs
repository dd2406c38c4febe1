//! `/invocations`, as MLflow's scoring server has it.
//!
//! Forms of the body: <https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#inference-server-specification>.
//! Inference parameters are refused, and models get those that their signature has as defaults.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use windlass_data::table::{Table, TableLimits, Values, read_table_bytes};
use windlass_kinds::manifest::DataFormat;

use super::{
    Limits, Request, RequestError,
    cell::{Budget, Form, Rows, RowsSeed, UNEXPECTED},
    conform::conform,
    csv,
    frame::{Body, Content, Frame},
};
use crate::model::{Signature, python::UNNAMED};

/// How many times its bytes a Parquet body may be in memory.
const PARQUET_GROWTH: usize = 64;

/// Reads a request: JSON, CSV or Parquet, by its `Content-Type`. `extras` are the columns allowed beside the model's.
///
/// # Errors
/// Whatever is wrong with the body, with the column or field that it is in.
pub fn decode(
    content_type: &str,
    body: &[u8],
    signature: &Signature,
    extras: &[String],
    limits: &Limits,
) -> Result<Request, RequestError> {
    let mut parts = content_type.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    for part in parts {
        let utf8 = part.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("charset") && value.trim_matches(['"', ' ']).eq_ignore_ascii_case("utf-8")
        });
        if !utf8 && !part.is_empty() {
            return Err(RequestError::Unsupported(format!("`Content-Type: {}` is not served", part.escape_debug())));
        }
    }
    let frame = match kind.as_str() {
        "application/json" => json(body, signature, extras, limits)?,
        "text/csv" => csv::read(body, signature, extras, limits)?,
        "application/vnd.apache.parquet" => parquet(body, limits)?,
        _ => {
            return Err(RequestError::Unsupported(format!(
                "`Content-Type: {}` is not served; use application/json, text/csv or application/vnd.apache.parquet",
                kind.chars().take(80).flat_map(char::escape_debug).collect::<String>()
            )));
        }
    };
    conform(None, frame, signature, extras)
}

fn parquet(body: &[u8], limits: &Limits) -> Result<Frame, RequestError> {
    let room = TableLimits { rows: limits.rows, bytes: body.len().saturating_mul(PARQUET_GROWTH) };
    let table = read_table_bytes(body, DataFormat::Parquet, None, &room)
        .map_err(|error| RequestError::Malformed { form: "Parquet", problem: error.to_string() })?;
    Frame::of_columns(table.into_columns().into_iter().map(|(name, it)| (name, Content::Values(it))).collect())
}

fn json(body: &[u8], signature: &Signature, extras: &[String], limits: &Limits) -> Result<Frame, RequestError> {
    let budget = Budget::new(limits.rows, signature.columns().len() + extras.len() + UNEXPECTED);
    let mut parser = serde_json::Deserializer::from_slice(body);
    let top = TopSeed { budget: &budget, signature, extras };
    let frame = top.deserialize(&mut parser).and_then(|frame| parser.end().map(|()| frame));
    frame.map_err(|error| budget.explain(&error, body))
}

/// Reads the object around the rows.
struct TopSeed<'b> {
    budget: &'b Budget,
    signature: &'b Signature,
    extras: &'b [String],
}

/// The keys under which rows may stand.
const FORMS: &str = "`dataframe_split`, `dataframe_records`, `instances` or `inputs`";

impl<'de> DeserializeSeed<'de> for TopSeed<'_> {
    type Value = Frame;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Frame, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TopSeed<'_> {
    type Value = Frame;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {FORMS}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Frame, A::Error> {
        let mut frame = None;
        while let Some(key) = entries.next_key::<String>()? {
            let budget = self.budget;
            let read = match key.as_str() {
                "dataframe_split" => entries.next_value_seed(SplitSeed { budget })?,
                "dataframe_records" | "instances" => {
                    let rows = entries.next_value_seed(RowsSeed { budget, field: &key })?;
                    self.frame(&key, rows).map_err(|error| budget.refuse(error))?
                }
                "inputs" => entries.next_value_seed(InputsSeed { top: &self })?,
                "params" => {
                    entries.next_value_seed(NothingSeed { budget })?;
                    continue;
                }
                _ => return Err(budget.refuse(RequestError::field(&key, format!("is unknown; write {FORMS}")))),
            };
            if frame.replace(read).is_some() {
                return Err(budget.refuse(RequestError::field(&key, "stands beside other rows; write one of them")));
            }
        }
        frame.ok_or_else(|| {
            let problem = format!("there are no rows in it; write {FORMS}");
            self.budget.refuse(RequestError::Malformed { form: "request", problem })
        })
    }
}

impl TopSeed<'_> {
    /// Makes a frame of rows: records have names, lists are in the order of the signature.
    fn frame(&self, field: &str, rows: Rows) -> Result<Frame, RequestError> {
        let count = rows.count();
        match rows.form {
            Form::Records => Ok(Frame { names: rows.names, rows: count, body: Body::Rows(rows.cells) }),
            // No rows at all, which is refused where all forms meet.
            Form::Values | Form::Lists if count == 0 => {
                Ok(Frame { names: Vec::new(), rows: 0, body: Body::Columns(Vec::new()) })
            }
            Form::Values | Form::Lists => Frame::of_rows(self.signature, field, rows.width, rows.cells),
        }
    }
}

/// Reads `{"columns": […], "data": [[…], …]}`.
struct SplitSeed<'b> {
    budget: &'b Budget,
}

impl<'de> DeserializeSeed<'de> for SplitSeed<'_> {
    type Value = Frame;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Frame, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SplitSeed<'_> {
    type Value = Frame;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `columns` and `data`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Frame, A::Error> {
        let wrong = |field: &str, problem: String| self.budget.refuse(RequestError::field(field, problem));
        let (mut names, mut rows) = (None::<Rows>, None::<Rows>);
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                // Read as rows of one value, so that they are counted; a name may be a number.
                "columns" => {
                    let budget = Budget::new(self.budget.width, 1);
                    let read = entries.next_value_seed(RowsSeed { budget: &budget, field: "columns" });
                    names = Some(read.map_err(|error| match budget.refused() {
                        Some(_) => wrong("columns", format!("must be a list of at most {} names", budget.rows)),
                        None => error,
                    })?);
                }
                "data" => rows = Some(entries.next_value_seed(RowsSeed { budget: self.budget, field: "data" })?),
                "index" => {
                    entries.next_value::<IgnoredAny>()?;
                }
                _ => return Err(wrong(&key, "is unknown; write `columns` and `data`".to_owned())),
            }
        }
        let names = names.ok_or_else(|| wrong("columns", "is missing".to_owned()))?;
        let names: Option<Vec<String>> = names.cells.into_iter().map(super::cell::name).collect();
        let names = names.ok_or_else(|| wrong("columns", "must be a list of names".to_owned()))?;
        let rows = rows.ok_or_else(|| wrong("data", "is missing".to_owned()))?;
        if rows.form == Form::Records {
            return Err(wrong("data", "must be a list of lists".to_owned()));
        }
        if rows.count() > 0 && rows.width != names.len() {
            let problem = format!("has {} values in a row where `columns` has {}", rows.width, names.len());
            return Err(wrong("data", problem));
        }
        Ok(Frame { rows: rows.count(), names, body: Body::Rows(rows.cells) })
    }
}

/// Reads `inputs`: columns by name, or rows.
struct InputsSeed<'t, 'b> {
    top: &'t TopSeed<'b>,
}

impl<'de> DeserializeSeed<'de> for InputsSeed<'_, '_> {
    type Value = Frame;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Frame, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for InputsSeed<'_, '_> {
    type Value = Frame;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lists of values by column, or a list of rows")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, items: A) -> Result<Frame, A::Error> {
        let budget = self.top.budget;
        let rows = RowsSeed { budget, field: "inputs" }.visit_seq(items)?;
        self.top.frame("inputs", rows).map_err(|error| budget.refuse(error))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Frame, A::Error> {
        let TopSeed { budget, signature, extras } = self.top;
        let mut columns: Vec<(String, Content)> = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            let input = signature.inputs().iter().find(|input| input.name == name);
            if input.is_none() && !extras.contains(&name) {
                let unknown = crate::model::ValueError::new(&name, None, "is none of the model's; leave it out");
                return Err(budget.refuse(unknown.into()));
            }
            if columns.len() >= budget.width {
                return Err(budget.refuse(RequestError::field("inputs", "has a column twice")));
            }
            let width = input.and_then(|input| input.width).unwrap_or(1);
            let own = Budget::new(budget.rows, width);
            let rows = entries.next_value_seed(RowsSeed { budget: &own, field: &name });
            let rows = rows.map_err(|error| own.refused().map_or(error, |refused| budget.refuse(refused)))?;
            if rows.form == Form::Records || (rows.count() > 0 && rows.width != width) {
                let problem = format!("must be a list of {}", if width == 1 { "values" } else { "lists of values" });
                return Err(budget.refuse(RequestError::field(&name, problem)));
            }
            let names: Vec<String> = match input {
                Some(input) => signature.columns_of(input).iter().map(|column| column.name.clone()).collect(),
                None => vec![name],
            };
            let mut part = Frame { rows: rows.count(), names, body: Body::Rows(rows.cells) };
            for at in 0..part.names.len() {
                let content = part.take(at);
                columns.push((part.names[at].clone(), content));
            }
        }
        Frame::of_columns(columns).map_err(|error| budget.refuse(error))
    }
}

/// Reads parameters that must be none.
struct NothingSeed<'b> {
    budget: &'b Budget,
}

impl<'de> DeserializeSeed<'de> for NothingSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NothingSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no parameters")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        match entries.next_key::<String>()? {
            None => Ok(()),
            Some(name) => {
                let problem = format!("has `{}`, and this model takes no parameters", name.escape_debug());
                Err(self.budget.refuse(RequestError::field("params", problem)))
            }
        }
    }
}

/// Writes an answer: `{"predictions": [{"COLUMN": VALUE, …}, …]}`, the form in which MLflow answers for a data frame.
///
/// An output without a name is written as MLflow writes an array: `[VALUE, …]`, or `[[VALUE, …], …]` where it has
/// several columns. Numbers that are not finite are null, which JSON can hold.
pub fn encode(answer: &Table) -> Vec<u8> {
    match unnamed(answer) {
        Some(is_flat) => lists(answer, is_flat),
        None => records(answer),
    }
}

/// Tells whether an answer is one output without a name, and whether that is a single column.
fn unnamed(answer: &Table) -> Option<bool> {
    let is_part = |(at, name): (usize, &str)| {
        let place = name.strip_prefix(UNNAMED).and_then(|rest| rest.strip_prefix('_'));
        place.is_some_and(|place| place.parse() == Ok(at))
    };
    let mut names = answer.columns().iter().map(|(name, _)| name.as_str());
    match answer.columns() {
        [(name, _)] if name == UNNAMED => Some(true),
        [_, _, ..] if names.by_ref().enumerate().all(is_part) => Some(false),
        _ => None,
    }
}

fn lists(answer: &Table, is_flat: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + answer.rows() * answer.columns().len() * 24);
    out.extend_from_slice(b"{\"predictions\": [");
    for row in 0..answer.rows() {
        out.extend_from_slice(if row == 0 { b"" } else { b", " });
        out.extend_from_slice(if is_flat { b"" } else { b"[" });
        for (at, (_, values)) in answer.columns().iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"" } else { b", " });
            value(&mut out, values, row);
        }
        out.extend_from_slice(if is_flat { b"" } else { b"]" });
    }
    out.extend_from_slice(b"]}");
    out
}

fn records(answer: &Table) -> Vec<u8> {
    let keys: Vec<String> =
        answer.columns().iter().map(|(name, _)| serde_json::Value::from(name.as_str()).to_string()).collect();
    let mut out = Vec::with_capacity(32 + answer.rows() * keys.iter().map(|key| key.len() + 24).sum::<usize>());
    out.extend_from_slice(b"{\"predictions\": [");
    for row in 0..answer.rows() {
        out.extend_from_slice(if row == 0 { b"{" } else { b", {" });
        for (at, (key, (_, values))) in keys.iter().zip(answer.columns()).enumerate() {
            if at > 0 {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b": ");
            value(&mut out, values, row);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// Writes one value as JSON.
pub(super) fn value(out: &mut Vec<u8>, values: &Values, row: usize) {
    fn put(out: &mut Vec<u8>, value: impl serde::Serialize) {
        // Memory does not fail, and a number, text or truth value is always JSON.
        let _ = serde_json::to_writer(out, &value);
    }
    match values {
        Values::Number(values) => put(out, values[row]),
        Values::Int(values) | Values::Time(values) => put(out, values[row]),
        Values::Text(values) => put(out, &values[row]),
        Values::Bool(values) => put(out, values[row]),
    }
}

/// Writes a refusal as MLflow does; `code` is one of its error codes, such as `BAD_REQUEST`.
pub fn error(code: &str, message: &str) -> Vec<u8> {
    serde_json::json!({"error_code": code, "message": message}).to_string().into_bytes()
}
