//! A server over a fresh store, with a token for each role and for an attempt, and nothing that runs jobs.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, Response, StatusCode, header},
};
use serde_json::{Value, json};
use tower::ServiceExt;
use windlass_control::{Control, Executor, Job, LogChunk, PrepareRequest, Settings, SystemClock, attempt_token};
use windlass_kinds::{
    AttemptId, Digest, Micros, Name, TokenId,
    manifest::Role,
    record::{Attempt, AttemptState, PipelineRun, PrepareFailure, Run, RunStatus, StepRun, Token},
};
use windlass_oci::MemoryStore;
use windlass_server::{AppState, EndpointTraffic, ServerSettings, Traffic};
use windlass_testkit::TestStore;

pub(crate) const NOW: Micros = Micros(1_700_000_000_000_000);
const SECRET: [u8; 32] = [7; 32];

/// A server and what a test needs to ask it.
pub(crate) struct TestServer {
    pub(crate) store: TestStore,
    state: AppState,
    router: Router,
}

/// A place where nothing runs.
struct Nowhere;

#[async_trait]
impl Executor for Nowhere {
    async fn prepare(&self, _: &PrepareRequest) -> Result<Digest, PrepareFailure> {
        Err(PrepareFailure { reason: "nothing runs here".to_owned(), retryable: false })
    }

    async fn start(&self, _: Job) {}

    async fn recover(&self, _: Vec<AttemptId>, _: Vec<AttemptId>) {}

    async fn cancel(&self, _: &AttemptId) {}

    async fn interrupt_all(&self, _: Duration) {}

    async fn log(&self, _: &AttemptId, _: u64, _: usize) -> Result<LogChunk, std::io::Error> {
        Ok(LogChunk { text: String::new(), next: 0, complete: true })
    }

    async fn forget(&self, _: &AttemptId) {}
}

/// Counts of a gateway that answered for `flights` alone.
struct Asked;

impl Traffic for Asked {
    fn of(&self, _: &Name, endpoint: &Name) -> Option<EndpointTraffic> {
        let traffic = EndpointTraffic {
            requests: 12_345,
            refused: 40,
            failed: 3,
            in_flight: 2,
            rows: 99_000,
            median: Some(0.0012),
            p99: Some(0.034),
            lost: 7,
        };
        (endpoint.as_str() == "flights").then_some(traffic)
    }

    fn metrics(&self, project: Option<&Name>) -> String {
        let project = project.map_or("", Name::as_str);
        format!(
            "# TYPE windlass_endpoint_rows_total counter\nwindlass_endpoint_rows_total{{project=\"{project}\"}} 99000\n"
        )
    }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// Returns the token of a role: `viewer`, `contributor`, `maintainer`, `admin`.
pub(crate) fn token(role: &str) -> String {
    format!("wl_{role}")
}

/// A token as a test wants it.
pub(crate) struct Kept<'a> {
    pub(crate) text: &'a str,
    pub(crate) project: Option<&'a str>,
    pub(crate) role: Role,
    pub(crate) user: Option<&'a str>,
    pub(crate) expires_at: Option<Micros>,
}

impl<'a> Kept<'a> {
    /// A token with a role, for all projects, for ever.
    pub(crate) fn fixed(text: &'a str, role: Role) -> Self {
        Self { text, project: None, role, user: None, expires_at: None }
    }
}

