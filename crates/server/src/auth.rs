//! Who asks, and through which door: `Host`, `Origin`, the token, and what the route needs. Fills the request's
//! [`Principal`].
//!
//! A request without a valid token reaches nothing but liveness and the sign-in. Tokens are looked up by their SHA-256,
//! so the comparison does not leak; an answer is remembered for a few seconds, after which a revoked token no longer
//! works, and what lasts longer is broken off. A route that [`rules`] does not name is refused.

mod failures;
mod host;
mod prefix;
mod stream;
mod tokens;

use std::{net::IpAddr, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{self, HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use windlass_api::PROJECT_HEADER;
use windlass_kinds::{Name, manifest::did_you_mean};
use windlass_plan::access::allowed;

pub(crate) use self::{failures::FailedLogins, prefix::take as take_project, tokens::TokenCache};
use self::{
    failures::From,
    stream::Pass,
    tokens::{Credential, default_project},
};
use crate::{
    AppState,
    error::ApiError,
    mlflow, page,
    principal::Principal,
    rules::{self, Found, Rule},
};

/// The address at the other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A request as the door sees it.
struct Knock<'a> {
    headers: &'a HeaderMap,
    uri: &'a Uri,
    peer: Option<IpAddr>,
}

impl<'a> Knock<'a> {
    fn of<B>(request: &'a http::Request<B>) -> Self {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        Self { headers: request.headers(), uri: request.uri(), peer }
    }

    fn is_page(&self) -> bool {
        page::is_page(self.uri.path())
    }

    /// Returns the project that the request names: in its header, or as a page does, in its path.
    fn project(&self) -> Option<Result<Name, ApiError>> {
        let named = match self.headers.get(PROJECT_HEADER) {
            Some(value) => value.to_str().unwrap_or(""),
            None => self.uri.path().strip_prefix("/projects/")?.split('/').next().unwrap_or(""),
        };
        Some(crate::native::parse_name(named))
    }
}

/// Checks the door, the token and the route, then lets the request on with its [`Principal`].
pub(crate) async fn check(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let knock = Knock::of(&request);
    if let Err(refusal) = host::check(&state, knock.headers, knock.uri) {
        return refusal.into_response();
    }
    let found = match request.extensions().get::<MatchedPath>() {
        Some(path) => rules::find(request.method(), path.as_str()),
        // Paths without a route are answered by refusals alone.
        None => Found::Rule(Rule::Known),
    };
    if found == Found::Rule(Rule::Open) {
        return next.run(request).await;
    }
    let (principal, credential) = match admit(&state, &knock).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refuse(&knock, refusal).await,
    };
    match found {
        Found::Rule(Rule::Needs(operation)) if !allowed(principal.role, operation) => {
            return refuse(&knock, principal.lacks()).await;
        }
        Found::Rule(Rule::Open | Rule::Known | Rule::Needs(_)) => {}
        Found::OtherMethod => return other_method(request.method(), request.uri()),
        Found::Nothing => {
            let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
            tracing::error!("no rule says who may {} {path}: it is refused", request.method());
            return refuse(&knock, ApiError::forbidden("no rule says who may do that")).await;
        }
    }
    request.extensions_mut().insert(principal.clone());
    let pass = Pass { state, credential, principal };
    let answer = next.run(stream::request(&pass, request)).await;
    stream::answer(&pass, answer)
}

/// As [`check`] for a path that is no page's, whose handler asks for the role: returns who asks, or what to answer.
pub(crate) fn enter<'a, B>(
    state: &'a AppState,
    request: &'a http::Request<B>,
) -> impl Future<Output = Result<Principal, Response>> + use<'a, B> {
    // Taken apart before anything waits: a body cannot be looked at by several threads.
    let knock = Knock::of(request);
    async move {
        host::check(state, knock.headers, knock.uri).map_err(IntoResponse::into_response)?;
        match admit(state, &knock).await {
            Ok((principal, _)) => Ok(principal),
            Err(refusal) => Err(refuse(&knock, refusal).await),
        }
    }
}

