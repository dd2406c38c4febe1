//! Revisions of an endpoint: which version of a model served when.

use serde::{Deserialize, Serialize};

use crate::{Digest, Micros, Name};

/// One version of a model served, or meant to be served, by an endpoint under one revision of its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRevision {
    /// The project.
    pub project: Name,
    /// The endpoint.
    pub endpoint: Name,
    /// Counts from 1 within the endpoint.
    pub number: u32,
    /// The manifest's revision.
    pub revision: u32,
    /// The registered model.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// The digest of the version's OCI manifest.
    pub manifest: Digest,
    /// When it was wanted.
    pub created_at: Micros,
    /// Where it stands.
    pub state: EndpointState,
    /// Why it stands there, in one line for people.
    pub reason: String,
    /// When it first answered.
    #[serde(default)]
    pub ready_at: Option<Micros>,
    /// When it stopped answering.
    #[serde(default)]
    pub retired_at: Option<Micros>,
}

/// The states of an endpoint's revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// Its model server is being started; the revision before it still answers.
    Starting,
    /// It answers.
    Ready,
    /// It could not be started; the revision before it goes on answering.
    Failed,
    /// Another took its place, or the endpoint is gone.
    Retired,
}
