//! Whole columns of a Parquet file, for tables in memory.

use std::{fs::File, sync::Arc};

use super::{BATCH_ROWS, Group, columns, footer, guarded};
use crate::{
    format::Unreadable,
    judge::{Cell, FoundColumn},
};

/// What takes the columns in.
pub(crate) trait ColumnSink {
    /// Learns which columns and how many rows the footer promises; answers with the places of the columns it wants.
    fn columns(&mut self, found: &[FoundColumn], rows: u64) -> Result<Vec<usize>, String>;

    /// Returns how many rows it wants at most, from the first on.
    fn most_rows(&self) -> u64 {
        u64::MAX
    }

    /// Takes the next value of the wanted column `slot`.
    fn see(&mut self, slot: usize, cell: &Cell<'_>);

    /// Returns what went wrong since it was asked last; asked after each batch of a few thousand values at most.
    fn check(&mut self) -> Result<(), String>;
}

/// Feeds `sink` with the columns it wants, one row group after the other. Returns how many rows there are.
pub(crate) fn read_columns(file: &File, size: u64, sink: &mut impl ColumnSink) -> Result<u64, Unreadable> {
    guarded(file, |file| read(file, size, sink))
}

fn read(file: &Arc<File>, size: u64, sink: &mut impl ColumnSink) -> Result<u64, String> {
    let (metadata, data_end) = footer(file, size)?;
    let (found, leaves) = columns(&metadata);
    let mut rows = 0_u64;
    for (group, row_group) in metadata.row_groups().iter().enumerate() {
        let count = u64::try_from(row_group.num_rows()).map_err(|_| format!("row group {group}: negative rows"))?;
        rows = rows.checked_add(count).ok_or("more rows than can be counted")?;
    }
    let promised = metadata.file_metadata().num_rows();
    if u64::try_from(promised) != Ok(rows) {
        return Err(format!("row groups of {rows} rows where {promised} were promised"));
    }
    let wanted = sink.columns(&found, rows)?;
    let mut first_row = 0;
    for (group, row_group) in metadata.row_groups().iter().enumerate() {
        let rows = u64::try_from(row_group.num_rows()).unwrap_or(0).min(sink.most_rows().saturating_sub(first_row));
        if first_row >= sink.most_rows() {
            break;
        }
        let group = Group { file, row_group, group, data_end, leaves: &leaves, first_row, rows };
        for (slot, column) in wanted.iter().enumerate() {
            let (mut column, _, batch) = group.open(*column)?;
            let mut done = 0;
            while done < rows {
                let want = batch.min(usize::try_from(rows - done).unwrap_or(BATCH_ROWS));
                group.decode(&mut column, want, &mut |_, cell| sink.see(slot, &cell))?;
                sink.check()?;
                done += want as u64;
            }
        }
        first_row += rows;
    }
    Ok(rows)
}
