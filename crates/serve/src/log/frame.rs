//! How predictions lie in a segment: frames of a length, a checksum, and the rows of one request, column by column.
//!
//! A frame tells the names and types of its columns itself, so that versions with different inputs share a segment and
//! nothing has to be remembered between two frames. Integers are little-endian. What is read back may be torn: no length
//! in it is believed before the bytes are there.

use windlass_data::table::Values;
use windlass_kinds::Micros;

use crate::columns::{Cursor, empty, put_length, put_text, put_values, tag, take_values};

/// The bytes before a frame's payload: its length and its CRC-32 (ISO-HDLC), both `u32`.
const HEAD: usize = 8;

/// The predictions of one request, as they are logged.
#[derive(Debug, Clone, Copy)]
pub struct Prediction<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// When it was answered.
    pub at: Micros,
    /// The version of the model that answered.
    pub model_version: u32,
    /// The names of the rows, in their order.
    pub row_ids: &'a [String],
    /// Inputs and outputs by the names they are kept under, each as long as `row_ids`.
    pub columns: &'a [(&'a str, &'a Values)],
}

/// Returns the frame of a request's predictions.
///
/// # Panics
/// Where a column has another length than `row_ids`: the caller made them of one table.
pub(super) fn encode(prediction: &Prediction<'_>) -> Vec<u8> {
    let Prediction { request_id, at, model_version, row_ids, columns } = *prediction;
    let mut frame = Vec::with_capacity(64 + row_ids.len() * 24 + columns.len() * (24 + row_ids.len() * 9));
    frame.extend_from_slice(&[0; HEAD]);
    frame.extend_from_slice(&at.0.to_le_bytes());
    frame.extend_from_slice(&model_version.to_le_bytes());
    put_length(&mut frame, row_ids.len());
    put_text(&mut frame, Some(request_id));
    put_length(&mut frame, columns.iter().map(|(name, _)| 5 + name.len()).sum());
    for (name, values) in columns {
        frame.push(tag(values));
        put_text(&mut frame, Some(name));
    }
    for id in row_ids {
        put_text(&mut frame, Some(id));
    }
    for (name, values) in columns {
        assert_eq!(values.len(), row_ids.len(), "column `{name}` has a value for each row");
        put_values(&mut frame, values);
    }
    let length = u32::try_from(frame.len() - HEAD).expect("a request is far smaller than 4 GiB");
    let sum = crc32fast::hash(&frame[HEAD..]);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..HEAD].copy_from_slice(&sum.to_le_bytes());
    frame
}

/// A frame that was read back, its checksum seen to be right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) request_id: &'a str,
    pub(super) at: Micros,
    pub(super) model_version: u32,
    pub(super) rows: usize,
    /// Names and types of the columns, as bytes: equal where those are.
    pub(super) schema: &'a [u8],
    values: &'a [u8],
}

/// Returns the first frame of `bytes` and its whole length; None where none is complete and right there.
pub(super) fn first(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let mut head = Cursor(bytes);
    let (length, sum) = (head.length()?, head.u32()?);
    let payload = head.take(length)?;
    if crc32fast::hash(payload) != sum {
        return None;
    }
    let mut cursor = Cursor(payload);
    let (at, model_version, rows) = (cursor.i64()?, cursor.u32()?, cursor.length()?);
    let request_id = cursor.text()??;
    let schema_length = cursor.length()?;
    let schema = cursor.take(schema_length)?;
    let frame = Frame { request_id, at: Micros(at), model_version, rows, schema, values: cursor.0 };
    Some((frame, HEAD + length))
}

impl Frame<'_> {
    /// Returns the columns that its schema tells, without values. None where it tells none that we know.
    pub(super) fn empty_columns(&self) -> Option<Vec<(String, Values)>> {
        let mut cursor = Cursor(self.schema);
        let mut columns = Vec::new();
        while !cursor.0.is_empty() {
            let values = empty(*cursor.take(1)?.first()?)?;
            columns.push((cursor.text()??.to_owned(), values));
        }
        Some(columns)
    }

    /// Adds the names of its rows, and its values to columns of its schema. None where they are not as the schema says;
    /// what was added by then is to be thrown away.
    pub(super) fn append(&self, row_ids: &mut Vec<Option<String>>, columns: &mut [(String, Values)]) -> Option<()> {
        let mut cursor = Cursor(self.values);
        for _ in 0..self.rows {
            row_ids.push(Some(cursor.text()??.to_owned()));
        }
        for (_, values) in columns {
            take_values(&mut cursor, self.rows, values)?;
        }
        cursor.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<(&'static str, Values)> {
        vec![
            ("temp", Values::Number(vec![1.5, f64::NAN])),
            ("hour", Values::Int(vec![Some(-7), None])),
            ("carrier", Values::Text(vec![None, Some("ÜA".to_owned())])),
            ("time_hour", Values::Time(vec![Some(1_362_132_000_000_000), None])),
            ("late", Values::Bool(vec![Some(true), None])),
        ]
    }

    fn encoded() -> Vec<u8> {
        let owned = sample();
        let columns: Vec<(&str, &Values)> = owned.iter().map(|(name, values)| (*name, values)).collect();
        encode(&Prediction {
            request_id: "r-1",
            at: Micros(17),
            model_version: 3,
            row_ids: &["a/1".to_owned(), "b/2".to_owned()],
            columns: &columns,
        })
    }

    #[test]
    fn frames_come_back_as_they_were() {
        let bytes = [encoded(), encoded()].concat();
        let (frame, length) = first(&bytes).expect("a frame");
        assert_eq!(length * 2, bytes.len());
        assert_eq!((frame.request_id, frame.at, frame.model_version, frame.rows), ("r-1", Micros(17), 3, 2));
        let mut columns = frame.empty_columns().expect("columns");
        let mut ids = Vec::new();
        frame.append(&mut ids, &mut columns).expect("values");
        assert_eq!(ids, [Some("a/1".to_owned()), Some("b/2".to_owned())]);
        // Debug text, because NaN equals nothing.
        let expected: Vec<(String, Values)> =
            sample().into_iter().map(|(name, values)| (name.into(), values)).collect();
        assert_eq!(format!("{columns:?}"), format!("{expected:?}"));
    }

    #[test]
    fn a_frame_that_was_cut_or_changed_is_none() {
        let bytes = encoded();
        for length in 0..bytes.len() {
            assert!(first(&bytes[..length]).is_none(), "cut at {length}");
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x10;
            assert!(first(&changed).is_none(), "changed at {place}");
        }
    }
}
