//! One JSON object a line, UTF-8. Blank lines are skipped. A missing key is a null.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
};

use serde_json::{Map, Value};
use windlass_kinds::manifest::ColumnType;
use windlass_scan::check_json;

use super::{Unreadable, text};
use crate::judge::{Cell, Checks, Place};

/// The longest line, in bytes. Parsed, it may take some fifteen times as much.
const LINE_MAX: usize = 4 << 20;

/// The deepest nesting within a line.
const DEPTH_MAX: usize = 64;

/// The most unexpected columns that are remembered.
const EXTRA_MAX: usize = 1000;

/// Feeds `checks` with the rows of `file` and returns how many there are.
pub(super) fn read(file: &File, checks: &mut Checks<'_>) -> Result<u64, Unreadable> {
    let first_reading = checks.is_first_reading();
    if first_reading {
        checks.columns_by_row();
    }
    let slots: Vec<_> = checks.slots().iter().map(|slot| (slot.name.to_owned(), slot.wanted())).collect();
    let known: BTreeSet<String> = checks.known_columns().into_iter().map(str::to_owned).collect();
    let mut extra: BTreeSet<String> = BTreeSet::new();
    let rows = objects(file, |place, object| {
        checks.start_keys(1);
        for (slot, (name, wanted)) in slots.iter().enumerate() {
            let written;
            let cell = match object.get(name) {
                None => Cell::Null,
                Some(value) => {
                    checks.present(slot);
                    match cell(value, *wanted) {
                        Some(cell) => cell,
                        None => {
                            written = short(value);
                            Cell::Misfit(&written)
                        }
                    }
                }
            };
            checks.see(slot, &cell, place, 0);
        }
        checks.end_keys(place);
        if first_reading && checks.refuses_extra_columns() && extra.len() < EXTRA_MAX {
            extra.extend(object.keys().filter(|name| !known.contains(*name)).cloned());
        }
        Ok(())
    })?;
    if first_reading {
        let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
        checks.extra_columns(&extra);
    }
    Ok(rows)
}

/// Reads `file` from its beginning and calls `see` with each object and where it stands. Returns how many there are.
pub(crate) fn objects(
    mut file: &File,
    mut see: impl FnMut(Place, &Map<String, Value>) -> Result<(), Unreadable>,
) -> Result<u64, Unreadable> {
    file.rewind().map_err(Unreadable::System)?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut buffer = Vec::new();
    let (mut rows, mut line) = (0, 0_u64);
    loop {
        line += 1;
        buffer.clear();
        let read = reader.by_ref().take(LINE_MAX as u64 + 1).read_until(b'\n', &mut buffer);
        match read {
            Ok(0) => return Ok(rows),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(Unreadable::Bytes(format!("line {line}: {error}")));
            }
            Err(error) => return Err(Unreadable::System(error)),
        }
        if buffer.len() > LINE_MAX {
            return Err(Unreadable::Bytes(format!("line {line} has more than {LINE_MAX} bytes")));
        }
        if buffer.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        check_json(&buffer, DEPTH_MAX, LINE_MAX).map_err(|error| Unreadable::Bytes(format!("line {line}: {error}")))?;
        let object: Map<String, Value> = serde_json::from_slice(&buffer).map_err(|error| {
            // Its own line is always 1; the column is what helps.
            let problem = error.to_string();
            let problem = problem.split(" at line ").next().unwrap_or_default();
            Unreadable::Bytes(format!(
                "line {line}, column {}: {problem}; write one JSON object a line",
                error.column()
            ))
        })?;
        rows += 1;
        see(Place { row: rows, line: Some(line) }, &object)?;
    }
}

/// Reads one value as the type `wanted`; none where it is of another.
pub(crate) fn cell(value: &Value, wanted: ColumnType) -> Option<Cell<'_>> {
    match (value, wanted) {
        (Value::Null, _) => Some(Cell::Null),
        (Value::Bool(value), ColumnType::Boolean) => Some(Cell::Boolean(*value)),
        (Value::Number(number), ColumnType::Integer | ColumnType::Number) if !number.is_f64() => {
            let value = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))?;
            Some(Cell::Integer(value))
        }
        (Value::Number(number), ColumnType::Float | ColumnType::Number) => number.as_f64().map(Cell::Float),
        (Value::String(text), ColumnType::String) => Some(Cell::Text(text)),
        (Value::String(text), ColumnType::Date) => text::date(text),
        (Value::String(text), ColumnType::Timestamp) => text::timestamp(text),
        // JSON has no NaN; writers that need one write text.
        (Value::String(text), ColumnType::Float | ColumnType::Number) if text == "NaN" => Some(Cell::Null),
        (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_), _) => None,
    }
}

/// The value as it stands in the file, short enough to keep.
pub(crate) fn short(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(members) => format!("an object of {}", members.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.chars().take(100).collect(),
    }
}
