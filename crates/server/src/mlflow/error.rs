//! Refusals in MLflow's words: `{"error_code", "message"}`. Clients match on both.

use std::fmt;

use super::request::repr;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use windlass_control::ControlError;
use windlass_oci::BlobError;
use windlass_store::{Refusal, RefusalSubject as Subject, StoreError};

/// The tail of messages about parameters.
const SEE: &str = "See the API docs for more information about request parameters.";

/// A refusal.
#[derive(Debug)]
pub(crate) struct Error {
    status: StatusCode,
    code: &'static str,
    message: String,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

#[derive(Serialize)]
struct Body<'a> {
    error_code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_class: Option<&'a str>,
}

/// Returns the state in SQL's manner and the class that MLflow puts beside a code; most codes have them.
fn class(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "BAD_REQUEST" | "INVALID_PARAMETER_VALUE" => ("KAM00", "INVALID_PARAMETER_VALUE"),
        "ENDPOINT_NOT_FOUND" | "NOT_FOUND" | "RESOURCE_DOES_NOT_EXIST" => ("KAM00", "RESOURCE_NOT_FOUND"),
        "PERMISSION_DENIED" => ("KAM00", "PERMISSION_DENIED"),
        "RESOURCE_ALREADY_EXISTS" => ("KAM00", "RESOURCE_ALREADY_EXISTS"),
        "INTERNAL_ERROR" | "INVALID_STATE" | "TEMPORARILY_UNAVAILABLE" => ("XXM00", "CLIENT_INTERNAL_ERROR"),
        _ => return None,
    })
}

impl Error {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// A value is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", message)
    }

    /// A parameter is missing.
    pub(crate) fn required(parameter: impl fmt::Display) -> Self {
        Self::invalid(format!("Missing value for required parameter '{parameter}'. {SEE}"))
    }

    /// A parameter has a value of the wrong type: `shown` is the value as JSON, `kind` its type in Python's words.
    pub(crate) fn mistyped(parameter: impl fmt::Display, shown: &str, kind: &str) -> Self {
        Self::invalid(format!(
            "Invalid value {shown} for parameter '{parameter}' supplied:  Hint: Value was of type '{kind}'. {SEE}"
        ))
    }

    /// A parameter is wrong in a way that `message` tells.
    pub(crate) fn told(message: impl fmt::Display) -> Self {
        Self::invalid(format!("{message} {SEE}"))
    }

    /// There is no such thing.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", message)
    }

    /// The caller may not do that.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message)
    }

    /// This part of MLflow is not served.
    pub(crate) fn not_implemented(feature: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "NOT_IMPLEMENTED",
            format!("{feature}: not served by this Windlass server"),
        )
    }

    /// The body is larger than we read.
    pub(crate) fn too_large(cap: usize) -> Self {
        let message = format!("The request has more than {cap} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "INVALID_PARAMETER_VALUE", message)
    }

    /// Our failure; the cause goes to the log, not to the client.
    fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!("a request failed: {}", windlass_control::chain(error));
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "the server failed; its log says why")
    }

    /// Returns status and message, for a door that speaks otherwise.
    pub(crate) fn parts(self) -> (StatusCode, String) {
        (self.status, self.message)
    }

    /// Returns the code for a status that was decided elsewhere.
    pub(crate) fn of_status(status: StatusCode, message: impl Into<String>) -> Self {
        let code = match status {
            StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
            StatusCode::FORBIDDEN => "PERMISSION_DENIED",
            StatusCode::NOT_FOUND => "ENDPOINT_NOT_FOUND",
            StatusCode::SERVICE_UNAVAILABLE => "TEMPORARILY_UNAVAILABLE",
            status if status.is_client_error() => "BAD_REQUEST",
            _ => "INTERNAL_ERROR",
        };
        Self::new(status, code, message)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (sqlstate, error_class) = class(self.code).unzip();
        let body = Body { error_code: self.code, message: &self.message, sqlstate, error_class };
        (self.status, Json(body)).into_response()
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => (*refusal).into(),
            StoreError::NotFound { what } => Self::not_found(format!("{what} not found")),
            StoreError::Conflict { what } => Self::new(StatusCode::CONFLICT, "RESOURCE_CONFLICT", what),
            StoreError::Invalid { what } => Self::invalid(what),
            StoreError::Busy => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE", "the database is busy")
            }
            StoreError::Damaged { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL_ERROR",
                format!(
                    "{error}; stop the server, and restore a backup or have `sqlite3 FILE .recover` save what it can"
                ),
            ),
            StoreError::Unreachable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "TEMPORARILY_UNAVAILABLE",
                "the database cannot be reached; nothing acknowledged is lost, try again",
            ),
            StoreError::DiskFull => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "INTERNAL_ERROR", StoreError::DiskFull.to_string())
            }
            error => Self::internal(&error),
        }
    }
}

