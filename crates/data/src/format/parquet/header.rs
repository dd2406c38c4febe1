//! Page headers, in Thrift's compact protocol.
//!
//! The parquet crate reads these itself, but reserves what a header claims before it looks whether that can be, which
//! one flipped bit turns into an abort of the process. So headers are read here, from a slice of bounded length and
//! without allocation. Fields are those of `parquet.thrift` (`PageHeader` and below).

use parquet::basic::Encoding;

/// The longest page header that is read. Statistics make headers long; more than this no writer needs.
pub(super) const HEADER_MAX: usize = 1 << 20;

/// The deepest nesting of values that are skipped.
const DEPTH_MAX: u8 = 16;

/// What a header says of its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Bytes of the page in the file, after the header.
    pub(super) compressed: usize,
    /// Bytes of the page once decompressed.
    pub(super) uncompressed: usize,
    /// CRC-32 of the bytes in the file, where the writer gave one.
    pub(super) crc: Option<u32>,
    /// What kind of page.
    pub(super) kind: PageKind,
}

/// The kinds of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    /// Values and their levels.
    Data { values: u32, encoding: Encoding, definition: Encoding, repetition: Encoding },
    /// The same in the second version of the format.
    DataV2 {
        values: u32,
        nulls: u32,
        rows: u32,
        encoding: Encoding,
        definition_bytes: u32,
        repetition_bytes: u32,
        is_compressed: bool,
    },
    /// The distinct values that data pages point to.
    Dictionary { values: u32, encoding: Encoding, is_sorted: bool },
    /// Anything else; to be skipped.
    Other,
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// The slice ends within the header.
    Short,
    /// The bytes cannot be a header.
    Wrong(&'static str),
}

/// Reads the header at the start of `bytes` and returns it with its length in bytes.
pub(super) fn parse(bytes: &[u8]) -> Result<(PageHeader, usize), HeaderError> {
    let mut thrift = Thrift { bytes, at: 0 };
    let (mut page_type, mut uncompressed, mut compressed, mut crc) = (None, None, None, None);
    let (mut data, mut data_v2, mut dictionary) = (None, None, None);
    thrift.fields(|thrift, id, kind| {
        match (id, kind) {
            (1, I32) => page_type = Some(thrift.int()?),
            (2, I32) => uncompressed = Some(thrift.int()?),
            (3, I32) => compressed = Some(thrift.int()?),
            (4, I32) => crc = Some(thrift.int()?.cast_unsigned()),
            (5, STRUCT) => data = Some(data_page(thrift)?),
            (7, STRUCT) => dictionary = Some(dictionary_page(thrift)?),
            (8, STRUCT) => data_v2 = Some(data_page_v2(thrift)?),
            _ => thrift.skip(kind, 0)?,
        }
        Ok(())
    })?;
    let kind = match (page_type, data, dictionary, data_v2) {
        (Some(0), Some(data), _, _) => data,
        (Some(2), _, Some(dictionary), _) => dictionary,
        (Some(3), _, _, Some(data_v2)) => data_v2,
        (Some(0 | 2 | 3), _, _, _) => return Err(HeaderError::Wrong("a page header without its body")),
        (Some(_), _, _, _) => PageKind::Other,
        (None, _, _, _) => return Err(HeaderError::Wrong("a page header without a type")),
    };
    let size = |value: Option<i32>| {
        value.and_then(|value| usize::try_from(value).ok()).ok_or(HeaderError::Wrong("a page without a possible size"))
    };
    let header = PageHeader { compressed: size(compressed)?, uncompressed: size(uncompressed)?, crc, kind };
    Ok((header, thrift.at))
}

fn data_page(thrift: &mut Thrift<'_>) -> Result<PageKind, HeaderError> {
    let (mut values, mut encoding, mut definition, mut repetition) = (None, None, None, None);
    thrift.fields(|thrift, id, kind| {
        match (id, kind) {
            (1, I32) => values = Some(thrift.count()?),
            (2, I32) => encoding = Some(thrift.encoding()?),
            (3, I32) => definition = Some(thrift.encoding()?),
            (4, I32) => repetition = Some(thrift.encoding()?),
            _ => thrift.skip(kind, 0)?,
        }
        Ok(())
    })?;
    match (values, encoding, definition, repetition) {
        (Some(values), Some(encoding), Some(definition), Some(repetition)) => {
            Ok(PageKind::Data { values, encoding, definition, repetition })
        }
        _ => Err(HeaderError::Wrong("a data page header that lacks a field")),
    }
}

