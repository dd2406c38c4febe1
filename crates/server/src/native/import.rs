//! The door for what moves in from another tracking system: with its ids, numbers, times and states of life.
//!
//! Everything may be sent again. What was made here is never touched: the store keeps marks of what came by this door.
//! Aliases do not come by it; they are set like everybody's, through their gates. Bytes are uploaded as content first.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
};
use windlass_api::{ImportDone, ImportKnown, ImportMarks};
use windlass_kinds::record::{
    ImportAnswer, ImportArtifact, ImportExperiment, ImportLoggedModel, ImportModel, ImportRun, ImportVersion,
    LedgerKind,
};
use windlass_plan::access::Operation;
use windlass_store::PackedVersion;

use super::{Body, Caller, content};
use crate::{AppState, error::ApiError, mlflow, principal::Principal};

/// How many ids are asked about at once.
const ASKED: usize = 1000;
/// How many bytes an id or a name may have that is part of a key.
const KEY_MAX: usize = 512;

/// Refuses who may not do all that an import does.
fn may(caller: &Caller) -> Result<&Principal, ApiError> {
    for operation in [
        Operation::WriteTracking,
        Operation::WriteContent,
        Operation::RegisterModel,
        Operation::MoveAlias,
        Operation::DeleteTracking,
    ] {
        caller.may(operation)?;
    }
    caller.may(Operation::MoveAlias)
}

fn key(text: &str) -> Result<(), ApiError> {
    match text.is_empty() || text.len() > KEY_MAX || text.chars().any(char::is_control) {
        true => Err(ApiError::bad_request(format!("an id has 1 to {KEY_MAX} bytes and no control characters"))),
        false => Ok(()),
    }
}

/// Returns the marks of what was brought over before.
pub(super) async fn known(
    State(state): State<AppState>,
    caller: Caller,
    Body(asked): Body<ImportKnown>,
) -> Result<Json<ImportMarks>, ApiError> {
    let project = may(&caller)?.project.clone();
    let ImportKnown { runs, logged_models } = asked;
    if runs.len() + logged_models.len() > ASKED {
        return Err(ApiError::bad_request(format!("at most {ASKED} ids are asked about at once")));
    }
    let read = state.control.store().read(move |tx| {
        let (project, runs, models) = (project.clone(), runs.clone(), logged_models.clone());
        Box::pin(async move {
            let runs = tx.import_runs_known(&project, &runs).await?;
            Ok((runs, tx.import_logged_models_known(&project, &models).await?))
        })
    });
    let (runs, logged_models) = read.await?;
    Ok(Json(ImportMarks { runs: runs.into_iter().collect(), logged_models: logged_models.into_iter().collect() }))
}

/// Returns the marks of the versions of a model that were brought over before, by number.
pub(super) async fn known_versions(
    State(state): State<AppState>,
    caller: Caller,
    Path(model): Path<String>,
) -> Result<Json<BTreeMap<u32, String>>, ApiError> {
    let project = may(&caller)?.project.clone();
    let read = state.control.store().read(move |tx| {
        let (project, model) = (project.clone(), model.clone());
        Box::pin(async move { tx.import_versions_known(&project, &model).await })
    });
    Ok(Json(read.await?))
}

pub(super) async fn experiment(
    State(state): State<AppState>,
    caller: Caller,
    Body(given): Body<ImportExperiment>,
) -> Result<Json<ImportAnswer>, ApiError> {
    let principal = may(&caller)?;
    key(&given.origin)?;
    let args = (principal.project.clone(), given, principal.actor.clone(), state.control.clock().now());
    let write = state.control.store().write(move |tx| {
        let args = args.clone();
        Box::pin(async move { tx.import_experiment(&args.0, &args.1, &args.2, args.3).await })
    });
    Ok(Json(write.await?))
}

