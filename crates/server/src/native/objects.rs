//! Manifests: plan, apply, read, delete; and the versions of datasets.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Deserialize;
use windlass_api::{ApplyRequest, WantedManifest};
use windlass_control::Wanted;
use windlass_kinds::{
    Kind, Name, ObjectRef,
    record::{DatasetVersion, Revision},
};
use windlass_plan::{access::Operation, diff::Plan};

use super::{Body, Caller};
use crate::{AppState, error::ApiError};

/// Parses `{kind}/{name}` of a path.
fn object(kind: &str, name: &str) -> Result<ObjectRef, ApiError> {
    let kind: Kind =
        kind.parse().map_err(|error: windlass_kinds::KindError| ApiError::bad_request(error.to_string()))?;
    Ok(ObjectRef::new(kind, parse_name(name)?))
}

pub(crate) fn parse_name(name: &str) -> Result<Name, ApiError> {
    name.parse().map_err(|error: windlass_kinds::NameError| ApiError::bad_request(error.to_string()))
}

fn wanted(manifests: Vec<WantedManifest>) -> Vec<Wanted> {
    manifests.into_iter().map(|WantedManifest { manifest, resolved }| (manifest, resolved)).collect()
}

pub(super) async fn plan(
    State(state): State<AppState>,
    caller: Caller,
    Body(request): Body<ApplyRequest>,
) -> Result<Json<Plan>, ApiError> {
    let principal = caller.may(Operation::ReadObjects)?;
    // A plan shows what is there: only to whom it may be shown.
    request.manifests.iter().try_for_each(|wanted| principal.sees(&wanted.manifest.project))?;
    Ok(Json(state.control.plan(&wanted(request.manifests)).await?))
}

pub(super) async fn apply(
    State(state): State<AppState>,
    caller: Caller,
    Body(request): Body<ApplyRequest>,
) -> Result<Json<Plan>, ApiError> {
    let principal = caller.may(Operation::ApplyObjects)?;
    let ApplyRequest { manifests, fingerprint } = request;
    for WantedManifest { manifest, resolved } in &manifests {
        principal.may_in(&manifest.project, Operation::ApplyObjects)?;
        if manifest.kind() == Kind::Project {
            principal.may_in(&manifest.project, Operation::ManageProjects)?;
        }
        if let Some(code) = &resolved.code
            && super::content::size(&state, principal, code).await?.is_none()
        {
            return Err(ApiError::bad_request(format!("the code of {} ({code}) was not uploaded", manifest.object())));
        }
    }
    let moves_members = manifests.iter().any(|wanted| wanted.manifest.kind() == Kind::Project);
    let plan = state.control.apply(&principal.actor, wanted(manifests), fingerprint).await?;
    if moves_members {
        state.tokens.clear();
    }
    Ok(Json(plan))
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    kind: Option<String>,
}

pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<Revision>>, ApiError> {
    caller.may(Operation::ReadObjects)?;
    caller.names_a_project(&state).await?;
    let kind = query
        .kind
        .map(|kind| kind.parse::<Kind>())
        .transpose()
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    let project = caller.listed();
    let revisions = state
        .control
        .store()
        .read(move |tx| {
            let project = project.clone();
            Box::pin(async move { tx.revisions_current(project.as_ref(), kind).await })
        })
        .await?;
    Ok(Json(revisions))
}

pub(super) async fn read(
    State(state): State<AppState>,
    caller: Caller,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Revision>, ApiError> {
    let principal = caller.may(Operation::ReadObjects)?;
    let object = object(&kind, &name)?;
    let (project, wanted) = (principal.project.clone(), object.clone());
    let (found, others) = state
        .control
        .store()
        .read(move |tx| {
            let (project, object) = (project.clone(), wanted.clone());
            Box::pin(async move {
                let found = tx.revision_current(&project, object.kind, &object.name).await?;
                Ok((found, tx.revisions_current(Some(&project), Some(object.kind)).await?))
            })
        })
        .await?;
    match found {
        Some(revision) if !revision.deleted => Ok(Json(revision)),
        _ => {
            let refusal = ApiError::not_found(&object);
            let names: Vec<_> = others.iter().map(|revision| revision.name.to_string()).collect();
            Err(if names.is_empty() { refusal } else { refusal.hint(format!("there is {}", names.join(", "))) })
        }
    }
}

pub(super) async fn history(
    State(state): State<AppState>,
    caller: Caller,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Vec<Revision>>, ApiError> {
    let principal = caller.may(Operation::ReadObjects)?;
    let object = object(&kind, &name)?;
    let (project, wanted) = (principal.project.clone(), object.clone());
    let history = state
        .control
        .store()
        .read(move |tx| {
            let (project, object) = (project.clone(), wanted.clone());
            Box::pin(async move { tx.revision_history(&project, object.kind, &object.name).await })
        })
        .await?;
    if history.is_empty() { Err(ApiError::not_found(&object)) } else { Ok(Json(history)) }
}

pub(super) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Revision>, ApiError> {
    let principal = caller.may(Operation::DeleteObjects)?;
    let object = object(&kind, &name)?;
    if object.kind == Kind::Project {
        caller.may(Operation::ManageProjects)?;
    }
    let removed = state.control.delete(&principal.actor, &principal.project, &object).await?;
    if object.kind == Kind::Project {
        state.tokens.clear();
    }
    Ok(Json(removed))
}

pub(super) async fn dataset_versions(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Vec<DatasetVersion>>, ApiError> {
    let principal = caller.may(Operation::ReadObjects)?;
    let (project, name) = (principal.project.clone(), parse_name(&name)?);
    let versions = state
        .control
        .store()
        .read(move |tx| {
            let (project, name) = (project.clone(), name.clone());
            Box::pin(async move { tx.dataset_versions(&project, &name).await })
        })
        .await?;
    Ok(Json(versions))
}
