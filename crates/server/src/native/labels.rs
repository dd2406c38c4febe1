//! Labels that are sent for what an endpoint predicted: taken in, and what is known of them.

use axum::{
    Json,
    extract::{Path, Request, State},
    http::{StatusCode, header},
};
use windlass_api::{LabelsAnswer, LabelsDetail};
use windlass_control::LabelsTaken;
use windlass_data::labels::{LabelFormat, read};
use windlass_kinds::{Digest, record::LabelUpload};
use windlass_plan::access::Operation;

use super::{Caller, parse_name};
use crate::{AppState, error::ApiError};

/// The most rows of one sending: they are written in one transaction, for which others wait.
const ROWS_MAX: usize = 50_000;

/// How many sendings are shown at most; the newest.
const SHOWN: u32 = 100;

/// Takes labels; they are on disk when this answers. Sending the same again changes nothing. The code of a step may send
/// them too.
pub(super) async fn take(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<LabelsAnswer>, ApiError> {
    let principal = caller.may_as_step(Operation::WriteContent)?.clone();
    let endpoint = parse_name(&name)?;
    let spec = state.control.labelled_endpoint(&principal.project, &endpoint).await?;
    let format = format_of(&request)?;
    let cap = state.settings.body_cap;
    let bytes = axum::body::to_bytes(request.into_body(), cap).await.map_err(|_| {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("the labels have more than {cap} bytes"))
            .hint("send them in pieces")
    })?;
    let parsed = tokio::task::spawn_blocking(move || {
        let labels = read(&bytes, format, &spec.row_id, ROWS_MAX);
        labels.map(|labels| (labels, Digest::sha256(&bytes)))
    });
    let (labels, digest) = parsed
        .await
        .map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?
        .map_err(|error| ApiError::bad_request(windlass_control::chain(&error)))?;
    let taken = state.control.labels_take(&principal.project, &endpoint, labels, digest, &principal.actor).await?;
    // No `..`: whatever became of a label is answered.
    let LabelsTaken { upload, unknown } = taken;
    let LabelUpload { project: _, endpoint: _, number: _, digest: _, accepted, unchanged, corrected, received_at: _ } =
        upload;
    Ok(Json(LabelsAnswer { accepted, unchanged, corrected, unknown }))
}

/// Shows what is known of an endpoint's labels.
pub(super) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<LabelsDetail>, ApiError> {
    let project = caller.may_as_step(Operation::ReadObjects)?.project.clone();
    let endpoint = parse_name(&name)?;
    state.control.labelled_endpoint(&project, &endpoint).await?;
    let (totals, uploads) = state.control.labels_known(&project, &endpoint, SHOWN).await?;
    Ok(Json(LabelsDetail { totals, uploads }))
}

fn format_of(request: &Request) -> Result<LabelFormat, ApiError> {
    let text = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "text/csv" => Ok(LabelFormat::Csv),
        "application/json" => Ok(LabelFormat::List),
        "application/x-ndjson" | "application/jsonl" | "application/x-jsonlines" => Ok(LabelFormat::Lines),
        _ => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported",
            format!("labels of type `{text}` are not read"),
        )
        .hint("send text/csv, application/json or application/x-ndjson")),
    }
}
