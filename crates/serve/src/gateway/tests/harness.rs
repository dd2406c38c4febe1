//! A model server and a gateway in front of it, in one process.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::{net::UnixListener, sync::watch, task::JoinSet};
use tower::ServiceExt as _;
use windlass_data::table::{Table, Values};
use windlass_kinds::{
    Micros, Name, Span,
    manifest::{EndpointLimits, PredictionLogSpec},
};

use super::super::{Authorize, Denied, Gateway, GatewaySettings, Route};
use crate::{
    model::Signature,
    protocol::{Limits, oip},
};

/// The name of the project and of the endpoint.
pub(super) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// Two columns: `temp`, a double, and `hour`, a long.
pub(super) fn signature() -> Signature {
    let columns = serde_json::json!([{"type": "double", "name": "temp"}, {"type": "long", "name": "hour"}]);
    Signature::parse(&columns).expect("a signature")
}

/// How a model server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Answers `temp + hour + offset`.
    Answers,
    /// Answers once it is told to behave otherwise.
    Waits,
    /// Closes the connection instead of answering.
    Dies,
    /// Answers with a failure.
    Fails,
}

/// A model server whose predictions tell which one it is.
pub(super) struct ModelServer {
    pub(super) socket: PathBuf,
    pub(super) behaviour: watch::Sender<Behaviour>,
    /// How many inference requests came.
    pub(super) asked: Arc<AtomicUsize>,
    tasks: tokio::task::JoinHandle<()>,
}

impl ModelServer {
    pub(super) fn start(folder: &Path, offset: f64) -> Self {
        let socket = folder.join(format!("{offset}.sock"));
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (behaviour, behaves) = watch::channel(Behaviour::Answers);
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let tasks = tokio::spawn(async move {
            // Aborted with this task, so that connections die with the server.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (behaves, counted) = (behaves.clone(), Arc::clone(&counted));
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let (behaves, counted) = (behaves.clone(), Arc::clone(&counted));
                        async move { respond(request, offset, behaves, &counted).await }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { socket, behaviour, asked, tasks }
    }

    /// Kills the server with all that it was doing.
    pub(super) fn kill(&self) {
        self.tasks.abort();
        let _ = std::fs::remove_file(&self.socket);
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// Waits until so many inference requests came.
    pub(super) async fn was_asked(&self, times: usize) {
        until(|| self.asked.load(Ordering::SeqCst) >= times).await;
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn respond(
    request: Request<hyper::body::Incoming>,
    offset: f64,
    mut behaves: watch::Receiver<Behaviour>,
    asked: &AtomicUsize,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    if head.uri.path() == "/ping" {
        return Ok(Response::new(Full::default()));
    }
    if !head.uri.path().ends_with("/infer") {
        let said = r#"{"name":"model","versions":["1"],"platform":"p","inputs":[],"outputs":[]}"#;
        return Ok(Response::new(Full::from(said)));
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let now = *behaves.wait_for(|now| *now != Behaviour::Waits).await.expect("the server lives");
    match now {
        Behaviour::Dies => return Err(std::io::Error::other("killed")),
        Behaviour::Fails => {
            let mut response = Response::new(Full::from(r#"{"error":"division by zero"}"#));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return Ok(response);
        }
        Behaviour::Answers | Behaviour::Waits => {}
    }
    let json = head.headers.get(oip::HEADER_LENGTH).map(|value| value.to_str().unwrap().parse().unwrap());
    let (request, form) = oip::decode(json, &body, &signature(), &[], &Limits { rows: 1000 }).expect("a request");
    let column = |name: &str| request.rows.column(name).unwrap().numbers().unwrap().into_owned();
    let sums = column("temp").iter().zip(column("hour")).map(|(temp, hour)| temp + hour + offset).collect();
    let answer = Table::new(vec![("variable".to_owned(), Values::Number(sums))]).unwrap();
    let oip::Encoded { json, body } = oip::encode("model", "1", None, &answer, &form).expect("an answer");
    let mut response = Response::new(Full::from(body));
    if let Some(length) = json {
        response.headers_mut().insert(oip::HEADER_LENGTH, length.into());
    }
    Ok(response)
}

/// Lets everybody in but those who send `x-deny`.
struct Open;

#[async_trait]
impl Authorize for Open {
    async fn authorize(&self, headers: &HeaderMap, _: &Uri, _: &Name) -> Result<Name, Denied> {
        match headers.contains_key("x-deny") {
            true => Err(Denied { status: StatusCode::UNAUTHORIZED, message: "a token is needed".to_owned() }),
            false => Ok(name("default")),
        }
    }
}

/// A gateway with one folder for everything.
pub(super) struct Place {
    pub(super) folder: TempDir,
    pub(super) gateway: Gateway,
    pub(super) router: axum::Router,
}

impl Place {
    pub(super) fn new() -> Self {
        Self::within(TempDir::new().expect("a folder"))
    }

    pub(super) fn within(folder: TempDir) -> Self {
        let gateway = Gateway::new(GatewaySettings {
            logs: folder.path().join("logs"),
            clock: Arc::new(|| Micros(1_000_000)),
            version: "0.1.0".to_owned(),
        });
        let router = gateway.router(Arc::new(Open));
        Self { folder, gateway, router }
    }

    pub(super) fn server(&self, offset: f64) -> ModelServer {
        ModelServer::start(self.folder.path(), offset)
    }

    /// Returns the route of a version to a server; rows are named by `day`, beside the model's columns, and `hour`.
    pub(super) fn route(&self, version: u32, server: &ModelServer) -> Route {
        Route {
            project: name("default"),
            endpoint: name("flights"),
            revision: version,
            model: "flights".to_owned(),
            version,
            socket: server.socket.clone(),
            signature: signature(),
            limits: EndpointLimits {
                timeout: Span(Duration::from_secs(20)),
                max_body: 1000,
                concurrency: 64,
                max_rows: 5,
            },
            row_id: vec!["day".to_owned(), "hour".to_owned()],
            log: PredictionLogSpec { redact: vec!["temp".to_owned()], ..PredictionLogSpec::default() },
        }
    }

    pub(super) async fn switch(&self, route: Route) {
        self.gateway.switch(route).await.expect("switched").await;
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.router, request).await
    }

    pub(super) fn stats(&self) -> super::super::EndpointStats {
        self.gateway.stats(&name("default"), &name("flights")).expect("known")
    }
}

/// An answer, taken in.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

pub(super) async fn send(router: &axum::Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.expect("infallible");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

/// One row with its name, as `/invocations` takes it.
pub(super) fn row(day: &str, temp: f64, hour: i64) -> Request<Body> {
    let body =
        serde_json::json!({"dataframe_split": {"columns": ["day", "temp", "hour"], "data": [[day, temp, hour]]}});
    post("/endpoints/flights/invocations", &body.to_string())
}

pub(super) fn post(path: &str, body: &str) -> Request<Body> {
    Request::post(path).header("content-type", "application/json").body(Body::from(body.to_owned())).expect("a request")
}

pub(super) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a request")
}

/// Waits for a state, and fails where it does not come.
pub(super) async fn until(state: impl Fn() -> bool) {
    let wait = async {
        while !state() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("the state comes");
}