fn data_page_v2(thrift: &mut Thrift<'_>) -> Result<PageKind, HeaderError> {
    let mut counts = [None; 5];
    let (mut encoding, mut is_compressed) = (None, true);
    thrift.fields(|thrift, id, kind| {
        match (id, kind) {
            (1, I32) => counts[0] = Some(thrift.count()?),
            (2, I32) => counts[1] = Some(thrift.count()?),
            (3, I32) => counts[2] = Some(thrift.count()?),
            (4, I32) => encoding = Some(thrift.encoding()?),
            (5, I32) => counts[3] = Some(thrift.count()?),
            (6, I32) => counts[4] = Some(thrift.count()?),
            (7, TRUE) => is_compressed = true,
            (7, FALSE) => is_compressed = false,
            _ => thrift.skip(kind, 0)?,
        }
        Ok(())
    })?;
    match (counts, encoding) {
        ([Some(values), Some(nulls), Some(rows), Some(definition_bytes), Some(repetition_bytes)], Some(encoding)) => {
            Ok(PageKind::DataV2 { values, nulls, rows, encoding, definition_bytes, repetition_bytes, is_compressed })
        }
        _ => Err(HeaderError::Wrong("a data page header that lacks a field")),
    }
}

fn dictionary_page(thrift: &mut Thrift<'_>) -> Result<PageKind, HeaderError> {
    let (mut values, mut encoding, mut is_sorted) = (None, None, false);
    thrift.fields(|thrift, id, kind| {
        match (id, kind) {
            (1, I32) => values = Some(thrift.count()?),
            (2, I32) => encoding = Some(thrift.encoding()?),
            (3, TRUE) => is_sorted = true,
            (3, FALSE) => is_sorted = false,
            _ => thrift.skip(kind, 0)?,
        }
        Ok(())
    })?;
    match (values, encoding) {
        (Some(values), Some(encoding)) => Ok(PageKind::Dictionary { values, encoding, is_sorted }),
        _ => Err(HeaderError::Wrong("a dictionary page header that lacks a field")),
    }
}

