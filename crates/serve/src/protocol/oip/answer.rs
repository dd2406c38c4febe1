//! From a table to the answer of an inference request.

use serde::Serialize;
use windlass_data::table::{Table, Values};

use super::{
    super::{RequestError, invocations},
    Asked, binary, datatype, sent_as,
};

/// An encoded body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// How many of its bytes are JSON, for the header [`super::HEADER_LENGTH`]; nothing if all are, and there is no
    /// such header.
    pub json: Option<usize>,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct Head<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

/// Writes the answer `table` of a version of a model, as it was asked for.
///
/// # Errors
/// An output is asked for that the model does not have.
pub fn encode(
    model: &str,
    version: &str,
    id: Option<&str>,
    table: &Table,
    asked: &Asked,
) -> Result<Encoded, RequestError> {
    let outputs: Vec<(&str, &Values, bool)> = if asked.outputs.is_empty() {
        table.columns().iter().map(|(name, values)| (name.as_str(), values, asked.binary)).collect()
    } else {
        let find = |(name, binary): &'_ (String, bool)| match table.columns().iter().find(|(known, _)| known == name) {
            Some((name, values)) => Ok((name.as_str(), values, *binary)),
            None => Err(RequestError::field(name, "is none of the model's outputs")),
        };
        asked.outputs.iter().map(find).collect::<Result<_, _>>()?
    };
    let head = json(&Head { model_name: model, model_version: version, id });
    let mut body = head;
    body.pop();
    body.extend_from_slice(b",\"outputs\":[");
    let mut tail = Vec::new();
    for (at, (name, values, is_binary)) in outputs.into_iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        let element = sent_as(values);
        body.extend_from_slice(b"{\"name\":");
        body.extend_from_slice(&json(&name));
        let rows = table.rows();
        body.extend_from_slice(format!(",\"datatype\":\"{}\",\"shape\":[{rows}],", datatype(element)).as_bytes());
        if is_binary {
            let before = tail.len();
            (0..rows).for_each(|row| binary::encode(&mut tail, element, values, row));
            let size = tail.len() - before;
            body.extend_from_slice(format!("\"parameters\":{{\"binary_data_size\":{size}}}}}").as_bytes());
        } else {
            body.extend_from_slice(b"\"data\":[");
            for row in 0..rows {
                if row > 0 {
                    body.push(b',');
                }
                invocations::value(&mut body, values, row);
            }
            body.extend_from_slice(b"]}");
        }
    }
    body.extend_from_slice(b"]}");
    let json = (!tail.is_empty()).then_some(body.len());
    body.append(&mut tail);
    Ok(Encoded { json, body })
}

/// Returns a value as JSON. Memory does not fail, and these values are always JSON.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
