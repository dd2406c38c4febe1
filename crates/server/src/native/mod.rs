//! The native API, `/api/v1/…`: reads a request into types, calls one function, shows the result.

mod collect;
mod content;
mod endpoints;
mod import;
mod labels;
mod ledger;
mod models;
mod monitors;
mod objects;
mod openapi;
mod runs;
mod tokens;
mod verdicts;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, State},
    http::{StatusCode, request::Parts},
    routing::{delete, get, post, put},
};
use serde::de::DeserializeOwned;
use windlass_api::{PROJECT_HEADER, Status};
use windlass_kinds::Name;
use windlass_plan::access::{Operation, allowed};

use crate::{AppState, auth, error::ApiError, principal::Principal, routes::Routes};

pub(crate) use self::objects::parse_name;

/// Returns the routes of the native API.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/plan", post(objects::plan))
        .route("/api/v1/apply", post(objects::apply))
        .route("/api/v1/objects", get(objects::list))
        .route("/api/v1/objects/{kind}/{name}", get(objects::read).delete(objects::remove))
        .route("/api/v1/objects/{kind}/{name}/history", get(objects::history))
        .route("/api/v1/datasets/{name}/versions", get(objects::dataset_versions))
        .route("/api/v1/pipelines/{name}/start", post(runs::start))
        .route("/api/v1/pipelines/{name}/triggers", get(runs::triggers))
        .route("/api/v1/pipelines/{name}/triggers/{trigger}/reset", post(runs::reset))
        .route("/api/v1/runs", get(runs::list))
        .route("/api/v1/runs/{run}", get(runs::read))
        .route("/api/v1/runs/{run}/attempts", get(runs::attempts))
        .route("/api/v1/runs/{run}/cancel", post(runs::cancel))
        .route("/api/v1/runs/{run}/retry", post(runs::retry))
        .route("/api/v1/runs/{run}/steps/{step}/why", get(runs::why))
        .route("/api/v1/runs/{run}/steps/{step}/log", get(runs::log))
        .route("/api/v1/endpoints", get(endpoints::list))
        .route("/api/v1/endpoints/{name}", get(endpoints::read))
        .route("/api/v1/endpoints/{name}/labels", get(labels::show).post(labels::take))
        .route("/api/v1/models", get(models::list))
        .route("/api/v1/models/{name}", get(models::read))
        .route("/api/v1/models/{name}/versions/{version}/files", get(models::files))
        .route("/api/v1/models/{name}/versions/{version}/verdicts", get(verdicts::list))
        .route("/api/v1/models/{name}/versions/{version}/gate", post(verdicts::judge_now))
        .route("/api/v1/models/{name}/versions/{version}/alias", post(verdicts::alias_set))
        .route("/api/v1/models/{name}/story", get(verdicts::story))
        .route("/api/v1/monitors/{name}", get(monitors::read))
        .route("/api/v1/blobs/{digest}", put(content::upload).head(content::exists).get(content::download))
        .route("/api/v1/import/known", post(import::known))
        .route("/api/v1/import/known-versions/{model}", get(import::known_versions))
        .route("/api/v1/import/experiment", post(import::experiment))
        .route("/api/v1/import/run", post(import::run))
        .route("/api/v1/import/logged-model", post(import::logged_model))
        .route("/api/v1/import/model", post(import::model))
        .route("/api/v1/import/version", post(import::version))
        .route("/api/v1/import/done", post(import::done))
        .route("/api/v1/gc", post(collect::collect))
        .route("/api/v1/openapi.json", get(openapi::show))
        .route("/api/v1/ledger", get(ledger::list))
        .route("/api/v1/export", get(ledger::export))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .route("/api/v1/{*rest}", get(unknown).post(unknown).put(unknown).delete(unknown).patch(unknown))
}

async fn unknown(request: Request) -> ApiError {
    ApiError::not_found(format!("path {}", request.uri().path()))
}

async fn status(State(state): State<AppState>, caller: Caller) -> Result<Json<Status>, ApiError> {
    caller.may(Operation::ReadObjects)?;
    Ok(Json(Status {
        version: state.settings.version.clone(),
        idle: state.control.is_idle(),
        busy: state.control.busy_reasons().await?,
        database: state.settings.database.clone(),
        leads: state.control.leads(),
        leader: state.control.leader().await?,
    }))
}

/// Who asks, and about which project; handlers say what for.
pub(crate) struct Caller {
    principal: Principal,
    /// Whether the request itself names its project.
    is_narrowed: bool,
}

impl Caller {
    /// Refuses what the caller's role does not allow.
    pub(crate) fn may(&self, operation: Operation) -> Result<&Principal, ApiError> {
        if allowed(self.principal.role, operation) && self.principal.attempt.is_none() {
            return Ok(&self.principal);
        }
        Err(self.principal.lacks())
    }

    /// Like [`Caller::may`], for what the code of a step may ask too.
    pub(crate) fn may_as_step(&self, operation: Operation) -> Result<&Principal, ApiError> {
        match self.principal.attempt {
            Some(_) if allowed(self.principal.role, operation) => Ok(&self.principal),
            Some(_) | None => self.may(operation),
        }
    }

    /// Returns the one project that a listing is about; `None` means all.
    pub(crate) fn listed(&self) -> Option<Name> {
        if self.is_narrowed { Some(self.principal.project.clone()) } else { self.principal.scope() }
    }

    /// Refuses a project that the request names and that does not exist: an empty list would say less.
    pub(crate) async fn names_a_project(&self, state: &AppState) -> Result<(), ApiError> {
        if !self.is_narrowed {
            return Ok(());
        }
        auth::known_project(state, &self.principal.project).await
    }

    /// Refuses a token that is good for one project alone.
    pub(crate) fn sees_all(&self) -> Result<(), ApiError> {
        if self.principal.any_project {
            return Ok(());
        }
        let project = &self.principal.project;
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            format!("this token is good for project {project} alone, and this is about all"),
        ))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let missing = || ApiError::new(StatusCode::UNAUTHORIZED, "unauthenticated", "a token is needed");
        let principal = parts.extensions.get::<Principal>().cloned().ok_or_else(missing)?;
        let is_narrowed = parts.headers.contains_key(PROJECT_HEADER);
        Ok(Self { principal, is_narrowed })
    }
}

/// A JSON body, capped in size and depth before it is parsed.
pub(crate) struct Body<T>(pub(crate) T);

/// How deeply JSON may nest.
const DEPTH: usize = 64;

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let cap = state.settings.body_cap;
        let too_large =
            || ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("the body has more than {cap} bytes"));
        let length = request.headers().get(axum::http::header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<usize>().ok());
        if length.is_some_and(|length| length > cap) {
            return Err(too_large());
        }
        let bytes: Bytes = axum::body::to_bytes(request.into_body(), cap).await.map_err(|_| too_large())?;
        windlass_scan::check_json(&bytes, DEPTH, cap).map_err(|error| ApiError::bad_request(error.to_string()))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| ApiError::bad_request(format!("the body is not as expected: {error}")))
    }
}