/// Returns who knocks at a door beside ours, in the project that the request names.
pub(crate) async fn knock(state: &AppState, headers: &HeaderMap, uri: &Uri) -> Result<Principal, ApiError> {
    host::check(state, headers, uri)?;
    Ok(admit(state, &Knock { headers, uri, peer: None }).await?.0)
}

/// Returns who asks, as it works in the project that the request names or, for want of one, in its own.
async fn admit(state: &AppState, knock: &Knock<'_>) -> Result<(Principal, Credential), ApiError> {
    let (credential, name) = match Credential::of_headers(knock.headers) {
        Some(shown) => shown,
        None if knock.is_page() && !knock.headers.contains_key(header::AUTHORIZATION) => {
            // A session is as good as its token is now: a revoked token ends its sessions.
            let hash = page::token_of(state, knock.headers).ok_or_else(unauthenticated)?;
            (Credential::of_hash(hash), None)
        }
        None => return Err(unauthenticated()),
    };
    let principal = match tokens::remembered(state, &credential) {
        Some(principal) => principal,
        None => look_up(state, &credential, From { peer: knock.peer, name: name.as_deref() }).await?,
    };
    let principal = match knock.project() {
        // Pages look by themselves whether a project is there; a user's role depends on it.
        Some(project) if !knock.is_page() || principal.memberships.is_some() => principal.within(project?)?,
        None if !knock.is_page() && principal.is_undecided() => return Err(principal.undecided()),
        Some(_) | None => principal,
    };
    if knock.headers.contains_key(PROJECT_HEADER) && mlflow::is_mlflow_path(knock.uri.path()) {
        // MLflow's clients make experiments as they go: a misspelt project would seem to work.
        known_project(state, &principal.project).await?;
    }
    Ok((principal, credential))
}

/// Looks a token up, unless whoever shows it was wrong too often.
async fn look_up(state: &AppState, credential: &Credential, from: From<'_>) -> Result<Principal, ApiError> {
    if let Some(wait) = state.failures.wait(&credential.hash, from, Instant::now()) {
        let message = "too many wrong tokens came from here";
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too-many", message).retry_after(wait));
    }
    match tokens::principal_of(state, credential).await? {
        Some(principal) => {
            state.failures.succeeded(credential.hash, Instant::now());
            Ok(principal)
        }
        None => {
            state.failures.failed(&credential.hash, from, Instant::now());
            Err(unauthenticated())
        }
    }
}

/// How many projects are named to whoever asked for one that does not exist.
const NAMED: usize = 20;

/// Refuses a project that does not exist, and says which one may have been meant.
pub(crate) async fn known_project(state: &AppState, wanted: &Name) -> Result<(), ApiError> {
    let known = state.control.store().read_one(|tx| Box::pin(async move { tx.projects().await })).await?;
    if known.contains(wanted) || *wanted == default_project() {
        return Ok(());
    }
    let names = || known.iter().map(Name::as_str);
    let hint = did_you_mean(wanted.as_str(), names())
        .unwrap_or_else(|| format!("there is {}", names().take(NAMED).collect::<Vec<_>>().join(", ")));
    Err(ApiError::not_found(format!("project {wanted}")).hint(hint))
}

fn unauthenticated() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthenticated", "a token is needed").hint(
        "send `Authorization: Bearer TOKEN`; the local token lies in the data folder, in the file `token` \
         (MLflow clients: MLFLOW_TRACKING_TOKEN)",
    )
}

/// Shows a refusal in the dialect of the path it is for.
async fn refuse(knock: &Knock<'_>, refusal: ApiError) -> Response {
    let wait = refusal.wait();
    let mut answer = if knock.is_page() {
        page::refuse(knock.uri, knock.headers, refusal).await
    } else {
        crate::mlflow_or_native(knock.uri.path(), refusal)
    };
    if let Some(wait) = wait {
        // Whole seconds (RFC 9110, section 10.2.3), and not too early.
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil() as u64));
    }
    answer
}

fn other_method(method: &Method, uri: &Uri) -> Response {
    if mlflow::is_mlflow_path(uri.path()) {
        return mlflow::wrong_method(method, uri);
    }
    let message = format!("the method {method} is not allowed for {}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", message).into_response()
}
