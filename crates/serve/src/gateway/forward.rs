//! The hop to the model server, and what is done when it dies on the way.
//!
//! A model answers the same whatever it answered before, so a request may be sent again. It is sent again once after it
//! broke off, since one that kills model servers must not kill them for ever, and for a short while as long as nobody
//! listens: a model server that died is being started again, or another one takes over.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode, Uri};
use tokio::time::Instant;

use super::{endpoint::Endpoint, refusal::Refusal, route::Live};
use crate::hop::LinkError;

/// How long a model server may be unreachable before a request gives up.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where a model server tells what its model takes and gives; it calls its one model so, whatever it is registered as.
pub(super) const METADATA: &str = "/v2/models/model";
/// Where it tells that it lives.
pub(super) const PING: &str = "/ping";
/// The pause between two tries to reach it.
const PAUSE: Duration = Duration::from_millis(50);

/// What a request has tried so far.
#[derive(Debug, Default)]
pub(super) struct Tries {
    broken: bool,
    unreachable_since: Option<Instant>,
}

impl Tries {
    /// Asks the model server of a route. None says that it is worth another try, on the route that is current then.
    pub(super) async fn send(
        &mut self,
        endpoint: &Endpoint,
        live: &Live,
        question: &Bytes,
        deadline: Instant,
    ) -> Result<Option<BytesMut>, Refusal> {
        let failed = match tokio::time::timeout_at(deadline, live.links.ask(question.clone())).await {
            Ok(Ok(answer)) => return Ok(Some(answer)),
            Ok(Err(failed)) => failed,
            Err(_) => return Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, "the model did not answer in time")),
        };
        tracing::debug!(endpoint = %live.route.endpoint, version = live.route.version, "{failed}");
        match failed {
            LinkError::Broken { .. } if !self.broken => self.broken = true,
            LinkError::Broken { .. } => return Err(died()),
            LinkError::Connect { .. } => {
                let now = Instant::now();
                let since = *self.unreachable_since.get_or_insert(now);
                if now >= deadline || now - since >= PATIENCE {
                    return Err(died());
                }
                tokio::select! {
                    () = endpoint.changed() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            LinkError::TooLarge { .. } => {
                return Err(Refusal::new(StatusCode::BAD_GATEWAY, "the model's answer is too large"));
            }
        }
        endpoint.counters.retry();
        Ok(None)
    }
}

/// Asks a model server something else than predictions.
pub(super) async fn get(live: &Live, path: &'static str) -> Result<Response<Bytes>, Refusal> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = Uri::from_static(path);
    let answer = tokio::time::timeout(PATIENCE, live.client.send(request)).await;
    answer.ok().and_then(Result::ok).ok_or_else(died)
}

/// Refuses what a model server refused: its own words, since the gateway checked the request before.
pub(super) fn refused(status: StatusCode, said: &str) -> Refusal {
    let status = match status {
        status if status.is_client_error() => StatusCode::BAD_REQUEST,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => status,
        _ => StatusCode::BAD_GATEWAY,
    };
    Refusal::new(status, said.chars().take(1000).collect::<String>())
}

fn died() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the model server went away; try again")
}
