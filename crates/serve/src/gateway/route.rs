//! A way to a model server, and what is made of it once for all requests.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use windlass_kinds::{
    Name,
    manifest::{EndpointLimits, PredictionLogSpec},
};
use windlass_net::SocketClient;

use crate::{hop::Links, log::OWN_COLUMNS, model::Signature, protocol::Limits};

/// The most bytes of a model server's answer: 100,000 rows with 80 numbers each.
const ANSWER_MAX: usize = 64 << 20;

/// Which version serves an endpoint, and how.
#[derive(Debug, Clone)]
pub struct Route {
    /// The project.
    pub project: Name,
    /// The endpoint.
    pub endpoint: Name,
    /// The number of the endpoint's revision.
    pub revision: u32,
    /// The registered model.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// The socket at which its model server listens.
    pub socket: PathBuf,
    /// The columns it takes.
    pub signature: Signature,
    /// The bounds of a request.
    pub limits: EndpointLimits,
    /// The columns that name a row, among the model's or beside them. Where there are none, a row is named by the
    /// request's id and its place.
    pub row_id: Vec<String>,
    /// What is kept of its answers.
    pub log: PredictionLogSpec,
}

/// A route in use.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) route: Route,
    /// Columns that a request has beside the model's.
    pub(super) extras: Vec<String>,
    /// Columns that are logged under another name than their own.
    pub(super) renamed: HashMap<String, String>,
    /// For predictions.
    pub(super) links: Links,
    /// For everything else.
    pub(super) client: SocketClient,
    /// Counts the requests on this way.
    requests: TaskTracker,
}

/// A route that a request goes; it is not drained before this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) live: Arc<Live>,
    _token: TaskTrackerToken,
}

impl Live {
    pub(super) fn new(route: Route) -> Self {
        let takes = |name: &String| route.signature.columns().iter().any(|column| column.name == *name);
        let extras: Vec<String> = route.row_id.iter().filter(|name| !takes(name)).cloned().collect();
        let names = route.signature.columns().iter().map(|column| &column.name).chain(&extras);
        let renamed = renamed(&names.collect::<Vec<_>>());
        let links = Links::new(&route.socket, ANSWER_MAX);
        let client = SocketClient::new(&route.socket, ANSWER_MAX, 1);
        Self { route, extras, renamed, links, client, requests: TaskTracker::new() }
    }

    /// Takes this way. Whoever changes routes must not do so between finding this one and taking it.
    pub(super) fn hold(self: &Arc<Self>) -> Held {
        Held { live: Arc::clone(self), _token: self.requests.token() }
    }

    /// Waits until the last request on this way has ended. No new one may come.
    pub(super) async fn drained(&self) {
        self.requests.close();
        self.requests.wait().await;
    }

    /// Returns the bounds of what is read.
    pub(super) fn limits(&self) -> Limits {
        Limits { rows: usize::try_from(self.route.limits.max_rows).unwrap_or(usize::MAX) }
    }
}

/// Returns other names for the columns that are called as the log's own: `input_at` for `at`.
fn renamed(names: &[&String]) -> HashMap<String, String> {
    let is_reserved =
        |name: &str| OWN_COLUMNS.contains(&name) || name == "prediction" || name.starts_with("prediction_");
    let mut renamed = HashMap::new();
    for name in names.iter().filter(|name| is_reserved(name)) {
        let mut other = format!("input_{name}");
        while names.iter().any(|known| **known == other) || renamed.values().any(|known| *known == other) {
            other.insert_str(0, "input_");
        }
        renamed.insert((*name).clone(), other);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_own_names_are_given_to_no_input() {
        for (names, expected) in [
            (&["temp", "carrier"][..], &[][..]),
            (&["at", "prediction", "prediction_low"], &["input_at", "input_prediction", "input_prediction_low"]),
            (&["at", "input_at"], &["input_input_at"]),
        ] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut given: Vec<String> = renamed(&names.iter().collect::<Vec<_>>()).into_values().collect();
            given.sort();
            assert_eq!(given, expected, "{names:?}");
        }
    }
}
