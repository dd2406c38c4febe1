//! Who may ask an endpoint: a question for whoever keeps the tokens.

use async_trait::async_trait;
use http::{HeaderMap, StatusCode, Uri};
use windlass_kinds::Name;

/// Decides whether a request may reach an endpoint, and whose endpoint it means.
#[async_trait]
pub trait Authorize: Send + Sync {
    /// Returns the project in which the endpoint is meant, where the request may ask it. Called for each request, before
    /// its body is read, for endpoints that exist and for others.
    async fn authorize(&self, headers: &HeaderMap, uri: &Uri, endpoint: &Name) -> Result<Name, Denied>;
}

/// Why a request may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The status of the answer, 401 or 403 most often.
    pub status: StatusCode,
    /// What is missing, for people.
    pub message: String,
}
