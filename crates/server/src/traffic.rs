//! How endpoints fare, as whoever answers for them counts it.
//!
//! Endpoints are answered beside this server's routes, by a gateway in the same process; what it counts is asked for
//! here. This crate does not know how requests are counted.

use windlass_kinds::Name;

/// Counts what endpoints answer.
pub trait Traffic: Send + Sync {
    /// Returns how an endpoint fares; `None` where it is not answered for in this process.
    fn of(&self, project: &Name, endpoint: &Name) -> Option<EndpointTraffic>;

    /// Returns what is counted of a project's endpoints, or of all, in the text format of Prometheus.
    fn metrics(&self, project: Option<&Name>) -> String;
}

/// How an endpoint fares since the process began.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EndpointTraffic {
    /// Requests for predictions that were answered.
    pub requests: u64,
    /// Those of them that the caller got wrong (status 4xx).
    pub refused: u64,
    /// Those of them that we got wrong (status 5xx).
    pub failed: u64,
    /// Requests that are being answered.
    pub in_flight: u64,
    /// Rows predicted.
    pub rows: u64,
    /// Half of the requests took at most about so many seconds; none where there were none.
    pub median: Option<f64>,
    /// Of a hundred requests 99 took at most about so many seconds.
    pub p99: Option<f64>,
    /// Predictions that were answered and are not in the log.
    pub lost: u64,
}

/// Of a server without endpoints.
pub(crate) struct NoTraffic;

impl Traffic for NoTraffic {
    fn of(&self, _: &Name, _: &Name) -> Option<EndpointTraffic> {
        None
    }

    fn metrics(&self, _: Option<&Name>) -> String {
        String::new()
    }
}
