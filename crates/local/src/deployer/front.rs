//! What the deployer asks of whoever takes requests.
//!
//! The gateway answers this in the product; tests put something simpler in its place.

use std::{future::Future, io, path::PathBuf, pin::Pin};

use async_trait::async_trait;
use windlass_control::Deployment;
use windlass_kinds::Name;

/// Ends once the last request that went another way was answered, or was given up.
pub type Drained = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes requests for endpoints and passes them on to model servers.
#[async_trait]
pub trait Front: Send + Sync {
    /// Sends new requests for the deployment's endpoint to the server behind `socket`, whose model lies in `model`; the
    /// answer says when the server before it is not needed any more.
    async fn switch(&self, deployment: &Deployment, model: PathBuf, socket: PathBuf) -> Result<Drained, String>;

    /// Takes no more requests for an endpoint; returns once the last was answered.
    async fn remove(&self, project: &Name, endpoint: &Name);

    /// Returns files (Parquet, oldest first) that hold every prediction so far.
    async fn predictions(&self, project: &Name, endpoint: &Name) -> io::Result<Vec<PathBuf>>;
}
