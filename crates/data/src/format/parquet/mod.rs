//! Apache Parquet, from anybody.
//!
//! The footer and the decoders are the parquet crate's. Between them stand our own headers, decompression and caps
//! ([`pages`]), because the crate allocates by what a file claims. Columns are read one after the other and only where
//! a rule needs their values; the headers of all others are walked over, so that a file cut short or overwritten in
//! the middle is found in any column. At most about 600 MB are held, and that only for a file made to reach it; an
//! ordinary one takes a few megabytes.

mod column;
mod delta;
mod header;
mod inflate;
mod meaning;
mod pages;
mod whole;

use std::{
    fs::File,
    os::unix::fs::FileExt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use parquet::{
    basic::LogicalType,
    column::reader::get_column_reader,
    file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData},
};

pub(crate) use self::whole::{ColumnSink, read_columns};
use self::{
    column::Column,
    meaning::Meaning,
    pages::{Chunk, Pages, Survey},
};
use super::Unreadable;
use crate::judge::{Cell, Checks, Family, FoundColumn, Place};

/// The most rows decoded at once.
const BATCH_ROWS: usize = 8192;

/// The most bytes that the values of one batch of one column may take.
const BATCH_BYTES: usize = 64 << 20;

/// The most bytes that the pages and dictionaries of all key columns may take together.
const KEY_BYTES: usize = 512 << 20;

/// The largest footer, in bytes. In memory it may take some three hundred times as much for a moment.
const FOOTER_MAX: u64 = 16 << 20;

/// Where the file's bytes begin and end with this, there may be Parquet between.
const MAGIC: [u8; 4] = *b"PAR1";

/// Feeds `checks` with the rows of `file` and returns how many there are.
pub(super) fn read(file: &File, size: u64, checks: &mut Checks<'_>) -> Result<u64, Unreadable> {
    guarded(file, |file| read_file(file, size, checks))
}

/// Calls `read` and takes a panic for what it is: bytes that the decoders do not expect.
fn guarded<T>(file: &File, read: impl FnOnce(&Arc<File>) -> Result<T, String>) -> Result<T, Unreadable> {
    let file = Arc::new(file.try_clone().map_err(Unreadable::System)?);
    // Decoders index into what they decode; on damaged bytes they may panic instead of answering.
    match catch_unwind(AssertUnwindSafe(|| read(&file))) {
        Ok(read) => read.map_err(Unreadable::Bytes),
        Err(panic) => {
            let words = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            let words: String = words.chars().take(200).collect();
            Err(Unreadable::Bytes(format!("damaged data: {words}")))
        }
    }
}

/// A leaf of the schema that is a column of its own.
struct Leaf {
    index: usize,
    meaning: Meaning,
    nullable: bool,
}

fn read_file(file: &Arc<File>, size: u64, checks: &mut Checks<'_>) -> Result<u64, String> {
    let (metadata, data_end) = footer(file, size)?;
    let (found, leaves) = columns(&metadata);
    if checks.is_first_reading() {
        checks.columns(&found);
    }
    let mut rows = 0_u64;
    for (group, row_group) in metadata.row_groups().iter().enumerate() {
        let count = u64::try_from(row_group.num_rows()).map_err(|_| format!("row group {group}: negative rows"))?;
        Group { file, row_group, group, data_end, leaves: &leaves, first_row: rows, rows: count }.read(checks)?;
        rows = rows.checked_add(count).ok_or("more rows than can be counted")?;
    }
    let promised = metadata.file_metadata().num_rows();
    if u64::try_from(promised) != Ok(rows) {
        return Err(format!("row groups of {rows} rows where {promised} were promised"));
    }
    Ok(rows)
}

/// Reads the footer and returns it with where the data before it ends.
fn footer(file: &File, size: u64) -> Result<(ParquetMetaData, u64), String> {
    let mut tail = [0; 8];
    let start = size.checked_sub(12).ok_or_else(|| format!("{size} bytes, too few for a Parquet file"))?;
    file.read_exact_at(&mut tail, start + 4).map_err(|error| error.to_string())?;
    let [a, b, c, d, magic @ ..] = tail;
    if magic == *b"PARE" {
        return Err("an encrypted Parquet file, which is not read here".to_owned());
    }
    if magic != MAGIC {
        let mut head = [0; 4];
        file.read_exact_at(&mut head, 0).map_err(|error| error.to_string())?;
        return Err(match head == MAGIC {
            true => format!("no Parquet footer at its end, byte {size}: the file is cut short"),
            false => "no Parquet file: it neither begins nor ends with PAR1".to_owned(),
        });
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length > FOOTER_MAX {
        return Err(format!("a footer of {length} bytes; at most {FOOTER_MAX} are read"));
    }
    let data_end = (start + 4).checked_sub(length).filter(|end| *end >= 4);
    let data_end = data_end.ok_or_else(|| format!("a footer of {length} bytes in a file of {size}"))?;
    let metadata = ParquetMetaDataReader::new().parse_and_finish(file);
    let metadata = metadata.map_err(|error| format!("footer, byte {data_end}: {error}"))?;
    Ok((metadata, data_end))
}

/// Returns the columns of the schema, and for each the leaf that holds it; none where it is nested.
fn columns(metadata: &ParquetMetaData) -> (Vec<FoundColumn>, Vec<Option<Leaf>>) {
    let schema = metadata.file_metadata().schema_descr();
    let fields = schema.root_schema().get_fields();
    let mut found: Vec<FoundColumn> = fields
        .iter()
        .map(|field| {
            let word = match field.get_basic_info().logical_type_ref() {
                Some(LogicalType::Map) => "map",
                Some(LogicalType::List) => "list",
                Some(_) | None if field.is_primitive() => "list",
                Some(_) | None => "structure",
            };
            FoundColumn { name: field.name().to_owned(), family: Family::Nested(word.to_owned()) }
        })
        .collect();
    let mut leaves: Vec<Option<Leaf>> = fields.iter().map(|_| None).collect();
    for (index, leaf) in schema.columns().iter().enumerate() {
        if leaf.path().parts().len() == 1 && leaf.max_rep_level() == 0 {
            let root = schema.get_column_root_idx(index);
            let (meaning, family) = meaning::of(leaf);
            found[root].family = family;
            leaves[root] = Some(Leaf { index, meaning, nullable: leaf.max_def_level() > 0 });
        }
    }
    (found, leaves)
}

/// One row group at work.
struct Group<'a> {
    file: &'a Arc<File>,
    row_group: &'a RowGroupMetaData,
    group: usize,
    data_end: u64,
    leaves: &'a [Option<Leaf>],
    first_row: u64,
    rows: u64,
}

