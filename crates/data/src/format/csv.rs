//! Comma-separated values with a header line (RFC 4180), UTF-8.
//!
//! `csv-core` works in buffers that we own, so a quote that is never closed costs at most [`RECORD_MAX`], not the file.

use std::{
    fs::File,
    io::{self, Read, Seek},
    str,
};

use csv_core::{ReadRecordResult, Reader};

use super::{Unreadable, text};
use crate::judge::{Cell, Checks, Family, FoundColumn, Place};

/// The longest record, in bytes.
const RECORD_MAX: usize = 16 << 20;

/// The most fields in a record.
const FIELDS_MAX: usize = 65_536;

/// Feeds `checks` with the rows of `file` and returns how many there are.
pub(super) fn read(file: &File, checks: &mut Checks<'_>) -> Result<u64, Unreadable> {
    let (names, mut rows) = open(file)?;
    if checks.is_first_reading() {
        let found: Vec<FoundColumn> =
            names.into_iter().map(|name| FoundColumn { name, family: Family::Untyped }).collect();
        checks.columns(&found);
    }
    let slots: Vec<_> = checks.slots().iter().map(|slot| (slot.column, slot.wanted())).collect();
    while let Some((place, record)) = rows.next()? {
        checks.start_keys(1);
        for (slot, (column, wanted)) in slots.iter().enumerate() {
            let lossy;
            let cell = match record.field(*column) {
                Some(field) => text::cell(field, *wanted),
                None => {
                    lossy = String::from_utf8_lossy(record.bytes(*column));
                    Cell::Misfit(&lossy)
                }
            };
            checks.see(slot, &cell, place, 0);
        }
        checks.end_keys(place);
    }
    Ok(rows.count)
}

/// Starts at the beginning of `file`. Returns the names in its header line, and its rows.
pub(crate) fn open(mut file: &File) -> Result<(Vec<String>, Rows<'_>), Unreadable> {
    file.rewind().map_err(Unreadable::System)?;
    let mut records = Records::new(file);
    let Some(header) = records.next()? else {
        return Err(Unreadable::Bytes("no header line".to_owned()));
    };
    let names = (0..header.len()).map(|index| header.field(index).map(str::to_owned)).collect::<Option<Vec<_>>>();
    let Some(names) = names else {
        return Err(Unreadable::Bytes("a header line that is not UTF-8".to_owned()));
    };
    let width = names.len();
    Ok((names, Rows { records, width, count: 0 }))
}

/// The records below a header, all as wide as it.
pub(crate) struct Rows<'f> {
    records: Records<'f>,
    width: usize,
    count: u64,
}

impl Rows<'_> {
    /// Returns the next row and where it stands; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(Place, Record<'_>)>, Unreadable> {
        let Some(record) = self.records.next()? else { return Ok(None) };
        self.count += 1;
        let place = Place { row: self.count, line: Some(record.line) };
        if record.len() != self.width {
            let (found, width) = (record.len(), self.width);
            return Err(Unreadable::Bytes(format!("{place} with {found} fields; the header has {width}")));
        }
        Ok(Some((place, record)))
    }
}

/// One record, borrowed.
pub(crate) struct Record<'a> {
    output: &'a [u8],
    ends: &'a [usize],
    /// The line on which it ends, from 1.
    line: u64,
}

impl<'a> Record<'a> {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn bytes(&self, index: usize) -> &'a [u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.output[start..self.ends[index]]
    }

    /// Returns a field; none where it is not UTF-8.
    pub(crate) fn field(&self, index: usize) -> Option<&'a str> {
        str::from_utf8(self.bytes(index)).ok()
    }
}

struct Records<'f> {
    file: &'f File,
    reader: Reader,
    input: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    at_start: bool,
    output: Vec<u8>,
    ends: Vec<usize>,
    newlines: u64,
}

impl<'f> Records<'f> {
    fn new(file: &'f File) -> Self {
        Self {
            file,
            reader: Reader::new(),
            input: vec![0; 1 << 16],
            start: 0,
            end: 0,
            at_end: false,
            at_start: true,
            output: vec![0; 1 << 12],
            ends: vec![0; 64],
            newlines: 0,
        }
    }

    fn fill(&mut self) -> Result<(), Unreadable> {
        loop {
            match self.file.read(&mut self.input) {
                Ok(read) => {
                    (self.start, self.end, self.at_end) = (0, read, read == 0);
                    // A byte order mark, as spreadsheets write it, is no part of the first name.
                    if self.at_start && self.input[..read].starts_with(b"\xef\xbb\xbf") {
                        self.start = 3;
                    }
                    self.at_start = false;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Unreadable::System(error)),
            }
        }
    }

    fn next(&mut self) -> Result<Option<Record<'_>>, Unreadable> {
        let (mut written, mut fields) = (0, 0);
        let mut last = b'\n';
        loop {
            if self.start == self.end && !self.at_end {
                self.fill()?;
            }
            let input = &self.input[self.start..self.end];
            let (result, read, wrote, ended) =
                self.reader.read_record(input, &mut self.output[written..], &mut self.ends[fields..]);
            self.newlines += input[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
            if read > 0 {
                last = input[read - 1];
            }
            self.start += read;
            written += wrote;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    if self.output.len() >= RECORD_MAX {
                        let line = self.newlines + 1;
                        let problem = format!(
                            "a record of more than {RECORD_MAX} bytes that reaches line {line}; is a quote not closed?"
                        );
                        return Err(Unreadable::Bytes(problem));
                    }
                    self.output.resize(self.output.len() * 2, 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    if self.ends.len() >= FIELDS_MAX {
                        let line = self.newlines + 1;
                        return Err(Unreadable::Bytes(format!("more than {FIELDS_MAX} fields on line {line}")));
                    }
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                ReadRecordResult::Record => {
                    // A record that ends with CR, or with the file, has not met its line feed yet.
                    let line = if last == b'\n' { self.newlines } else { self.newlines + 1 };
                    return Ok(Some(Record { output: &self.output[..written], ends: &self.ends[..fields], line }));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }
}
