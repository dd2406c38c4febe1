//! Reads labels as people send them: CSV, one JSON object a line, or a list of them.
//!
//! A row is named by the endpoint's `rowId` columns or, written as one text, by `row_id`; `label` is what is true, none
//! takes back what was said before; `at` is when it became true, if the sender wants to say. Other columns are nobody's.

use serde_json::{Map, Value};
use windlass_kinds::{Micros, manifest::DataFormat, record::Label};

use crate::table::{RowIdError, Table, TableError, TableLimits, read_table_bytes, row_ids};

/// The column that names a row as one text.
const ROW_ID: &str = "row_id";
/// The column with what is true.
const LABEL: &str = "label";
/// The column with when it became true.
const AT: &str = "at";

/// The longest name of a row, in bytes.
const NAME_MAX: usize = 1024;
/// How deeply JSON may nest: a list of rows of single values.
const DEPTH: usize = 4;

/// How labels are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelFormat {
    /// CSV with a header.
    Csv,
    /// One JSON object a line.
    Lines,
    /// A JSON list of objects.
    List,
}

/// Why bytes are no labels.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// They are no list of objects.
    #[error("the labels are no list of rows such as [{{\"row_id\": \"a/1\", \"label\": 2.5}}]: {0}")]
    List(String),
    /// They are no table.
    #[error("the labels cannot be read")]
    Table(#[source] TableError),
    /// They do not say which rows they are of.
    #[error("the rows have no names")]
    Names(#[source] RowIdError),
    /// They have no labels, or such as are no numbers.
    #[error("{0}")]
    Values(String),
}

/// Reads labels in their order, `rows_max` at most; `row_id` are the columns that name a row.
pub fn read(bytes: &[u8], format: LabelFormat, row_id: &[String], rows_max: usize) -> Result<Vec<Label>, LabelError> {
    let lines;
    let (bytes, format) = match format {
        LabelFormat::Csv => (bytes, DataFormat::Csv),
        LabelFormat::Lines => (bytes, DataFormat::Jsonl),
        LabelFormat::List => {
            lines = as_lines(bytes)?;
            (lines.as_slice(), DataFormat::Jsonl)
        }
    };
    if bytes.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let limits = TableLimits { rows: rows_max, ..TableLimits::default() };
    let table = read_table_bytes(bytes, format, None, &limits).map_err(LabelError::Table)?;
    labels(&table, row_id)
}

fn as_lines(bytes: &[u8]) -> Result<Vec<u8>, LabelError> {
    let list = |error: &dyn std::fmt::Display| LabelError::List(error.to_string());
    windlass_scan::check_json(bytes, DEPTH, bytes.len()).map_err(|error| list(&error))?;
    let rows: Vec<Map<String, Value>> = serde_json::from_slice(bytes).map_err(|error| list(&error))?;
    let mut lines = Vec::with_capacity(bytes.len());
    for row in rows {
        serde_json::to_writer(&mut lines, &row).map_err(|error| list(&error))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn labels(table: &Table, row_id: &[String]) -> Result<Vec<Label>, LabelError> {
    let whole = [ROW_ID.to_owned()];
    let names: &[String] = if table.column(ROW_ID).is_some() { &whole } else { row_id };
    let ids = row_ids(table, names).map_err(LabelError::Names)?;
    let column = table.column(LABEL).ok_or_else(|| LabelError::Values(format!("there is no column `{LABEL}`")))?;
    let values = column
        .numbers()
        .ok_or_else(|| LabelError::Values(format!("column `{LABEL}` is {}, not a number", column.word())))?;
    let times = match table.column(AT) {
        None => None,
        Some(column) => Some(
            column
                .times()
                .ok_or_else(|| LabelError::Values(format!("column `{AT}` is {}, not a time", column.word())))?,
        ),
    };
    let mut labels = Vec::with_capacity(ids.len());
    for (row, (row_id, value)) in ids.into_iter().zip(values.iter()).enumerate() {
        if row_id.len() > NAME_MAX {
            let problem = format!("row {}: its name has more than {NAME_MAX} bytes", row + 1);
            return Err(LabelError::Values(problem));
        }
        if value.is_infinite() {
            return Err(LabelError::Values(format!("row {}: its label is infinite", row + 1)));
        }
        let at = times.as_ref().and_then(|times| times[row]).map(Micros);
        labels.push(Label { row_id, value: (!value.is_nan()).then_some(*value), at });
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads labels of rows named by carrier and flight; gives them as text.
    fn told(format: LabelFormat, text: &str) -> String {
        match read(text.as_bytes(), format, &["carrier".to_owned(), "flight".to_owned()], 3) {
            Ok(labels) => {
                let one = |Label { row_id, value, at }: &Label| {
                    let at = at.map_or(String::new(), |at| format!(" at {}", at.0));
                    format!("{row_id}={}{at}", value.map_or("none".to_owned(), |value| value.to_string()))
                };
                labels.iter().map(one).collect::<Vec<_>>().join(", ")
            }
            Err(error) => {
                let source = std::error::Error::source(&error).map_or(String::new(), |source| format!(": {source}"));
                format!("! {error}{source}")
            }
        }
    }

    #[test]
    fn labels_are_read_in_every_form() {
        use LabelFormat::{Csv, Lines, List};
        for (format, text, expected) in [
            (Csv, "carrier,flight,label\nUA,1,2.5\nAA,7,\n", "UA/1=2.5, AA/7=none"),
            (Csv, "row_id,label,at\nUA/1,3,1970-01-01T00:00:01Z\n", "UA/1=3 at 1000000"),
            (Csv, "carrier,flight,label\n", ""),
            (Lines, "{\"carrier\":\"UA\",\"flight\":1,\"label\":true}\n", "UA/1=1"),
            (List, r#"[{"row_id":"UA/1","label":null},{"row_id":"AA/7","label":1,"x":"y"}]"#, "UA/1=none, AA/7=1"),
            (List, "[]", ""),
        ] {
            assert_eq!(told(format, text), expected, "{text}");
        }
        for (format, text, expected) in [
            (Csv, "carrier,label\nUA,1\n", "the rows have no names: there is no column `flight`"),
            (Csv, "row_id,label\n,1\n", "the rows have no names: row 1 has no value"),
            (Csv, "row_id,y\na,1\n", "there is no column `label`"),
            (Csv, "row_id,label\na,late\n", "column `label` is string, not a number"),
            (Csv, "row_id,label,at\na,1,7\n", "column `at` is integer, not a time"),
            (Csv, "row_id,label\na,1\nb,1\nc,1\nd,1\n", "the labels cannot be read: "),
            (List, r#"{"row_id":"a","label":1}"#, "the labels are no list of rows"),
            (List, r#"[[[[[[1]]]]]]"#, "the labels are no list of rows"),
            (List, r#"[{"row_id":"a","label":[1]}]"#, "there is no column `label`"),
            (Lines, "nonsense\n", "the labels cannot be read: "),
        ] {
            let told = told(format, text);
            assert!(told.starts_with(&format!("! {expected}")), "{text}: {told}");
        }
    }
}
