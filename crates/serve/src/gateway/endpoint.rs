//! One endpoint: its way, its log, its counts.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::{Mutex, MutexGuard, OnceCell, watch};
use windlass_kinds::{Name, manifest::PredictionLogSpec};

use super::{
    EndpointStats, GatewaySettings, Route,
    metrics::Counters,
    route::{Held, Live},
};
use crate::log::{LogError, LogSettings, PredictionLog};

/// How much longer than its limits allow a request may go on: until its predictions are logged.
const DRAIN_SLACK: Duration = Duration::from_secs(5);

/// One endpoint.
pub(super) struct Endpoint {
    project: Name,
    name: Name,
    live: watch::Sender<Option<Arc<Live>>>,
    /// Held by whoever changes the way or ends the endpoint.
    state: Mutex<State>,
    log: OnceCell<Arc<PredictionLog>>,
    pub(super) counters: Counters,
}

/// Whether an endpoint may be given a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// It was removed, and its log is closed.
    Ended,
}

impl State {
    pub(super) fn is_open(self) -> bool {
        self == Self::Open
    }
}

impl Endpoint {
    pub(super) fn new(project: Name, name: Name) -> Self {
        let (live, _) = watch::channel(None);
        let state = Mutex::new(State::Open);
        Self { project, name, live, state, log: OnceCell::new(), counters: Counters::default() }
    }

    /// Returns the way that requests go now, without taking it.
    pub(super) fn current(&self) -> Option<Arc<Live>> {
        self.live.borrow().clone()
    }

    /// Takes the way that requests go now.
    pub(super) fn hold(&self) -> Option<Held> {
        // Under the lock of `borrow`, so that a switch sees this request or this request sees the switch.
        self.live.borrow().as_ref().map(Live::hold)
    }

    /// Waits until the way changes.
    pub(super) async fn changed(&self) {
        // The sender is ours, so there always is a change to come.
        let _ = self.live.subscribe().changed().await;
    }

    /// Waits until nobody else changes the endpoint.
    pub(super) async fn change(&self) -> MutexGuard<'_, State> {
        self.state.lock().await
    }

    /// Changes the way. The future that is returned ends when nobody goes the old one any more.
    pub(super) async fn switch(
        &self,
        _state: &MutexGuard<'_, State>,
        route: Route,
        settings: &GatewaySettings,
    ) -> Result<impl Future<Output = ()> + Send + use<>, LogError> {
        self.log(settings, Some(&route.log)).await?;
        let (version, revision) = (route.version, route.revision);
        let old = self.live.send_replace(Some(Arc::new(Live::new(route))));
        tracing::info!(endpoint = %self.name, version, revision, "requests go to another model server");
        Ok(drain(old))
    }

    /// Takes no requests any more and ends the log. Doing it twice is harmless.
    pub(super) async fn end(&self, mut state: MutexGuard<'_, State>) {
        *state = State::Ended;
        drain(self.live.send_replace(None)).await;
        if let Some(log) = self.log.get() {
            log.stop().await;
        }
    }

    /// Returns the log, which is opened if it is not open; with other settings from now on where some are given.
    pub(super) async fn log(
        &self,
        settings: &GatewaySettings,
        spec: Option<&PredictionLogSpec>,
    ) -> Result<&Arc<PredictionLog>, LogError> {
        let wanted = spec.map(|PredictionLogSpec { retention, max_size, redact: _ }| LogSettings {
            retention: retention.map(|span| span.0),
            max_size: *max_size,
            ..LogSettings::default()
        });
        let open = || async {
            let folder = log_folder(settings, &self.project, &self.name);
            let clock = Arc::clone(&settings.clock);
            let opened = tokio::task::spawn_blocking(move || {
                PredictionLog::open(&folder, wanted.unwrap_or_default(), clock).map(Arc::new)
            });
            opened.await.map_err(|_| LogError::Stopped)?
        };
        let log = self.log.get_or_try_init(open).await?;
        if let Some(wanted) = wanted {
            log.set(wanted);
        }
        Ok(log)
    }

    /// Returns the log if it is open, as it is where the endpoint has a way.
    pub(super) fn open_log(&self) -> Option<&PredictionLog> {
        self.log.get().map(Arc::as_ref)
    }

    pub(super) fn stats(&self) -> EndpointStats {
        let live = self.current();
        let route = live.as_ref().map(|live| &live.route);
        EndpointStats {
            project: self.project.clone(),
            endpoint: self.name.clone(),
            model: route.map(|route| route.model.clone()),
            version: route.map(|route| route.version),
            revision: route.map(|route| route.revision),
            requests: self.counters.requests(),
            latency: self.counters.latency(),
            seconds: self.counters.seconds(),
            rows: self.counters.rows(),
            in_flight: self.counters.in_flight(),
            retried: self.counters.retried(),
            log: self.log.get().map(|log| log.status()).unwrap_or_default(),
        }
    }
}

/// Returns the folder of an endpoint's log. Names are letters, digits and dashes, so nothing leads out of it.
pub(super) fn log_folder(settings: &GatewaySettings, project: &Name, endpoint: &Name) -> PathBuf {
    settings.logs.join(project.as_str()).join(endpoint.as_str())
}

/// Waits until the requests on a way that is not the current one any more have ended, as long as they may take.
async fn drain(old: Option<Arc<Live>>) {
    let Some(old) = old else { return };
    let longest = old.route.limits.timeout.0 + DRAIN_SLACK;
    if tokio::time::timeout(longest, old.drained()).await.is_err() {
        tracing::warn!(endpoint = %old.route.endpoint, version = old.route.version, "requests go on beyond their time");
    }
}
