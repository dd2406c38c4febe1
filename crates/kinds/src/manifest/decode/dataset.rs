//! Dataset: where data is, how its arrival is noticed, and what every file must satisfy.

use std::collections::BTreeSet;

use super::{
    super::{
        ColumnExpectation, ColumnType, DataFormat, DatasetSpec, Expectations,
        fields::{At, Fields, boolean, list, number, some_span, some_text, whole, word, written},
        report::Report,
        show,
        spans::element,
    },
    settings::span_or,
    simple::description,
};

const FORMATS: [(&str, DataFormat); 3] =
    [("parquet", DataFormat::Parquet), ("csv", DataFormat::Csv), ("jsonl", DataFormat::Jsonl)];

const TYPES: [(&str, ColumnType); 7] = [
    ("integer", ColumnType::Integer),
    ("float", ColumnType::Float),
    ("number", ColumnType::Number),
    ("string", ColumnType::String),
    ("boolean", ColumnType::Boolean),
    ("date", ColumnType::Date),
    ("timestamp", ColumnType::Timestamp),
];

pub(super) fn dataset(at: &At<'_>, report: &mut Report) -> Option<DatasetSpec> {
    let mut fields = Fields::open(at, report)?;
    let description = description(&mut fields, report);
    let uri = fields.require("uri", "name the folder, relative to this file", report);
    let uri = uri.and_then(|at| folder(&at, report)).unwrap_or_default();
    let format = fields.get("format").and_then(|at| word(&at, &FORMATS, report));
    let include = fields.get("include").and_then(|at| list(&at, report, glob)).unwrap_or_default();
    let settle = span_or(&mut fields, "settle", "500ms", report);
    let poll = fields.get("poll").and_then(|at| some_span(&at, report));
    let poll = poll.unwrap_or_else(|| "2s".parse().expect("built-in spans are spans"));
    let expectations = fields.get("expectations").and_then(|at| expectations(&at, report)).unwrap_or_default();
    fields.finish(report);
    Some(DatasetSpec { description, uri, format, include, settle, poll, expectations })
}

/// Reads the folder of a dataset; other places than folders come later.
fn folder(at: &At<'_>, report: &mut Report) -> Option<String> {
    let uri = some_text(at, report)?;
    if let Some((scheme, _)) = uri.split_once("://") {
        let message = format!("datasets at `{}://` come with a later release", show(scheme));
        at.error(report, message, "name a folder, relative to this file or absolute".to_owned());
        return None;
    }
    Some(uri)
}

fn glob(at: &At<'_>, report: &mut Report) -> Option<String> {
    let glob = some_text(at, report)?;
    if glob.starts_with('/') || glob.split('/').any(|part| part == "..") {
        let message = format!("`{}` leaves the dataset's folder", show(&glob));
        at.error(report, message, "write a pattern relative to the folder, such as \"*.parquet\"".to_owned());
        return None;
    }
    Some(glob)
}

fn expectations(at: &At<'_>, report: &mut Report) -> Option<Expectations> {
    let mut fields = Fields::open(at, report)?;
    let columns = fields.get("columns").map(|at| (list(&at, report, column).unwrap_or_default(), at));
    let (columns, place) = columns.map_or((Vec::new(), None), |(columns, at)| (columns, Some(at)));
    if let Some(at) = place {
        let mut seen = BTreeSet::new();
        for (index, column) in columns.iter().enumerate() {
            if !column.name.is_empty() && !seen.insert(&column.name) {
                let path = element(&at.path, index);
                let message = format!("the column `{}` stands here a second time", show(&column.name));
                let position = super::super::fields::element_position(&at, index);
                report.error(position, &path, message, "say all about a column in one entry".to_owned());
            }
        }
    }
    let extra_columns = fields.get("extraColumns").and_then(|at| boolean(&at, report)).unwrap_or(true);
    let min_rows: Option<u64> = fields.get("minRows").and_then(|at| whole(&at, 0, report));
    let max_rows: Option<(u64, _)> = fields.get("maxRows").and_then(|at| Some((whole(&at, 0, report)?, at)));
    if let (Some(least), Some((most, at))) = (min_rows, &max_rows)
        && *most < least
    {
        at.error(report, format!("`maxRows` is below `minRows` ({least})"), "no file could satisfy both".to_owned());
    }
    let unique = fields.get("unique").and_then(|at| list(&at, report, written)).unwrap_or_default();
    fields.finish(report);
    Some(Expectations { columns, extra_columns, min_rows, max_rows: max_rows.map(|(most, _)| most), unique })
}

fn column(at: &At<'_>, report: &mut Report) -> Option<ColumnExpectation> {
    let mut fields = Fields::open(at, report)?;
    let name =
        fields.require("name", "name the column", report).and_then(|at| written(&at, report)).unwrap_or_default();
    let data_type = fields.get("type").and_then(|at| word(&at, &TYPES, report));
    let optional = fields.get("optional").and_then(|at| boolean(&at, report)).unwrap_or(false);
    let max_null_share = fields.get("maxNullShare").and_then(|at| share(&at, report));
    let min = fields.get("min").and_then(|at| number(&at, report));
    let max = fields.get("max").and_then(|at| Some((number(&at, report)?, at)));
    if let (Some(least), Some((most, at))) = (min, &max)
        && *most < least
    {
        at.error(report, format!("`max` is below `min` ({least})"), "no value could satisfy both".to_owned());
    }
    let values = fields.get("values").map(|at| (list(&at, report, written).unwrap_or_default(), at));
    let numeric = matches!(data_type, Some(ColumnType::Integer | ColumnType::Float | ColumnType::Number));
    if let Some((_, at)) = values.as_ref().filter(|_| numeric) {
        at.error(report, "`values` is for columns of text", "give numbers a `min` and a `max`".to_owned());
    }
    if let (Some(ColumnType::String | ColumnType::Boolean), Some(limit)) = (data_type, bounded(at)) {
        report.error(
            limit,
            &at.path,
            "`min` and `max` are for numbers",
            "list the allowed texts under `values`".to_owned(),
        );
    }
    fields.finish(report);
    let values = values.map(|(values, _)| values).unwrap_or_default();
    Some(ColumnExpectation { name, data_type, optional, max_null_share, min, max: max.map(|(most, _)| most), values })
}

/// Returns where a column is given a bound, if it is.
fn bounded(at: &At<'_>) -> Option<crate::Position> {
    ["min", "max"].into_iter().find_map(|key| super::super::fields::key_position(at, key))
}

/// Reads a share from 0 to 1.
fn share(at: &At<'_>, report: &mut Report) -> Option<f64> {
    let share = number(at, report)?;
    if !(0.0..=1.0).contains(&share) {
        let percent = share > 1.0 && share <= 100.0;
        let hint =
            if percent { format!("{share} percent is {}", share / 100.0) } else { "write 0.1 for a tenth".to_owned() };
        at.error(report, format!("`{share}` is not a share from 0 to 1"), hint);
        return None;
    }
    Some(share)
}
