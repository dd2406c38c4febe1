//! Who asks, and through which door: `Host`, `Origin`, and the token. Fills the request's [`Principal`].
//!
//! A request without a valid token reaches nothing but liveness. Tokens are looked up by their SHA-256, so the
//! comparison does not leak; an answer is remembered for a few seconds, after which a revoked token no longer works.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use windlass_api::token;
use windlass_control::{attempt_of_token, chain};
use windlass_kinds::{
    Name,
    manifest::Role,
    record::{Actor, AttemptState},
};

use crate::{
    AppState,
    error::ApiError,
    page,
    principal::{AttemptContext, Principal},
};

/// How long an answer of the store about a token is believed.
const REMEMBER: Duration = Duration::from_secs(2);
/// How many answers are remembered.
const REMEMBERED: usize = 10_000;

/// Answers about tokens, by their hash.
#[derive(Default)]
pub(crate) struct TokenCache(Mutex<HashMap<[u8; 32], (Instant, Principal)>>);

impl TokenCache {
    fn get(&self, hash: &[u8; 32]) -> Option<Principal> {
        let cache = self.0.lock().expect("not poisoned");
        cache.get(hash).filter(|(at, _)| at.elapsed() < REMEMBER).map(|(_, principal)| principal.clone())
    }

    fn put(&self, hash: [u8; 32], principal: &Principal) {
        let mut cache = self.0.lock().expect("not poisoned");
        if cache.len() >= REMEMBERED {
            cache.clear();
        }
        cache.insert(hash, (Instant::now(), principal.clone()));
    }

    /// Forgets everything: a token was revoked, an attempt ended.
    pub(crate) fn clear(&self) {
        self.0.lock().expect("not poisoned").clear();
    }
}

/// Checks the door and the token, then lets the request on with its [`Principal`].
pub(crate) async fn check(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    if let Err(refusal) = check_door(&state, request.headers(), request.uri()) {
        return refusal.into_response();
    }
    if is_open(request.uri().path()) {
        return next.run(request).await;
    }
    let is_page = page::is_page(request.uri().path());
    let found = match request.headers().contains_key(header::AUTHORIZATION) || !is_page {
        true => principal(&state, request.headers()).await,
        false => session_principal(&state, request.headers()).await,
    };
    match found {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(refusal) if is_page => page::refuse(request.uri(), request.headers(), refusal).await,
        Err(refusal) => crate::mlflow_or_native(request.uri().path(), refusal),
    }
}

/// As [`check`] for a path that is no page's and needs a token: returns who asks, or what to answer.
pub(crate) async fn enter(state: &AppState, headers: &HeaderMap, uri: &Uri) -> Result<Principal, Response> {
    check_door(state, headers, uri).map_err(IntoResponse::into_response)?;
    let found = principal(state, headers).await;
    found.map_err(|refusal| crate::mlflow_or_native(uri.path(), refusal))
}

/// Paths that need no token: they tell that the server lives, or let somebody sign in.
fn is_open(path: &str) -> bool {
    matches!(path, "/health" | "/healthz" | "/readyz" | "/version") || page::is_open(path)
}

/// Returns who knocks at a door beside ours, with the project that the request names.
pub(crate) async fn knock(state: &AppState, headers: &HeaderMap, uri: &Uri) -> Result<Principal, ApiError> {
    check_door(state, headers, uri)?;
    principal(state, headers).await?.narrowed(headers)
}

/// Refuses a `Host` that is not ours (DNS rebinding) and an `Origin` that is another site's.
fn check_door(state: &AppState, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
    let host = match (uri.host(), headers.get(header::HOST)) {
        (_, Some(value)) => value.to_str().unwrap_or(""),
        (Some(host), None) => host,
        (None, None) => "",
    };
    let name = host_name(host);
    let known = is_loopback_name(name) || state.settings.hosts.iter().any(|known| known.eq_ignore_ascii_case(name));
    if !known {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "host",
            format!("this server does not answer for host `{name}`"),
        )
        .hint("use the address it listens at, or start it with --host NAME"));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or("");
        let same = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
        if !same {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "origin",
                "requests from pages of another site are refused",
            ));
        }
    }
    Ok(())
}

/// Returns the name in a `Host` header: without port, without the brackets of an IPv6 address.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or("");
    }
    host.split(':').next().unwrap_or("")
}

