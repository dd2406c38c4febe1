//! Frames: a length, a number, and a question or a reply in bytes.

use bytes::{Buf as _, BytesMut};
use http::StatusCode;
use windlass_data::table::Table;

use crate::{
    columns::{Cursor, empty, put_length, put_text, put_values, tag, take_values},
    model::Signature,
};

/// The bytes before a frame's content: the content's length in four, the number of the question in eight.
const HEAD: usize = 12;

/// What a model server answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// A row for each row of the question.
    Predictions(Table),
    /// The status that HTTP has for it, and why.
    Refused(StatusCode, String),
}

/// Puts a frame's content behind its head.
pub(super) fn put(out: &mut BytesMut, number: u64, content: &[u8]) {
    let length = u32::try_from(content.len()).expect("a question or reply is far smaller than 4 GiB");
    out.reserve(HEAD + content.len());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(content);
}

/// What is at the beginning of what was read.
pub(super) enum First {
    /// A whole frame, which was taken off: its number and content.
    Whole(u64, BytesMut),
    /// The beginning of one.
    Partial,
    /// The beginning of one whose content has more bytes than may be.
    TooLarge(u64),
}

/// Takes the first frame off what was read.
pub(super) fn take(input: &mut BytesMut, max: usize) -> First {
    let mut head = Cursor(input);
    let (Some(length), Some(number)) = (head.length(), head.u64()) else { return First::Partial };
    if length > max {
        return First::TooLarge(number);
    }
    if input.len() < HEAD + length {
        return First::Partial;
    }
    input.advance(HEAD);
    First::Whole(number, input.split_to(length))
}

/// Writes a question: rows that have columns of the signature, each under its place there.
pub(crate) fn question(signature: &Signature, rows: &Table) -> Vec<u8> {
    let columns = signature.columns();
    let mut out = Vec::with_capacity(16 + rows.columns().len() * (5 + rows.rows() * 9));
    put_length(&mut out, rows.rows());
    for (at, (name, values)) in rows.columns().iter().enumerate() {
        let is_named = |place: &usize| columns.get(*place).is_some_and(|column| column.name == *name);
        let Some(place) = Some(at).filter(is_named).or_else(|| (0..columns.len()).find(is_named)) else { continue };
        put_length(&mut out, place);
        out.push(tag(values));
        put_values(&mut out, values);
    }
    out
}

/// Reads a question. None where it is none.
pub(crate) fn read_question(signature: &Signature, content: &[u8]) -> Option<Table> {
    let mut cursor = Cursor(content);
    let rows = cursor.length()?;
    let mut columns = Vec::with_capacity(signature.columns().len());
    while !cursor.0.is_empty() {
        let column = signature.columns().get(cursor.length()?)?;
        let mut values = empty(*cursor.take(1)?.first()?)?;
        take_values(&mut cursor, rows, &mut values)?;
        columns.push((column.name.clone(), values));
    }
    Table::new(columns).ok().filter(|table| table.rows() == rows)
}

/// Writes a reply.
pub(crate) fn reply(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Predictions(table) => {
            let mut out = Vec::with_capacity(16 + table.columns().len() * (24 + table.rows() * 9));
            out.extend_from_slice(&0_u16.to_le_bytes());
            put_length(&mut out, table.rows());
            for (name, values) in table.columns() {
                put_text(&mut out, Some(name));
                out.push(tag(values));
                put_values(&mut out, values);
            }
            out
        }
        Reply::Refused(status, why) => [&status.as_u16().to_le_bytes(), why.as_bytes()].concat(),
    }
}

/// Reads a reply to a question of so many rows. None where it is none.
pub(crate) fn read_reply(content: &[u8], rows: usize) -> Option<Reply> {
    let mut cursor = Cursor(content);
    match u16::from_le_bytes(cursor.take(2)?.try_into().ok()?) {
        0 => {}
        status => {
            let why = String::from_utf8_lossy(cursor.0).into_owned();
            return Some(Reply::Refused(StatusCode::from_u16(status).ok()?, why));
        }
    }
    if cursor.length()? != rows {
        return None;
    }
    let mut columns = Vec::new();
    while !cursor.0.is_empty() {
        let name = cursor.text()??.to_owned();
        let mut values = empty(*cursor.take(1)?.first()?)?;
        take_values(&mut cursor, rows, &mut values)?;
        columns.push((name, values));
    }
    Table::new(columns).ok().map(Reply::Predictions)
}

#[cfg(test)]
mod tests {
    use windlass_data::table::Values;

    use super::*;

    fn signature() -> Signature {
        let columns = serde_json::json!([
            {"type": "double", "name": "a"}, {"type": "float", "name": "b", "required": false},
            {"type": "long", "name": "c"}, {"type": "string", "name": "d"}, {"type": "boolean", "name": "e"}
        ]);
        Signature::parse(&columns).unwrap()
    }

    fn table() -> Table {
        Table::new(vec![
            ("a".to_owned(), Values::Number(vec![1.5, f64::INFINITY])),
            ("c".to_owned(), Values::Int(vec![Some(-7), None])),
            ("d".to_owned(), Values::Text(vec![Some("ü".to_owned()), None])),
            ("e".to_owned(), Values::Bool(vec![Some(true), None])),
        ])
        .unwrap()
    }

    #[test]
    fn questions_and_replies_come_back_as_they_were() {
        let signature = signature();
        let (rows, refused) = (table(), Reply::Refused(StatusCode::BAD_REQUEST, "what".to_owned()));
        assert_eq!(read_question(&signature, &question(&signature, &rows)).unwrap(), rows);
        for sent in [Reply::Predictions(rows), refused] {
            assert_eq!(read_reply(&reply(&sent), 2).unwrap(), sent);
        }
        assert_eq!(read_reply(&reply(&Reply::Predictions(table())), 3), None);
    }

    #[test]
    fn what_was_cut_is_none() {
        let signature = signature();
        let whole = question(&signature, &table());
        // The ends of columns: what is there then is a question without the last ones, for the model to refuse.
        let mut is_whole = vec![];
        for length in 0..whole.len() {
            if read_question(&signature, &whole[..length]).is_some() {
                is_whole.push(length);
            }
        }
        assert_eq!(is_whole.len(), 3, "{is_whole:?}");
        // A length that nothing is behind.
        assert_eq!(read_question(&signature, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, b'n']), None);
        assert_eq!(read_reply(&[0, 0, 2, 0, 0, 0, 9, 9, 9, 9], 2), None);
    }

    #[test]
    fn frames_are_taken_off_one_by_one() {
        let mut input = BytesMut::new();
        put(&mut input, 7, b"seven");
        put(&mut input, 8, b"");
        input.extend_from_slice(&[1, 0]);
        let mut taken = Vec::new();
        while let First::Whole(number, content) = take(&mut input, 5) {
            taken.push((number, content.to_vec()));
        }
        assert_eq!(taken, [(7, b"seven".to_vec()), (8, vec![])]);
        assert_eq!(input.len(), 2);
        let mut input = BytesMut::new();
        put(&mut input, 9, b"longer");
        assert!(matches!(take(&mut input, 5), First::TooLarge(9)));
    }
}
