//! How refusals of the native API look: a status and an [`ErrorBody`].

use std::time::Duration;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use windlass_api::ErrorBody;
use windlass_control::ControlError;
use windlass_oci::BlobError;
use windlass_store::{Refusal, StoreError};

/// A refusal.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    /// How long to wait before asking again.
    wait: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body = ErrorBody { code: code.to_owned(), message: message.into(), hint: None, findings: Vec::new() };
        Self { status, body, wait: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    /// Says how long to wait before asking again.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Returns how long to wait before asking again, where that helps.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// Returns whether it is a failure of ours rather than a refusal.
    pub(crate) fn is_ours(&self) -> bool {
        self.status.is_server_error()
    }

    /// Returns status and message, for a dialect that shows them in its own shape.
    pub(crate) fn parts(self) -> (StatusCode, String) {
        let message = match self.body.hint {
            Some(hint) => format!("{}; {hint}", self.body.message),
            None => self.body.message,
        };
        (self.status, message)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(crate) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no {what}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::error!(code = self.body.code, "{}", self.body.message);
        }
        (self.status, Json(self.body)).into_response()
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let text = windlass_control::chain(&error);
        match error {
            ControlError::Store(source) => source.into(),
            ControlError::Content(source) => source.into(),
            ControlError::List(_) | ControlError::Judge(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "dataset", text)
            }
            ControlError::NotFound { what, near } => {
                let refusal = Self::not_found(what);
                if near.is_empty() { refusal } else { refusal.hint(format!("there is {}", near.join(", "))) }
            }
            ControlError::Invalid(findings) => {
                let mut refusal = Self::bad_request(text);
                refusal.body.findings = findings;
                refusal
            }
            ControlError::Stale => Self::new(StatusCode::CONFLICT, "stale", text),
            ControlError::InUse { .. } => {
                Self::new(StatusCode::CONFLICT, "in-use", text).hint("delete or change those first")
            }
            ControlError::Refused(_) => Self::new(StatusCode::CONFLICT, "refused", text),
            ControlError::Gated(_) => Self::new(StatusCode::CONFLICT, "gated", text)
                .hint("`windlass model gate MODEL@VERSION` shows every number"),
            ControlError::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let text = windlass_control::chain(&error);
        match error {
            StoreError::NotFound { what } => Self::not_found(what),
            StoreError::Conflict { .. } => Self::new(StatusCode::CONFLICT, "conflict", text),
            StoreError::Invalid { .. } => Self::bad_request(text),
            StoreError::DiskFull => Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", text)
                .hint("free some space; nothing acknowledged is lost, and the request may be repeated"),
            StoreError::Refused(refusal) => match *refusal {
                Refusal::Missing(subject) => Self::not_found(subject),
                Refusal::Unsearchable(_) => Self::bad_request(text),
                Refusal::Deleted(_)
                | Refusal::Frozen(_)
                | Refusal::NotDeleted(_)
                | Refusal::Exists(_)
                | Refusal::Sealed(_)
                | Refusal::Provisional(..)
                | Refusal::ParamChanged { .. } => Self::new(StatusCode::CONFLICT, "refused", text),
            },
            StoreError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text),
            StoreError::Damaged { .. } => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", text)
                .hint("stop the server, and restore a backup or have `sqlite3 FILE .recover` save what it can"),
            StoreError::Unreachable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
                .hint("nothing acknowledged is lost; ask again once the database answers"),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store", text),
        }
    }
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        let text = windlass_control::chain(&error);
        match error {
            BlobError::Full { .. } => Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", text),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "content", text),
        }
    }
}
