//! A deployer over a data folder, a front that can be asked, and models that say how their servers behave.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;
use windlass_control::{
    Deployer as _, Deployment, PrepareRequest, ProbeAnswer, ProbeFailure, ProbeRequest, ServerCondition,
};
use windlass_kinds::{
    Digest, Name, Span,
    manifest::{EndpointLimits, EndpointSpec},
    record::{FileEntry, PrepareFailure},
};
use windlass_local::{
    LocalDeployer,
    deployer::{DeployerSettings, Drained, Front},
    executor::PythonPlace,
};
use windlass_net::SocketClient;
use windlass_oci::{BlobStore, MemoryStore, model, put_bytes};

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a model says of itself unless a test says otherwise.
const DESCRIPTION: &str = r#"
flavors: {onnx: {data: model.onnx, onnx_version: 1.19.1}}
signature: {inputs: '[{"type": "double", "name": "temp", "required": true}]', outputs: null, params: null}
"#;

/// Waits until `holds`.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A machine whose only Python package is an empty onnxruntime.
struct Runtime(PathBuf);

#[async_trait]
impl PythonPlace for Runtime {
    async fn resolve(&self, request: &PrepareRequest) -> Result<Digest, PrepareFailure> {
        match request.python.packages[0].as_str() {
            "onnxruntime==0.0.1" => Err(PrepareFailure { reason: "no such version".to_owned(), retryable: false }),
            "onnxruntime==0.0.2" => Err(PrepareFailure { reason: "no network".to_owned(), retryable: true }),
            package => Ok(Digest::sha256(package)),
        }
    }

    async fn ensure(
        &self,
        _: &PrepareRequest,
        _: &Digest,
        _: windlass_local::python::Progress<'_>,
    ) -> Result<PathBuf, PrepareFailure> {
        let folder = self.0.join("lib/python3.13/site-packages/onnxruntime/capi");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("libonnxruntime.so.1.23.2"), "").unwrap();
        Ok(self.0.clone())
    }
}

/// Remembers where requests would go.
pub(crate) struct Recorder {
    seen: Mutex<(Option<PathBuf>, usize)>,
    held: watch::Sender<usize>,
}

/// Requests that are not answered as long as this lives.
pub(crate) struct Held<'a>(&'a Recorder);

impl Recorder {
    pub(crate) fn socket(&self) -> Option<PathBuf> {
        self.seen.lock().unwrap().0.clone()
    }

    pub(crate) fn switches(&self) -> usize {
        self.seen.lock().unwrap().1
    }

    pub(crate) fn hold_requests(&self) -> Held<'_> {
        self.held.send_modify(|count| *count += 1);
        Held(self)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.send_modify(|count| *count -= 1);
    }
}

#[async_trait]
impl Front for Recorder {
    fn expect(&self, _: &Name, _: &Name) {}

    async fn switch(&self, _: &Deployment, model: &Path, socket: &Path) -> Result<Drained, String> {
        assert!(model.join("behaviour.json").exists() && socket.exists());
        let mut seen = self.seen.lock().unwrap();
        *seen = (Some(socket.to_owned()), seen.1 + 1);
        let mut held = self.held.subscribe();
        Ok(Box::pin(async move {
            let _ = held.wait_for(|count| *count == 0).await;
        }))
    }

    async fn remove(&self, _: &Name, _: &Name) {
        self.seen.lock().unwrap().0 = None;
    }

    async fn predictions(&self, _: &Name, _: &Name) -> std::io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn predicted(&self, _: &Name, _: &Name) -> u64 {
        0
    }
}

/// A data folder with a deployer over it.
pub(crate) struct Place {
    data: tempfile::TempDir,
    blobs: Arc<dyn BlobStore>,
    pub(crate) front: Arc<Recorder>,
    pub(crate) deployer: LocalDeployer,
    pub(crate) project: Name,
    pub(crate) endpoint: Name,
}

