//! Registered models as content: list, versions, files.

use axum::{
    Json,
    extract::{Path, State},
};
use windlass_api::ModelDetail;
use windlass_kinds::record::{FileEntry, RegisteredModel};
use windlass_plan::access::Operation;

use super::Caller;
use crate::{AppState, error::ApiError};

pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<RegisteredModel>>, ApiError> {
    let project = caller.may(Operation::ReadContent)?.project.clone();
    let models = state
        .control
        .store()
        .read(move |tx| {
            let project = project.clone();
            Box::pin(async move { tx.registered_models(&project).await })
        })
        .await?;
    Ok(Json(models))
}

pub(super) async fn read(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ModelDetail>, ApiError> {
    let project = caller.may(Operation::ReadContent)?.project.clone();
    let wanted = name.clone();
    let (model, versions) = state
        .control
        .store()
        .read(move |tx| {
            let (project, name) = (project.clone(), wanted.clone());
            Box::pin(async move {
                Ok((tx.registered_model_get(&project, &name).await?, tx.model_versions_of(&project, &name).await?))
            })
        })
        .await?;
    let model = model.ok_or_else(|| ApiError::not_found(format!("model {name}")))?;
    Ok(Json(ModelDetail { model, versions }))
}

pub(super) async fn files(
    State(state): State<AppState>,
    caller: Caller,
    Path((name, version)): Path<(String, u32)>,
) -> Result<Json<Vec<FileEntry>>, ApiError> {
    let project = caller.may(Operation::ReadContent)?.project.clone();
    let wanted = name.clone();
    let found = state
        .control
        .store()
        .read(move |tx| {
            let (project, name) = (project.clone(), wanted.clone());
            Box::pin(async move { tx.model_version_get(&project, &name, version).await })
        })
        .await?
        .ok_or_else(|| ApiError::not_found(format!("version {version} of model {name}")))?;
    let Some(manifest) = &found.manifest else {
        return Err(ApiError::not_found(format!("content of version {version} of model {name}")));
    };
    let files = windlass_oci::model::files(state.control.blobs().as_ref(), manifest).await?;
    Ok(Json(files))
}
