//! Columns as bytes, as our own processes and files hand them to one another.
//!
//! Integers are little-endian. What is read may be torn or wrong: no length in it is believed before the bytes are there.

use windlass_data::table::Values;

/// Written in place of a text's length where there is no text.
const NO_TEXT: u32 = u32::MAX;

/// Returns the letter that stands for a type.
pub(crate) fn tag(values: &Values) -> u8 {
    match values {
        Values::Number(_) => b'n',
        Values::Int(_) => b'i',
        Values::Text(_) => b't',
        Values::Time(_) => b'm',
        Values::Bool(_) => b'b',
    }
}

/// Returns a column without values of the type that a letter stands for.
pub(crate) fn empty(tag: u8) -> Option<Values> {
    Some(match tag {
        b'n' => Values::Number(Vec::new()),
        b'i' => Values::Int(Vec::new()),
        b't' => Values::Text(Vec::new()),
        b'm' => Values::Time(Vec::new()),
        b'b' => Values::Bool(Vec::new()),
        _ => return None,
    })
}

/// Writes a length.
pub(crate) fn put_length(frame: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a request is far smaller than 4 GiB");
    frame.extend_from_slice(&length.to_le_bytes());
}

/// Writes a text, or that there is none.
pub(crate) fn put_text(frame: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => frame.extend_from_slice(&NO_TEXT.to_le_bytes()),
        Some(text) => {
            put_length(frame, text.len());
            frame.extend_from_slice(text.as_bytes());
        }
    }
}

/// Writes the values of a column.
pub(crate) fn put_values(frame: &mut Vec<u8>, values: &Values) {
    match values {
        Values::Number(values) => values.iter().for_each(|value| frame.extend_from_slice(&value.to_le_bytes())),
        Values::Int(values) | Values::Time(values) => {
            for value in values {
                frame.push(u8::from(value.is_some()));
                if let Some(value) = value {
                    frame.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
        Values::Text(values) => values.iter().for_each(|value| put_text(frame, value.as_deref())),
        Values::Bool(values) => frame.extend(values.iter().map(|value| value.map_or(2, u8::from))),
    }
}

/// Reads so many values onto the end of a column. None where they are not there or not of its type.
pub(crate) fn take_values(cursor: &mut Cursor<'_>, rows: usize, values: &mut Values) -> Option<()> {
    for _ in 0..rows {
        match values {
            Values::Number(values) => values.push(f64::from_bits(cursor.u64()?)),
            Values::Int(values) | Values::Time(values) => values.push(match cursor.take(1)? {
                [0] => None,
                _ => Some(cursor.i64()?),
            }),
            Values::Text(values) => values.push(cursor.text()?.map(str::to_owned)),
            Values::Bool(values) => values.push(match cursor.take(1)? {
                [0] => Some(false),
                [1] => Some(true),
                _ => None,
            }),
        }
    }
    Some(())
}

/// What is left of some bytes to be read; None where too few are left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(crate) fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// Returns a text, which may be told to be none.
    pub(crate) fn text(&mut self) -> Option<Option<&'a str>> {
        match self.u32()? {
            NO_TEXT => Some(None),
            length => Some(Some(str::from_utf8(self.take(usize::try_from(length).ok()?)?).ok()?)),
        }
    }
}