impl Place {
    pub(crate) fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let program = data.path().join("program");
        fs::write(&program, include_str!("model_server.py")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let blobs: Arc<dyn BlobStore> = Arc::new(MemoryStore::new());
        let front = Arc::new(Recorder { seen: Mutex::default(), held: watch::Sender::new(0) });
        let python = Arc::new(Runtime(data.path().join("python")));
        let settings = DeployerSettings {
            patience: Duration::from_secs(5),
            probe_patience: Duration::from_secs(5),
            python_patience: Duration::from_secs(5),
            look_every: Duration::from_millis(100),
            hang_grace: Duration::from_secs(1),
            memory_growth: 64 << 20,
            first_pause: Duration::from_millis(10),
            longest_pause: Duration::from_millis(100),
            long_life: Duration::from_secs(60),
        };
        let deployer =
            LocalDeployer::new(data.path(), program, blobs.clone(), python, front.clone(), settings).unwrap();
        let (project, endpoint) = ("default".parse().unwrap(), "flights".parse().unwrap());
        Self { data, blobs, front, deployer, project, endpoint }
    }

    /// Returns the digest of a model whose servers behave as told; `requirements` is its file, or null for none.
    async fn model(&self, behaviour: &Value) -> Digest {
        let requirements = behaviour.get("requirements").cloned().unwrap_or("onnxruntime==1.23.2\n".into());
        let description = behaviour.get("description").and_then(Value::as_str).unwrap_or(DESCRIPTION);
        let mut files = vec![
            ("MLmodel", description.to_owned()),
            ("behaviour.json", behaviour.to_string()),
            ("serving_input_example.json", "{}".to_owned()),
        ];
        files.extend(requirements.as_str().map(|text| ("requirements.txt", text.to_owned())));
        let mut entries = Vec::new();
        for (path, text) in files {
            let digest = put_bytes(self.blobs.as_ref(), text.as_bytes()).await.unwrap();
            entries.push(FileEntry { path: path.to_owned(), digest, size: text.len() as u64 });
        }
        model::package(self.blobs.as_ref(), &entries, BTreeMap::new()).await.unwrap().0
    }

    pub(crate) async fn deploy(&self, number: u32, behaviour: Value) -> Result<(), ProbeFailure> {
        let limits = EndpointLimits { timeout: Span(Duration::from_millis(100)), ..EndpointLimits::default() };
        let spec = EndpointSpec {
            description: String::new(),
            model: "flights@champion".parse().unwrap(),
            row_id: Vec::new(),
            labels: None,
            log: Default::default(),
            limits,
        };
        let deployment = Deployment {
            project: self.project.clone(),
            endpoint: self.endpoint.clone(),
            number,
            spec,
            model: "flights".to_owned(),
            version: number,
            manifest: self.model(&behaviour).await,
        };
        self.deployer.deploy(deployment).await
    }

    pub(crate) async fn probe(&self, behaviour: Value, rows: &str) -> Result<ProbeAnswer, ProbeFailure> {
        let request = ProbeRequest {
            project: self.project.clone(),
            model: "flights".to_owned(),
            version: 1,
            manifest: self.model(&behaviour).await,
            rows: put_bytes(self.blobs.as_ref(), rows.as_bytes()).await.unwrap(),
        };
        self.deployer.probe(request).await
    }

    /// Returns the process that answers where requests go.
    pub(crate) async fn answering(&self) -> u32 {
        self.try_answering().await.expect("a server answers")
    }

    async fn try_answering(&self) -> Option<u32> {
        let client = SocketClient::new(self.front.socket()?, 1 << 20, 0);
        let request = http::Request::get("/ping").body(bytes::Bytes::new()).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(1), client.send(request)).await.ok()?.ok()?;
        std::str::from_utf8(answer.body()).ok()?.parse().ok()
    }

    /// Waits until another process answers.
    pub(crate) async fn until_other_than(&self, before: u32) {
        let begun = Instant::now();
        while self.try_answering().await.is_none_or(|found| found == before) {
            assert!(begun.elapsed() < PATIENCE, "another server comes");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        while !self.condition().await.trouble.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "all is well again");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn condition(&self) -> ServerCondition {
        self.deployer.condition(&self.project, &self.endpoint).await.unwrap()
    }

    /// Returns the folders of models that are laid out.
    pub(crate) fn models(&self) -> Vec<PathBuf> {
        let folder: &Path = &self.data.path().join("models");
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}