fn is_loopback_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn unauthenticated() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthenticated", "a token is needed").hint(
        "send `Authorization: Bearer TOKEN`; the local token lies in the data folder, in the file `token` \
         (MLflow clients: MLFLOW_TRACKING_TOKEN)",
    )
}

/// Returns who a page's session stands for, as its token says now: a revoked token ends its sessions.
async fn session_principal(state: &AppState, headers: &HeaderMap) -> Result<Principal, ApiError> {
    let hash = page::token_of(state, headers).ok_or_else(unauthenticated)?;
    if let Some(principal) = state.tokens.get(&hash) {
        return Ok(principal);
    }
    let principal = token_principal(state, hash).await?.ok_or_else(unauthenticated)?;
    state.tokens.put(hash, &principal);
    Ok(principal)
}

async fn principal(state: &AppState, headers: &HeaderMap) -> Result<Principal, ApiError> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(token::of_header).ok_or_else(unauthenticated)?;
    let hash = token::hash(&token);
    if let Some(principal) = state.tokens.get(&hash) {
        return Ok(principal);
    }
    let found = if token.starts_with("wla_") {
        attempt_principal(state, &token).await?
    } else {
        token_principal(state, hash).await?
    };
    let principal = found.ok_or_else(unauthenticated)?;
    state.tokens.put(hash, &principal);
    Ok(principal)
}

async fn token_principal(state: &AppState, hash: [u8; 32]) -> Result<Option<Principal>, ApiError> {
    let now = state.control.clock().now();
    let found =
        state.control.store().read_one(move |tx| Box::pin(async move { tx.token_by_hash(&hash).await })).await?;
    let Some(found) = found else { return Ok(None) };
    let over = found.revoked_at.is_some() || found.expires_at.is_some_and(|at| at <= now);
    if over {
        return Ok(None);
    }
    // Last use is kept to the minute, so that reading does not write all the time.
    if found.last_used_at.is_none_or(|at| now.since(at) > Duration::from_secs(60)) {
        let id = found.id.clone();
        let used = state
            .control
            .store()
            .write(move |tx| {
                let id = id.clone();
                Box::pin(async move { tx.token_used(&id, now).await })
            })
            .await;
        if let Err(error) = used {
            tracing::warn!("a token's last use was not kept: {}", chain(&error));
        }
    }
    let project = found.project.clone().unwrap_or_else(default_project);
    Ok(Some(Principal {
        actor: Actor::token(&found.name),
        role: found.role,
        project,
        any_project: found.project.is_none(),
        attempt: None,
    }))
}

async fn attempt_principal(state: &AppState, token: &str) -> Result<Option<Principal>, ApiError> {
    let Some(id) = attempt_of_token(&state.control.settings().attempt_secret, token) else { return Ok(None) };
    let read = state
        .control
        .store()
        .read(move |tx| {
            let id = id.clone();
            Box::pin(async move {
                let Some(attempt) = tx.attempt_get(&id).await? else { return Ok(None) };
                let step = tx.step_run_get(&attempt.step_run).await?;
                let run = tx.pipeline_run_get(&attempt.run).await?;
                Ok(Some((attempt, step, run)))
            })
        })
        .await?;
    let Some((attempt, Some(step), Some(run))) = read else { return Ok(None) };
    if attempt.state != AttemptState::Running {
        return Ok(None);
    }
    Ok(Some(Principal {
        actor: Actor::step(run.pipeline.as_str(), step.step.as_str()),
        role: Role::Contributor,
        project: attempt.project.clone(),
        any_project: false,
        attempt: Some(AttemptContext { attempt: attempt.id, step_run: attempt.step_run, run: attempt.tracking_run }),
    }))
}

/// The project of requests that name none.
pub(crate) fn default_project() -> Name {
    "default".parse().expect("a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_lose_port_and_brackets() {
        for (host, name) in
            [("localhost:7070", "localhost"), ("[::1]:7070", "::1"), ("127.0.0.1", "127.0.0.1"), ("", "")]
        {
            assert_eq!(host_name(host), name);
        }
        assert!(is_loopback_name("LocalHost") && is_loopback_name("::1") && is_loopback_name("127.9.9.9"));
        assert!(!is_loopback_name("evil.example") && !is_loopback_name("10.0.0.1") && !is_loopback_name(""));
    }
}
