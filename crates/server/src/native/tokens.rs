//! Named tokens: list, create, revoke. A secret is shown once, when it is made.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use windlass_api::{TokenAnswer, TokenRequest, token};
use windlass_kinds::{
    TokenId,
    record::{LedgerKind, Token},
};
use windlass_plan::access::Operation;

use super::{Body, Caller};
use crate::{AppState, error::ApiError};

pub(super) async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Vec<Token>>, ApiError> {
    caller.may(Operation::ManageTokens)?;
    let tokens = state.control.store().read(|tx| Box::pin(async move { tx.tokens().await })).await?;
    let project = caller.listed();
    let seen = tokens.into_iter().filter(|token| project.is_none() || token.project == project);
    Ok(Json(seen.collect()))
}

pub(super) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(request): Body<TokenRequest>,
) -> Result<(StatusCode, Json<TokenAnswer>), ApiError> {
    let principal = caller.may(Operation::ManageTokens)?;
    let TokenRequest { name, project, role, seconds } = request;
    if name.trim().is_empty() || name.len() > 100 {
        return Err(ApiError::bad_request("a token needs a name of at most 100 bytes"));
    }
    // Whoever may make tokens for one project cannot reach into others by one of them.
    match &project {
        Some(project) => principal.sees(project)?,
        None => caller.sees_all()?,
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "random", error.to_string()))?;
    let secret = token::from_random(random);
    let hash = token::hash(&secret);
    let now = state.control.clock().now();
    let made = Token {
        id: TokenId::derived(&[&hex::encode(hash)]),
        name,
        project,
        role,
        created_at: now,
        expires_at: seconds.map(|seconds| now.plus(Duration::from_secs(seconds))),
        last_used_at: None,
        revoked_at: None,
    };
    let (row, actor, ledger_project) = (made.clone(), principal.actor.clone(), principal.project.clone());
    state
        .control
        .store()
        .write(move |tx| {
            let (row, actor, project) = (row.clone(), actor.clone(), ledger_project.clone());
            Box::pin(async move {
                tx.token_insert(&row, &hash).await?;
                tx.ledger_append(&project, &actor, LedgerKind::Access, &format!("token {}", row.id), &row, now).await
            })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(TokenAnswer { token: made, secret })))
}

pub(super) async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<()>, ApiError> {
    let principal = caller.may(Operation::ManageTokens)?;
    let now = state.control.clock().now();
    let (id, actor, project) = (TokenId::new(id), principal.actor.clone(), principal.project.clone());
    let wanted = id.clone();
    let scope = principal.scope();
    let known = state
        .control
        .store()
        .write(move |tx| {
            let (id, actor, project) = (wanted.clone(), actor.clone(), project.clone());
            let scope = scope.clone();
            Box::pin(async move {
                let seen = |token: &Token| token.id == id && (scope.is_none() || token.project == scope);
                if !tx.tokens().await?.iter().any(seen) {
                    return Ok(false);
                }
                let known = tx.token_revoke(&id, now).await?;
                if known {
                    let body = serde_json::json!({"revoked": id});
                    tx.ledger_append(&project, &actor, LedgerKind::Access, &format!("token {id}"), &body, now).await?;
                }
                Ok(known)
            })
        })
        .await?;
    state.tokens.clear();
    if known { Ok(Json(())) } else { Err(ApiError::not_found(format!("token {id}"))) }
}
