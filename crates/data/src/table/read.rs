//! Reads the columns of a file into a table.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use serde_json::Value;
use windlass_kinds::manifest::{ColumnType, DataFormat};

use super::{
    Table, TableError, TableLimits,
    fill::{self, Filling, Room},
    guess::{self, Guess},
};
use crate::{
    format::{self, Unreadable, csv, jsonl, parquet, text},
    judge::{Cell, Family, FoundColumn, listed},
};

/// The most columns of a file without a header; more than this no table has.
const COLUMNS_MAX: usize = 10_000;

/// The most column names that an error repeats.
const NAMES_SHOWN: usize = 20;

/// Reads the file at `path`: all its columns of single values, or those named, in that order.
///
/// `format` none means: by the ending of the path. Of CSV and JSONL a column is what all its values are: integer,
/// number, boolean, timestamp, else text.
pub fn read_table(
    path: &Path,
    format: Option<DataFormat>,
    columns: Option<&[&str]>,
    limits: &TableLimits,
) -> Result<Table, TableError> {
    let open = |source| TableError::Open { path: path.to_owned(), source };
    let format = format.or_else(|| format::by_ending(&path.to_string_lossy())).ok_or_else(|| {
        let path = path.display();
        TableError::Unreadable(format!("`{path}` ends in none of .parquet, .csv and .jsonl; say its format"))
    })?;
    // Without O_NONBLOCK a pipe would hold us until somebody writes.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(open)?;
    read_table_file(&file, format, columns, limits)
}

/// Reads an open file like [`read_table`]; from its beginning, wherever it stands.
pub fn read_table_file(
    file: &File,
    format: DataFormat,
    columns: Option<&[&str]>,
    limits: &TableLimits,
) -> Result<Table, TableError> {
    let metadata = file.metadata().map_err(TableError::Read)?;
    if !metadata.is_file() {
        return Err(TableError::Unreadable("no ordinary file".to_owned()));
    }
    if metadata.len() == 0 {
        return Err(TableError::Unreadable("an empty file, 0 bytes".to_owned()));
    }
    let room = Room::new(*limits);
    let filled = match format {
        DataFormat::Parquet => read_parquet(file, metadata.len(), columns, room),
        DataFormat::Csv => read_csv(file, columns, room),
        DataFormat::Jsonl => read_jsonl(file, columns, room),
    };
    let filled = filled.map_err(|error| match error {
        Unreadable::Bytes(problem) => TableError::Unreadable(problem),
        Unreadable::System(source) => TableError::Read(source),
    })?;
    let columns = filled.into_iter().map(|filling| (filling.name, filling.values)).collect();
    Table::new(columns).map_err(|error| TableError::Unreadable(error.to_string()))
}

/// Reads bytes in memory like [`read_table`].
pub fn read_table_bytes(
    bytes: &[u8],
    format: DataFormat,
    columns: Option<&[&str]>,
    limits: &TableLimits,
) -> Result<Table, TableError> {
    // The readers jump about in files; a file in memory is one, and is gone with its last handle.
    let memory = rustix::fs::memfd_create("table", rustix::fs::MemfdFlags::CLOEXEC);
    let mut file = File::from(memory.map_err(|error| TableError::Read(error.into()))?);
    file.write_all(bytes).map_err(TableError::Read)?;
    read_table_file(&file, format, columns, limits)
}

fn bytes(problem: String) -> Unreadable {
    Unreadable::Bytes(problem)
}

/// Returns where each wanted column stands among those there are; all of them where none is named.
fn places(names: &[&str], wanted: Option<&[&str]>) -> Result<Vec<usize>, String> {
    let Some(wanted) = wanted else { return Ok((0..names.len()).collect()) };
    wanted
        .iter()
        .map(|name| {
            names.iter().position(|known| known == name).ok_or_else(|| {
                format!("there is no column {}; there are {}", listed(&[name], 1), listed(names, NAMES_SHOWN))
            })
        })
        .collect()
}

fn read_parquet(file: &File, size: u64, columns: Option<&[&str]>, room: Room) -> Result<Vec<Filling>, Unreadable> {
    let mut sink = Sink { wanted: columns, columns: Vec::new(), room, taken: 0, problem: None };
    parquet::read_columns(file, size, &mut sink)?;
    Ok(sink.columns)
}

/// Takes in the columns of a Parquet file.
struct Sink<'a> {
    wanted: Option<&'a [&'a str]>,
    columns: Vec<Filling>,
    room: Room,
    /// Bytes since the limits were looked at.
    taken: usize,
    problem: Option<String>,
}

