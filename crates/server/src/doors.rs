//! The threads that answer requests.
//!
//! A connection stays with the thread that took it. On threads shared by all tasks each request would wake one thread
//! after the other: the one that reads it, the one that is told that a write is on disk, one more to look for work; for a
//! short request that costs more than all else. So each thread here has a runtime of its own, and takes a connection
//! whenever it has nothing else to do. What else the server does (the control loop, work that it dispatched) stays on the
//! runtime that called.

use std::{cell::Cell, convert::Infallible, io, net::TcpListener, thread, time::Duration};

use axum::Router;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown};
use tokio::{
    runtime::Builder,
    sync::{mpsc, watch},
};
use tower::Service as _;

use crate::{
    AppState,
    auth::{self, Peer},
    mlflow,
    unread::Unread,
};

/// How many threads at least: a request that computes for a while holds up only the connections of its thread.
const LEAST: usize = 2;
/// How many threads at most: one writer is behind them all.
const MOST: usize = 8;
/// How long work that a request left behind may go on after the last answer.
const LEFT_BEHIND: Duration = Duration::from_secs(2);
/// How long to wait when no connection can be taken: file descriptors in use must be given back first.
const NONE_LEFT: Duration = Duration::from_millis(100);

thread_local! {
    /// How many requests this thread has taken and not answered.
    static UNDER_WAY: Cell<usize> = const { Cell::new(0) };
}

/// Returns whether the request that asks is the only one that its thread has to answer: then the thread may wait for the
/// disk, since nobody else waits for the thread.
pub(crate) fn is_alone() -> bool {
    UNDER_WAY.get() == 1
}

/// A request under way. It stays with the thread that took it.
struct UnderWay;

impl UnderWay {
    fn begin() -> Self {
        UNDER_WAY.set(UNDER_WAY.get() + 1);
        Self
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.set(UNDER_WAY.get() - 1);
    }
}

/// Threads that serve the same routes. They end when it is dropped.
pub(crate) struct Doors {
    stop: watch::Sender<bool>,
    ends: mpsc::UnboundedReceiver<io::Result<()>>,
}

impl Doors {
    /// Starts to serve.
    pub(crate) fn open(listener: &TcpListener, state: &AppState, router: &Router) -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(LEAST, usize::from);
        let (stop, stopped) = watch::channel(false);
        let (end, ends) = mpsc::unbounded_channel();
        for number in 1..=processors.clamp(LEAST, MOST) {
            let (listener, state, router) = (listener.try_clone()?, state.clone(), router.clone());
            let (stopped, end) = (stopped.clone(), end.clone());
            thread::Builder::new().name(format!("http-{number}")).spawn(move || {
                // Where nobody listens any more, nobody asks how it ended.
                let _ = end.send(answer(listener, &state, &router, stopped));
            })?;
        }
        Ok(Self { stop, ends })
    }

    /// Returns why a thread ended though nobody stopped it.
    pub(crate) async fn broken(&mut self) -> io::Error {
        let end = self.ends.recv().await.and_then(Result::err);
        end.unwrap_or_else(|| io::Error::other("a thread that answers requests ended"))
    }

    /// Takes no more connections, and waits until all requests under way are answered.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        // Threads that ended by themselves need no word.
        let _ = self.stop.send(true);
        while let Some(end) = self.ends.recv().await {
            end?;
        }
        Ok(())
    }
}

/// Serves on this thread until it is told to stop.
fn answer(
    listener: TcpListener,
    state: &AppState,
    router: &Router,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let connections = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                // An error means that nobody can say stop any more, which says it too.
                _ = stopped.wait_for(|stopped| *stopped) => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok((stream, address)) => (stream, Peer(address.ip())),
                // Another thread was quicker, or the peer thought better of it.
                Err(error) if is_of_the_peer(&error) => continue,
                Err(error) => {
                    tracing::error!("no connection can be taken: {error}");
                    tokio::time::sleep(NONE_LEFT).await;
                    continue;
                }
            };
            // Answers leave at once: a client on a kept connection never waits for Nagle's algorithm.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!("TCP_NODELAY was not set: {error}");
            }
            let (state, router) = (state.clone(), router.clone());
            let service = service_fn(move |request: http::Request<Incoming>| {
                let under_way = UnderWay::begin();
                let unread = Unread::default();
                let mut request = request.map(|body| unread.watch(body));
                request.extensions_mut().insert(peer);
                auth::take_project(&mut request);
                let short = mlflow::is_short(&request).then(|| state.clone());
                let mut router = router.clone();
                async move {
                    let mut answer = match short {
                        Some(state) => mlflow::answer_short(state, request).await,
                        None => router.call(request).await.unwrap_or_else(|never| match never {}),
                    };
                    drop(under_way);
                    unread.drain(&mut answer).await;
                    Ok::<_, Infallible>(answer)
                }
            });
            let connection = connections.watch(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!("a connection broke off: {error}");
                }
            });
        }
        drop(listener);
        connections.shutdown().await;
        Ok(())
    });
    runtime.shutdown_timeout(LEFT_BEHIND);
    outcome
}

/// Returns whether taking a connection failed for reasons that the next one does not share.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
