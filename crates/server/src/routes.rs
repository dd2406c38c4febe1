//! The one list that every route is registered in.
//!
//! Wraps axum's router, which cannot be asked what it has. What is registered here can be listed, so that a test holds
//! the rules of access against all of it. It knows paths and methods, and neither callers nor rules.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    extract::Request,
    handler::Handler,
    http::{Method, header},
    response::IntoResponse,
    routing::{MethodRouter, Route},
};
use tower::{Layer, Service, ServiceExt as _};

use crate::AppState;

/// Routes, and what they are called.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<AppState>,
    listed: Vec<(String, MethodRouter<AppState>)>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a path; see [`Router::route`].
    pub(crate) fn route(mut self, path: &str, methods: MethodRouter<AppState>) -> Self {
        self.listed.push((path.to_owned(), methods.clone()));
        Self { router: self.router.route(path, methods), ..self }
    }

    /// Adds other routes under a prefix; see [`Router::nest`].
    pub(crate) fn nest(mut self, prefix: &str, other: Self) -> Self {
        let under = |path: String| if path == "/" { prefix.to_owned() } else { format!("{prefix}{path}") };
        self.listed.extend(other.listed.into_iter().map(|(path, methods)| (under(path), methods)));
        Self { router: self.router.nest(prefix, other.router), ..self }
    }

    /// Adds other routes; see [`Router::merge`].
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.listed.extend(other.listed);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// Puts a layer around all routes so far; see [`Router::layer`].
    pub(crate) fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self { router: self.router.layer(layer), ..self }
    }

    /// Answers paths that have no route; see [`Router::fallback`].
    pub(crate) fn fallback<T: 'static>(self, handler: impl Handler<T, AppState>) -> Self {
        Self { router: self.router.fallback(handler), ..self }
    }

    /// Answers methods that a path does not have; see [`Router::method_not_allowed_fallback`].
    pub(crate) fn method_not_allowed_fallback<T: 'static>(self, handler: impl Handler<T, AppState>) -> Self {
        Self { router: self.router.method_not_allowed_fallback(handler), ..self }
    }

    /// Returns the router.
    pub(crate) fn into_router(self) -> Router<AppState> {
        self.router
    }

    /// Returns every path with its methods, by path; no methods means any. The paths are asked themselves, past every
    /// layer: a router says what it allows where a method is refused (RFC 9110, section 15.5.6).
    pub(crate) async fn list(self, state: &AppState) -> Vec<(String, Vec<Method>)> {
        let mut list = Vec::with_capacity(self.listed.len());
        for (path, methods) in self.listed {
            let request = Request::builder().method(Method::TRACE).body(Body::empty()).expect("a plain request");
            let asked: Result<_, Infallible> = methods.with_state(state.clone()).oneshot(request).await;
            let answer = asked.unwrap_or_else(|never| match never {});
            let allowed = answer.headers().get(header::ALLOW).and_then(|value| value.to_str().ok()).unwrap_or("");
            let allowed = allowed.split(',').filter_map(|word| word.trim().parse().ok()).collect();
            list.push((path, allowed));
        }
        list.sort_by(|one, other| one.0.cmp(&other.0));
        list
    }
}
