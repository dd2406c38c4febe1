//! Who looks, and at which project: found from the session (or token) and the path, once a request.

use std::collections::HashMap;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use windlass_kinds::{Name, record::Actor};
use windlass_plan::access::{Operation, allowed};

use super::{error::PageError, links::Links, sign_in};
use crate::{AppState, error::ApiError, principal::Principal};

/// Who looks at a page, with what every page needs.
pub(super) struct Viewer {
    /// Everything that handlers may reach.
    pub(super) state: AppState,
    /// Who looks.
    pub(super) actor: Actor,
    /// The project looked at.
    pub(super) project: Name,
    /// The paths of its pages.
    pub(super) links: Links,
    /// The projects that may be looked at, by name.
    pub(super) projects: Vec<Name>,
    /// Whether there is a session that can be ended.
    pub(super) has_session: bool,
}

/// What a page shows: all of it asks for no more than a viewer's role.
const SHOWN: [Operation; 5] = [
    Operation::ReadObjects,
    Operation::ReadRuns,
    Operation::ReadTracking,
    Operation::ReadContent,
    Operation::ReadLedger,
];

/// Refuses a caller who may not look at everything that pages show.
pub(super) fn may_look(principal: &Principal) -> Result<(), ApiError> {
    let may = SHOWN.iter().all(|operation| allowed(principal.role, *operation)) && principal.attempt.is_none();
    if may {
        return Ok(());
    }
    let message = format!("{} may not look at the page", principal.actor);
    Err(ApiError::new(axum::http::StatusCode::FORBIDDEN, "forbidden", message))
}

impl FromRequestParts<AppState> for Viewer {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, PageError> {
        let principal = parts.extensions.get::<Principal>().cloned();
        let principal = principal.ok_or_else(|| PageError::not_found("page"))?;
        may_look(&principal)?;
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let named = path.ok().and_then(|Path(parameters)| parameters.get("project").cloned());
        let project = match named {
            Some(text) => text.parse().map_err(|_| PageError::not_found("such project"))?,
            None => principal.project.clone(),
        };
        principal.sees(&project)?;
        let known = state.control.store().read(|tx| Box::pin(async move { tx.projects().await })).await?;
        if !known.contains(&project) && project != principal.project {
            return Err(PageError::not_found(format!("project {project}")));
        }
        let projects = principal.seen(known);
        Ok(Self {
            state: state.clone(),
            actor: principal.actor,
            links: Links::new(&project),
            project,
            projects,
            has_session: sign_in::secret_of(&parts.headers).is_some(),
        })
    }
}
