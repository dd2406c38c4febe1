//! The server's HTTP side: native API, MLflow's dialect, and who may knock.
//!
//! Thin by intent: parse a request into types, call one function of `control` or `store`, show the result. A dialect
//! stops here. This crate does not know Kubernetes, processes, or how anything is decided.

mod auth;
mod doors;
mod endpoint_door;
mod error;
mod metrics;
mod mlflow;
mod native;
mod page;
mod principal;
mod pulse;
mod routes;
mod rules;
mod serve;
mod state;
mod traffic;
mod unread;

use axum::response::{IntoResponse, Response};

pub use endpoint_door::admit;
pub use mlflow::WebhookCourier;
pub use principal::{AttemptContext, Principal};
pub use serve::{ServeError, bind, route_list, router, serve};
pub use state::{AppState, ServerSettings};
pub use traffic::{EndpointTraffic, Traffic};

/// Shows a refusal of the door in the dialect of the path it was for.
fn mlflow_or_native(path: &str, refusal: error::ApiError) -> Response {
    if path.starts_with("/api/v1/") || !mlflow::is_mlflow_path(path) {
        return refusal.into_response();
    }
    mlflow::refuse(refusal)
}
