//! The frames in which a model's Python process is asked and answers.
//!
//! A frame is the length of a JSON header in four bytes (little-endian), the header, and the columns that it lists one
//! after another: numbers and whole numbers in eight bytes each, truth values in one, text as all lengths in four bytes
//! and then all texts. What comes back was written by somebody's model: no length in it is believed before the bytes
//! are there.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use serde::{Deserialize, Serialize};
use windlass_data::table::{Table, Values};
use windlass_infer::Element;
use windlass_kinds::Micros;

use super::super::{Column, PredictError, Signature, rows};

/// The longest header of an answer, in bytes.
const HEADER_MAX: u32 = 4 << 20;
/// The most bytes of an answer's columns together.
const ANSWER_MAX: u64 = 1 << 30;
/// The most columns of an answer.
const COLUMNS_MAX: usize = 10_000;
/// The length that stands for a missing text.
const MISSING: u32 = u32::MAX;

/// How the values of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Number,
    Int,
    Bool,
    Text,
    /// Nothing at all: the question does without the column.
    Absent,
}

#[derive(Serialize)]
struct Question {
    rows: usize,
    columns: Vec<Asked>,
}

#[derive(Serialize)]
struct Asked {
    kind: Kind,
    bytes: usize,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    asker: bool,
    #[serde(default)]
    columns: Vec<Given>,
}

#[derive(Deserialize)]
struct Given {
    name: String,
    kind: Kind,
    bytes: u64,
}

/// What a Python process says.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// The columns of an answer; none at all once the model is loaded.
    Columns(Vec<(String, Values)>),
    /// Why there is no answer, and whether whoever asked is to blame.
    Error { text: String, asker: bool },
}

/// Writes a question: all columns of the signature, in its order.
///
/// # Errors
/// A column that is missing, or holds what the signature does not allow.
pub(super) fn question(signature: &Signature, table: &Table) -> Result<Vec<u8>, PredictError> {
    let mut columns = Vec::with_capacity(signature.columns().len());
    let mut content = Vec::new();
    for (at, column) in signature.columns().iter().enumerate() {
        let before = content.len();
        let kind = match find(table, at, column)? {
            Some(values) => write(&mut content, column.element, &values),
            None => Kind::Absent,
        };
        columns.push(Asked { kind, bytes: content.len() - before });
    }
    // Names and numbers are always JSON.
    let header = serde_json::to_vec(&Question { rows: table.rows(), columns }).unwrap_or_default();
    // No signature has columns enough for 4 GiB of header.
    let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
    Ok([&length.to_le_bytes()[..], &header, &content].concat())
}

/// Returns a column that holds what the signature says. Instants are text here, as MLflow's clients send them.
fn find<'t>(table: &'t Table, at: usize, column: &Column) -> Result<Option<Cow<'t, Values>>, PredictError> {
    if column.element == Element::Text
        && let Some(Values::Time(times)) = table.column(&column.name)
    {
        let texts = Values::Text(times.iter().map(|time| time.map(|time| Micros(time).to_string())).collect());
        rows::check(column, &texts)?;
        return Ok(Some(Cow::Owned(texts)));
    }
    Ok(rows::find(table, at, column)?.map(Cow::Borrowed))
}

/// Writes values that were checked against the signature, so that none is missing but in floating point numbers.
fn write(out: &mut Vec<u8>, element: Element, values: &Values) -> Kind {
    let kind = match element {
        Element::Float32 | Element::Float64 => Kind::Number,
        Element::Bool => Kind::Bool,
        Element::Text => Kind::Text,
        _ => Kind::Int,
    };
    match (kind, values) {
        (Kind::Bool, Values::Bool(values)) => {
            out.extend(values.iter().map(|value| u8::from(value.unwrap_or_default())));
        }
        (Kind::Text, Values::Text(values)) => {
            let texts = || values.iter().map(|value| value.as_deref().unwrap_or_default());
            // Requests are far smaller than 4 GiB.
            let length = |text: &str| u32::try_from(text.len()).unwrap_or(MISSING).to_le_bytes();
            out.extend(texts().flat_map(length));
            texts().for_each(|text| out.extend_from_slice(text.as_bytes()));
        }
        (Kind::Int, Values::Int(values)) => {
            out.extend(values.iter().flat_map(|value| value.unwrap_or_default().to_le_bytes()));
        }
        (Kind::Int, Values::Number(values)) => {
            out.extend(values.iter().flat_map(|value| (*value as i64).to_le_bytes()))
        }
        (_, values) => {
            let numbers = values.numbers().unwrap_or_default();
            out.extend(numbers.iter().flat_map(|value| value.to_le_bytes()));
        }
    }
    kind
}

/// Reads what a Python process says about so many rows.
///
/// # Errors
/// Whatever keeps it from being read to its end; [`io::ErrorKind::InvalidData`] where it is none of ours.
pub(super) fn reply(from: &mut impl Read, rows: usize) -> io::Result<Reply> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > HEADER_MAX {
        return Err(invalid("a header that is too long"));
    }
    let header: Header = serde_json::from_slice(&exactly(from, length.into())?)?;
    if let Some(text) = header.error {
        return Ok(Reply::Error { text, asker: header.asker });
    }
    if header.columns.len() > COLUMNS_MAX {
        return Ok(Reply::Error { text: format!("the model gave more than {COLUMNS_MAX} columns"), asker: false });
    }
    let size = header.columns.iter().fold(0_u64, |sum, column| sum.saturating_add(column.bytes));
    if size > ANSWER_MAX {
        return Err(invalid("more than 1 GiB of answers"));
    }
    let mut columns = Vec::with_capacity(header.columns.len());
    for Given { name, kind, bytes } in header.columns {
        let content = exactly(from, bytes)?;
        let values = read(kind, &content, rows).ok_or_else(|| invalid("a column of another length"))?;
        columns.push((name, values));
    }
    Ok(Reply::Columns(columns))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the model's Python process sent {what}"))
}

