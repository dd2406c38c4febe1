//! Content by digest: upload, look, download. Uploads are streamed, verified, and atomic.
//!
//! All projects share one store, where equal bytes lie once. A token of one project sees what that project refers to and
//! nothing else: knowing a digest is no right to the bytes. Who sends the bytes has them, so an upload is a reference.

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
use windlass_store::UPLOAD;

use super::Caller;
use crate::{AppState, error::ApiError, principal::Principal};

fn digest(text: &str) -> Result<Digest, ApiError> {
    text.parse().map_err(|error: windlass_kinds::DigestError| ApiError::bad_request(error.to_string()))
}

pub(super) async fn upload(
    State(state): State<AppState>,
    caller: Caller,
    Path(text): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let principal = caller.may(Operation::WriteContent)?;
    let digest = digest(&text)?;
    if size(&state, principal, &digest).await?.is_some() {
        return Ok(StatusCode::OK);
    }
    let mut writer = state.control.blobs().writer().await?;
    let mut body = request.into_body().into_data_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| ApiError::bad_request(format!("the upload broke off: {error}")))?;
        writer.write(&piece).await?;
    }
    match writer.commit(Some(&digest)).await {
        Ok(_) => {
            refer(&state, principal, &digest).await?;
            Ok(StatusCode::CREATED)
        }
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
    let principal = caller.may(Operation::ReadContent)?;
    let digest = digest(&text)?;
    match size(&state, principal, &digest).await? {
        Some(size) => Ok([(header::CONTENT_LENGTH, size.to_string())].into_response()),
        None => Err(ApiError::not_found(format!("content {digest}"))),
    }
}

pub(super) async fn download(
    State(state): State<AppState>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Response, ApiError> {
    let principal = caller.may(Operation::ReadContent)?;
    let digest = digest(&text)?;
    let Some(size) = size(&state, principal, &digest).await? else {
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

/// Returns how many bytes the content has, where it is there and the caller may know of it.
pub(super) async fn size(state: &AppState, principal: &Principal, digest: &Digest) -> Result<Option<u64>, ApiError> {
    if !principal.any_project {
        let wanted = digest.clone();
        let read = state.control.store().read(move |tx| {
            let digest = wanted.clone();
            Box::pin(async move { tx.content_ref_holders(&digest).await })
        });
        if !read.await?.iter().any(|(project, _)| *project == principal.project) {
            return Ok(None);
        }
    }
    Ok(state.control.blobs().size(digest).await?)
}

/// Notes that the caller's project has the content, where its token is good for no other.
async fn refer(state: &AppState, principal: &Principal, digest: &Digest) -> Result<(), ApiError> {
    if principal.any_project {
        return Ok(());
    }
    let (project, digest) = (principal.project.clone(), digest.clone());
    let write = state.control.store().write(move |tx| {
        let (project, digest) = (project.clone(), digest.clone());
        Box::pin(async move { tx.content_refs_add(&project, UPLOAD, &[digest]).await })
    });
    Ok(write.await?)
}
