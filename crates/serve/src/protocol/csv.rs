//! CSV with a header, as `pandas.DataFrame.to_csv` writes it.
//!
//! A field has no type of its own; it is read as the column's. An empty field is a missing number or an empty text.

use std::collections::HashMap;

use csv_core::{ReadFieldResult, Reader};
use windlass_infer::Element;

use super::{
    Limits, RequestError,
    cell::Cell,
    frame::{Body, Frame},
};
use crate::model::Signature;

/// The longest field, in bytes.
const FIELD_MAX: usize = 1 << 20;

/// Reads a body.
pub(super) fn read(
    body: &[u8],
    signature: &Signature,
    extras: &[String],
    limits: &Limits,
) -> Result<Frame, RequestError> {
    let width = signature.columns().len() + extras.len();
    let malformed = |problem: String| RequestError::Malformed { form: "CSV", problem };
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let elements: HashMap<&str, Element> =
        signature.columns().iter().map(|column| (column.name.as_str(), column.element)).collect();
    let (mut names, mut columns): (Vec<String>, Vec<Option<Element>>) = (Vec::new(), Vec::new());
    let (mut cells, mut rows, mut at, mut beside) = (Vec::new(), 0, 0, 0);
    let mut fields = Fields { reader: Reader::new(), rest: body, field: Vec::new() };
    while let Some(last) = fields.next().map_err(malformed)? {
        let text = std::str::from_utf8(&fields.field);
        let place = || if rows == 0 { "the header".to_owned() } else { format!("row {rows}") };
        let text = text.map_err(|_| malformed(format!("{} is not UTF-8", place())))?;
        if rows == 0 {
            if at >= width {
                return Err(malformed(format!("more than {width} columns")));
            }
            let by_place = || signature.columns().get(columns.len() - beside).map(|column| column.element);
            columns.push(match extras.iter().any(|extra| extra == text) {
                true => {
                    beside += 1;
                    None
                }
                false if signature.positional() => by_place(),
                false => elements.get(text).copied(),
            });
            names.push(text.to_owned());
        } else {
            if at >= names.len() {
                return Err(malformed(format!("row {rows} has more fields than the header")));
            }
            cells.push(cell(columns[at], text));
        }
        at += 1;
        if last {
            if rows > 0 && at < names.len() {
                return Err(malformed(format!("row {rows} has {at} fields where the header has {}", names.len())));
            }
            rows += 1;
            if rows > limits.rows + 1 {
                return Err(RequestError::TooManyRows { most: limits.rows });
            }
            at = 0;
        }
    }
    Ok(Frame { names, rows: rows.saturating_sub(1), body: Body::Rows(cells) })
}

/// Returns a field as a value of its column; text where that is unknown or the field is something else.
fn cell(element: Option<Element>, text: &str) -> Cell {
    let other = || Cell::Text(text.to_owned());
    match element {
        None | Some(Element::Text) => other(),
        Some(_) if text.is_empty() => Cell::Null,
        Some(Element::Bool) => match text {
            "true" | "True" | "TRUE" => Cell::Bool(true),
            "false" | "False" | "FALSE" => Cell::Bool(false),
            _ => other(),
        },
        Some(_) => text.parse().map(Cell::Int).or_else(|_| text.parse().map(Cell::Float)).unwrap_or_else(|_| other()),
    }
}

/// The fields of a text, one after the other.
struct Fields<'b> {
    reader: Reader,
    rest: &'b [u8],
    field: Vec<u8>,
}

impl Fields<'_> {
    /// Reads the next field; tells whether it is the last of its row, or that there is none.
    fn next(&mut self) -> Result<Option<bool>, String> {
        self.field.clear();
        let mut buffer = [0; 256];
        loop {
            let (result, read, written) = self.reader.read_field(self.rest, &mut buffer);
            self.rest = &self.rest[read..];
            self.field.extend_from_slice(&buffer[..written]);
            if self.field.len() > FIELD_MAX {
                return Err(format!("line {} has a field of more than {FIELD_MAX} bytes", self.reader.line()));
            }
            match result {
                // With nothing left, the reader is asked once more to see the end.
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
                ReadFieldResult::Field { record_end } => return Ok(Some(record_end)),
                ReadFieldResult::End => return Ok(None),
            }
        }
    }
}
