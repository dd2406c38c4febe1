//! `windlass predict ENDPOINT -f FILE`: rows of a file, answered by what an endpoint serves.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    process::ExitCode,
};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use windlass_api::encode;
use windlass_data::table::{Table as Rows, TableLimits, Values, read_table};
use windlass_kinds::{Micros, manifest::DataFormat};

use crate::{
    args::{Global, PredictArgs},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table},
};

/// The largest file that is sent, in bytes; what an endpoint takes is its manifest's to say.
const FILE_CAP: u64 = 1 << 30;

/// What an endpoint answers.
#[derive(Deserialize)]
struct Answer {
    predictions: Value,
}

pub(crate) async fn run(global: &Global, args: PredictArgs) -> Result<ExitCode, Failure> {
    let PredictArgs { endpoint, file } = args;
    let (content_type, body) = body(&file)?;
    let path = format!("/endpoints/{}/invocations", encode(&endpoint));
    let answer: Answer = connect(global)?.post_bytes(&path, content_type, body).await.map_err(failure)?;
    view::show(global.output, &answer.predictions, || table(&answer.predictions).print());
    Ok(ExitCode::SUCCESS)
}

/// Returns the rows of a file as `/invocations` takes them: CSV as it is, anything else as JSON.
fn body(file: &Path) -> Result<(&'static str, Vec<u8>), Failure> {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "csv" => Ok(("text/csv", read(file)?)),
        "parquet" => {
            let table = read_table(file, Some(DataFormat::Parquet), None, &TableLimits::default())
                .map_err(|error| Failure::user_because(&format!("{} cannot be read", file.display()), error))?;
            Ok(("application/json", split(&table).to_string().into_bytes()))
        }
        "jsonl" | "ndjson" => {
            let text = read(file)?;
            let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let rows: Result<Vec<Map<String, Value>>, _> = lines.map(serde_json::from_slice).collect();
            let rows =
                rows.map_err(|error| Failure::user_because(&format!("{} is not a row a line", file.display()), error))?;
            Ok(("application/json", json!({"dataframe_records": rows}).to_string().into_bytes()))
        }
        _ => {
            let value: Value = serde_json::from_slice(&read(file)?).map_err(|error| {
                Failure::user_because(&format!("{} is neither JSON nor named .csv or .parquet", file.display()), error)
            })?;
            // A list of rows is what people write; the protocol wants it named.
            let value = if value.is_array() { json!({"dataframe_records": value}) } else { value };
            Ok(("application/json", value.to_string().into_bytes()))
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(FILE_CAP).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(FILE_CAP).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::user_because(&format!("{} cannot be read", file.display()), error))?;
    Ok(bytes)
}

/// Returns a table in MLflow's form `dataframe_split`.
fn split(table: &Rows) -> Value {
    let names: Vec<&str> = table.columns().iter().map(|(name, _)| name.as_str()).collect();
    let rows: Vec<Value> =
        (0..table.rows()).map(|row| table.columns().iter().map(|(_, values)| cell(values, row)).collect()).collect();
    json!({"dataframe_split": {"columns": names, "data": rows}})
}

pub(super) fn cell(values: &Values, row: usize) -> Value {
    match values {
        // JSON has no NaN: a missing number is null.
        Values::Number(values) => json!(values[row]),
        Values::Int(values) => json!(values[row]),
        Values::Bool(values) => json!(values[row]),
        Values::Text(values) => json!(values[row]),
        Values::Time(values) => json!(values[row].map(|at| Micros(at).to_string())),
    }
}

/// Returns predictions as a table: one row each, with its number from 0.
fn table(predictions: &Value) -> Table {
    let rows: Vec<&Value> = predictions.as_array().map_or_else(|| vec![predictions], |rows| rows.iter().collect());
    let names: Vec<&str> = match rows.first() {
        Some(Value::Object(first)) => first.keys().map(String::as_str).collect(),
        _ => vec!["prediction"],
    };
    let heads: Vec<&str> = std::iter::once("row").chain(names.iter().copied()).collect();
    let mut table = Table::new(&heads);
    for (number, row) in rows.iter().enumerate() {
        let cells = names.iter().map(|name| row.get(name).unwrap_or(row).to_string());
        table.row(std::iter::once(number.to_string()).chain(cells));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_become_what_invocations_takes() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text, content_type, expected) in [
            ("a.csv", "a,b\n1,x\n", "text/csv", "a,b\n1,x\n"),
            ("a.json", r#"[{"a":1}]"#, "application/json", r#"{"dataframe_records":[{"a":1}]}"#),
            ("b.json", r#"{"inputs":[[1]]}"#, "application/json", r#"{"inputs":[[1]]}"#),
            ("a.jsonl", "{\"a\":1}\n\n{\"a\":2}\n", "application/json", r#"{"dataframe_records":[{"a":1},{"a":2}]}"#),
        ] {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            let (found, bytes) = body(&file).unwrap_or_else(|_| panic!("{name}"));
            assert_eq!((found, std::str::from_utf8(&bytes).unwrap()), (content_type, expected));
        }
        for (name, text) in [("c.json", "nonsense"), ("c.jsonl", "1\n"), ("c.parquet", "no"), ("none.csv", "")] {
            let file = folder.path().join(name);
            if name != "none.csv" {
                std::fs::write(&file, text).unwrap();
            }
            assert!(body(&file).is_err(), "{name}");
        }
    }

    #[test]
    fn a_table_becomes_a_split_data_frame() {
        let columns = vec![
            ("temp".to_owned(), Values::Number(vec![1.5, f64::NAN])),
            ("flight".to_owned(), Values::Int(vec![Some(7), None])),
            ("carrier".to_owned(), Values::Text(vec![Some("UA".to_owned()), None])),
            ("at".to_owned(), Values::Time(vec![Some(0), None])),
        ];
        let expected = json!({"dataframe_split": {
            "columns": ["temp", "flight", "carrier", "at"],
            "data": [[1.5, 7, "UA", "1970-01-01T00:00:00.000000Z"], [null, null, null, null]],
        }});
        assert_eq!(split(&Rows::new(columns).unwrap()), expected);
    }
}