impl Group<'_> {
    fn read(&self, checks: &mut Checks<'_>) -> Result<(), String> {
        if checks.is_first_reading() {
            for index in 0..self.row_group.num_columns() {
                pages::survey(self.file, &self.chunk(index)?)?;
            }
            for slot in 0..checks.slots().len() {
                if checks.slots()[slot].key.is_none() {
                    self.read_column(checks, slot)?;
                }
            }
        }
        self.read_keys(checks)
    }

    fn chunk(&self, leaf: usize) -> Result<Chunk, String> {
        Chunk::new(self.row_group.column(leaf), self.group, self.row_group.num_rows(), self.data_end)
    }

    /// Opens the column of a slot. Returns it with its survey and how many of its rows fit in a batch.
    fn open(&self, column: usize) -> Result<(Column, Survey, usize), String> {
        let leaf = self.leaves.get(column).and_then(Option::as_ref).ok_or("a nested column was asked for")?;
        let chunk = self.chunk(leaf.index)?;
        let survey = pages::survey(self.file, &chunk)?;
        survey.check(&chunk)?;
        let descriptor = self.row_group.column(leaf.index).column_descr_ptr();
        let width = usize::try_from(descriptor.type_length()).unwrap_or(0);
        let rows = (BATCH_BYTES / survey.per_value.max(width).max(1)).clamp(1, BATCH_ROWS);
        let reader = get_column_reader(descriptor, Box::new(Pages::new(self.file.clone(), chunk)));
        Ok((Column { meaning: leaf.meaning, nullable: leaf.nullable, reader }, survey, rows))
    }

    fn read_column(&self, checks: &mut Checks<'_>, slot: usize) -> Result<(), String> {
        let (mut column, _, batch) = self.open(checks.slots()[slot].column)?;
        let mut done = 0;
        while done < self.rows {
            let want = batch.min(usize::try_from(self.rows - done).unwrap_or(batch));
            let first = self.first_row + done + 1;
            let mut see = |row: usize, cell: Cell<'_>| {
                checks.see(slot, &cell, Place { row: first + row as u64, line: None }, 0);
            };
            self.decode(&mut column, want, &mut see)?;
            done += want as u64;
        }
        Ok(())
    }

    /// Reads the key columns side by side.
    fn read_keys(&self, checks: &mut Checks<'_>) -> Result<(), String> {
        let (mut columns, mut batch, mut bytes) = (Vec::new(), BATCH_ROWS, 0_usize);
        for (index, slot) in checks.slots().iter().enumerate().filter(|(_, slot)| slot.key.is_some()) {
            let (column, survey, rows) = self.open(slot.column)?;
            bytes =
                bytes.saturating_add(survey.page.saturating_mul(2)).saturating_add(survey.dictionary.saturating_mul(9));
            batch = batch.min(rows);
            columns.push((index, column));
        }
        if columns.is_empty() {
            return Ok(());
        }
        if bytes > KEY_BYTES {
            let group = self.group;
            return Err(format!(
                "row group {group}: pages of key columns take {bytes} bytes; at most {KEY_BYTES} are held"
            ));
        }
        batch = (batch / columns.len()).max(1);
        let mut done = 0;
        while done < self.rows {
            let want = batch.min(usize::try_from(self.rows - done).unwrap_or(batch));
            let first = self.first_row + done + 1;
            checks.start_keys(want);
            for (slot, column) in &mut columns {
                let mut see = |row: usize, cell: Cell<'_>| {
                    checks.see(*slot, &cell, Place { row: first + row as u64, line: None }, row);
                };
                self.decode(column, want, &mut see)?;
            }
            checks.end_keys(Place { row: first, line: None });
            done += want as u64;
        }
        Ok(())
    }

    fn decode(&self, column: &mut Column, want: usize, see: &mut impl FnMut(usize, Cell<'_>)) -> Result<(), String> {
        let group = self.group;
        let read = column.batch(want, see).map_err(|error| match error {
            // Our own words, which say where already.
            parquet::errors::ParquetError::General(problem) => problem,
            error => format!("row group {group}: {error}"),
        })?;
        if read != want {
            return Err(format!("row group {group}: {read} rows decoded where {want} were promised"));
        }
        Ok(())
    }
}
