//! MLflow's REST API, spoken so that its unmodified client works.
//!
//! Paths, field names, error codes and messages follow MLflow 3.17; what this server does not do is answered with 501
//! and MLflow's error body. The dialect ends here: the store knows runs, points, artifacts and versions, not MLflow.

mod artifact_path;
mod artifacts;
mod check;
mod door;
mod error;
mod evaluation_datasets;
mod experiments;
mod filter;
mod histories;
mod inputs;
mod logged_models;
mod logging;
mod model_source;
mod model_versions;
mod moved;
mod multipart;
mod names;
mod other;
mod page;
mod presigned;
mod registered_models;
mod request;
mod runs;
mod search;
mod short_way;
mod show;
mod stages;
mod traces;
mod webhooks;
mod wire;

use axum::{
    http::{Method, Uri},
    response::{IntoResponse, Response},
    routing::{any, delete, get, patch, post, put},
};

pub(crate) use filter::{Entity as FilterEntity, parse as parse_filter};
pub(crate) use moved::{is_artifact_path, packed};
pub(crate) use multipart::PartKey;
pub(crate) use short_way::{answer_short, is_short};
pub(crate) use show::{model_root, run_root};
pub use webhooks::WebhookCourier;

use crate::{error::ApiError, routes::Routes};

/// The version of MLflow whose behaviour is followed; clients ask for it.
pub(crate) const VERSION: &str = "3.17.2";

/// Returns the routes of the dialect, each under both of MLflow's prefixes.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .route("/health", get(other::health))
        .route("/version", get(other::version))
        .route("/get-artifact", get(artifacts::of_run))
        .route("/model-versions/get-artifact", get(artifacts::of_version))
        .route("/graphql", any(other::unserved))
        .route("/v1/traces", post(traces::take))
        .merge(versioned("/api"))
        .merge(versioned("/ajax-api"))
}

fn versioned(prefix: &str) -> Routes {
    Routes::new()
        .nest(&format!("{prefix}/2.0/mlflow"), tracking())
        .nest(&format!("{prefix}/2.0/mlflow-artifacts"), files())
        .route(&format!("{prefix}/3.0/mlflow/server-info"), get(other::server_info))
        .nest(&format!("{prefix}/3.0/mlflow/datasets"), datasets())
        .nest(&format!("{prefix}/3.0/mlflow/traces"), traces::third())
        .route(&format!("{prefix}/3.0/mlflow/get-trace-artifact"), get(traces::download))
        .route(&format!("{prefix}/2.0mlflow/experiments/search-datasets"), post(evaluation_datasets::of_runs))
        .route(&format!("{prefix}/{{*rest}}"), any(other::unserved))
}

