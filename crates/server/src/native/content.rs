//! Content by digest: upload, look, download. Uploads are streamed, verified, and atomic.

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use tokio_util::io::ReaderStream;
use windlass_kinds::Digest;
use windlass_plan::access::Operation;

use super::Caller;
use crate::{AppState, error::ApiError};

fn digest(text: &str) -> Result<Digest, ApiError> {
    text.parse().map_err(|error: windlass_kinds::DigestError| ApiError::bad_request(error.to_string()))
}

pub(super) async fn upload(
    State(state): State<AppState>,
    caller: Caller,
    Path(text): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    caller.may(Operation::WriteContent)?;
    let digest = digest(&text)?;
    if state.control.blobs().size(&digest).await?.is_some() {
        return Ok(StatusCode::OK);
    }
    let mut writer = state.control.blobs().writer().await?;
    let mut body = request.into_body().into_data_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| ApiError::bad_request(format!("the upload broke off: {error}")))?;
        writer.write(&piece).await?;
    }
    match writer.commit(Some(&digest)).await {
        Ok(_) => Ok(StatusCode::CREATED),
        Err(error @ windlass_oci::BlobError::Mismatch { .. }) => {
            Err(ApiError::bad_request(windlass_control::chain(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn exists(
    State(state): State<AppState>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Response, ApiError> {
    caller.may(Operation::ReadContent)?;
    let digest = digest(&text)?;
    match state.control.blobs().size(&digest).await? {
        Some(size) => Ok([(header::CONTENT_LENGTH, size.to_string())].into_response()),
        None => Err(ApiError::not_found(format!("content {digest}"))),
    }
}

pub(super) async fn download(
    State(state): State<AppState>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Response, ApiError> {
    caller.may(Operation::ReadContent)?;
    let digest = digest(&text)?;
    let Some(size) = state.control.blobs().size(&digest).await? else {
        return Err(ApiError::not_found(format!("content {digest}")));
    };
    let reader = state.control.blobs().open(&digest, None).await?;
    let headers = [
        (header::CONTENT_LENGTH, size.to_string()),
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(reader))).into_response())
}
