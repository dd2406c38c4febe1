//! `windlass labels ENDPOINT -f FILE`: sends what became true of rows that an endpoint predicted.

use std::process::ExitCode;

use serde_json::{Map, Value};
use windlass_api::{LabelsAnswer, LabelsDetail, encode};
use windlass_data::table::{Table as Rows, TableLimits, read_table};

use super::predict::cell;
use crate::{
    args::{Global, LabelsArgs},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table},
};

/// How many rows are sent at once.
const AT_ONCE: usize = 20_000;

pub(crate) async fn run(global: &Global, args: LabelsArgs) -> Result<ExitCode, Failure> {
    let LabelsArgs { endpoint, file } = args;
    let path = format!("/api/v1/endpoints/{}/labels", encode(&endpoint));
    let client = connect(global)?;
    let Some(file) = file else {
        let known: LabelsDetail = client.get(&path).await.map_err(failure)?;
        view::show(global.output, &known, || known_table(&known).print());
        return Ok(ExitCode::SUCCESS);
    };
    let rows = read_table(&file, None, None, &TableLimits::default())
        .map_err(|error| Failure::user_because(&format!("{} cannot be read", file.display()), error))?;
    let mut sum = LabelsAnswer::default();
    for start in (0..rows.rows()).step_by(AT_ONCE) {
        let body = piece(&rows, start, rows.rows().min(start + AT_ONCE)).to_string().into_bytes();
        let answer: LabelsAnswer = client.post_bytes(&path, "application/json", body).await.map_err(failure)?;
        let LabelsAnswer { accepted, unchanged, corrected, unknown } = answer;
        sum.accepted += accepted;
        sum.unchanged += unchanged;
        sum.corrected += corrected;
        sum.unknown += unknown;
    }
    view::show(global.output, &sum, || answer_table(&sum).print());
    Ok(ExitCode::SUCCESS)
}

/// Returns some rows as a list of objects.
fn piece(rows: &Rows, start: usize, end: usize) -> Value {
    let row = |row: usize| {
        let cells = rows.columns().iter().map(|(name, values)| (name.clone(), cell(values, row)));
        Value::Object(cells.collect::<Map<String, Value>>())
    };
    Value::Array((start..end).map(row).collect())
}

fn answer_table(answer: &LabelsAnswer) -> Table {
    let LabelsAnswer { accepted, unchanged, corrected, unknown } = answer;
    let mut table = Table::new(&["accepted", "unchanged", "corrected", "never predicted"]);
    table.row([accepted, unchanged, corrected, unknown].map(ToString::to_string));
    table
}

fn known_table(known: &LabelsDetail) -> Table {
    let mut table = Table::new(&["sending", "received", "accepted", "unchanged", "corrected"]);
    for upload in known.uploads.iter().rev() {
        table.row([
            upload.number.to_string(),
            upload.received_at.to_string(),
            upload.accepted.to_string(),
            upload.unchanged.to_string(),
            upload.corrected.to_string(),
        ]);
    }
    let windlass_kinds::record::LabelTotals { uploads, rows, unchanged, corrected } = known.totals;
    table.row([
        format!("all {uploads}"),
        String::new(),
        rows.to_string(),
        unchanged.to_string(),
        corrected.to_string(),
    ]);
    table
}
