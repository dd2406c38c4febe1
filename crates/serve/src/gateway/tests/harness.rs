//! A model server and a gateway in front of it, in one process.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::{
    net::UnixListener,
    sync::{Notify, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use windlass_data::table::{Table, Values};
use windlass_kinds::{
    Micros, Name, Span,
    manifest::{EndpointLimits, PredictionLogSpec},
};

use super::super::{Authorize, Denied, Gateway, GatewaySettings, Route};
use crate::{
    hop::{self, Outcome, Reply},
    model::Signature,
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
                    let upgrading = Mutex::new(None);
                    let service = service_fn(async |request| Ok::<_, Infallible>(respond(request, &upgrading)));
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
                    let upgrading = upgrading.lock().expect("not poisoned").take();
                    if let Some(upgrading) = upgrading {
                        frames(upgrading, offset, behaves, counted).await;
                    }
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

/// Answers what is asked by HTTP, or agrees to frames.
fn respond(
    mut request: Request<hyper::body::Incoming>,
    upgrading: &Mutex<Option<hyper::upgrade::OnUpgrade>>,
) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/ping" => Response::new(Full::default()),
        hop::PATH => {
            *upgrading.lock().expect("not poisoned") = Some(hyper::upgrade::on(&mut request));
            let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).header("connection", "upgrade");
            response.header("upgrade", hop::UPGRADE).body(Full::default()).expect("a response")
        }
        _ => {
            let said = r#"{"name":"model","versions":["1"],"platform":"p","inputs":[],"outputs":[]}"#;
            Response::new(Full::from(said))
        }
    }
}

/// Answers questions until the connection ends or the server dies.
async fn frames(
    upgrading: hyper::upgrade::OnUpgrade,
    offset: f64,
    behaves: watch::Receiver<Behaviour>,
    asked: Arc<AtomicUsize>,
) {
    let Ok(upgraded) = upgrading.await else { return };
    let dies = Arc::new(Notify::new());
    let answer = |question: BytesMut| {
        asked.fetch_add(1, Ordering::SeqCst);
        let (mut behaves, dies) = (behaves.clone(), Arc::clone(&dies));
        Outcome::Later(async move {
            let now = *behaves.wait_for(|now| *now != Behaviour::Waits).await.expect("the server lives");
            match now {
                Behaviour::Dies => {
                    dies.notify_one();
                    std::future::pending().await
                }
                Behaviour::Fails => {
                    hop::reply(&Reply::Refused(StatusCode::INTERNAL_SERVER_ERROR, "division by zero".to_owned()))
                }
                Behaviour::Answers | Behaviour::Waits => {
                    let rows = hop::read_question(&signature(), &question).expect("a question");
                    let column = |name: &str| rows.column(name).unwrap().numbers().unwrap().into_owned();
                    let (temp, hour) = (column("temp"), column("hour"));
                    let sums = temp.iter().zip(hour).map(|(temp, hour)| temp + hour + offset).collect();
                    let answer = Table::new(vec![("variable".to_owned(), Values::Number(sums))]).unwrap();
                    hop::reply(&Reply::Predictions(answer))
                }
            }
        })
    };
    tokio::select! {
        _ = hop::serve(TokioIo::new(upgraded), Bytes::new(), 1 << 20, CancellationToken::new(), answer) => {}
        () = dies.notified() => {}
    }
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
