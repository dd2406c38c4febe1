//! From an inference request to a table.

use windlass_data::table::Values;

use super::{
    super::{
        Limits, Request, RequestError,
        cell::{Budget, Cell, UNEXPECTED},
        conform::conform,
        frame::{Content, Frame},
    },
    binary, datatype, element,
    head::{self, Head, InputHead, OutputHead},
};
use crate::model::{Column, Signature};

/// How the answer to a request is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The outputs asked for and whether each is to be binary; all if there are none.
    pub(super) outputs: Vec<(String, bool)>,
    /// Whether outputs are to be binary where all are asked for.
    pub(super) binary: bool,
}

/// Reads an inference request. `json` is how many bytes of the body are JSON, as the header [`super::HEADER_LENGTH`]
/// says; nothing if there was no such header, and all of it is. `extras` are the columns allowed beside the model's.
///
/// # Errors
/// Whatever is wrong with the body, with the tensor or field that it is in.
pub fn decode(
    json: Option<usize>,
    body: &[u8],
    signature: &Signature,
    extras: &[String],
    limits: &Limits,
) -> Result<(Request, Asked), RequestError> {
    let (json, tail) = match json {
        None => (body, &[][..]),
        Some(length) => body.split_at_checked(length).ok_or_else(|| {
            let problem = format!("says {length} bytes, and the body has {}", body.len());
            RequestError::field("Inference-Header-Content-Length", problem)
        })?,
    };
    let width = signature.columns().len() + extras.len();
    let budget = Budget::new(limits.rows, width + UNEXPECTED);
    let Head { id, inputs, outputs, binary } = head::read(json, budget, limits.rows.saturating_mul(width))?;
    let asked = |OutputHead { name, parameters }| (name, parameters.binary_data.unwrap_or(binary));
    let asked = Asked { outputs: outputs.into_iter().map(asked).collect(), binary };
    let mut tail = Tail { bytes: tail };
    let mut columns = Vec::with_capacity(width);
    let alone = inputs.iter().filter(|input| !extras.contains(&input.name)).count() == 1;
    for input in inputs {
        add(&mut columns, input, &mut tail, signature, extras, alone, limits)?;
    }
    if !tail.bytes.is_empty() {
        let problem = format!("has {} bytes behind its last tensor", tail.bytes.len());
        return Err(RequestError::field("inputs", problem));
    }
    Ok((conform(id, Frame::of_columns(columns)?, signature, extras)?, asked))
}

/// The bytes behind the JSON that no tensor has taken yet.
struct Tail<'b> {
    bytes: &'b [u8],
}

impl<'b> Tail<'b> {
    fn take(&mut self, length: u64) -> Option<&'b [u8]> {
        let (part, rest) = self.bytes.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        Some(part)
    }
}

/// Adds the columns of one tensor.
fn add(
    columns: &mut Vec<(String, Content)>,
    input: InputHead,
    tail: &mut Tail<'_>,
    signature: &Signature,
    extras: &[String],
    alone: bool,
    limits: &Limits,
) -> Result<(), RequestError> {
    let InputHead { name, datatype: given, shape, binary: size, data } = input;
    let wrong = |problem: String| RequestError::field(&name, problem);
    let entry = signature.inputs().iter().find(|entry| entry.name == name);
    let (targets, width): (&[Column], Option<usize>) = match entry {
        Some(entry) => (signature.columns_of(entry), entry.width),
        None if extras.contains(&name) => (&[], None),
        None if alone && shape.len() == 2 => (signature.columns(), Some(signature.columns().len())),
        None => return Err(wrong("is none of the model's inputs; leave it out".to_owned())),
    };
    let element = element(&given).ok_or_else(|| wrong(format!("has the datatype {given:?}, which is not served")))?;
    if let Some(column) = targets.iter().find(|column| column.element != element) {
        let problem = format!("has the datatype {given}; `{}` takes {}", column.name, datatype(column.element));
        return Err(wrong(problem));
    }
    let rows = rows(&shape, width).ok_or_else(|| {
        let expected = width.map_or("[ROWS]".to_owned(), |width| format!("[ROWS, {width}]"));
        wrong(format!("has the shape {shape:?}, not {expected}"))
    })?;
    if rows > limits.rows {
        return Err(RequestError::TooManyRows { most: limits.rows });
    }
    let width = width.unwrap_or(1);
    // Of capped rows and columns.
    let count = rows * width;
    let names = || match targets {
        [] => vec![name.clone()],
        targets => targets.iter().map(|column| column.name.clone()).collect(),
    };
    match (size, data) {
        (Some(size), None) => {
            let bytes = tail.take(size).ok_or_else(|| {
                wrong(format!("has {size} bytes in `binary_data_size`, and {} are left", tail.bytes.len()))
            })?;
            let values = binary::decode(element, count, bytes).map_err(wrong)?;
            columns.extend(names().into_iter().zip(apart(values, width).into_iter().map(Content::Values)));
        }
        (None, Some(cells)) if cells.len() == count => {
            let mut parts: Vec<Vec<Cell>> = (0..width).map(|_| Vec::with_capacity(rows)).collect();
            cells.into_iter().enumerate().for_each(|(at, cell)| parts[at % width].push(cell));
            columns.extend(names().into_iter().zip(parts.into_iter().map(Content::Cells)));
        }
        (None, Some(cells)) => {
            return Err(wrong(format!("has {} values for the shape {shape:?}", cells.len())));
        }
        (Some(_), Some(_)) => return Err(wrong("has both `data` and `binary_data_size`".to_owned())),
        (None, None) => return Err(wrong("has neither `data` nor `binary_data_size`".to_owned())),
    }
    Ok(())
}

/// Returns the number of rows of a tensor, if its shape fits columns of that width; a column may be `[ROWS, 1]` too.
fn rows(shape: &[u64], width: Option<usize>) -> Option<usize> {
    let rows = match (shape, width) {
        ([rows], None | Some(1)) | ([rows, 1], None) => rows,
        ([rows, given], Some(width)) if *given == width as u64 => rows,
        _ => return None,
    };
    usize::try_from(*rows).ok()
}

/// Returns the columns of row-major values.
fn apart(values: Values, width: usize) -> Vec<Values> {
    fn split<T>(values: Vec<T>, width: usize) -> Vec<Vec<T>> {
        let mut columns: Vec<Vec<T>> = (0..width).map(|_| Vec::with_capacity(values.len() / width)).collect();
        values.into_iter().enumerate().for_each(|(at, value)| columns[at % width].push(value));
        columns
    }
    match values {
        Values::Number(values) => split(values, width).into_iter().map(Values::Number).collect(),
        Values::Int(values) => split(values, width).into_iter().map(Values::Int).collect(),
        Values::Time(values) => split(values, width).into_iter().map(Values::Time).collect(),
        Values::Bool(values) => split(values, width).into_iter().map(Values::Bool).collect(),
        Values::Text(values) => split(values, width).into_iter().map(Values::Text).collect(),
    }
}
