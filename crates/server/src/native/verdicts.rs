//! What was judged of model versions, and the story that it makes.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use windlass_api::{StoryLine, VerdictView};
use windlass_kinds::record::Verdict;
use windlass_plan::{access::Operation, judge};

use super::{Body, Caller};
use crate::{AppState, error::ApiError};

/// Returns what was judged of a version, oldest first; each is decided again over its own evidence.
pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path((name, version)): Path<(String, u32)>,
) -> Result<Json<Vec<VerdictView>>, ApiError> {
    let project = caller.may(Operation::ReadContent)?.project.clone();
    let model = name.clone();
    let in_project = project.clone();
    let verdicts: Vec<Verdict> = state
        .control
        .store()
        .read(move |tx| {
            let (project, model) = (in_project.clone(), model.clone());
            Box::pin(async move {
                tx.model_version_find(&project, &model, version).await?;
                tx.verdicts_of(&project, &model).await
            })
        })
        .await?;
    let spec = state.control.model_spec(&project, &name).await?;
    let views = verdicts.into_iter().filter(|verdict| verdict.version == version).map(|verdict| {
        // The gate may have been written anew since; then there is nothing to decide again by.
        let gate = spec.as_ref().and_then(|spec| spec.gate(&verdict.alias));
        let gate = gate.filter(|gate| gate.digest() == verdict.gate);
        let replayed =
            gate.map(|gate| judge::verdict(gate, &verdict.evidence)).map(|again| again.rules == verdict.rules);
        VerdictView { verdict, replayed }
    });
    Ok(Json(views.collect()))
}

#[derive(Debug, Deserialize)]
pub(super) struct GateRequest {
    alias: String,
}

/// Measures a version now and says what the gate before an alias makes of it.
pub(super) async fn judge_now(
    State(state): State<AppState>,
    caller: Caller,
    Path((name, version)): Path<(String, u32)>,
    Body(request): Body<GateRequest>,
) -> Result<Json<VerdictView>, ApiError> {
    let principal = caller.may(Operation::RegisterModel)?;
    let GateRequest { alias } = request;
    let verdict = state.control.judge_version(&principal.project, &name, version, &alias, &principal.actor).await?;
    let verdict = verdict.ok_or_else(|| ApiError::not_found(format!("gate before alias {alias} of model {name}")))?;
    Ok(Json(VerdictView { verdict, replayed: None }))
}

/// Points an alias at a version, if its gate lets it.
pub(super) async fn alias_set(
    State(state): State<AppState>,
    caller: Caller,
    Path((name, version)): Path<(String, u32)>,
    Body(request): Body<GateRequest>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let principal = caller.may(Operation::MoveAlias)?;
    state.control.alias_set(&principal.project, &name, version, &request.alias, &principal.actor).await?;
    Ok(Json(serde_json::json!({})))
}

/// Tells the history of a model.
pub(super) async fn story(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Vec<StoryLine>>, ApiError> {
    let project = caller.may(Operation::ReadRuns)?.project.clone();
    let told = state.control.story(&project, &name).await?;
    let told = told.ok_or_else(|| ApiError::not_found(format!("model {name}")))?;
    Ok(Json(told.into_iter().map(|(at, what, text)| StoryLine { at, what, text }).collect()))
}
