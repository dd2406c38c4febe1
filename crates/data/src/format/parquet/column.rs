//! Decodes one column of a row group, a batch of rows at a time, into cells.

use parquet::{
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, DataType, Int96},
    errors::Result as ParquetResult,
};

use super::meaning::Meaning;
use crate::judge::Cell;

/// A column that is being decoded.
pub(super) struct Column {
    /// How its values become cells.
    pub(super) meaning: Meaning,
    /// Whether values may be null.
    pub(super) nullable: bool,
    /// The decoder, over the pages of one row group.
    pub(super) reader: ColumnReader,
}

impl Column {
    /// Decodes up to `rows` rows and calls `see` with the place of each in the batch and its value. Returns how many
    /// there were; fewer than asked for means the row group ends.
    pub(super) fn batch(&mut self, rows: usize, see: &mut impl FnMut(usize, Cell<'_>)) -> ParquetResult<usize> {
        let meaning = self.meaning;
        let nullable = self.nullable;
        match &mut self.reader {
            ColumnReader::BoolColumnReader(reader) => {
                decode(reader, rows, nullable, &mut |row, value: Option<&bool>| {
                    see(row, value.map_or(Cell::Null, |value| Cell::Boolean(*value)));
                })
            }
            ColumnReader::Int32ColumnReader(reader) => {
                decode(reader, rows, nullable, &mut |row, value: Option<&i32>| {
                    see(
                        row,
                        value.map_or(Cell::Null, |value| {
                            let unsigned = i128::from(value.cast_unsigned());
                            integer(meaning, i128::from(*value), unsigned)
                        }),
                    );
                })
            }
            ColumnReader::Int64ColumnReader(reader) => {
                decode(reader, rows, nullable, &mut |row, value: Option<&i64>| {
                    see(
                        row,
                        value.map_or(Cell::Null, |value| {
                            let unsigned = i128::from(value.cast_unsigned());
                            integer(meaning, i128::from(*value), unsigned)
                        }),
                    );
                })
            }
            ColumnReader::Int96ColumnReader(reader) => {
                decode(reader, rows, nullable, &mut |row, value: Option<&Int96>| {
                    see(row, value.map_or(Cell::Null, |value| Cell::Timestamp(i128::from(value.to_nanos()))));
                })
            }
            ColumnReader::FloatColumnReader(reader) => {
                decode(reader, rows, nullable, &mut |row, value: Option<&f32>| {
                    see(row, value.map_or(Cell::Null, |value| Cell::Float(f64::from(*value))));
                })
            }
            ColumnReader::DoubleColumnReader(reader) => {
                decode(reader, rows, nullable, &mut |row, value: Option<&f64>| {
                    see(row, value.map_or(Cell::Null, |value| Cell::Float(*value)));
                })
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                decode(reader, rows, nullable, &mut |row, value: Option<&ByteArray>| {
                    bytes(meaning, value.map(ByteArray::data), |cell| see(row, cell));
                })
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                decode(reader, rows, nullable, &mut |row, value: Option<&parquet::data_type::FixedLenByteArray>| {
                    bytes(meaning, value.map(|value| value.data()), |cell| see(row, cell));
                })
            }
        }
    }
}

fn decode<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    nullable: bool,
    see: &mut impl FnMut(usize, Option<&T::T>),
) -> ParquetResult<usize> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (read, _, _) = reader.read_records(rows, nullable.then_some(&mut levels), None, &mut values)?;
    let mut values = values.iter();
    for row in 0..read {
        let present = !nullable || levels.get(row).is_some_and(|level| *level > 0);
        see(row, if present { values.next() } else { None });
    }
    Ok(read)
}

fn integer(meaning: Meaning, signed: i128, unsigned: i128) -> Cell<'static> {
    match meaning {
        Meaning::Null => Cell::Null,
        Meaning::Unsigned => Cell::Integer(unsigned),
        Meaning::Decimal(scale) => Cell::Decimal { unscaled: signed, scale },
        // A date is stored in 32 bits; in a file that says otherwise the number is what is left.
        Meaning::Date => i32::try_from(signed).map_or(Cell::Integer(signed), Cell::Date),
        Meaning::Timestamp(unit) => Cell::Timestamp(signed * i128::from(unit)),
        Meaning::Signed | Meaning::Boolean | Meaning::Float | Meaning::Half | Meaning::Text | Meaning::Bytes => {
            Cell::Integer(signed)
        }
    }
}

fn bytes(meaning: Meaning, value: Option<&[u8]>, see: impl FnOnce(Cell<'_>)) {
    let Some(value) = value else { return see(Cell::Null) };
    match meaning {
        Meaning::Null => see(Cell::Null),
        Meaning::Text => match std::str::from_utf8(value) {
            Ok(text) => see(Cell::Text(text)),
            Err(_) => see(Cell::Misfit("text that is not UTF-8")),
        },
        Meaning::Half => match value {
            [low, high] => see(Cell::Float(half(u16::from_le_bytes([*low, *high])))),
            _ => see(Cell::Misfit("a number of 16 bits that has others")),
        },
        Meaning::Decimal(scale) => match wide(value) {
            Some(unscaled) => see(Cell::Decimal { unscaled, scale }),
            None => see(Cell::Misfit("a decimal of more than 38 digits")),
        },
        Meaning::Boolean
        | Meaning::Signed
        | Meaning::Unsigned
        | Meaning::Float
        | Meaning::Date
        | Meaning::Timestamp(_)
        | Meaning::Bytes => see(Cell::Bytes(value)),
    }
}

/// Reads a big-endian integer in two's complement.
fn wide(bytes: &[u8]) -> Option<i128> {
    let fill = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let extra = bytes.len().saturating_sub(16);
    let (head, tail) = bytes.split_at(extra);
    let mut whole = [fill; 16];
    whole[16 - tail.len()..].copy_from_slice(tail);
    let value = i128::from_be_bytes(whole);
    (head.iter().all(|byte| *byte == fill) && (head.is_empty() || (value < 0) == (fill == 0xff))).then_some(value)
}

/// Reads IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f64::from(bits & 0x3ff);
    match (bits >> 10) & 0x1f {
        0 => sign * fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        exponent => sign * (1.0 + fraction / 1024.0) * 2_f64.powi(i32::from(exponent) - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_integers_and_halves() {
        for (bytes, expected) in [
            (&[][..], Some(0)),
            (&[5], Some(5)),
            (&[0xff], Some(-1)),
            (&[0x80, 0], Some(-32768)),
            (&[[0; 4], [0; 4], [0; 4], [0; 4], [0, 0, 0, 7]].concat(), Some(7)),
            (&[[0xff; 4], [0xff; 4], [0xff; 4], [0xff; 4], [0xff; 4]].concat(), Some(-1)),
            (&[[0, 0, 0, 1], [0; 4], [0; 4], [0; 4], [0; 4]].concat(), None),
            (&[[0; 4], [0x80, 0, 0, 0], [0; 4], [0; 4], [0; 4]].concat(), None),
        ] {
            assert_eq!(wide(bytes), expected, "{bytes:?}");
        }
        for (bits, expected) in
            [(0, 0.0), (0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (1, 2_f64.powi(-24)), (0x7c00, f64::INFINITY)]
        {
            assert_eq!(half(bits), expected);
        }
        assert!(half(0x7e00).is_nan());
    }
}