pub(super) async fn run(
    State(state): State<AppState>,
    caller: Caller,
    Body(given): Body<ImportRun>,
) -> Result<Json<ImportAnswer>, ApiError> {
    let principal = may(&caller)?;
    let is_id = given.id.as_str().len() <= 64 && given.id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_id || given.id.as_str().is_empty() {
        return Err(ApiError::bad_request("the id of a run has 1 to 64 letters and digits"));
    }
    artifacts(&state, principal, &given.artifacts).await?;
    let args = (principal.project.clone(), given, principal.actor.clone(), state.control.clock().now());
    let write = state.control.store().write(move |tx| {
        let args = args.clone();
        Box::pin(async move { tx.import_run(&args.0, &args.1, &args.2, args.3).await })
    });
    Ok(Json(write.await?))
}

pub(super) async fn logged_model(
    State(state): State<AppState>,
    caller: Caller,
    Body(given): Body<ImportLoggedModel>,
) -> Result<Json<ImportAnswer>, ApiError> {
    let principal = may(&caller)?;
    let is_id = |character: char| character.is_ascii_alphanumeric() || character == '-';
    if given.id.as_str().is_empty() || given.id.as_str().len() > 64 || !given.id.as_str().chars().all(is_id) {
        return Err(ApiError::bad_request("the id of a logged model has 1 to 64 letters, digits and hyphens"));
    }
    artifacts(&state, principal, &given.artifacts).await?;
    let args = (principal.project.clone(), given);
    let write = state.control.store().write(move |tx| {
        let args = args.clone();
        Box::pin(async move { tx.import_logged_model(&args.0, &args.1).await })
    });
    Ok(Json(write.await?))
}

/// Refuses paths that lead elsewhere, and bytes that are not here or that the caller may not know of.
async fn artifacts(state: &AppState, principal: &Principal, given: &[ImportArtifact]) -> Result<(), ApiError> {
    for ImportArtifact { path, digest, size } in given {
        if !mlflow::is_artifact_path(path) {
            return Err(ApiError::bad_request(format!("`{}` is no path of an artifact", path.escape_debug())));
        }
        if content::size(state, principal, digest).await? != Some(*size) {
            return Err(ApiError::not_found(format!("content {digest} of {size} bytes"))
                .hint("upload it first: PUT /api/v1/blobs/DIGEST"));
        }
    }
    Ok(())
}

pub(super) async fn model(
    State(state): State<AppState>,
    caller: Caller,
    Body(given): Body<ImportModel>,
) -> Result<Json<ImportAnswer>, ApiError> {
    let principal = may(&caller)?;
    key(&given.name)?;
    let args = (principal.project.clone(), given, principal.actor.clone(), state.control.clock().now());
    let write = state.control.store().write(move |tx| {
        let args = args.clone();
        Box::pin(async move { tx.import_model(&args.0, &args.1, &args.2, args.3).await })
    });
    Ok(Json(write.await?))
}

pub(super) async fn version(
    State(state): State<AppState>,
    caller: Caller,
    Body(given): Body<ImportVersion>,
) -> Result<Json<ImportAnswer>, ApiError> {
    let principal = may(&caller)?;
    let packed = mlflow::packed(principal, &state, &given.source).await?;
    let packed = packed.map(|(manifest, size, contents)| PackedVersion { manifest, size, contents });
    let args = (principal.project.clone(), given, packed, principal.actor.clone(), state.control.clock().now());
    let write = state.control.store().write(move |tx| {
        let args = args.clone();
        Box::pin(async move { tx.import_version(&args.0, &args.1, args.2.as_ref(), &args.3, args.4).await })
    });
    Ok(Json(write.await?))
}

/// Records that an import came to its end, and what it brought.
pub(super) async fn done(
    State(state): State<AppState>,
    caller: Caller,
    Body(done): Body<ImportDone>,
) -> Result<Json<()>, ApiError> {
    let principal = may(&caller)?;
    let args = (principal.project.clone(), done, principal.actor.clone(), state.control.clock().now());
    let write = state.control.store().write(move |tx| {
        let args = args.clone();
        Box::pin(async move {
            let (project, done, actor, now) = &args;
            let subject = format!("import {}", done.source.chars().take(KEY_MAX).collect::<String>());
            tx.ledger_append(project, actor, LedgerKind::Registry, &subject, &("imported", &done.counts), *now).await
        })
    });
    write.await?;
    state.control.registry_moved();
    Ok(Json(()))
}
