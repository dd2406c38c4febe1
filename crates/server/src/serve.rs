//! Binding, serving, and stopping.

use std::{future::Future, net::SocketAddr};

use axum::{Router, extract::DefaultBodyLimit, middleware};
use tokio::net::TcpListener;

use crate::{AppState, auth, doors::Doors, metrics, mlflow, native, page};

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("failed to listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Serving broke off.
    #[error("failed to serve")]
    Serve(#[source] std::io::Error),
}

/// Returns all routes, behind the door.
pub fn router(state: AppState) -> Router {
    Router::new()
        .merge(native::routes())
        .merge(mlflow::routes())
        .merge(page::routes())
        .merge(metrics::routes())
        .layer(middleware::from_fn_with_state(state.clone(), auth::check))
        // Every handler caps its own body: JSON before parsing, uploads while streaming.
        .layer(DefaultBodyLimit::disable())
        .with_state(state)
}

/// Binds an address, early, so that a taken port is said before anything starts.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Serves until `shutdown` ends; requests under way are finished. `beside` has routes that keep their own door.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    beside: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let streams = state.streams.clone();
    let listener = listener.into_std().map_err(ServeError::Serve)?;
    let mut doors = Doors::open(&listener, &state, &router(state.clone()).merge(beside)).map_err(ServeError::Serve)?;
    drop(listener);
    tokio::select! {
        () = shutdown => {}
        error = doors.broken() => return Err(ServeError::Serve(error)),
    }
    // Pages that follow what happens would hold us up.
    streams.end();
    doors.close().await.map_err(ServeError::Serve)
}
