//! What a token stands for: looked up by its hash, remembered for a moment.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};
use tokio::sync::watch;
use windlass_api::token;
use windlass_control::{attempt_of_token, chain};
use windlass_kinds::{
    Kind, Name,
    manifest::{Role, Spec},
    record::{Actor, AttemptState, Revision, Token},
};
use windlass_plan::access;

use crate::{
    AppState,
    error::ApiError,
    principal::{AttemptContext, Principal},
};

/// How long an answer of the store about a token is believed.
const REMEMBER: Duration = Duration::from_secs(2);
/// How many answers are remembered.
const REMEMBERED: usize = 10_000;
/// How the tokens of attempts begin.
const OF_ATTEMPT: &str = "wla_";

/// Answers about tokens, by their hash.
pub(crate) struct TokenCache {
    answers: Mutex<HashMap<[u8; 32], (Instant, Principal)>>,
    revocations: watch::Sender<u64>,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self { answers: Mutex::default(), revocations: watch::channel(0).0 }
    }
}

impl TokenCache {
    fn get(&self, hash: &[u8; 32]) -> Option<Principal> {
        let answers = self.answers.lock().expect("not poisoned");
        answers.get(hash).filter(|(at, _)| at.elapsed() < REMEMBER).map(|(_, principal)| principal.clone())
    }

    fn put(&self, hash: [u8; 32], principal: &Principal) {
        let mut answers = self.answers.lock().expect("not poisoned");
        if answers.len() >= REMEMBERED {
            answers.clear();
        }
        answers.insert(hash, (Instant::now(), principal.clone()));
    }

    /// Forgets everything: a token was revoked, the members of a project changed.
    pub(crate) fn clear(&self) {
        self.answers.lock().expect("not poisoned").clear();
        self.revocations.send_modify(|count| *count += 1);
    }

    /// Returns what changes whenever something was forgotten by [`TokenCache::clear`].
    pub(super) fn revocations(&self) -> watch::Receiver<u64> {
        self.revocations.subscribe()
    }
}

/// What somebody shows to be let in.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    /// The SHA-256 of the token.
    pub(super) hash: [u8; 32],
    /// The token itself where it is an attempt's, which is checked by computing it.
    attempt: Option<String>,
}

impl Credential {
    /// A token of which only the hash is known.
    pub(super) fn of_hash(hash: [u8; 32]) -> Self {
        Self { hash, attempt: None }
    }

    /// Returns the token of a request's `Authorization` header, with the name beside it where it has one.
    pub(super) fn of_headers(headers: &HeaderMap) -> Option<(Self, Option<String>)> {
        let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (name, token) = token::parts_of_header(header)?;
        let credential = Self { hash: token::hash(&token), attempt: token.starts_with(OF_ATTEMPT).then_some(token) };
        Some((credential, name))
    }
}

/// Returns whom a credential stands for, as far as that is remembered.
pub(super) fn remembered(state: &AppState, credential: &Credential) -> Option<Principal> {
    state.tokens.get(&credential.hash)
}

/// Returns whom a credential stands for, in the project that it is good for or would choose; `None` where it is wrong,
/// revoked or over.
pub(super) async fn principal_of(state: &AppState, credential: &Credential) -> Result<Option<Principal>, ApiError> {
    if let Some(principal) = remembered(state, credential) {
        return Ok(Some(principal));
    }
    let found = match &credential.attempt {
        Some(token) => of_attempt(state, token).await?,
        None => of_token(state, credential.hash).await?,
    };
    if let Some(principal) = &found {
        state.tokens.put(credential.hash, principal);
    }
    Ok(found)
}

async fn of_token(state: &AppState, hash: [u8; 32]) -> Result<Option<Principal>, ApiError> {
    let now = state.control.clock().now();
    let store = state.control.store();
    let found = store.read_one(move |tx| Box::pin(async move { tx.token_by_hash(&hash).await })).await?;
    let Some(found) = found else { return Ok(None) };
    let over = found.revoked_at.is_some() || found.expires_at.is_some_and(|at| at <= now);
    if over {
        return Ok(None);
    }
    // Last use is kept to the minute, so that reading does not write all the time.
    if found.last_used_at.is_none_or(|at| now.since(at) > Duration::from_secs(60)) {
        let id = found.id.clone();
        let used = store
            .write(move |tx| {
                let id = id.clone();
                Box::pin(async move { tx.token_used(&id, now).await })
            })
            .await;
        if let Err(error) = used {
            tracing::warn!("a token's last use was not kept: {}", chain(&error));
        }
    }
    match &found.user {
        None => Ok(Some(fixed(found))),
        Some(user) => {
            let projects =
                store.read(|tx| Box::pin(async move { tx.revisions_current(None, Some(Kind::Project)).await })).await?;
            member(&found, user, &projects).map(Some)
        }
    }
}

/// A token that has its role and project from whoever made it.
fn fixed(token: Token) -> Principal {
    Principal {
        actor: Actor::token(&token.name),
        role: token.role,
        any_project: token.project.is_none(),
        project: token.project.unwrap_or_else(default_project),
        memberships: None,
        attempt: None,
    }
}

/// A token of a user, whose rights follow from the projects' members.
fn member(token: &Token, user: &str, projects: &[Revision]) -> Result<Principal, ApiError> {
    let specs = projects.iter().filter_map(|revision| match &revision.manifest.spec {
        // A project speaks for itself alone.
        Spec::Project(spec) if revision.project == revision.name => Some((&revision.name, spec)),
        _ => None,
    });
    let roles = access::member_roles(user, token.role, token.project.as_ref(), specs);
    let chosen = match roles.get(&default_project()) {
        Some(_) => Some(default_project()),
        None => roles.keys().next().cloned(),
    };
    let actor = Actor::user(user);
    let Some((project, role)) = chosen.and_then(|project| Some((project.clone(), *roles.get(&project)?))) else {
        return Err(ApiError::forbidden(format!("{actor} is a member of no project"))
            .hint("an admin names members in the manifest of a Project"));
    };
    Ok(Principal { actor, role, project, any_project: false, memberships: Some(Arc::new(roles)), attempt: None })
}

async fn of_attempt(state: &AppState, token: &str) -> Result<Option<Principal>, ApiError> {
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
        memberships: None,
        attempt: Some(AttemptContext { attempt: attempt.id, step_run: attempt.step_run, run: attempt.tracking_run }),
    }))
}

/// The project of requests that name none.
pub(crate) fn default_project() -> Name {
    "default".parse().expect("a name")
}