impl parquet::ColumnSink for Sink<'_> {
    fn columns(&mut self, found: &[FoundColumn], rows: u64) -> Result<Vec<usize>, String> {
        self.room.rows(rows)?;
        let names: Vec<&str> = found.iter().map(|column| column.name.as_str()).collect();
        let mut chosen = Vec::new();
        for place in places(&names, self.wanted)? {
            match fill::empty(&found[place].family) {
                Some(values) => {
                    self.columns.push(Filling::new(names[place], values));
                    chosen.push(place);
                }
                None if self.wanted.is_none() => {}
                None => {
                    let word = found[place].family.word();
                    return Err(format!("column {}: {word} values, which no table holds", names[place]));
                }
            }
        }
        Ok(chosen)
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

fn read_csv(file: &File, columns: Option<&[&str]>, mut room: Room) -> Result<Vec<Filling>, Unreadable> {
    let (names, mut rows) = csv::open(file)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let places = places(&names, columns).map_err(bytes)?;
    let mut guesses = vec![Guess::new(); places.len()];
    while let Some((place, record)) = rows.next()? {
        room.rows(place.row).map_err(bytes)?;
        for (guess, column) in guesses.iter_mut().zip(&places) {
            let field = record.field(*column);
            guess.see_text(
                field.ok_or_else(|| bytes(format!("{place}, column {}: text that is not UTF-8", names[*column])))?,
            );
        }
    }
    let types: Vec<ColumnType> = guesses.iter().map(Guess::decide).collect();
    let mut filled: Vec<Filling> =
        places.iter().zip(&types).map(|(place, decided)| Filling::new(names[*place], guess::empty(*decided))).collect();
    let (_, mut rows) = csv::open(file)?;
    while let Some((place, record)) = rows.next()? {
        let mut taken = 0;
        for ((column, filling), decided) in places.iter().zip(&mut filled).zip(&types) {
            // The file may have changed since the first reading; then a value is what it is now.
            let cell = record
                .field(*column)
                .map_or(Cell::Misfit("text that is not UTF-8"), |field| text::cell(field, *decided));
            taken += filling.width() + filling.push(&cell).map_err(|problem| bytes(format!("{place}: {problem}")))?;
        }
        room.take(taken).map_err(bytes)?;
    }
    Ok(filled)
}

fn read_jsonl(file: &File, columns: Option<&[&str]>, mut room: Room) -> Result<Vec<Filling>, Unreadable> {
    // Columns in the order in which they appear first.
    let mut names: Vec<String> = Vec::new();
    let mut guesses: HashMap<String, Guess> = HashMap::new();
    jsonl::objects(file, |place, object| {
        room.rows(place.row).map_err(bytes)?;
        for (name, value) in
            object.iter().filter(|(name, _)| columns.is_none_or(|wanted| wanted.contains(&name.as_str())))
        {
            match guesses.get_mut(name) {
                Some(guess) => guess.see_json(value),
                None if names.len() == COLUMNS_MAX => {
                    return Err(bytes(format!("{place}: more than {COLUMNS_MAX} columns")));
                }
                None => {
                    names.push(name.clone());
                    guesses.entry(name.clone()).or_insert_with(Guess::new).see_json(value);
                }
            }
        }
        Ok(())
    })?;
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut filled = Vec::new();
    for place in places(&known, columns).map_err(bytes)? {
        let guess = &guesses[known[place]];
        if !guess.nested {
            filled.push((Filling::new(known[place], guess::empty(guess.decide())), guess.decide()));
        } else if columns.is_some() {
            let word = Family::Nested("lists or structures".to_owned());
            return Err(bytes(format!("column {}: {}, which no table holds", known[place], word.word())));
        }
    }
    jsonl::objects(file, |place, object| {
        let mut taken = 0;
        for (filling, decided) in &mut filled {
            let written;
            let cell = match object.get(&filling.name) {
                None => Cell::Null,
                Some(value) => match (jsonl::cell(value, *decided), value) {
                    (Some(cell), _) => cell,
                    // In a column of text a number is the text that it is written with.
                    (None, Value::Bool(_) | Value::Number(_)) if *decided == ColumnType::String => {
                        written = value.to_string();
                        Cell::Text(&written)
                    }
                    (None, value) => {
                        written = jsonl::short(value);
                        Cell::Misfit(&written)
                    }
                },
            };
            taken += filling.width() + filling.push(&cell).map_err(|problem| bytes(format!("{place}: {problem}")))?;
        }
        room.take(taken).map_err(bytes)
    })?;
    Ok(filled.into_iter().map(|(filling, _)| filling).collect())
}
