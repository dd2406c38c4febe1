//! Endpoints as `get` and `describe` show them: who serves, since when, and what is wrong.

use std::process::ExitCode;

use windlass_api::{EndpointDetail, EndpointRow, encode};
use windlass_kinds::{
    Micros, Name,
    record::{EndpointRevision, EndpointState},
};

use crate::{
    args::Global,
    connect::{connect, failure},
    failure::Failure,
    view::{Table, bytes, instant},
};

/// Lists the endpoints of the project, or one.
pub(crate) async fn list(global: &Global, one: Option<&Name>) -> Result<ExitCode, Failure> {
    let client = connect(global)?;
    let rows: Vec<EndpointRow> = match one {
        None => client.get("/api/v1/endpoints").await.map_err(failure)?,
        Some(name) => {
            let path = format!("/api/v1/endpoints/{}", encode(name.as_str()));
            let EndpointDetail { endpoint, revisions: _ } = client.get(&path).await.map_err(failure)?;
            vec![endpoint]
        }
    };
    endpoint_table(&rows).print();
    Ok(ExitCode::SUCCESS)
}

/// Returns endpoints as a table.
pub(crate) fn endpoint_table(rows: &[EndpointRow]) -> Table {
    let mut table = Table::new(&["endpoint", "model", "serves", "since", "restarts", "memory", "remarks"]);
    for row in rows {
        let serving = row.serving.as_ref();
        table.row([
            row.name.to_string(),
            row.model.clone(),
            serving.map_or_else(|| "nothing".to_owned(), version),
            serving.and_then(|serving| serving.ready_at).map_or_else(String::new, instant),
            row.restarts.to_string(),
            if row.memory > 0 { bytes(row.memory) } else { String::new() },
            remarks(row),
        ]);
    }
    table
}

/// Returns the revisions of an endpoint as a table, the newest first.
pub(crate) fn revision_table(revisions: &[EndpointRevision]) -> Table {
    let mut table = Table::new(&["revision", "serves", "state", "ready", "retired", "reason"]);
    let moment = |at: Option<Micros>| at.map_or_else(String::new, instant);
    for revision in revisions.iter().rev() {
        let EndpointRevision { number, state, ready_at, retired_at, reason, .. } = revision;
        let state = match state {
            EndpointState::Starting => "starting",
            EndpointState::Ready => "ready",
            EndpointState::Failed => "failed",
            EndpointState::Retired => "retired",
        };
        table.row([
            number.to_string(),
            version(revision),
            state.to_owned(),
            moment(*ready_at),
            moment(*retired_at),
            reason.clone(),
        ]);
    }
    table
}

/// Says in words what is going on with an endpoint besides serving.
pub(crate) fn remarks(row: &EndpointRow) -> String {
    let mut remarks = Vec::new();
    if let Some(newest) = row.newest.as_ref().filter(|newest| newest.state == EndpointState::Failed) {
        remarks.push(format!("{} cannot be served: {}", version(newest), newest.reason));
    }
    if let Some(starting) = &row.starting {
        remarks.push(format!("{starting} is being started"));
    }
    remarks.extend(row.waiting.clone());
    remarks.extend(Some(row.trouble.clone()).filter(|trouble| !trouble.is_empty()));
    remarks.join("; ")
}

fn version(revision: &EndpointRevision) -> String {
    format!("{}/{}", revision.model, revision.version)
}
