//! What the control loop asks of a place that serves models.
//!
//! Like [`Executor`](crate::Executor): small, and everything may be asked twice. A place keeps nothing that the store
//! does not know: after a restart it is told anew what to serve.

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use windlass_kinds::{Digest, Name, manifest::EndpointSpec};

/// A place that serves models.
#[async_trait]
pub trait Deployer: Send + Sync {
    /// Notes that there is such an endpoint, though nothing may serve it yet: its requests are asked to come again.
    fn expect(&self, project: &Name, endpoint: &Name);

    /// Loads a version in a model server of its own, has it answer rows, and ends it.
    async fn probe(&self, request: ProbeRequest) -> Result<ProbeAnswer, ProbeFailure>;

    /// Starts a revision beside the one before, warms it, switches to it and ends the one before once its last request
    /// was answered. Where this revision or a later one is served already, nothing happens.
    async fn deploy(&self, deployment: Deployment) -> Result<(), ProbeFailure>;

    /// Stops serving an endpoint. One that is not served is fine.
    async fn remove(&self, project: &Name, endpoint: &Name);

    /// Returns files (Parquet, oldest first) that hold every prediction answered so far.
    async fn predictions(&self, project: &Name, endpoint: &Name) -> Result<Vec<PathBuf>, std::io::Error>;

    /// Returns how many rows an endpoint answered since this process began, for whoever wants to know whether there are
    /// more.
    async fn predicted(&self, project: &Name, endpoint: &Name) -> u64;

    /// Returns how an endpoint's model server is doing; `None` where nothing was deployed since this process began.
    async fn condition(&self, project: &Name, endpoint: &Name) -> Option<ServerCondition>;

    /// Ends everything this place started.
    async fn stop(&self);
}

/// A version to try.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeRequest {
    /// The project.
    pub project: Name,
    /// The registered model.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// The digest of the version's OCI manifest.
    pub manifest: Digest,
    /// A Parquet file in the content store: the rows to answer. Columns that the model does not ask for are fine.
    pub rows: Digest,
}

/// What a version answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeAnswer {
    /// One prediction a row, in their order.
    pub predictions: Vec<f64>,
}

/// Why a version does not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFailure {
    /// The version is at fault: the same would come of trying again.
    #[error("{0}")]
    NotServable(String),
    /// The place is at fault (no network, no room): trying again may help.
    #[error("{0}")]
    Unavailable(String),
}

/// A revision of an endpoint to serve. Complete: nothing is looked up elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The project.
    pub project: Name,
    /// The endpoint.
    pub endpoint: Name,
    /// The revision's number.
    pub number: u32,
    /// The manifest.
    pub spec: EndpointSpec,
    /// The registered model.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// The digest of the version's OCI manifest.
    pub manifest: Digest,
}

/// How the model server of an endpoint is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerCondition {
    /// The revision that is served now, if any.
    pub number: Option<u32>,
    /// What is being started beside it, as `MODEL/VERSION`.
    pub starting: Option<String>,
    /// What is wrong with the one that is served, in one line for people; empty where all is well.
    pub trouble: String,
    /// How often it was started again since it was deployed.
    pub restarts: u32,
    /// Memory it holds, in bytes.
    pub memory: u64,
}

/// The place of a server that serves nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoDeployer;

/// What [`NoDeployer`] says.
const NO_PLACE: &str = "this server has no place to serve models";

#[async_trait]
impl Deployer for NoDeployer {
    fn expect(&self, _: &Name, _: &Name) {}

    async fn probe(&self, _: ProbeRequest) -> Result<ProbeAnswer, ProbeFailure> {
        Err(ProbeFailure::NotServable(NO_PLACE.to_owned()))
    }

    async fn deploy(&self, _: Deployment) -> Result<(), ProbeFailure> {
        Err(ProbeFailure::NotServable(NO_PLACE.to_owned()))
    }

    async fn remove(&self, _: &Name, _: &Name) {}

    async fn predictions(&self, _: &Name, _: &Name) -> Result<Vec<PathBuf>, std::io::Error> {
        Ok(Vec::new())
    }

    async fn predicted(&self, _: &Name, _: &Name) -> u64 {
        0
    }

    async fn condition(&self, _: &Name, _: &Name) -> Option<ServerCondition> {
        None
    }

    async fn stop(&self) {}
}