impl From<ControlError> for Error {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Store(error) => error.into(),
            ControlError::Content(error) => error.into(),
            ControlError::Gated(_) => Self::invalid(error.to_string()),
            ControlError::NotFound { what, near: _ } => Self::not_found(format!("{what} not found")),
            ControlError::Unavailable(reason) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE", reason)
            }
            ControlError::Refused(reason) => Self::new(StatusCode::CONFLICT, "RESOURCE_CONFLICT", reason),
            ControlError::List(_)
            | ControlError::Judge(_)
            | ControlError::Invalid(_)
            | ControlError::Stale
            | ControlError::InUse { .. } => Self::internal(&error),
        }
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "INTERNAL_ERROR", "no space left for artifacts")
            }
            error => Self::internal(&error),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing(subject) | Refusal::NotDeleted(subject) => Self::not_found(missing(&subject)),
            Refusal::Deleted(Subject::Experiment(id)) => {
                Self::invalid(format!("The experiment {id} must be in the 'active' state. Current state is deleted."))
            }
            Refusal::Deleted(Subject::Run(id)) => {
                Self::invalid(format!("The run {id} must be in the 'active' state. Current state is deleted."))
            }
            Refusal::Frozen(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INVALID_STATE", "Cannot rename a non-active experiment.")
            }
            Refusal::Deleted(subject) => Self::invalid(format!("{subject} is deleted")),
            Refusal::Exists(subject) => {
                let message = match subject {
                    Subject::ExperimentName(name) => format!("Experiment(name={name}) already exists."),
                    Subject::Model(name) => format!("Registered Model (name={name}) already exists."),
                    subject => format!("{subject} already exists."),
                };
                Self::new(StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS", message)
            }
            Refusal::Sealed(id) => Self::invalid(format!(
                "The run {id} must be in the 'active' state. It is sealed: the pipeline attempt it belongs to has ended."
            )),
            Refusal::Provisional(name, version) => Self::new(
                StatusCode::CONFLICT,
                "RESOURCE_CONFLICT",
                format!(
                    "Model Version (name={name}, version={version}) is provisional: the step that registered it has not \
                     ended well yet"
                ),
            ),
            Refusal::ParamChanged { run, changes } => {
                let list: Vec<String> = changes
                    .iter()
                    .map(|change| {
                        format!(
                            "{{'key': {}, 'old_value': {}, 'new_value': {}}}",
                            repr(&change.key),
                            repr(&change.old),
                            repr(&change.new)
                        )
                    })
                    .collect();
                Self::invalid(format!(
                    "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{run}'.",
                    list.join(", ")
                ))
            }
            Refusal::Unsearchable(what) => Self::invalid(format!("such records have no {what} to search by")),
        }
    }
}

/// Says that something is not there.
fn missing(subject: &Subject) -> String {
    match subject {
        Subject::Experiment(id) => format!("No Experiment with id={id} exists"),
        Subject::ExperimentName(name) => format!("Could not find experiment with name '{name}'"),
        Subject::ExperimentTag(id, key) => format!("No tag with name: {key} in experiment with id {id}"),
        Subject::Run(id) => format!("Run with id={id} not found"),
        Subject::RunTag(id, key) => format!("No tag with name: {key} in run with id {id}"),
        Subject::LoggedModel(id) => format!("Logged model with ID '{id}' not found."),
        Subject::LoggedModelTag(id, key) => {
            format!("No tag with key {} found for model with ID {}.", repr(key), repr(id.as_str()))
        }
        Subject::Artifact(path) => format!("No such artifact: '{path}'"),
        Subject::Model(name) => format!("Registered Model with name={name} not found"),
        Subject::Version(name, version) => format!("Model Version (name={name}, version={version}) not found"),
        Subject::Alias(_, alias) => format!("Registered model alias {alias} not found."),
        Subject::Trace(id) => format!("Trace with ID '{id}' not found."),
        Subject::TraceTag(id, key) => format!("No trace tag with key '{key}' for trace with ID '{id}'"),
        Subject::Assessment(trace, id) => format!("Assessment with ID '{id}' not found for trace '{trace}'"),
    }
}
