//! One value of a file, and the families of types that expectations speak of; the same for all formats.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};
use windlass_kinds::manifest::ColumnType;

/// The longest value that is repeated in a failure, in characters.
const SHOWN_MAX: usize = 60;

/// One value, borrowed from the reader's buffers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    /// No value. NaN counts as one.
    Null,
    /// True or false.
    Boolean(bool),
    /// Any integer.
    Integer(i128),
    /// A floating-point number.
    Float(f64),
    /// `unscaled * 10^-scale`.
    Decimal { unscaled: i128, scale: i32 },
    /// UTF-8 text.
    Text(&'a str),
    /// Days since 1970-01-01.
    Date(i32),
    /// Nanoseconds since 1970-01-01T00:00:00, with or without a zone.
    Timestamp(i128),
    /// Bytes without meaning to us.
    Bytes(&'a [u8]),
    /// A value that is not of the type that was expected, as it stands in the file.
    Misfit(&'a str),
}

/// The bytes of one cell within a key.
pub(crate) const KEY_CELL: usize = 17;

impl<'a> Cell<'a> {
    /// Returns the value as a number, where it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match *self {
            Self::Integer(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            Self::Decimal { unscaled, scale } => Some(unscaled as f64 / 10_f64.powi(scale)),
            Self::Null
            | Self::Boolean(_)
            | Self::Text(_)
            | Self::Date(_)
            | Self::Timestamp(_)
            | Self::Bytes(_)
            | Self::Misfit(_) => None,
        }
    }

    /// Returns whether it counts as null.
    pub(crate) fn is_null(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Float(value) => value.is_nan(),
            Self::Boolean(_)
            | Self::Integer(_)
            | Self::Decimal { .. }
            | Self::Text(_)
            | Self::Date(_)
            | Self::Timestamp(_)
            | Self::Bytes(_)
            | Self::Misfit(_) => false,
        }
    }

    /// Returns the value as text, as a manifest would write it.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        match *self {
            Self::Null => Cow::Borrowed("null"),
            Self::Boolean(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Self::Integer(value) => Cow::Owned(value.to_string()),
            Self::Float(value) => Cow::Owned(value.to_string()),
            Self::Decimal { unscaled, scale } => Cow::Owned(decimal(unscaled, scale)),
            Self::Text(text) | Self::Misfit(text) => Cow::Borrowed(text),
            Self::Date(days) => Cow::Owned(day(days)),
            Self::Timestamp(nanoseconds) => Cow::Owned(instant(nanoseconds)),
            Self::Bytes(bytes) => Cow::Owned(format!("{} bytes", bytes.len())),
        }
    }

    /// Returns a fixed number of bytes that are equal for equal values of one column, and differ for others.
    ///
    /// Long values are hashed (SHA-256, 128 bits kept), so that no row takes more memory than another.
    pub(crate) fn key(&self) -> [u8; KEY_CELL] {
        let mut key = [0; KEY_CELL];
        let mut put = |tag: u8, value: i128| {
            key[0] = tag;
            key[1..].copy_from_slice(&value.to_le_bytes());
        };
        match *self {
            _ if self.is_null() => {}
            Self::Null => {}
            Self::Boolean(value) => put(1, i128::from(value)),
            Self::Integer(value) => put(2, value),
            // Adding zero makes one zero of the two.
            Self::Float(value) => put(3, i128::from((value + 0.0).to_bits())),
            Self::Decimal { unscaled, scale: _ } => put(4, unscaled),
            Self::Date(days) => put(5, i128::from(days)),
            Self::Timestamp(nanoseconds) => put(6, nanoseconds),
            Self::Text(text) | Self::Misfit(text) => put(7, i128::from_le_bytes(short_hash(text.as_bytes()))),
            Self::Bytes(bytes) => put(8, i128::from_le_bytes(short_hash(bytes))),
        }
        key
    }
}

/// Returns the first 16 bytes of the SHA-256 digest.
pub(crate) fn short_hash(bytes: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

fn decimal(unscaled: i128, scale: i32) -> String {
    let Ok(scale) = usize::try_from(scale) else { return (unscaled as f64 / 10_f64.powi(scale)).to_string() };
    if scale == 0 || scale > 100 {
        return if scale == 0 { unscaled.to_string() } else { format!("{unscaled}e-{scale}") };
    }
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{part}", if unscaled < 0 { "-" } else { "" })
}

fn day(days: i32) -> String {
    let span = jiff::Span::new().try_days(days);
    match span.and_then(|span| jiff::civil::date(1970, 1, 1).checked_add(span)) {
        Ok(date) => date.to_string(),
        Err(_) => format!("day {days}"),
    }
}

fn instant(nanoseconds: i128) -> String {
    match jiff::Timestamp::from_nanosecond(nanoseconds) {
        Ok(timestamp) => timestamp.to_string(),
        Err(_) => format!("{nanoseconds}ns"),
    }
}

/// Returns `text` fit for a message: escaped, in backquotes, cut where it is long.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::from("`");
    let mut characters = text.chars();
    for character in characters.by_ref().take(SHOWN_MAX) {
        if character.is_control() { out.extend(character.escape_default()) } else { out.push(character) }
    }
    out.push('`');
    if characters.next().is_some() {
        out.push('…');
    }
    out
}

