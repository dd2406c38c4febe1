//! Pages of a column chunk, read under caps.
//!
//! [`survey`] walks over the headers of a chunk: it finds what is cut short or contradicts itself, and how large pages
//! are. [`Pages`] then hands the pages to the decoders of the parquet crate, decompressed here, so that nothing is
//! allocated because a header says so.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use parquet::{
    basic::{Compression, Encoding},
    column::page::{Page, PageMetadata, PageReader},
    errors::{ParquetError, Result as ParquetResult},
    file::metadata::ColumnChunkMetaData,
};

use super::{
    delta,
    header::{self, HEADER_MAX, HeaderError, PageHeader, PageKind},
    inflate::inflate,
};

/// The largest page that is decoded, in bytes, compressed or not. Writers aim at one MiB.
const PAGE_MAX: usize = 128 << 20;

/// The largest dictionary that is decoded, in bytes. Each entry takes up to eight times its size in memory.
const DICTIONARY_MAX: usize = 32 << 20;

/// The most pages in one column chunk.
const PAGES_MAX: usize = 1_000_000;

/// Where the pages of one column lie, within one row group.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// Column and row group, for messages.
    pub(super) name: String,
    /// The first byte.
    start: u64,
    /// One past the last byte.
    end: u64,
    /// Levels in all its pages.
    values: u64,
    codec: Compression,
    /// Whether the column is a single value or null in each row.
    flat: bool,
    /// Whether values may be null.
    nullable: bool,
    /// The fewest bytes that a dictionary entry takes.
    entry_min: usize,
}

/// What a walk over the headers of a chunk found.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Survey {
    /// The size of the largest data page, in bytes.
    pub(super) page: usize,
    /// The size of its dictionary, in bytes.
    pub(super) dictionary: usize,
    /// The most bytes that one value takes, averaged within its page; or that it may decode to.
    pub(super) per_value: usize,
}

impl Chunk {
    /// Finds a column of row group `group` in a file whose data ends at `data_end`.
    pub(super) fn new(column: &ColumnChunkMetaData, group: usize, rows: i64, data_end: u64) -> Result<Self, String> {
        let descriptor = column.column_descr();
        let name = format!("column {}, row group {group}", descriptor.path().string());
        if column.file_path().is_some() {
            return Err(format!("{name}: its data is in another file"));
        }
        let first = match column.dictionary_page_offset() {
            // Some writers give 0 for "none".
            Some(dictionary) if dictionary > 0 => dictionary.min(column.data_page_offset()),
            Some(_) | None => column.data_page_offset(),
        };
        let place = u64::try_from(first).ok().zip(u64::try_from(column.compressed_size()).ok());
        let (start, length) = place.ok_or_else(|| format!("{name}: a negative offset or size"))?;
        let end = start.checked_add(length).filter(|end| start >= 4 && *end <= data_end);
        let end = end.ok_or_else(|| {
            format!("{name}: {length} bytes at byte {start} reach beyond the data, which ends at {data_end}")
        })?;
        let flat = descriptor.max_rep_level() == 0;
        let values = u64::try_from(column.num_values()).map_err(|_| format!("{name}: a negative number of values"))?;
        if flat && column.num_values() != rows {
            return Err(format!("{name}: {values} values in {rows} rows"));
        }
        let entry_min = match descriptor.physical_type() {
            parquet::basic::Type::BOOLEAN => 1,
            parquet::basic::Type::INT32 | parquet::basic::Type::FLOAT | parquet::basic::Type::BYTE_ARRAY => 4,
            parquet::basic::Type::INT64 | parquet::basic::Type::DOUBLE => 8,
            parquet::basic::Type::INT96 => 12,
            parquet::basic::Type::FIXED_LEN_BYTE_ARRAY => usize::try_from(descriptor.type_length()).unwrap_or(0).max(1),
        };
        let nullable = descriptor.max_def_level() > 0;
        Ok(Self { name, start, end, values, codec: column.compression(), flat, nullable, entry_min })
    }

    fn at(&self, offset: u64, problem: impl std::fmt::Display) -> String {
        format!("{}, byte {offset}: {problem}", self.name)
    }

