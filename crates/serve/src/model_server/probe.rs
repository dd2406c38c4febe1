//! Whether a version can be served at all: it is loaded and asked about rows, in a process that may die of it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use serde_json::{Value, json};
use windlass_data::table::{Table, TableLimits, Values, read_table};
use windlass_kinds::manifest::DataFormat;

use super::{input, server::chain};
use crate::model::{Model, Runner, predictions};

/// How many rows are predicted at a time.
const BATCH: usize = 4096;

/// What a probe needs to know.
#[derive(Debug, Clone)]
pub struct ProbeSettings {
    /// The folder of the model, in MLflow's format.
    pub model: PathBuf,
    /// What runs it.
    pub runner: Runner,
    /// The rows to predict: a Parquet file with the columns of the signature, and perhaps others.
    pub rows: PathBuf,
    /// Where the outcome goes.
    pub out: PathBuf,
}

/// Loads a version, predicts rows and writes the outcome, all of it at once or nothing: `{"predictions": […]}`, one
/// number for each row, null for one that is not finite; or `{"error": …}`, why the version cannot be served.
///
/// # Errors
/// The outcome could not be written, or standard input closed before there was one: nobody waits for it any more.
pub fn probe(settings: ProbeSettings) -> io::Result<()> {
    let out = settings.out.clone();
    let (closed, outcome) = mpsc::channel();
    let done = closed.clone();
    input::when_closed(move || drop(closed.send(None)))?;
    thread::Builder::new().name("probe".to_owned()).spawn(move || {
        let outcome = match predict(&settings) {
            Ok(predictions) => json!({"predictions": predictions}),
            Err(error) => json!({"error": error}),
        };
        drop(done.send(Some(outcome)));
    })?;
    match outcome.recv() {
        Ok(Some(outcome)) => write(&out, &outcome),
        Ok(None) => Err(io::Error::other("standard input closed")),
        Err(_) => Err(io::Error::other("the prediction broke off")),
    }
}

fn predict(settings: &ProbeSettings) -> Result<Vec<f64>, String> {
    let ProbeSettings { model, runner, rows, out: _ } = settings;
    let model = Model::load(model, runner).map_err(|error| chain(&error))?;
    let table = read_table(rows, Some(DataFormat::Parquet), None, &TableLimits::default());
    let table = table.map_err(|error| format!("the rows to predict: {}", chain(&error)))?;
    let wanted: Vec<&(String, Values)> = table
        .columns()
        .iter()
        .filter(|(name, _)| model.signature().columns().iter().any(|column| column.name == *name))
        .collect();
    let mut all = Vec::with_capacity(table.rows());
    for start in (0..table.rows()).step_by(BATCH) {
        let end = table.rows().min(start + BATCH);
        let part = wanted.iter().map(|(name, values)| (name.clone(), part(values, start, end))).collect();
        let part = Table::new(part).map_err(|error| error.to_string())?;
        let answer = model.predict(&part).map_err(|error| chain(&error))?;
        let numbers = predictions(&answer).ok_or("the model gives no numbers")?;
        all.extend_from_slice(&numbers);
    }
    Ok(all)
}

/// Returns the rows from `start` to before `end`.
fn part(values: &Values, start: usize, end: usize) -> Values {
    match values {
        Values::Number(values) => Values::Number(values[start..end].to_vec()),
        Values::Int(values) => Values::Int(values[start..end].to_vec()),
        Values::Text(values) => Values::Text(values[start..end].to_vec()),
        Values::Time(values) => Values::Time(values[start..end].to_vec()),
        Values::Bool(values) => Values::Bool(values[start..end].to_vec()),
    }
}

/// Writes a file beside where it belongs, then puts it there.
fn write(path: &Path, outcome: &Value) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let mut file = File::create(&beside)?;
    file.write_all(outcome.to_string().as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}
