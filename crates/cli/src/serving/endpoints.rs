//! The gateway beside the server: one listener, one set of tokens.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    Router,
    http::{HeaderMap, Uri},
};
use windlass_control::Clock;
use windlass_kinds::Name;
use windlass_serve::gateway::{Authorize, Denied, Gateway, GatewaySettings};
use windlass_server::{AppState, EndpointTraffic, Traffic};

use crate::data_folder::DataFolder;

/// Asks the server's door who may reach an endpoint.
struct Door(AppState);

#[async_trait]
impl Authorize for Door {
    async fn authorize(&self, headers: &HeaderMap, uri: &Uri, _: &Name) -> Result<Name, Denied> {
        windlass_server::admit(&self.0, headers, uri).await.map_err(|(status, message)| Denied { status, message })
    }
}

/// Makes the gateway, which keeps predictions in the data folder.
pub(super) fn gateway(folder: &DataFolder, clock: Arc<dyn Clock>) -> Gateway {
    Gateway::new(GatewaySettings {
        logs: folder.path().join("predictions"),
        clock: Arc::new(move || clock.now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// What the gateway counts, for those who look at the server.
struct Counts(Gateway);

impl Traffic for Counts {
    fn of(&self, project: &Name, endpoint: &Name) -> Option<EndpointTraffic> {
        let stats = self.0.stats(project, endpoint)?;
        let of_class = |class: u16| {
            let of_class = stats.requests.iter().filter(|(code, _)| **code / 100 == class);
            of_class.map(|(_, count)| count).sum()
        };
        Some(EndpointTraffic {
            requests: stats.requests.values().sum(),
            refused: of_class(4),
            failed: of_class(5),
            in_flight: stats.in_flight,
            rows: stats.rows,
            median: quantile(&stats.latency, 0.5),
            p99: quantile(&stats.latency, 0.99),
            lost: stats.log.lost,
        })
    }

    fn metrics(&self, project: Option<&Name>) -> String {
        self.0.metrics(project)
    }
}

/// Returns the gateway's counts.
pub(super) fn traffic(gateway: &Gateway) -> Arc<dyn Traffic> {
    Arc::new(Counts(gateway.clone()))
}

/// Returns a quantile of cumulated buckets, evenly spread within its bucket as Prometheus' `histogram_quantile` takes
/// it; beyond the last finite bound it is that bound.
fn quantile(buckets: &[(f64, u64)], share: f64) -> Option<f64> {
    let (_, all) = *buckets.last()?;
    let rank = share * all as f64;
    let place = buckets.iter().position(|(_, count)| *count as f64 >= rank).filter(|_| all > 0)?;
    let (low, before) = place.checked_sub(1).map_or((0.0, 0), |place| buckets[place]);
    let (high, count) = buckets[place];
    if !high.is_finite() {
        return Some(low);
    }
    let within = (rank - before as f64) / (count - before) as f64;
    Some(low + (high - low) * within)
}

/// Returns the gateway's routes, behind the server's door.
pub(super) fn routes(gateway: &Gateway, state: AppState) -> Router {
    gateway.router(Arc::new(Door(state)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let infinite = f64::INFINITY;
        for (buckets, share, expected) in [
            (vec![], 0.5, None),
            (vec![(1.0, 0), (infinite, 0)], 0.5, None),
            (vec![(1.0, 4), (2.0, 4), (infinite, 4)], 0.5, Some(0.5)),
            (vec![(1.0, 2), (2.0, 4), (infinite, 4)], 0.75, Some(1.5)),
            (vec![(1.0, 0), (2.0, 4), (infinite, 4)], 0.5, Some(1.5)),
            (vec![(1.0, 1), (2.0, 1), (infinite, 4)], 0.99, Some(2.0)),
        ] {
            assert_eq!(quantile(&buckets, share), expected, "{share} of {buckets:?}");
        }
    }
}
