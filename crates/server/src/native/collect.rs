//! Freeing for good what was deleted, and content that nothing refers to.

use std::time::Duration;

use axum::{Json, extract::State};
use windlass_api::GcRequest;
use windlass_control::CollectRequest;
use windlass_kinds::record::Collection;
use windlass_plan::access::Operation;

use super::{Body, Caller};
use crate::{AppState, error::ApiError};

pub(super) async fn collect(
    State(state): State<AppState>,
    caller: Caller,
    Body(request): Body<GcRequest>,
) -> Result<Json<Collection>, ApiError> {
    let principal = caller.may(Operation::Erase)?;
    caller.names_a_project(&state).await?;
    let GcRequest { dry_run, older_than_seconds, unreferenced_seconds } = request;
    let request = CollectRequest {
        project: caller.listed(),
        deleted_for: older_than_seconds.map(Duration::from_secs),
        unreferenced_for: unreferenced_seconds.map_or(CollectRequest::UNREFERENCED_FOR, Duration::from_secs),
        dry_run,
        actor: principal.actor.clone(),
        home: principal.project.clone(),
    };
    Ok(Json(state.control.collect(&request).await?))
}