    /// Reads the header at `offset` and returns it with where its page begins and ends.
    fn header(&self, file: &File, offset: u64) -> Result<(PageHeader, u64, u64), String> {
        let room = usize::try_from(self.end - offset).unwrap_or(usize::MAX);
        let mut length = room.min(1 << 10);
        loop {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset).map_err(|error| self.at(offset, cut_short(&error)))?;
            match header::parse(&bytes) {
                Ok((header, used)) => {
                    let start = offset + used as u64;
                    let end = start.saturating_add(header.compressed as u64);
                    if end > self.end {
                        let problem = format!(
                            "a page of {} bytes reaches beyond its column, which ends at {}",
                            header.compressed, self.end
                        );
                        return Err(self.at(offset, problem));
                    }
                    return Ok((header, start, end));
                }
                Err(HeaderError::Short) if length < room.min(HEADER_MAX) => length = room.min(HEADER_MAX),
                Err(HeaderError::Short) => return Err(self.at(offset, "a page header that ends too early")),
                Err(HeaderError::Wrong(problem)) => return Err(self.at(offset, problem)),
            }
        }
    }
}

fn cut_short(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file ends here".to_owned(),
        _ => error.to_string(),
    }
}

/// Walks over all page headers of `chunk`; the pages themselves are not read.
pub(super) fn survey(file: &File, chunk: &Chunk) -> Result<Survey, String> {
    let mut survey = Survey::default();
    let (mut offset, mut values, mut pages) = (chunk.start, 0_u64, 0);
    while values < chunk.values {
        if offset >= chunk.end {
            return Err(chunk.at(offset, format!("pages of {values} values where {} were promised", chunk.values)));
        }
        pages += 1;
        if pages > PAGES_MAX {
            return Err(chunk.at(offset, format!("more than {PAGES_MAX} pages in one column")));
        }
        let (header, _, end) = chunk.header(file, offset)?;
        let (count, encoding) = match header.kind {
            PageKind::Data { values, encoding, .. } => (values, encoding),
            PageKind::DataV2 { values, encoding, rows, .. } => {
                if chunk.flat && rows != values {
                    return Err(chunk.at(offset, format!("a page of {values} values in {rows} rows")));
                }
                (values, encoding)
            }
            PageKind::Dictionary { values: entries, .. } => {
                if (entries as usize).saturating_mul(chunk.entry_min) > header.uncompressed {
                    return Err(
                        chunk.at(offset, format!("{entries} dictionary entries in {} bytes", header.uncompressed))
                    );
                }
                survey.dictionary = survey.dictionary.max(header.uncompressed);
                offset = end;
                continue;
            }
            PageKind::Other => {
                offset = end;
                continue;
            }
        };
        values += u64::from(count);
        survey.page = survey.page.max(header.uncompressed).max(header.compressed);
        // A prefix may repeat the whole of the value before.
        let whole = if encoding == Encoding::DELTA_BYTE_ARRAY { 1 } else { (count as usize).max(1) };
        survey.per_value = survey.per_value.max(header.uncompressed / whole);
        offset = end;
    }
    if values > chunk.values {
        return Err(chunk.at(offset, format!("pages of {values} values where {} were promised", chunk.values)));
    }
    Ok(survey)
}

impl Survey {
    /// Refuses pages that are too large to be decoded.
    pub(super) fn check(&self, chunk: &Chunk) -> Result<(), String> {
        if self.page > PAGE_MAX {
            return Err(format!("{}: a page of {} bytes; at most {PAGE_MAX} are decoded", chunk.name, self.page));
        }
        if self.dictionary > DICTIONARY_MAX {
            let size = self.dictionary;
            return Err(format!("{}: a dictionary of {size} bytes; at most {DICTIONARY_MAX} are decoded", chunk.name));
        }
        Ok(())
    }
}

/// The pages of a chunk that was surveyed, for the decoders.
pub(super) struct Pages {
    file: Arc<File>,
    chunk: Chunk,
    offset: u64,
    values: u64,
}

impl Pages {
    /// Starts before the first page.
    pub(super) fn new(file: Arc<File>, chunk: Chunk) -> Self {
        let offset = chunk.start;
        Self { file, chunk, offset, values: 0 }
    }

