//! The short way to the routes that a training loop asks all the time.
//!
//! Finding a route, and passing a request through the layers around it, takes as long as everything else that such a
//! request needs. So the threads that answer requests look here first. Door, token and handler are the same as on the
//! long way, and so are the answers; a path that is not known here, or another method, goes the long way.

use axum::{
    extract::{FromRequest as _, Request},
    http::Method,
    response::{IntoResponse as _, Response},
};

use super::{door::Door, error::Result, logging, request::Asked};
use crate::{AppState, auth};

const METRIC: &str = "/api/2.0/mlflow/runs/log-metric";
const BATCH: &str = "/api/2.0/mlflow/runs/log-batch";

/// Returns whether [`answer_short`] knows the route.
pub(crate) fn is_short(request: &Request) -> bool {
    request.method() == Method::POST && matches!(request.uri().path(), METRIC | BATCH)
}

/// Answers a request for which [`is_short`] holds.
pub(crate) async fn answer_short(state: AppState, request: Request) -> Response {
    let principal = match auth::enter(&state, &request).await {
        Ok(principal) => principal,
        Err(refusal) => return refusal,
    };
    match log(Door::new(principal, state.clone()), &state, request).await {
        Ok(answer) => answer,
        Err(error) => error.into_response(),
    }
}

async fn log(door: Door, state: &AppState, request: Request) -> Result<Response> {
    if request.uri().path() == METRIC {
        return Ok(logging::metric(door, Asked::from_request(request, state).await?).await?.into_response());
    }
    Ok(logging::batch(door, Asked::from_request(request, state).await?).await?.into_response())
}
