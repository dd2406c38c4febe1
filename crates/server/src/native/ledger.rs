//! The ledger's entries, and the export of the state.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_kinds::record::LedgerEntry;
use windlass_plan::access::Operation;
use windlass_store::LedgerQuery;

use super::Caller;
use crate::{AppState, error::ApiError};

#[derive(Deserialize)]
pub(super) struct ListQuery {
    subject: Option<String>,
    #[serde(default)]
    after: u64,
    #[serde(default = "default_limit")]
    limit: u32,
}

fn default_limit() -> u32 {
    1000
}

#[derive(Serialize)]
pub(super) struct EntryView {
    /// The place in the log; absent until the sequencer has taken it.
    index: Option<u64>,
    #[serde(flatten)]
    entry: LedgerEntry,
}

pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<EntryView>>, ApiError> {
    let principal = caller.may(Operation::ReadLedger)?;
    let query = LedgerQuery {
        project: principal.scope(),
        kind: None,
        subject: query.subject,
        after: query.after,
        limit: query.limit.clamp(1, 100_000),
    };
    let rows = state
        .control
        .store()
        .read(move |tx| {
            let query = query.clone();
            Box::pin(async move { tx.ledger_list(&query).await })
        })
        .await?;
    Ok(Json(rows.into_iter().map(|row| EntryView { index: row.index, entry: row.entry }).collect()))
}

pub(super) async fn export(State(state): State<AppState>, caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.may(Operation::ReadLedger)?;
    Ok(Json(state.control.export_canonical().await?))
}
