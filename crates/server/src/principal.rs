//! Who a request comes from, as the door found out. Handlers take it from the request's extensions.

use axum::http::{HeaderMap, StatusCode};
use windlass_api::PROJECT_HEADER;
use windlass_kinds::{AttemptId, Name, RunId, StepRunId, manifest::Role, record::Actor};

use crate::error::ApiError;

/// The caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who, for the ledger.
    pub actor: Actor,
    /// What it may do.
    pub role: Role,
    /// The project it works in.
    pub project: Name,
    /// Whether its token is good for every project.
    pub any_project: bool,
    /// The attempt whose code calls, where it is one.
    pub attempt: Option<AttemptContext>,
}

/// The attempt whose code calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptContext {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its step run.
    pub step_run: StepRunId,
    /// Its tracking run.
    pub run: RunId,
}

impl Principal {
    /// Refuses a project that the token is not good for.
    pub(crate) fn sees(&self, project: &Name) -> Result<(), ApiError> {
        if self.any_project || self.project == *project {
            return Ok(());
        }
        Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", format!("this token is not good for project {project}")))
    }

    /// Returns it as it works in the project that a request's header names, where one does.
    pub(crate) fn narrowed(self, headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(named) = headers.get(PROJECT_HEADER) else { return Ok(self) };
        let project = crate::native::parse_name(named.to_str().unwrap_or(""))?;
        self.sees(&project)?;
        Ok(Self { project, ..self })
    }

    /// Returns the one project it sees; `None` means all.
    pub(crate) fn scope(&self) -> Option<Name> {
        if self.any_project { None } else { Some(self.project.clone()) }
    }
}
