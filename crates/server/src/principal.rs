//! Who a request comes from, as the door found out. Handlers take it from the request's extensions.

use std::{collections::BTreeMap, sync::Arc};

use windlass_kinds::{AttemptId, Name, RunId, StepRunId, manifest::Role, record::Actor};
use windlass_plan::access::{Operation, allowed};

use crate::error::ApiError;

/// The caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who, for the ledger.
    pub actor: Actor,
    /// What it may do in `project`.
    pub role: Role,
    /// The project it works in.
    pub project: Name,
    /// Whether its token is good for every project.
    pub any_project: bool,
    /// Where it is a user: every project that the token is good for, with what it may do there. At least one.
    pub memberships: Option<Arc<BTreeMap<Name, Role>>>,
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
    /// Returns what it may do in a project; `None` where its token is not good for it.
    pub(crate) fn role_in(&self, project: &Name) -> Option<Role> {
        match &self.memberships {
            Some(roles) => roles.get(project).copied(),
            None => (self.any_project || self.project == *project).then_some(self.role),
        }
    }

    /// Refuses a project that the token is not good for.
    pub(crate) fn sees(&self, project: &Name) -> Result<(), ApiError> {
        self.role_in(project).map(|_| ()).ok_or_else(|| self.outside(project))
    }

    /// Refuses what it may not do in a project, which need not be the one that the request is about.
    pub(crate) fn may_in(&self, project: &Name, operation: Operation) -> Result<(), ApiError> {
        let role = self.role_in(project).ok_or_else(|| self.outside(project))?;
        if allowed(role, operation) { Ok(()) } else { Err(self.lacks()) }
    }

    /// Returns it as it works in a project.
    pub(crate) fn within(self, project: Name) -> Result<Self, ApiError> {
        match self.role_in(&project) {
            Some(role) => Ok(Self { role, project, ..self }),
            None => Err(self.outside(&project)),
        }
    }

    /// Returns the one project it sees; `None` means all. A user's request is about one project.
    pub(crate) fn scope(&self) -> Option<Name> {
        if self.any_project { None } else { Some(self.project.clone()) }
    }

    /// Returns the projects it sees, of those that there are.
    pub(crate) fn seen(&self, all: Vec<Name>) -> Vec<Name> {
        match &self.memberships {
            Some(roles) => roles.keys().cloned().collect(),
            None if self.any_project => all,
            None => vec![self.project.clone()],
        }
    }

    /// Whether the project it works in is one of several, none of which is what nobody need name.
    pub(crate) fn is_undecided(&self) -> bool {
        let several = self.memberships.as_ref().filter(|roles| roles.len() > 1);
        several.is_some_and(|roles| roles.keys().all(|project| project.as_str() != "default"))
    }

    /// Says that the request must name a project.
    pub(crate) fn undecided(&self) -> ApiError {
        let projects: Vec<String> = self.seen(Vec::new()).iter().map(ToString::to_string).collect();
        ApiError::forbidden(format!("{} is a member of several projects", self.actor)).hint(format!(
            "name one of {}: --project NAME, or for MLflow clients a tracking URI that ends in /projects/NAME",
            projects.join(", ")
        ))
    }

    /// Says that its role is too low.
    pub(crate) fn lacks(&self) -> ApiError {
        ApiError::forbidden(format!("{} may not do that", self.actor))
            .hint("ask an admin for a token with a higher role")
    }

    fn outside(&self, project: &Name) -> ApiError {
        match &self.memberships {
            Some(_) => ApiError::forbidden(format!("{} is no member of project {project}", self.actor)),
            None => ApiError::forbidden(format!("this token is not good for project {project}")),
        }
    }
}
