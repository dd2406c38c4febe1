//! The rest of the surface: what clients probe, and what is not served.

use axum::{
    Json,
    extract::{OriginalUri, State},
    http::{Method, StatusCode, Uri},
};
use serde::Serialize;

use super::{VERSION, error::Error};
use crate::AppState;

/// Asked without a token, and so without the path of what is damaged.
pub(super) async fn health(State(state): State<AppState>) -> Result<&'static str, (StatusCode, &'static str)> {
    match state.control.store().damage() {
        None => Ok("OK"),
        Some(_) => {
            Err((StatusCode::INTERNAL_SERVER_ERROR, "the database's file is damaged; the server's log says which"))
        }
    }
}

pub(super) async fn version() -> &'static str {
    VERSION
}

/// What a client may expect of this server.
#[derive(Serialize)]
pub(super) struct ServerInfo {
    store_type: &'static str,
    workspaces_enabled: bool,
    trace_archival_enabled: bool,
    multipart_uploads_enabled: bool,
    multipart_downloads_enabled: bool,
    presigned_upload_run_id_supported: bool,
    presigned_upload_model_id_supported: bool,
    features_enabled: Features,
}

#[derive(Serialize)]
struct Features {
    gateway: bool,
}

pub(super) async fn server_info(State(state): State<AppState>) -> Json<ServerInfo> {
    Json(ServerInfo {
        store_type: "SqlStore",
        workspaces_enabled: false,
        trace_archival_enabled: false,
        multipart_uploads_enabled: state.part_key.is_some(),
        multipart_downloads_enabled: false,
        presigned_upload_run_id_supported: true,
        presigned_upload_model_id_supported: true,
        features_enabled: Features { gateway: false },
    })
}

/// Parts of MLflow's surface that are known and not served, by a piece of their paths; the first that fits is named.
const UNSERVED: [(&str, &str); 12] = [
    ("/mlflow/scorer", "scorers"),
    ("/mlflow/genai/", "evaluation on the server"),
    ("/mlflow/demo/", "demonstration data"),
    ("/mlflow/label-schemas", "label schemas"),
    ("/mlflow/review-queues", "review queues"),
    ("/mlflow/issues", "issues"),
    ("/mlflow/prompt-optimization", "prompt optimization"),
    ("/mlflow/gateway", "the AI gateway"),
    ("/gateway/", "the AI gateway"),
    ("/mlflow/workspaces", "workspaces"),
    ("/graphql", "GraphQL"),
    ("/jobs", "jobs"),
];

/// Answers 501 for what MLflow has and we have not, 404 for what neither has.
pub(super) async fn unserved(method: Method, OriginalUri(uri): OriginalUri) -> Error {
    match feature(uri.path()) {
        Some(feature) => Error::not_implemented(feature),
        None => Error::of_status(StatusCode::NOT_FOUND, format!("No endpoint {method} {}.", uri.path())),
    }
}

fn feature(path: &str) -> Option<&'static str> {
    UNSERVED.into_iter().find(|(piece, _)| path.contains(piece)).map(|(_, feature)| feature)
}

pub(super) async fn wrong_method(method: Method, OriginalUri(uri): OriginalUri) -> Error {
    no_such_method(&method, &uri)
}

pub(super) fn no_such_method(method: &Method, uri: &Uri) -> Error {
    match feature(uri.path()) {
        Some(feature) => Error::not_implemented(feature),
        None => {
            let message = format!("The method {method} is not allowed for {}.", uri.path());
            Error::of_status(StatusCode::METHOD_NOT_ALLOWED, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parts_are_told_from_unknown_paths() {
        for (path, expected) in [
            ("/ajax-api/3.0/mlflow/gateway/secrets/list", Some("the AI gateway")),
            ("/gateway/x/mlflow/invocations", Some("the AI gateway")),
            ("/api/3.0/mlflow/scorers/online-config", Some("scorers")),
            ("/api/3.0/mlflow/label-schemas/get", Some("label schemas")),
            ("/api/3.0/mlflow/review-queues/items/add", Some("review queues")),
            ("/api/3.0/mlflow/issues/7", Some("issues")),
            ("/api/3.0/mlflow/prompt-optimization/jobs/search", Some("prompt optimization")),
            ("/api/3.0/mlflow/workspaces", Some("workspaces")),
            ("/graphql", Some("GraphQL")),
            ("/api/2.0/mlflow/nope", None),
            ("/api/2.0/mlflow/webhooks/5/nope", None),
        ] {
            assert_eq!(feature(path), expected, "{path}");
        }
    }
}
