//! The page: what a team's loop did and why, rendered here, live by server-sent events.
//!
//! Promises that every page is whole without its script, that every text in it is escaped (templates do it), that
//! nothing is loaded from elsewhere, and that nothing is shown without a session or token. One file a page: it reads
//! what the store holds, and renders it from the pieces of [`component`] and [`chart`]. It does not know how anything
//! is decided, and changes nothing but its own sessions.

mod assets;
mod chart;
mod component;
mod dataset;
mod endpoint;
mod error;
mod home;
mod layout;
mod ledger;
mod links;
mod live;
mod loop_graph;
mod model;
mod models;
mod monitor;
mod pipeline;
mod run;
mod session;
mod sign_in;
mod step;
mod tracking;
mod version;
mod version_compare;
mod viewer;

use axum::{
    http::{HeaderValue, header},
    middleware,
    response::Response,
    routing::{get, post},
};

pub(crate) use live::Streams;
pub(crate) use session::Sessions;
pub(crate) use sign_in::{refuse, token_of};

use crate::routes::Routes;

/// Returns the routes of the page.
pub(crate) fn routes() -> Routes {
    let project = Routes::new()
        .route("/", get(home::show))
        .route("/runs", get(run::list))
        .route("/runs/{run}", get(run::show))
        .route("/runs/{run}/steps/{step}", get(step::show))
        .route("/runs/{run}/steps/{step}/log", get(live::log))
        .route("/pipelines/{pipeline}", get(pipeline::show))
        .route("/datasets/{dataset}", get(dataset::show))
        .route("/datasets/{dataset}/versions/{version}", get(dataset::version))
        .route("/models", get(models::list))
        .route("/models/{model}", get(model::show))
        .route("/models/{model}/compare", get(version_compare::show))
        .route("/models/{model}/versions/{version}", get(version::show))
        .route("/endpoints/{endpoint}", get(endpoint::show))
        .route("/monitors/{monitor}", get(monitor::show))
        .route("/experiments", get(tracking::experiments))
        .route("/experiments/{experiment}", get(tracking::runs))
        .route("/experiments/{experiment}/traces", get(tracking::traces))
        .route("/traces/{trace}", get(tracking::trace))
        .route("/compare", get(tracking::compare))
        .route("/ledger", get(ledger::show))
        .route("/ledger/{entry}", get(ledger::entry));
    Routes::new()
        .route("/", get(home::show))
        .nest("/projects/{project}", project)
        .route("/tracking/{run}", get(tracking::run))
        .route("/tracking/{run}/file", get(tracking::artifact_send))
        .route("/changes", get(live::changes))
        .route("/sign-in", get(sign_in::exchange))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/api/v1/sign-in", post(sign_in::code))
        .layer(middleware::map_response(guarded))
        .route("/assets/{name}", get(assets::serve))
}

/// Returns whether a path is of a page that wants a session.
pub(crate) fn is_page(path: &str) -> bool {
    matches!(path, "/" | "/changes" | "/sign-out") || path.starts_with("/projects/") || path.starts_with("/tracking/")
}

/// Nothing but our own style and script, in nobody's frame; nothing kept by caches.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds the headers that keep a page to itself (CSP level 3; OWASP secure headers), where it has none of its own: files
/// that people uploaded may do less.
pub(crate) async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with it a browser says `Origin: null` of our own sign-out, and the door refuses that.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