/// Keeps a token, whose secret is [`token`] of its name.
async fn token_kept(store: &TestStore, kept: Kept<'_>) {
    let Kept { text, project, role, user, expires_at } = kept;
    let record = Token {
        id: TokenId::new(text),
        name: text.to_owned(),
        project: project.map(name),
        role,
        user: user.map(str::to_owned),
        created_at: NOW,
        expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    let hash = windlass_api::token::hash(&token(text));
    store
        .write(move |tx| {
            let record = record.clone();
            Box::pin(async move { tx.token_insert(&record, &hash).await })
        })
        .await
        .expect("a token is kept");
}

impl TestServer {
    pub(crate) async fn new() -> Self {
        Self::over(TestStore::sqlite().await).await
    }

    pub(crate) async fn over(store: TestStore) -> Self {
        for (role, text) in [
            (Role::Viewer, "viewer"),
            (Role::Contributor, "contributor"),
            (Role::Maintainer, "maintainer"),
            (Role::Admin, "admin"),
        ] {
            token_kept(&store, Kept { project: Some("default"), ..Kept::fixed(text, role) }).await;
        }
        let settings = Settings {
            tracking_uri: String::new(),
            max_parallel: 1,
            architecture: "x86_64".to_owned(),
            until_idle: false,
            attempt_secret: SECRET,
        };
        let blobs = Arc::new(MemoryStore::default());
        let control = Control::new(store.clone(), blobs, Arc::new(Nowhere), Arc::new(SystemClock), settings);
        let state = AppState::new(control, ServerSettings::default()).with_traffic(Arc::new(Asked));
        let router = windlass_server::router(state.clone());
        Self { store, state, router }
    }

    /// Makes an admin's token, good for one project or for all; returns it.
    pub(crate) async fn admin(&self, text: &str, project: Option<&str>) -> String {
        self.keep(Kept { project, ..Kept::fixed(text, Role::Admin) }).await;
        token(text)
    }

    /// Makes a token; its secret is [`token`] of its name.
    pub(crate) async fn keep(&self, kept: Kept<'_>) {
        token_kept(&self.store, kept).await;
    }

    /// Revokes a token as another server on the same database does: this one is not told.
    pub(crate) async fn revoke_elsewhere(&self, id: &str) {
        let id = TokenId::new(id);
        let write = self.store.write(move |tx| {
            let id = id.clone();
            Box::pin(async move { tx.token_revoke(&id, NOW).await })
        });
        assert!(write.await.expect("a token is revoked"));
    }

    /// Returns whether a token was used already.
    pub(crate) async fn was_used(&self, id: &str) -> bool {
        let id = TokenId::new(id);
        let read = self.store.read(move |tx| {
            let id = id.clone();
            Box::pin(async move { tx.token_get(&id).await })
        });
        read.await.expect("a token is read").is_some_and(|token| token.last_used_at.is_some())
    }

    /// Returns every route with its methods.
    pub(crate) async fn routes(&self) -> Vec<(String, Vec<Method>)> {
        windlass_server::route_list(&self.state).await
    }

    /// Returns only the status of an answer, whose body may never end.
    pub(crate) async fn status(&self, token: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> StatusCode {
        let body = if method == "GET" { Vec::new() } else { b"{}".to_vec() };
        self.begun(token, method, path, body, headers).await.status()
    }

    /// Sends one request and returns the answer as it begins.
    pub(crate) async fn begun(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).expect("a method")).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(header::HOST, "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Body::from(body)).expect("a request");
        self.router.clone().oneshot(request).await.expect("an answer")
    }

    /// Serves on a port of its own, as the binary does, until the test's runtime ends; returns the address.
    pub(crate) async fn listen(&self) -> SocketAddr {
        let listener = windlass_server::bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(windlass_server::serve(listener, self.state.clone(), Router::new(), std::future::pending()));
        address
    }

    /// Makes a running attempt of step `train` with its tracking run; returns its token and that run's id.
    pub(crate) async fn attempt(&self, number: u32) -> (String, Attempt) {
        let run: PipelineRun = serde_json::from_value(json!({
            "id": "pr", "project": "default", "pipeline": "p", "number": 1, "revision": 1,
            "cause": {"trigger": null, "event": "e", "text": "by hand"}, "parameters": {}, "datasets": {},
            "state": "running", "reason": "", "created_at": NOW, "started_at": NOW, "ended_at": null,
        }))
        .expect("a pipeline run");
        let step_id = StepRun::derive_id(&run.id, &name("train"), None);
        let id = Attempt::derive_id(&step_id, number);
        let step: StepRun = serde_json::from_value(json!({
            "id": step_id, "run": run.id, "step": "train", "item": null, "state": "running", "reason": "",
            "environment": null, "key": null, "cached_from": null, "outputs": {}, "attempts": number, "failures": 0,
            "attempt": id, "not_before": null, "started_at": NOW, "ended_at": null,
        }))
        .expect("a step run");
        let attempt = Attempt {
            tracking_run: Attempt::derive_tracking_run(&id),
            id: id.clone(),
            step_run: step_id,
            run: run.id.clone(),
            project: name("default"),
            number,
            state: AttemptState::Running,
            reason: String::new(),
            usage: None,
            started_at: NOW,
            ended_at: None,
        };
        let made = attempt.clone();
        self.store
            .write(move |tx| {
                let (run, step, attempt) = (run.clone(), step.clone(), made.clone());
                Box::pin(async move {
                    tx.pipeline_run_save(&run).await?;
                    match tx.step_run_get(&step.id).await? {
                        None => tx.step_run_insert(&step, 0).await?,
                        Some(_) => tx.step_run_update(&step).await?,
                    }
                    tx.attempt_save(&attempt).await?;
                    let experiment = tx.experiment_ensure(&run.project, "p", NOW.millis()).await?;
                    let tracking = Run {
                        id: attempt.tracking_run.clone(),
                        experiment,
                        project: run.project.clone(),
                        name: "p-1/train".to_owned(),
                        user: "windlass".to_owned(),
                        status: RunStatus::Running,
                        start_ms: NOW.millis(),
                        end_ms: None,
                        deleted: false,
                        attempt: Some(attempt.id.clone()),
                    };
                    tx.run_create(&tracking, &[]).await
                })
            })
            .await
            .expect("an attempt");
        (attempt_token(&SECRET, &id), attempt)
    }

    /// Sends one request; the body is JSON unless it is `Value::Null`.
    pub(crate) async fn ask(&self, token: &str, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let (status, bytes) = self.send(token, method, path, body).await;
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Asks for a page with further headers, and no token but what they carry.
    pub(crate) async fn look(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        self.ask_as("GET", path, headers).await
    }

    /// Sends one request without a body; a `host` among the headers replaces the usual one.
    pub(crate) async fn ask_as(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(header::HOST, "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        (parts.status, parts.headers, String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Like [`TestServer::ask`], about a project that the request names.
    pub(crate) async fn ask_in(
        &self,
        project: &str,
        token: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let (status, bytes) =
            self.send_with(token, method, path, body, &[(windlass_api::PROJECT_HEADER, project)]).await;
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Sends one request and returns the answer's bytes.
    pub(crate) async fn send(&self, token: &str, method: &str, path: &str, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
        self.send_with(token, method, path, body, &[]).await
    }

    async fn send_with(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> (StatusCode, Vec<u8>) {
        let answer = self.begun(token, method, path, body, headers).await;
        let status = answer.status();
        (status, to_bytes(answer.into_body(), usize::MAX).await.expect("a body").to_vec())
    }
}