fn exactly(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Returns the values of a column; nothing where the bytes are not those of so many rows.
fn read(kind: Kind, bytes: &[u8], rows: usize) -> Option<Values> {
    let eights = || bytes.as_chunks::<8>().0.iter();
    let values = match kind {
        Kind::Number => Values::Number(eights().map(|it| f64::from_le_bytes(*it)).collect()),
        Kind::Int => Values::Int(eights().map(|it| Some(i64::from_le_bytes(*it))).collect()),
        Kind::Bool => Values::Bool(bytes.iter().map(|it| Some(*it != 0)).collect()),
        Kind::Text => Values::Text(texts(bytes, rows)?),
        Kind::Absent => return None,
    };
    let fits = match kind {
        Kind::Number | Kind::Int => rows.checked_mul(8) == Some(bytes.len()),
        Kind::Bool | Kind::Text | Kind::Absent => values.len() == rows,
    };
    fits.then_some(values)
}

fn texts(bytes: &[u8], rows: usize) -> Option<Vec<Option<String>>> {
    let (lengths, mut rest) = bytes.split_at_checked(rows.checked_mul(4)?)?;
    let lengths = lengths.as_chunks::<4>().0.iter().map(|it| u32::from_le_bytes(*it));
    let mut text = |length: u32| {
        if length == MISSING {
            return Some(None);
        }
        let (text, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        rest = after;
        Some(Some(std::str::from_utf8(text).ok()?.to_owned()))
    };
    let texts = lengths.map(&mut text).collect::<Option<Vec<_>>>()?;
    rest.is_empty().then_some(texts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn framed(header: &serde_json::Value, content: &[u8]) -> Vec<u8> {
        let header = header.to_string();
        [&u32::try_from(header.len()).unwrap().to_le_bytes()[..], header.as_bytes(), content].concat()
    }

    #[test]
    fn a_question_has_the_types_of_the_signature() {
        let signature = Signature::parse(&json!([
            {"type": "float", "name": "a"}, {"type": "integer", "name": "b"}, {"type": "boolean", "name": "c"},
            {"type": "string", "name": "d"}, {"type": "double", "name": "e", "required": false},
        ]));
        let table = Table::new(vec![
            ("d".to_owned(), Values::Time(vec![Some(0)])),
            ("c".to_owned(), Values::Bool(vec![Some(true)])),
            ("b".to_owned(), Values::Number(vec![7.0])),
            ("a".to_owned(), Values::Int(vec![None])),
        ]);
        let bytes = question(&signature.unwrap(), &table.unwrap()).unwrap();
        let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
        let (header, content) = rest.split_at(u32::from_le_bytes(*length) as usize);
        let header: serde_json::Value = serde_json::from_slice(header).unwrap();
        assert_eq!(
            header,
            json!({"rows": 1, "columns": [
                {"kind": "number", "bytes": 8}, {"kind": "int", "bytes": 8}, {"kind": "bool", "bytes": 1},
                {"kind": "text", "bytes": 31}, {"kind": "absent", "bytes": 0},
            ]})
        );
        assert!(f64::from_le_bytes(content[..8].try_into().unwrap()).is_nan());
        assert_eq!(content[8..17], [7, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(content[17..], *b"\x1b\0\0\x001970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let column = |kind: &str, bytes: u64| json!({"columns": [{"name": "y", "kind": kind, "bytes": bytes}]});
        let values = |values| Some(Reply::Columns(vec![("y".to_owned(), values)]));
        for (bytes, expected) in [
            (framed(&column("number", 8), &1.5_f64.to_le_bytes()), values(Values::Number(vec![1.5]))),
            (framed(&column("int", 8), &7_i64.to_le_bytes()), values(Values::Int(vec![Some(7)]))),
            (framed(&column("bool", 1), &[1]), values(Values::Bool(vec![Some(true)]))),
            (framed(&column("text", 6), b"\x02\0\0\0ab"), values(Values::Text(vec![Some("ab".to_owned())]))),
            (framed(&column("text", 4), &[0xff; 4]), values(Values::Text(vec![None]))),
            (
                framed(&json!({"error": "KeyError: 'x'", "asker": true}), &[]),
                Some(Reply::Error { text: "KeyError: 'x'".to_owned(), asker: true }),
            ),
            (framed(&json!({"ready": true}), &[]), Some(Reply::Columns(Vec::new()))),
            (framed(&column("number", 16), &[0; 16]), None),
            (framed(&column("number", 9), &[0; 9]), None),
            (framed(&column("number", 8), &[0; 7]), None),
            (framed(&column("bool", 2), &[1, 1]), None),
            (framed(&column("text", 6), b"\x03\0\0\0ab"), None),
            (framed(&column("text", 6), b"\x01\0\0\0ab"), None),
            (framed(&column("text", 5), b"\x01\0\0\0\xff"), None),
            (framed(&column("text", 2), b"ab"), None),
            (framed(&column("absent", 0), b""), None),
            (framed(&column("object", 0), b""), None),
            (framed(&column("number", u64::MAX), b""), None),
            (b"\xff\xff\xff\xff".to_vec(), None),
            (b"\x02\0\0\0{".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(reply(&mut &bytes[..], 1).ok(), expected, "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
