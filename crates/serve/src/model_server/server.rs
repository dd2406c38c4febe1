//! The model server on its socket.

use std::{
    convert::Infallible,
    fs,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{net::UnixListener, sync::oneshot, time::timeout};

use super::{
    Settings,
    answer::{Answerer, Route, refusal},
    connections::Connections,
    input,
    pace::Pace,
};
use crate::{
    hop,
    model::{Model, ModelError},
};

/// How long requests that have begun may take to end once the server is to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// Why a model server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The model cannot be served.
    #[error("not servable")]
    Model(#[from] ModelError),
    /// The socket cannot be used.
    #[error("failed to listen on `{path}`")]
    Listen {
        /// Which socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The process cannot work.
    #[error("failed to start")]
    Start(#[source] io::Error),
}

/// Loads the model and answers for it until standard input closes and what was begun by then has ended.
///
/// Writes one line of JSON to standard output: `{"ready": true}` once it answers, or `{"ready": false, "error": …}`.
pub fn run(settings: Settings) -> Result<(), ServeError> {
    let outcome = start(settings);
    if let Err(error) = &outcome {
        say(&json!({"ready": false, "error": chain(error)}));
    }
    outcome
}

fn start(settings: Settings) -> Result<(), ServeError> {
    let model = Model::load(&settings.model, &settings.runner)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Start)?;
    let served = runtime.block_on(serve(Answerer { settings, model, pace: Pace::new() }));
    // A prediction that does not end must not keep the process.
    runtime.shutdown_background();
    served
}

async fn serve(answerer: Answerer) -> Result<(), ServeError> {
    let path = answerer.settings.socket.clone();
    let listen = |source| ServeError::Listen { path: path.clone(), source };
    let listener = UnixListener::bind(&path).map_err(listen)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(listen)?;
    let (close, mut closed) = oneshot::channel::<()>();
    input::when_closed(move || drop(close)).map_err(ServeError::Start)?;
    say(&json!({"ready": true}));
    let answerer = Arc::new(answerer);
    let connections = Connections::default();
    loop {
        let accepted = tokio::select! {
            _ = &mut closed => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: those in use must be given back first.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (answerer, own) = (Arc::clone(&answerer), connections.clone());
        let service = service_fn(move |request| handle(Arc::clone(&answerer), own.clone(), request));
        connections.serve(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
    }
    drop(listener);
    drop(fs::remove_file(&path));
    // Whether all ended or time did, this is the end.
    drop(timeout(DRAIN, connections.close()).await);
    Ok(())
}

async fn handle(
    answerer: Arc<Answerer>,
    connections: Connections,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == hop::PATH {
        return Ok(connections.upgrade(&answerer, request).map(Full::new));
    }
    let (head, body) = request.into_parts();
    Ok(respond(&answerer, &head, body).await.map(Full::new))
}

async fn respond(answerer: &Arc<Answerer>, head: &http::request::Parts, body: Incoming) -> Response<Bytes> {
    let route = match Route::parse(&head.method, head.uri.path()) {
        Ok(route) => route,
        Err(status) => {
            let reason = status.canonical_reason().unwrap_or_default().to_lowercase();
            return refusal(head.uri.path().starts_with("/v2"), status, &reason);
        }
    };
    if let Some(response) = answerer.simple(&route) {
        return response;
    }
    let is_oip = !matches!(route, Route::Invocations);
    let body = match Limited::new(body, answerer.settings.body_max).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("more than {} bytes, the most in one request", answerer.settings.body_max);
            return refusal(is_oip, StatusCode::PAYLOAD_TOO_LARGE, &message);
        }
        Err(_) => return refusal(is_oip, StatusCode::BAD_REQUEST, "the body broke off"),
    };
    let question = match answerer.question(&route, &head.headers, &body) {
        Ok(question) => question,
        Err(error) => return refusal(is_oip, error.status(), &error.to_string()),
    };
    if !answerer.is_slow(question.rows()) {
        return answerer.answer(question);
    }
    let answerer = Arc::clone(answerer);
    let answered = tokio::task::spawn_blocking(move || answerer.answer(question)).await;
    answered.unwrap_or_else(|_| refusal(is_oip, StatusCode::INTERNAL_SERVER_ERROR, "the prediction broke off"))
}

/// Writes a line to standard output. Whoever does not read it does not want it.
fn say(line: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// Returns an error and its causes in one text.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
