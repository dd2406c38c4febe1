//! Traces: what programs did for each request. MLflow's third interface, its second for old clients, and the door for
//! OpenTelemetry's protocol.
//!
//! Most of what clients note of a trace is kept as they say it. Its name, its conversation, its tokens and its cost are
//! kept in the trace itself and shown where MLflow shows them. Spans are kept as MLflow keeps them, JSON within JSON.

mod any;
mod assessments;
mod batch;
mod files;
mod info;
mod labels;
mod metrics;
mod old;
mod otlp;
mod preview;
mod search;
mod show;
mod span;
mod times;
mod translate;

use axum::routing::{get, patch, post};

pub(super) use files::download;
pub(super) use otlp::take;

use super::other;
use crate::routes::Routes;

/// The routes below `3.0/mlflow/traces`.
pub(super) fn third() -> Routes {
    Routes::new()
        .route("/", post(info::start))
        .route("/get", get(info::get))
        .route("/batchGet", get(info::batch))
        .route("/batchGetInfos", post(info::infos))
        .route("/search", post(search::search))
        .route("/delete-traces", post(info::remove))
        .route("/calculate-filter-correlation", post(search::correlation))
        .route("/metrics", post(metrics::measure))
        .route("/{trace}", get(info::read))
        .route("/{trace}/tags", patch(labels::tag_set).delete(labels::tag_delete))
        .route("/{trace}/assessments", post(assessments::create))
        .route(
            "/{trace}/assessments/{assessment}",
            get(assessments::read).patch(assessments::update).delete(assessments::remove),
        )
        .method_not_allowed_fallback(other::wrong_method)
}

/// The routes below `2.0/mlflow/traces`.
pub(super) fn second() -> Routes {
    Routes::new()
        .route("/", get(search::search_old).post(old::start))
        .route("/delete-traces", post(info::remove))
        .route("/link-to-run", post(labels::link_to_run))
        .route("/link-prompts", post(labels::link_prompts))
        .route("/{trace}", patch(old::end))
        .route("/{trace}/info", get(old::read))
        .route("/{trace}/tags", patch(labels::tag_set).delete(labels::tag_delete))
        .method_not_allowed_fallback(other::wrong_method)
}