fn tracking() -> Routes {
    Routes::new()
        .route("/experiments/create", post(experiments::create))
        .route("/experiments/get", get(experiments::read))
        .route("/experiments/get-by-name", get(experiments::read_by_name))
        .route("/experiments/search", get(search::experiments::search_get).post(search::experiments::search))
        .route("/experiments/update", post(experiments::rename))
        .route("/experiments/delete", post(experiments::remove))
        .route("/experiments/restore", post(experiments::restore))
        .route("/experiments/set-experiment-tag", post(experiments::tag_set))
        .route("/experiments/delete-experiment-tag", post(experiments::tag_delete))
        .route("/runs/create", post(runs::create))
        .route("/runs/get", get(runs::read))
        .route("/runs/update", post(runs::update))
        .route("/runs/search", post(search::runs::search))
        .route("/runs/delete", post(runs::remove))
        .route("/runs/restore", post(runs::restore))
        .route("/runs/log-metric", post(logging::metric))
        .route("/runs/log-parameter", post(logging::param))
        .route("/runs/log-batch", post(logging::batch))
        .route("/runs/set-tag", post(logging::tag_set))
        .route("/runs/delete-tag", post(logging::tag_delete))
        .route("/runs/log-inputs", post(inputs::inputs))
        .route("/runs/outputs", post(inputs::outputs))
        .route("/runs/log-model", post(inputs::log_model))
        .route("/metrics/get-history", get(histories::read))
        .route("/metrics/get-history-bulk-interval", get(histories::sampled))
        .route("/artifacts/list", get(artifacts::list_of_run))
        .route("/artifacts/presigned-upload-url", post(presigned::upload))
        .route("/artifacts/presigned-download-url", post(presigned::download))
        .route("/logged-models", post(logged_models::create))
        .route("/logged-models/search", post(search::logged_models::search))
        .route(
            "/logged-models/{model}",
            get(logged_models::read).patch(logged_models::finish).delete(logged_models::remove),
        )
        .route("/logged-models/{model}/params", post(logged_models::params))
        .route("/logged-models/{model}/tags", patch(logged_models::tags))
        .route("/logged-models/{model}/tags/{key}", delete(logged_models::tag_delete))
        .route("/logged-models/{model}/artifacts/directories", get(artifacts::list_of_model))
        .route("/registered-models/create", post(registered_models::create))
        .route("/registered-models/get", get(registered_models::read))
        .route("/registered-models/search", get(search::registered_models::search))
        .route("/registered-models/update", patch(registered_models::describe))
        .route("/registered-models/rename", post(registered_models::rename))
        .route("/registered-models/delete", delete(registered_models::remove))
        .route("/registered-models/set-tag", post(registered_models::tag_set))
        .route("/registered-models/delete-tag", delete(registered_models::tag_delete))
        .route(
            "/registered-models/alias",
            get(registered_models::alias_read)
                .post(registered_models::alias_set)
                .delete(registered_models::alias_delete),
        )
        .route("/registered-models/get-latest-versions", get(registered_models::latest).post(registered_models::latest))
        .route("/model-versions/create", post(model_versions::create))
        .route("/model-versions/get", get(model_versions::read))
        .route("/model-versions/search", get(search::model_versions::search))
        .route("/model-versions/update", patch(model_versions::describe))
        .route("/model-versions/delete", delete(model_versions::remove))
        .route("/model-versions/get-download-uri", get(model_versions::download_uri))
        .route("/model-versions/set-tag", post(model_versions::tag_set))
        .route("/model-versions/delete-tag", delete(model_versions::tag_delete))
        .route("/model-versions/transition-stage", post(stages::transition))
        .nest("/traces", traces::second())
        .route("/get-trace-artifact", get(traces::download))
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/webhooks/{webhook}", get(webhooks::read).patch(webhooks::update).delete(webhooks::remove))
        .route("/webhooks/{webhook}/test", post(webhooks::attempt))
        .method_not_allowed_fallback(other::wrong_method)
        .fallback(other::unserved)
}

fn datasets() -> Routes {
    use evaluation_datasets as datasets;

    Routes::new()
        .route("/create", post(datasets::create))
        .route("/search", get(datasets::search).post(datasets::search))
        .route("/{dataset}", get(datasets::read).delete(datasets::remove))
        .route("/{dataset}/tags", patch(datasets::tags_set))
        .route("/{dataset}/tags/{key}", delete(datasets::tag_delete))
        .route(
            "/{dataset}/records",
            get(datasets::records_list).post(datasets::records_merge).delete(datasets::records_delete),
        )
        .route("/{dataset}/experiment-ids", get(datasets::experiments))
        .route("/{dataset}/add-experiments", post(datasets::experiments_add))
        .route("/{dataset}/remove-experiments", post(datasets::experiments_remove))
        .method_not_allowed_fallback(other::wrong_method)
        .fallback(other::unserved)
}

fn files() -> Routes {
    Routes::new()
        .route("/artifacts", get(artifacts::list))
        .route("/artifacts/{*path}", put(artifacts::upload).get(artifacts::download).delete(artifacts::remove))
        .route("/mpu/create/{*path}", post(multipart::create))
        .route("/mpu/complete/{*path}", post(multipart::complete))
        .route("/mpu/abort/{*path}", post(multipart::abort))
        .route("/mpu/part/{upload}/{number}", put(multipart::part))
        .route("/presigned/{*path}", get(presigned::of_path))
        .method_not_allowed_fallback(other::wrong_method)
        .fallback(other::unserved)
}

/// Returns whether a path belongs to the dialect.
pub(crate) fn is_mlflow_path(path: &str) -> bool {
    [
        "/api/2.0/",
        "/api/2.0mlflow/",
        "/api/3.0/",
        "/ajax-api/",
        "/get-artifact",
        "/model-versions/",
        "/v1/traces",
        "/graphql",
    ]
    .iter()
    .any(|prefix| path.starts_with(prefix))
}

/// Refuses a method that a path of the dialect does not have.
pub(crate) fn wrong_method(method: &Method, uri: &Uri) -> Response {
    other::no_such_method(method, uri).into_response()
}

/// Shows a refusal of the door as MLflow would.
pub(crate) fn refuse(refusal: ApiError) -> Response {
    let (status, message) = refusal.parts();
    error::Error::of_status(status, message).into_response()
}
