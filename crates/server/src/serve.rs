//! Binding, serving, and stopping.

use std::{future::Future, net::SocketAddr};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::Method,
    middleware,
};
use tokio::net::TcpListener;

use crate::{AppState, auth, doors::Doors, metrics, mlflow, native, page, routes::Routes};

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

/// Every route that there is.
fn routes() -> Routes {
    Routes::new().merge(native::routes()).merge(mlflow::routes()).merge(page::routes()).merge(metrics::routes())
}

/// Returns the path of every route, as it was registered, and its methods; no methods means any.
pub async fn route_list(state: &AppState) -> Vec<(String, Vec<Method>)> {
    routes().list(state).await
}

/// Returns all routes, behind the door, as they are served.
pub fn router(state: AppState) -> Router {
    let inner = behind_the_door(state);
    // A router finds the route before any layer of its own runs.
    let whole = tower::util::MapRequest::new(inner, |mut request: Request| {
        auth::take_project(&mut request);
        request
    });
    Router::new().fallback_service(whole)
}

/// As [`router`], for requests whose path has lost its project already.
fn behind_the_door(state: AppState) -> Router {
    routes()
        .into_router()
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
    let mut doors =
        Doors::open(&listener, &state, &behind_the_door(state.clone()).merge(beside)).map_err(ServeError::Serve)?;
    drop(listener);
    tokio::select! {
        () = shutdown => {}
        error = doors.broken() => return Err(ServeError::Serve(error)),
    }
    // Pages that follow what happens would hold us up.
    streams.end();
    doors.close().await.map_err(ServeError::Serve)
}
