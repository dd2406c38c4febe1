//! The first rows of a Parquet file, for people who look at it.

use std::fs::File;

use super::{
    Table, TableError, TableLimits,
    fill::{self, Filling, Room},
};
use crate::{
    format::{Unreadable, parquet},
    judge::{Cell, FoundColumn},
};

/// The beginning of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The first rows of the first columns that hold single values.
    pub table: Table,
    /// How many rows the file has.
    pub rows: u64,
    /// How many columns it has, those of lists and structures included.
    pub columns: usize,
}

/// Reads at most `limits.rows` rows of at most `columns` columns of an open Parquet file, in `limits.bytes` of memory.
///
/// What comes behind them is not looked at, so damage there is not found.
pub fn read_parquet_head(file: &File, columns: usize, limits: &TableLimits) -> Result<Head, TableError> {
    let size = file.metadata().map_err(TableError::Read)?.len();
    let mut sink = Sink {
        most: columns,
        rows: 0,
        found: 0,
        wanted: limits.rows as u64,
        columns: Vec::new(),
        room: Room::new(*limits),
        taken: 0,
        problem: None,
    };
    parquet::read_columns(file, size, &mut sink).map_err(|error| match error {
        Unreadable::Bytes(problem) => TableError::Unreadable(problem),
        Unreadable::System(source) => TableError::Read(source),
    })?;
    let (rows, found) = (sink.rows, sink.found);
    let columns = sink.columns.into_iter().map(|filling| (filling.name, filling.values)).collect();
    let table = Table::new(columns).map_err(|error| TableError::Unreadable(error.to_string()))?;
    Ok(Head { table, rows, columns: found })
}

/// Takes in the beginning of a Parquet file.
struct Sink {
    most: usize,
    rows: u64,
    found: usize,
    wanted: u64,
    columns: Vec<Filling>,
    room: Room,
    /// Bytes since the limits were looked at.
    taken: usize,
    problem: Option<String>,
}

impl parquet::ColumnSink for Sink {
    fn columns(&mut self, found: &[FoundColumn], rows: u64) -> Result<Vec<usize>, String> {
        (self.rows, self.found) = (rows, found.len());
        let mut chosen = Vec::new();
        for (place, column) in found.iter().enumerate() {
            if let Some(values) = fill::empty(&column.family)
                && chosen.len() < self.most
            {
                self.columns.push(Filling::new(&column.name, values));
                chosen.push(place);
            }
        }
        Ok(chosen)
    }

    fn most_rows(&self) -> u64 {
        self.wanted
    }

    fn see(&mut self, slot: usize, cell: &Cell<'_>) {
        let column = &mut self.columns[slot];
        match column.push(cell) {
            Ok(bytes) => self.taken += bytes + column.width(),
            Err(problem) => {
                self.problem.get_or_insert(problem);
            }
        }
    }

    fn check(&mut self) -> Result<(), String> {
        self.room.take(std::mem::take(&mut self.taken))?;
        self.problem.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::table::{Values, write_parquet};

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("room");
        file
    }

    #[test]
    fn the_first_rows_are_read_of_however_many() {
        let column = |name: &str, factor: i64| {
            (name.to_owned(), Values::Int((0..20_000).map(|row| Some(row * factor)).collect()))
        };
        let table = Table::new(vec![column("a", 1), column("b", 2), column("c", 3)]).expect("a table");
        let mut bytes = Vec::new();
        write_parquet(&mut bytes, &table).expect("written");
        let limits = TableLimits { rows: 3, bytes: 1 << 20 };
        let head = read_parquet_head(&file(&bytes), 2, &limits).expect("a head");
        assert_eq!((head.rows, head.columns, head.table.rows()), (20_000, 3, 3));
        assert_eq!(head.table.column("b"), Some(&Values::Int(vec![Some(0), Some(2), Some(4)])));
        assert_eq!(head.table.column("c"), None);
        for (bytes, limits) in [
            (&bytes[..bytes.len() - 9], limits),
            (&b"no Parquet at all"[..], limits),
            (&[], limits),
            (&bytes, TableLimits { rows: 3, bytes: 10 }),
        ] {
            assert!(matches!(read_parquet_head(&file(bytes), 2, &limits), Err(TableError::Unreadable(_))));
        }
    }
}
