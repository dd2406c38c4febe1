//! Who may ask an endpoint: the same door and the same tokens as for everything else.
//!
//! Endpoints are answered beside this server's routes, by a gateway that asks here for each request. Predictions are
//! kept, so asking for one needs more than reading does.

use axum::http::{HeaderMap, StatusCode, Uri};
use windlass_kinds::Name;
use windlass_plan::access::{Operation, allowed};

use crate::{AppState, auth, error::ApiError};

/// Returns the project that a request to an endpoint is about, where whoever sent it may; else a status and a message.
pub async fn admit(state: &AppState, headers: &HeaderMap, uri: &Uri) -> Result<Name, (StatusCode, String)> {
    let operation = operation(uri.path());
    let principal = auth::knock(state, headers, uri).await.map_err(ApiError::parts)?;
    if allowed(principal.role, operation) {
        return Ok(principal.project);
    }
    let message = format!("{} may not do that; ask an admin for a token with a higher role", principal.actor);
    Err((StatusCode::FORBIDDEN, message))
}

fn operation(path: &str) -> Operation {
    if path.ends_with("/invocations") || path.ends_with("/infer") { Operation::Predict } else { Operation::ReadObjects }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_need_more_than_reading() {
        for (path, expected) in [
            ("/endpoints/flights/invocations", Operation::Predict),
            ("/endpoints/flights/v2/models/flights/infer", Operation::Predict),
            ("/endpoints/flights/v2/models/flights/versions/3/infer", Operation::Predict),
            ("/endpoints/flights/v2/models/flights", Operation::ReadObjects),
            ("/endpoints/flights/ping", Operation::ReadObjects),
            ("/endpoints/flights/metrics", Operation::ReadObjects),
        ] {
            assert_eq!(operation(path), expected, "{path}");
        }
    }
}
