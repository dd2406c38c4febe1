//! The connections to a model server: HTTP, and what gateways upgrade theirs to.

use std::{convert::Infallible, pin::pin, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1::UpgradeableConnection, service::HttpService};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::answer::{Answerer, refusal};
use crate::hop::{self, Outcome, Reply};

/// All connections that are open. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Connections {
    /// Serves a connection until it ends, or until it is to be closed and has answered what was asked.
    pub(super) fn serve<S>(&self, connection: UpgradeableConnection<TokioIo<UnixStream>, S>)
    where
        S: HttpService<Incoming, ResBody = Full<Bytes>, Error = Infallible> + Send + 'static,
        S::Future: Send,
    {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let mut connection = pin!(connection);
            // A connection that breaks off is the other side's affair.
            tokio::select! {
                ended = connection.as_mut() => drop(ended),
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    drop(connection.await);
                }
            }
        });
    }

    /// Upgrades a connection, whose questions are answered from then on.
    pub(super) fn upgrade(&self, answerer: &Arc<Answerer>, mut request: Request<Incoming>) -> Response<Bytes> {
        if request.headers().get(header::UPGRADE).is_none_or(|name| name != hop::UPGRADE) {
            return refusal(false, StatusCode::UPGRADE_REQUIRED, "this is for gateways");
        }
        let (upgrading, answerer, stop) = (hyper::upgrade::on(&mut request), Arc::clone(answerer), self.stop.clone());
        self.tasks.spawn(async move {
            let Ok(Ok(parts)) = upgrading.await.map(|upgraded| upgraded.downcast::<TokioIo<UnixStream>>()) else {
                return;
            };
            let max = answerer.settings.body_max;
            drop(
                hop::serve(parts.io.into_inner(), parts.read_buf, max, stop, |question| ask(&answerer, &question))
                    .await,
            );
        });
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(header::UPGRADE, header::HeaderValue::from_static(hop::UPGRADE));
        response
    }

    /// Takes no more questions, and waits until those that were asked are answered.
    pub(super) async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Answers a question here where that is short, and aside where it would keep others waiting.
fn ask(answerer: &Arc<Answerer>, question: &BytesMut) -> Outcome<impl Future<Output = Vec<u8>> + Send + use<>> {
    let refused = |why: &str| hop::reply(&Reply::Refused(StatusCode::BAD_REQUEST, why.to_owned()));
    let Some(rows) = hop::read_question(answerer.model.signature(), question) else {
        return Outcome::Now(refused("the question cannot be read"));
    };
    if rows.rows() > answerer.settings.rows_max {
        return Outcome::Now(refused("more rows than may be in one request"));
    }
    let is_slow = answerer.is_slow(rows.rows());
    let answer = move |answerer: &Answerer| match answerer.predict(&rows) {
        Ok(table) => hop::reply(&Reply::Predictions(table)),
        Err((status, why)) => hop::reply(&Reply::Refused(status, why)),
    };
    if !is_slow {
        return Outcome::Now(answer(answerer));
    }
    let answerer = Arc::clone(answerer);
    Outcome::Later(async move {
        let answered = tokio::task::spawn_blocking(move || answer(&answerer)).await;
        let broke = || Reply::Refused(StatusCode::INTERNAL_SERVER_ERROR, "the prediction broke off".to_owned());
        answered.unwrap_or_else(|_| hop::reply(&broke()))
    })
}
