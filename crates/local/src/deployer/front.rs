//! What the deployer asks of whoever takes requests.
//!
//! The gateway answers this in the product; tests put something simpler in its place.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::Pin,
};

use async_trait::async_trait;
use windlass_control::Deployment;
use windlass_kinds::{Name, manifest::EndpointSpec};
use windlass_serve::{
    gateway::{Gateway, Route},
    model::Description,
};

/// Ends once the last request that went another way was answered, or was given up.
pub type Drained = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes requests for endpoints and passes them on to model servers.
#[async_trait]
pub trait Front: Send + Sync {
    /// Notes that there is such an endpoint, though nothing may serve it yet.
    fn expect(&self, project: &Name, endpoint: &Name);

    /// Sends new requests for the deployment's endpoint to the server behind `socket`, whose model lies in `model`; the
    /// answer says when the server before it is not needed any more.
    async fn switch(&self, deployment: &Deployment, model: &Path, socket: &Path) -> Result<Drained, String>;

    /// Takes no more requests for an endpoint; returns once the last was answered.
    async fn remove(&self, project: &Name, endpoint: &Name);

    /// Returns files (Parquet, oldest first) that hold every prediction so far.
    async fn predictions(&self, project: &Name, endpoint: &Name) -> io::Result<Vec<PathBuf>>;

    /// Returns how many rows were logged since this process began.
    fn predicted(&self, project: &Name, endpoint: &Name) -> u64;
}

#[async_trait]
impl Front for Gateway {
    fn expect(&self, project: &Name, endpoint: &Name) {
        self.declare(project, endpoint);
    }

    async fn switch(&self, deployment: &Deployment, model: &Path, socket: &Path) -> Result<Drained, String> {
        let Description { signature, .. } =
            Description::read(model).map_err(|error| windlass_control::chain(&error))?;
        // No `..`: what a manifest says must be used here or this stops compiling.
        let EndpointSpec { description: _, model: _, row_id, labels: _, log, limits } = &deployment.spec;
        let route = Route {
            project: deployment.project.clone(),
            endpoint: deployment.endpoint.clone(),
            revision: deployment.number,
            model: deployment.model.clone(),
            version: deployment.version,
            socket: socket.to_owned(),
            signature,
            limits: limits.clone(),
            row_id: row_id.clone(),
            log: log.clone(),
        };
        let drained = Self::switch(self, route).await.map_err(|error| windlass_control::chain(&error))?;
        Ok(Box::pin(drained))
    }

    async fn remove(&self, project: &Name, endpoint: &Name) {
        Self::remove(self, project, endpoint).await;
    }

    async fn predictions(&self, project: &Name, endpoint: &Name) -> io::Result<Vec<PathBuf>> {
        self.close_segments(project, endpoint).await.map_err(io::Error::other)
    }

    fn predicted(&self, project: &Name, endpoint: &Name) -> u64 {
        self.stats(project, endpoint).map_or(0, |stats| stats.log.written)
    }
}
