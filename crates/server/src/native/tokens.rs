//! Named tokens: list, create, revoke. A secret is shown once, when it is made.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use windlass_api::{TokenAnswer, TokenRequest, token};
use windlass_kinds::{
    Micros, Name, TokenId,
    record::{Actor, LedgerKind, Token},
};
use windlass_plan::access::Operation;
use windlass_store::{StoreError, Tx};

use super::{Body, Caller};
use crate::{AppState, error::ApiError, principal::Principal};

/// The longest name of a token or user, in bytes.
const NAME_LENGTH: usize = 100;

pub(super) async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Vec<Token>>, ApiError> {
    caller.may(Operation::ManageTokens)?;
    let tokens = state.control.store().read_one(|tx| Box::pin(async move { tx.tokens().await })).await?;
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
    let TokenRequest { name, project, role, user, replace, seconds } = request;
    check_name("a token", &name)?;
    user.as_deref().map_or(Ok(()), |user| check_name("a user", user))?;
    if seconds == Some(0) {
        return Err(ApiError::bad_request("a token that lasts no second is of no use"));
    }
    // Whoever may make tokens for one project cannot reach into others by one of them.
    match &project {
        Some(project) => principal.may_in(project, Operation::ManageTokens)?,
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
        user,
        created_at: now,
        expires_at: seconds.map(|seconds| now.plus(Duration::from_secs(seconds))),
        last_used_at: None,
        revoked_at: None,
    };
    let (row, by) = (made.clone(), By::of(principal));
    let write = state.control.store().write(move |tx| {
        let (row, by) = (row.clone(), by.clone());
        Box::pin(async move {
            let of_name = tx.tokens_named(&row.name).await?;
            let mut in_use = of_name.iter().filter(|known| known.project == row.project);
            // One that is over may be followed by another; it can no longer be used anyway.
            if !replace && in_use.any(|known| known.expires_at.is_none_or(|at| at > now)) {
                return Ok(false);
            }
            for known in of_name.iter().filter(|known| known.project == row.project) {
                revoke_one(tx, &known.id, &by, now).await?;
            }
            tx.token_insert(&row, &hash).await?;
            let subject = format!("token {}", row.id);
            tx.ledger_append(&by.project, &by.actor, LedgerKind::Access, &subject, &row, now).await?;
            Ok(true)
        })
    });
    if !write.await? {
        let message = format!("there is a token `{}` already", made.name);
        return Err(ApiError::new(StatusCode::CONFLICT, "conflict", message)
            .hint("its secret is not shown again: revoke it, replace it (`--replace`), or take another name"));
    }
    if replace {
        state.tokens.clear();
    }
    Ok((StatusCode::CREATED, Json(TokenAnswer { token: made, secret })))
}

/// Revokes a token; revoking it once more changes nothing.
pub(super) async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<()>, ApiError> {
    let principal = caller.may(Operation::ManageTokens)?;
    let now = state.control.clock().now();
    let (id, by, scope) = (TokenId::new(id), By::of(principal), principal.scope());
    let wanted = id.clone();
    let write = state.control.store().write(move |tx| {
        let (id, by, scope) = (wanted.clone(), by.clone(), scope.clone());
        Box::pin(async move {
            let found = tx.token_get(&id).await?;
            if !found.is_some_and(|token| scope.is_none() || token.project == scope) {
                return Ok(false);
            }
            revoke_one(tx, &id, &by, now).await?;
            Ok(true)
        })
    });
    let known = write.await?;
    state.tokens.clear();
    if known { Ok(Json(())) } else { Err(ApiError::not_found(format!("token {id}"))) }
}

/// Who changes access, and in whose ledger it stands.
#[derive(Clone)]
struct By {
    actor: Actor,
    project: Name,
}

impl By {
    fn of(principal: &Principal) -> Self {
        Self { actor: principal.actor.clone(), project: principal.project.clone() }
    }
}

async fn revoke_one(tx: &mut Tx, id: &TokenId, by: &By, now: Micros) -> Result<(), StoreError> {
    if tx.token_revoke(id, now).await? {
        let body = serde_json::json!({"revoked": id});
        let subject = format!("token {id}");
        tx.ledger_append(&by.project, &by.actor, LedgerKind::Access, &subject, &body, now).await?;
    }
    Ok(())
}

fn check_name(what: &str, name: &str) -> Result<(), ApiError> {
    let is_good = !name.trim().is_empty() && name.len() <= NAME_LENGTH && !name.chars().any(char::is_control);
    if is_good {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("{what} needs a name of at most {NAME_LENGTH} bytes without control characters")))
}
