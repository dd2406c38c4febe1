//! Endpoints: what is served, since when, and how it is doing.

use axum::{
    Json,
    extract::{Path, State},
};
use windlass_api::{EndpointDetail, EndpointRow};
use windlass_control::EndpointView;
use windlass_plan::access::Operation;

use super::{Caller, parse_name};
use crate::{AppState, error::ApiError};

pub(super) async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Vec<EndpointRow>>, ApiError> {
    let project = &caller.may_as_step(Operation::ReadObjects)?.project;
    let views = state.control.endpoints(project).await?;
    Ok(Json(views.into_iter().map(row).collect()))
}

pub(super) async fn read(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<EndpointDetail>, ApiError> {
    let project = &caller.may_as_step(Operation::ReadObjects)?.project;
    let (view, revisions) = state.control.endpoint(project, &parse_name(&name)?).await?;
    Ok(Json(EndpointDetail { endpoint: row(view), revisions }))
}

fn row(view: EndpointView) -> EndpointRow {
    // No `..`: whatever is known of an endpoint is shown.
    let EndpointView { endpoint, spec, serving, newest, waiting, condition } = view;
    let condition = condition.unwrap_or_default();
    EndpointRow {
        name: endpoint,
        model: spec.model.to_string(),
        is_up: condition.number.is_some(),
        serving,
        newest,
        waiting,
        starting: condition.starting,
        trouble: condition.trouble,
        restarts: condition.restarts,
        memory: condition.memory,
    }
}
