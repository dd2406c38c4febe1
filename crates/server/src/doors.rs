//! The threads that answer requests.
//!
//! A connection stays with the thread that took it. On threads shared by all tasks each request would wake one thread
//! after the other: the one that reads it, the one that is told that a write is on disk, one more to look for work; for a
//! short request that costs more than all else. So each thread here has a runtime of its own, and takes a connection
//! whenever it has nothing else to do. What else the server does (the control loop, work that it dispatched) stays on the
//! runtime that called.

use std::{io, net::TcpListener, thread, time::Duration};

use axum::{Router, serve::ListenerExt as _};
use tokio::{
    runtime::Builder,
    sync::{mpsc, watch},
};

/// How many threads at least: a request that computes for a while holds up only the connections of its thread.
const LEAST: usize = 2;
/// How many threads at most: one writer is behind them all.
const MOST: usize = 8;
/// How long work that a request left behind may go on after the last answer.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// Threads that serve the same routes. They end when it is dropped.
pub(crate) struct Doors {
    stop: watch::Sender<bool>,
    ends: mpsc::UnboundedReceiver<io::Result<()>>,
}

impl Doors {
    /// Starts to serve.
    pub(crate) fn open(listener: &TcpListener, router: &Router) -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(LEAST, usize::from);
        let (stop, stopped) = watch::channel(false);
        let (end, ends) = mpsc::unbounded_channel();
        for number in 1..=processors.clamp(LEAST, MOST) {
            let (listener, router) = (listener.try_clone()?, router.clone());
            let (stopped, end) = (stopped.clone(), end.clone());
            thread::Builder::new().name(format!("http-{number}")).spawn(move || {
                // Where nobody listens any more, nobody asks how it ended.
                let _ = end.send(answer(listener, router, stopped));
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
fn answer(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        // Answers leave at once: a client on a kept connection never waits for Nagle's algorithm.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!("TCP_NODELAY was not set: {error}");
            }
        });
        let stop = async move {
            // An error means that nobody can say stop any more, which says it too.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        axum::serve(listener, router).with_graceful_shutdown(stop).await
    });
    runtime.shutdown_timeout(LEFT_BEHIND);
    outcome
}