// The types of fields (Thrift compact protocol, "Struct encoding").
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Result<u8, HeaderError> {
        let byte = *self.bytes.get(self.at).ok_or(HeaderError::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn unsigned(&mut self) -> Result<u64, HeaderError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(HeaderError::Wrong("a number longer than ten bytes"))
    }

    fn signed(&mut self) -> Result<i64, HeaderError> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn int(&mut self) -> Result<i32, HeaderError> {
        i32::try_from(self.signed()?).map_err(|_| HeaderError::Wrong("a number that does not fit its field"))
    }

    fn count(&mut self) -> Result<u32, HeaderError> {
        u32::try_from(self.int()?).map_err(|_| HeaderError::Wrong("a negative count"))
    }

    fn encoding(&mut self) -> Result<Encoding, HeaderError> {
        #[expect(deprecated, reason = "files of old writers name this encoding for levels")]
        let bit_packed = Encoding::BIT_PACKED;
        Ok(match self.int()? {
            0 => Encoding::PLAIN,
            2 => Encoding::PLAIN_DICTIONARY,
            3 => Encoding::RLE,
            4 => bit_packed,
            5 => Encoding::DELTA_BINARY_PACKED,
            6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            7 => Encoding::DELTA_BYTE_ARRAY,
            8 => Encoding::RLE_DICTIONARY,
            9 => Encoding::BYTE_STREAM_SPLIT,
            _ => return Err(HeaderError::Wrong("an encoding that is not known here")),
        })
    }

    /// Calls `field` with the id and type of each field of a struct; it must read or skip the value.
    fn fields(
        &mut self,
        mut field: impl FnMut(&mut Self, i16, u8) -> Result<(), HeaderError>,
    ) -> Result<(), HeaderError> {
        let mut id = 0_i16;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Ok(());
            }
            id = match byte >> 4 {
                0 => i16::try_from(self.signed()?).map_err(|_| HeaderError::Wrong("a field id out of range"))?,
                delta => id.checked_add(i16::from(delta)).ok_or(HeaderError::Wrong("a field id out of range"))?,
            };
            field(self, id, byte & 0x0f)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Result<(), HeaderError> {
        if depth > DEPTH_MAX {
            return Err(HeaderError::Wrong("a page header nested too deep"));
        }
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.advance(1),
            I16 | I32 | I64 => self.unsigned().map(drop),
            DOUBLE => self.advance(8),
            UUID => self.advance(16),
            BINARY => {
                let length = self.unsigned()?;
                self.advance(length)
            }
            LIST | SET => {
                let header = self.byte()?;
                let length = if header >> 4 == 15 { self.unsigned()? } else { u64::from(header >> 4) };
                for _ in 0..length {
                    self.skip_element(header & 0x0f, depth)?;
                }
                Ok(())
            }
            MAP => {
                let length = self.unsigned()?;
                let kinds = if length == 0 { 0 } else { self.byte()? };
                for _ in 0..length {
                    self.skip_element(kinds >> 4, depth)?;
                    self.skip_element(kinds & 0x0f, depth)?;
                }
                Ok(())
            }
            STRUCT => self.fields(|thrift, _, kind| thrift.skip(kind, depth + 1)),
            _ => Err(HeaderError::Wrong("a field of unknown type")),
        }
    }

    /// Unlike in a struct, a truth value takes a byte here; so each element takes at least one, which bounds the loop.
    fn skip_element(&mut self, kind: u8, depth: u8) -> Result<(), HeaderError> {
        if kind == TRUE || kind == FALSE { self.advance(1) } else { self.skip(kind, depth + 1) }
    }

    fn advance(&mut self, length: u64) -> Result<(), HeaderError> {
        let left = (self.bytes.len() - self.at) as u64;
        if length > HEADER_MAX as u64 {
            return Err(HeaderError::Wrong("a page header of more than 1 MiB"));
        }
        if length > left {
            return Err(HeaderError::Short);
        }
        self.at += length as usize;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_their_statistics_skipped() {
        // type 0, uncompressed 100, compressed 50, data { 10 values, PLAIN, RLE, RLE, statistics { max "ab" } }.
        let statistics = [0x1c, 0x18, 0x02, b'a', b'b', 0x00];
        let mut bytes =
            vec![0x15, 0x00, 0x15, 0xc8, 0x01, 0x15, 0x64, 0x2c, 0x15, 0x14, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06];
        bytes.extend(statistics);
        bytes.extend([0x00, 0x00, 0xff]);
        let kind = PageKind::Data {
            values: 10,
            encoding: Encoding::PLAIN,
            definition: Encoding::RLE,
            repetition: Encoding::RLE,
        };
        let header = PageHeader { compressed: 50, uncompressed: 100, crc: None, kind };
        assert_eq!(parse(&bytes), Ok((header, bytes.len() - 1)));
        for length in 0..bytes.len() - 1 {
            assert_eq!(parse(&bytes[..length]), Err(HeaderError::Short), "{length}");
        }
    }

    #[test]
    fn claims_are_refused() {
        for (bytes, problem) in [
            (&[0x15, 0x00, 0x00][..], "a page header without its body"),
            (&[0x00], "a page header without a type"),
            (&[0x15, 0x02, 0x15, 0x01, 0x15, 0x02, 0x00], "a page without a possible size"),
            (&[0x18, 0xff, 0xff, 0xff, 0xff, 0x7f], "a page header of more than 1 MiB"),
            (&[0x1f], "a field of unknown type"),
            (&[0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "a number longer than ten bytes"),
        ] {
            assert_eq!(parse(bytes), Err(HeaderError::Wrong(problem)), "{bytes:?}");
        }
        let deep = [0x1c; 100];
        assert_eq!(parse(&deep), Err(HeaderError::Wrong("a page header nested too deep")));
    }
}
