//! The hop between a gateway and a model server: the same protocol, always binary.
//!
//! A gateway has decoded and checked a request before it goes on, whatever protocol it came in; what it sends on is the
//! form that costs both sides least.

use serde::{Deserialize, Serialize};
use windlass_data::table::{Table, Values};

use super::{
    super::RequestError,
    answer::{Encoded, json},
    binary, datatype, element,
};
use crate::model::{Column, Signature};

#[derive(Serialize)]
struct Head {
    inputs: Vec<InputHead>,
    parameters: Parameters,
}

#[derive(Serialize)]
struct InputHead {
    name: String,
    shape: Vec<usize>,
    datatype: &'static str,
    parameters: Size,
}

#[derive(Serialize, Deserialize)]
struct Size {
    binary_data_size: usize,
}

#[derive(Serialize)]
struct Parameters {
    binary_data_output: bool,
}

/// Writes the request for `rows`, whose columns are as [`super::decode`] gives them.
pub fn encode_request(signature: &Signature, rows: &Table) -> Encoded {
    let columns = signature.columns();
    let alike = columns.windows(2).all(|pair| pair[0].element == pair[1].element);
    let mut tail = Vec::new();
    let mut inputs = Vec::new();
    if alike && rows.columns().len() == columns.len() {
        // A name that no column can have, so that it stands for all of them.
        inputs.push(tensor(String::new(), Some(columns.len()), columns, rows, &mut tail));
    } else {
        for input in signature.inputs() {
            let own = signature.columns_of(input);
            if own.iter().all(|column| rows.column(&column.name).is_some()) {
                inputs.push(tensor(input.name.clone(), input.width, own, rows, &mut tail));
            }
        }
    }
    let mut body = json(&Head { inputs, parameters: Parameters { binary_data_output: true } });
    let length = body.len();
    body.append(&mut tail);
    Encoded { json: Some(length), body }
}

fn tensor(name: String, width: Option<usize>, columns: &[Column], rows: &Table, tail: &mut Vec<u8>) -> InputHead {
    let before = tail.len();
    let values: Vec<(&Column, &Values)> =
        columns.iter().filter_map(|column| Some((column, rows.column(&column.name)?))).collect();
    for row in 0..rows.rows() {
        for (column, values) in &values {
            binary::encode(tail, column.element, values, row);
        }
    }
    let shape = std::iter::once(rows.rows()).chain(width).collect();
    // Of one element: checked above, and an input has one.
    let datatype = columns.first().map_or("FP32", |column| datatype(column.element));
    InputHead { name, shape, datatype, parameters: Size { binary_data_size: tail.len() - before } }
}

#[derive(Deserialize)]
struct AnswerHead {
    outputs: Vec<OutputHead>,
}

#[derive(Deserialize)]
struct OutputHead {
    name: String,
    datatype: String,
    shape: Vec<usize>,
    parameters: Size,
}

/// Reads the answer to [`encode_request`]: a table of `rows` rows. `json` is how many of its bytes are JSON.
///
/// # Errors
/// Anything else than a binary tensor of one dimension for each column.
pub fn decode_answer(json: Option<usize>, body: &[u8], rows: usize) -> Result<Table, RequestError> {
    let malformed = |problem: String| RequestError::Malformed { form: "answer", problem };
    let split = body.split_at_checked(json.unwrap_or(body.len()));
    let (head, mut tail) = split.ok_or_else(|| malformed("it is shorter than its JSON".to_owned()))?;
    let AnswerHead { outputs } = serde_json::from_slice(head).map_err(|error| malformed(error.to_string()))?;
    let mut columns = Vec::with_capacity(outputs.len());
    for OutputHead { name, datatype, shape, parameters } in outputs {
        let element = element(&datatype).filter(|_| shape == [rows]);
        let element = element.ok_or_else(|| malformed(format!("`{name}` is {datatype} of the shape {shape:?}")))?;
        let (own, rest) = tail
            .split_at_checked(parameters.binary_data_size)
            .ok_or_else(|| malformed(format!("it ends within `{name}`")))?;
        tail = rest;
        let values = binary::decode(element, rows, own).map_err(|problem| malformed(format!("`{name}` {problem}")))?;
        columns.push((name, values));
    }
    Table::new(columns).map_err(|error| malformed(error.to_string()))
}
