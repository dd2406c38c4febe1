//! The ledger's entries, and the export of the state.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::Value;
use windlass_api::LedgerRowView;
use windlass_plan::access::Operation;
use windlass_store::ledger::LedgerQuery;

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

pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<LedgerRowView>>, ApiError> {
    caller.may(Operation::ReadLedger)?;
    let query = LedgerQuery {
        project: caller.listed(),
        kind: None,
        subject: query.subject,
        after: i64::try_from(query.after).unwrap_or(i64::MAX),
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
    Ok(Json(rows.into_iter().map(|row| LedgerRowView { index: row.index, entry: row.entry }).collect()))
}

pub(super) async fn export(State(state): State<AppState>, caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.may(Operation::ReadLedger)?;
    caller.sees_all()?;
    Ok(Json(windlass_control::export_canonical(state.control.store(), state.control.blobs().as_ref()).await?))
}
