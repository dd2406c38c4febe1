//! Readers of the formats: each feeds [`Checks`] with the columns and values of one file.
//!
//! A reader answers with the number of rows, or with why the file cannot be read; the bytes may be anything. It
//! allocates by caps of its own, never by what the bytes claim.

pub(crate) mod csv;
pub(crate) mod jsonl;
pub(crate) mod parquet;
pub(crate) mod text;

use std::{fs::File, io};

use windlass_kinds::manifest::DataFormat;

use crate::judge::Checks;

/// Why a file was not read to its end.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The bytes are not what the format says: where, and what is wrong.
    Bytes(String),
    /// The operating system refused.
    System(io::Error),
}

/// Returns the format of `path` by its ending.
pub(crate) fn by_ending(path: &str) -> Option<DataFormat> {
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "parquet" | "pq" => Some(DataFormat::Parquet),
        "csv" => Some(DataFormat::Csv),
        "jsonl" | "ndjson" => Some(DataFormat::Jsonl),
        _ => None,
    }
}

/// Reads `file` once from its start to its end and returns its rows.
pub(crate) fn read(format: DataFormat, file: &File, size: u64, checks: &mut Checks<'_>) -> Result<u64, Unreadable> {
    match format {
        DataFormat::Parquet => parquet::read(file, size, checks),
        DataFormat::Csv => csv::read(file, checks),
        DataFormat::Jsonl => jsonl::read(file, checks),
    }
}
