//! The gateway: the one door of all endpoints of a process.
//!
//! A [`Gateway`] holds a route for each endpoint: which version serves, behind which socket, within which limits. It
//! checks a request against the model's signature, has the model server answer it, logs the predictions, and answers in
//! the protocol it was asked in. Changing a route loses nothing: requests that come later go the new way, those that
//! began on the old way end there, and [`Gateway::switch`] tells when the last of them did. It loads no model, starts
//! no process and knows neither why a version serves nor who may ask: see [`Authorize`].

mod authorize;
mod body;
mod call;
mod endpoint;
mod forward;
mod http;
mod metrics;
mod predict;
mod record;
mod refusal;
mod route;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, RwLock},
};

use axum::Router;
use tokio::task::JoinSet;
use windlass_kinds::Name;

use self::endpoint::Endpoint;
pub use self::{
    authorize::{Authorize, Denied},
    metrics::EndpointStats,
    route::Route,
};
use crate::log::{Clock, LogError};

/// What a gateway needs of the process it is in.
#[derive(Clone)]
pub struct GatewaySettings {
    /// The folder of all prediction logs; each endpoint has `PROJECT/ENDPOINT` in it.
    pub logs: PathBuf,
    /// Tells the time, for what is logged.
    pub clock: Clock,
    /// The version of the program, as clients are told.
    pub version: String,
}

/// Routes requests to model servers. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    settings: GatewaySettings,
    endpoints: RwLock<HashMap<(Name, Name), Arc<Endpoint>>>,
}

impl Gateway {
    /// Makes a gateway that knows no endpoint.
    pub fn new(settings: GatewaySettings) -> Self {
        Self { inner: Arc::new(Inner { settings, endpoints: RwLock::default() }) }
    }

    /// Returns the routes under `/endpoints/…`, where `authorize` says who may ask.
    pub fn router(&self, authorize: Arc<dyn Authorize>) -> Router {
        http::router(self.clone(), authorize)
    }

    /// Makes an endpoint known that nothing serves yet: its requests are asked to come again, not told that there is no
    /// such endpoint. One that is served already goes on.
    pub fn declare(&self, project: &Name, endpoint: &Name) {
        self.endpoint(project, endpoint);
    }

    /// Sends an endpoint's requests the way of `route` from now on. The future that is returned ends once the last request
    /// that went another way has ended, or has had the time that its limits give it: the model server of that way is not
    /// needed any more. The one of the new way must be ready.
    ///
    /// # Errors
    /// The prediction log cannot be opened; the endpoint then goes on as before.
    pub async fn switch(&self, route: Route) -> Result<impl Future<Output = ()> + Send + use<>, LogError> {
        let settings = &self.inner.settings;
        loop {
            let endpoint = self.endpoint(&route.project, &route.endpoint);
            let state = endpoint.change().await;
            if state.is_open() {
                return endpoint.switch(&state, route, settings).await;
            }
            // It was removed while we waited; it is made anew once that is complete.
            endpoint.end(state).await;
            self.forget(&endpoint);
        }
    }

    /// Stops sending an endpoint's requests anywhere and forgets it, once its last request has ended. Its predictions
    /// stay on disk. An endpoint that is not known is fine.
    pub async fn remove(&self, project: &Name, endpoint: &Name) {
        let Some(known) = self.find(project, endpoint) else { return };
        let state = known.change().await;
        known.end(state).await;
        // Only now, because a log has one writer: who comes after us opens it again.
        self.forget(&known);
    }

    /// Returns Parquet files, oldest first, that together hold every prediction answered so far and not lost, nor
    /// removed by age or size. None for an endpoint that never predicted.
    ///
    /// # Errors
    /// The log cannot be opened, or some of it cannot be made into Parquet now.
    pub async fn close_segments(&self, project: &Name, endpoint: &Name) -> Result<Vec<PathBuf>, LogError> {
        let known = self.find(project, endpoint);
        let endpoint = match known {
            Some(endpoint) => endpoint,
            // Its predictions may be there from before this process began.
            None if endpoint::log_folder(&self.inner.settings, project, endpoint).exists() => {
                self.endpoint(project, endpoint)
            }
            None => return Ok(Vec::new()),
        };
        endpoint.log(&self.inner.settings, None).await?.close_segments().await
    }

    /// Returns how an endpoint fares; none where it is not known.
    pub fn stats(&self, project: &Name, endpoint: &Name) -> Option<EndpointStats> {
        Some(self.find(project, endpoint)?.stats())
    }

    /// Returns the metrics of a project's endpoints, or of all, in the text format of Prometheus.
    pub fn metrics(&self, project: Option<&Name>) -> String {
        let endpoints = self.inner.endpoints.read().expect("not poisoned");
        let mut endpoints: Vec<_> = endpoints.values().map(|endpoint| endpoint.stats()).collect();
        endpoints.retain(|stats| project.is_none_or(|project| stats.project == *project));
        endpoints.sort_by(|a, b| (&a.project, &a.endpoint).cmp(&(&b.project, &b.endpoint)));
        metrics::text(&endpoints)
    }

    /// Ends all endpoints and their logs: what was logged is on disk when this returns.
    pub async fn stop(&self) {
        let keys: Vec<_> = self.inner.endpoints.read().expect("not poisoned").keys().cloned().collect();
        let mut ending = JoinSet::new();
        for (project, endpoint) in keys {
            let gateway = self.clone();
            ending.spawn(async move { gateway.remove(&project, &endpoint).await });
        }
        ending.join_all().await;
    }

    fn find(&self, project: &Name, endpoint: &Name) -> Option<Arc<Endpoint>> {
        let key = (project.clone(), endpoint.clone());
        self.inner.endpoints.read().expect("not poisoned").get(&key).cloned()
    }

    /// Takes an endpoint off the list, where it is still the one there.
    fn forget(&self, endpoint: &Arc<Endpoint>) {
        self.inner.endpoints.write().expect("not poisoned").retain(|_, known| !Arc::ptr_eq(known, endpoint));
    }

    fn endpoint(&self, project: &Name, endpoint: &Name) -> Arc<Endpoint> {
        let key = (project.clone(), endpoint.clone());
        let mut endpoints = self.inner.endpoints.write().expect("not poisoned");
        let made = || Arc::new(Endpoint::new(project.clone(), endpoint.clone()));
        Arc::clone(endpoints.entry(key).or_insert_with(made))
    }
}