/// A column as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundColumn {
    /// Its name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) family: Family,
}

/// What type a column has in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Family {
    /// The format has no types of its own; each value is read as what is expected of it.
    Untyped,
    /// A column of nulls only, which fits every type.
    Null,
    /// Any integer.
    Integer,
    /// Floating-point or decimal.
    Float,
    /// UTF-8 text.
    String,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// An instant.
    Timestamp,
    /// Single values of another type, in the words of the format: `binary`, `time`.
    Other(String),
    /// Lists, maps and structures, in the words of the format. No rule on values applies to them.
    Nested(String),
}

impl Family {
    /// Returns the word for people.
    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Untyped => "untyped",
            Self::Null => "null",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Other(word) | Self::Nested(word) => word,
        }
    }

    /// Returns whether values of this family can be of type `wanted`.
    pub(crate) fn fits(&self, wanted: ColumnType) -> bool {
        match self {
            Self::Untyped | Self::Null => true,
            Self::Integer => matches!(wanted, ColumnType::Integer | ColumnType::Number),
            Self::Float => matches!(wanted, ColumnType::Float | ColumnType::Number),
            Self::String => wanted == ColumnType::String,
            Self::Boolean => wanted == ColumnType::Boolean,
            Self::Date => wanted == ColumnType::Date,
            Self::Timestamp => wanted == ColumnType::Timestamp,
            Self::Other(_) | Self::Nested(_) => false,
        }
    }

    /// Returns whether its values have an order among the numbers.
    pub(crate) fn is_numeric(&self) -> bool {
        self.fits(ColumnType::Number)
    }
}

/// Returns the word that a manifest uses for a type.
pub(crate) fn word_of(data_type: ColumnType) -> &'static str {
    match data_type {
        ColumnType::Integer => "integer",
        ColumnType::Float => "float",
        ColumnType::Number => "number",
        ColumnType::String => "string",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_write_them() {
        for (cell, text) in [
            (Cell::Integer(-5), "-5"),
            (Cell::Float(1.0), "1"),
            (Cell::Float(0.1), "0.1"),
            (Cell::Decimal { unscaled: -1234, scale: 2 }, "-12.34"),
            (Cell::Decimal { unscaled: 5, scale: 3 }, "0.005"),
            (Cell::Decimal { unscaled: 5, scale: 0 }, "5"),
            (Cell::Decimal { unscaled: 5, scale: -2 }, "500"),
            (Cell::Date(15_706), "2013-01-01"),
            (Cell::Date(i32::MIN), "day -2147483648"),
            (Cell::Timestamp(1_357_000_000_000_000_000), "2013-01-01T00:26:40Z"),
            (Cell::Timestamp(i128::MAX), "170141183460469231731687303715884105727ns"),
        ] {
            assert_eq!(cell.text(), text);
        }
        assert_eq!(shown("a\u{1b}b"), "`a\\u{1b}b`");
        assert_eq!(shown(&"x".repeat(61)), format!("`{}`…", "x".repeat(60)));
    }

    #[test]
    fn keys_tell_values_apart() {
        let long = "x".repeat(100);
        let cells = [
            Cell::Null,
            Cell::Boolean(false),
            Cell::Integer(0),
            Cell::Float(0.0),
            Cell::Float(0.5),
            Cell::Text(""),
            Cell::Text("a"),
            Cell::Text(&long),
            Cell::Text(&long[1..]),
            Cell::Date(0),
            Cell::Timestamp(0),
            Cell::Bytes(b"a"),
        ];
        for (i, a) in cells.iter().enumerate() {
            for (j, b) in cells.iter().enumerate() {
                assert_eq!(a.key() == b.key(), i == j, "{a:?} {b:?}");
            }
        }
        assert_eq!(Cell::Float(f64::NAN).key(), Cell::Null.key());
        assert_eq!(Cell::Float(-0.0).key(), Cell::Float(0.0).key());
    }
}