    fn page(&mut self) -> Result<Option<Page>, String> {
        while self.values < self.chunk.values && self.offset < self.chunk.end {
            let at = self.offset;
            let (header, start, end) = self.chunk.header(&self.file, at)?;
            self.offset = end;
            // The file may have changed since the survey: what is allocated is checked again.
            let most = if let PageKind::Dictionary { .. } = header.kind { DICTIONARY_MAX } else { PAGE_MAX };
            if header.compressed > PAGE_MAX || header.uncompressed > most {
                return Err(self.chunk.at(at, "a page that was not there before"));
            }
            if header.kind == PageKind::Other {
                continue;
            }
            let mut bytes = vec![0; header.compressed];
            self.file.read_exact_at(&mut bytes, start).map_err(|error| self.chunk.at(start, cut_short(&error)))?;
            if header.crc.is_some_and(|crc| crc != crc32fast::hash(&bytes)) {
                return Err(self.chunk.at(start, "the checksum of the page does not match; it is damaged"));
            }
            let page = self.decompress(header, bytes).map_err(|problem| self.chunk.at(start, problem))?;
            return Ok(Some(page));
        }
        Ok(None)
    }

    fn decompress(&mut self, header: PageHeader, bytes: Vec<u8>) -> Result<Page, String> {
        let codec = self.chunk.codec;
        match header.kind {
            PageKind::Data { values, encoding, definition, repetition } => {
                self.values += u64::from(values);
                let buf = inflate(codec, &bytes, header.uncompressed)?;
                let levels = if self.chunk.nullable { level_bytes(&buf, definition)? } else { 0 };
                delta::check(encoding, &buf[levels..], values)?;
                Ok(Page::DataPage {
                    buf: Bytes::from(buf),
                    num_values: values,
                    encoding,
                    def_level_encoding: definition,
                    rep_level_encoding: repetition,
                    statistics: None,
                })
            }
            PageKind::DataV2 { values, nulls, rows, encoding, definition_bytes, repetition_bytes, is_compressed } => {
                self.values += u64::from(values);
                let levels = (definition_bytes as usize).saturating_add(repetition_bytes as usize);
                if levels > bytes.len() || levels > header.uncompressed {
                    return Err(format!("levels of {levels} bytes in a page of {}", header.uncompressed));
                }
                let size = header.uncompressed - levels;
                let mut buf = bytes[..levels].to_vec();
                match (codec, is_compressed) {
                    // No bytes at all stand for no values.
                    (_, true) if size == 0 => {}
                    (Compression::UNCOMPRESSED, _) | (_, false) => {
                        buf.extend(inflate(Compression::UNCOMPRESSED, &bytes[levels..], size)?);
                    }
                    (codec, true) => buf.extend(inflate(codec, &bytes[levels..], size)?),
                }
                delta::check(encoding, &buf[levels..], values)?;
                Ok(Page::DataPageV2 {
                    buf: Bytes::from(buf),
                    num_values: values,
                    encoding,
                    num_nulls: nulls,
                    num_rows: rows,
                    def_levels_byte_len: definition_bytes,
                    rep_levels_byte_len: repetition_bytes,
                    is_compressed: false,
                    statistics: None,
                })
            }
            PageKind::Dictionary { values, encoding, is_sorted } => {
                if (values as usize).saturating_mul(self.chunk.entry_min) > header.uncompressed {
                    return Err(format!("{values} dictionary entries in {} bytes", header.uncompressed));
                }
                let buf = Bytes::from(inflate(codec, &bytes, header.uncompressed)?);
                Ok(Page::DictionaryPage { buf, num_values: values, encoding, is_sorted })
            }
            PageKind::Other => Err("a page of unknown kind".to_owned()),
        }
    }
}

/// Returns how many bytes the definition levels at the start of a page of the first version take.
fn level_bytes(page: &[u8], encoding: Encoding) -> Result<usize, String> {
    if encoding != Encoding::RLE {
        return Err(format!("definition levels in encoding {encoding}; RLE is read"));
    }
    let length = page.first_chunk::<4>().map(|length| u32::from_le_bytes(*length) as usize);
    let end = length.and_then(|length| length.checked_add(4)).filter(|end| *end <= page.len());
    end.ok_or_else(|| "definition levels that reach beyond their page".to_owned())
}

impl Iterator for Pages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        self.page().map_err(ParquetError::General)
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Err(ParquetError::NYI("pages are read in order".to_owned()))
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        Err(ParquetError::NYI("pages are read in order".to_owned()))
    }
}
