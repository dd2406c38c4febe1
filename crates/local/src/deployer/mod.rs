//! The control loop's `Deployer` on processes of this machine.
//!
//! A model is served by a child of ours that holds it and nothing else ([`server`]), watched by a task of its endpoint
//! ([`watch`]); requests reach it through a [`Front`]. A new revision is started beside the one that answers, warmed
//! with the model's own example, switched to, and the one before ends when its last request was answered. Nothing here
//! is kept on disk: model servers end with this process, and the control loop asks for them anew when it starts.

mod folders;
mod front;
mod probe;
mod runtime;
mod server;
mod sockets;
mod warm;
mod watch;

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc, oneshot};
use windlass_control::{Deployer, Deployment, ProbeAnswer, ProbeFailure, ProbeRequest, ServerCondition};
use windlass_kinds::{Digest, Name};
use windlass_oci::{BlobStore, TreeError};
use windlass_serve::model::{Description, Flavor};

pub use self::front::{Drained, Front};
use self::{
    folders::{ModelFolder, ModelFolders},
    server::{Launch, ModelServer, StartFailure},
    sockets::Sockets,
    watch::{Command, Serving, Shared, Tools},
};
use crate::{executor::PythonPlace, layout::DataFolder};

/// How many versions are tried at once: each is a process that holds a model.
const PROBES: usize = 2;

/// How model servers are looked after.
#[derive(Debug, Clone)]
pub struct DeployerSettings {
    /// How long a model may take to load, and for its own example.
    pub patience: Duration,
    /// How long one may take to load that Python runs: its packages are imported, and large ones take their time.
    pub python_patience: Duration,
    /// How long a version may take for the rows it is tried on.
    pub probe_patience: Duration,
    /// How often a server is asked whether it is alive, and how much memory it holds.
    pub look_every: Duration,
    /// A server that gave no sign of life for twice the endpoint's time-out and this is killed. A request that takes
    /// all the time it may is no hang.
    pub hang_grace: Duration,
    /// A server that holds more than twice the memory it had when it was warm, and these bytes, is replaced.
    pub memory_growth: u64,
    /// How long after its first death a server is started again; each further time takes twice as long.
    pub first_pause: Duration,
    /// The longest time between two starts.
    pub longest_pause: Duration,
    /// A server that lived for this long did not die of its start.
    pub long_life: Duration,
}

impl Default for DeployerSettings {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(60),
            python_patience: Duration::from_secs(180),
            probe_patience: Duration::from_secs(120),
            look_every: Duration::from_secs(2),
            hang_grace: Duration::from_secs(10),
            memory_growth: 1 << 30,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(30),
            long_life: Duration::from_secs(60),
        }
    }
}

/// Serves models by processes of this machine.
#[derive(Clone)]
pub struct LocalDeployer {
    inner: Arc<Inner>,
}

struct Inner {
    data: DataFolder,
    binary: PathBuf,
    blobs: Arc<dyn BlobStore>,
    python: Arc<dyn PythonPlace>,
    folders: ModelFolders,
    tools: Tools,
    probes: Semaphore,
    endpoints: Mutex<BTreeMap<(Name, Name), Arc<Endpoint>>>,
}

/// An endpoint that was asked for.
struct Endpoint {
    /// One deployment at a time; the number of the one that was switched to last.
    deployed: tokio::sync::Mutex<Option<u32>>,
    commands: mpsc::Sender<Command>,
    condition: Shared,
}

impl LocalDeployer {
    /// Makes a deployer over a data folder (an absolute path). `binary` is the program whose `model-server` serves a
    /// model; requests come through `front`.
    pub fn new(
        data: impl Into<PathBuf>,
        binary: PathBuf,
        blobs: Arc<dyn BlobStore>,
        python: Arc<dyn PythonPlace>,
        front: Arc<dyn Front>,
        settings: DeployerSettings,
    ) -> io::Result<Self> {
        let data = DataFolder::new(data);
        crate::executor::private_folder(&data.logs())?;
        let folders = ModelFolders::new(data.models(), blobs.clone())?;
        let sockets = Arc::new(Sockets::new(data.sockets())?);
        let tools = Tools { settings, front, sockets };
        let probes = Semaphore::new(PROBES);
        let endpoints = Mutex::default();
        Ok(Self { inner: Arc::new(Inner { data, binary, blobs, python, folders, tools, probes, endpoints }) })
    }
}

#[async_trait]
impl Deployer for LocalDeployer {
    fn expect(&self, project: &Name, endpoint: &Name) {
        self.inner.tools.front.expect(project, endpoint);
    }

    async fn probe(&self, request: ProbeRequest) -> Result<ProbeAnswer, ProbeFailure> {
        let ProbeRequest { project: _, model, version, manifest, rows } = request;
        let inner = &self.inner;
        let _turn = inner.probes.acquire().await.map_err(|_| ProbeFailure::Unavailable("stopping".to_owned()))?;
        let scratch = tempfile::tempdir()
            .map_err(|error| ProbeFailure::Unavailable(format!("the model cannot be tried: {error}")))?;
        let title = format!("{model}/{version}");
        let limit = inner.tools.settings.probe_patience;
        let (folder, launch) = inner.prepare(&manifest, scratch.path().join("log"), limit, &title).await?;
        let rows = probe::lay_down(inner.blobs.as_ref(), &rows, scratch.path()).await?;
        // A model that loads fast has so much more time for the rows, which harms nobody.
        let patience = limit + launch.patience.saturating_sub(inner.tools.settings.patience);
        let answer = probe::probe(&launch, scratch.path(), &rows, patience).await;
        drop(folder);
        answer
    }

    async fn deploy(&self, deployment: Deployment) -> Result<(), ProbeFailure> {
        let inner = &self.inner;
        let endpoint = inner.endpoint(&deployment.project, &deployment.endpoint);
        let mut deployed = endpoint.deployed.lock().await;
        let number = deployment.number;
        if deployed.is_some_and(|deployed| deployed >= number) {
            return Ok(());
        }
        let starting = Starting::new(&endpoint, &deployment);
        let log = inner.data.endpoint_log(&deployment.project, &deployment.endpoint);
        let title = format!("{}/{}", deployment.model, deployment.version);
        let limit = deployment.spec.limits.timeout.0;
        let (folder, launch) = inner.prepare(&deployment.manifest, log, limit, &title).await?;
        let socket = inner.tools.sockets.next();
        let socket = socket.map_err(|error| unavailable(&format!("there is no place for a socket: {error}")))?;
        let patience = inner.tools.settings.patience;
        let failed = |failure| match failure {
            StartFailure::Model(why) => ProbeFailure::NotServable(why),
            StartFailure::Machine(why) => ProbeFailure::Unavailable(why),
        };
        let server = ModelServer::start(&launch, socket).await.map_err(failed)?;
        if let Err(failure) = warm::warm(&server, &launch.model, patience).await {
            server.end().await;
            return Err(failed(failure));
        }
        drop(starting);
        let (answer, answered) = oneshot::channel();
        let serving = Box::new(Serving { deployment, launch, folder, server });
        if endpoint.commands.send(Command::Take(serving, answer)).await.is_err() {
            return Err(unavailable("the endpoint is going away"));
        }
        match answered.await {
            Ok(Ok(())) => {
                *deployed = Some(number);
                Ok(())
            }
            Ok(Err(why)) => Err(ProbeFailure::NotServable(why)),
            Err(_) => Err(unavailable("the endpoint is going away")),
        }
    }

    async fn remove(&self, project: &Name, name: &Name) {
        let removed = {
            let mut endpoints = self.inner.endpoints.lock().expect("not poisoned");
            endpoints.remove(&(project.clone(), name.clone()))
        };
        if let Some(endpoint) = removed {
            endpoint.end().await;
        }
        self.inner.tools.front.remove(project, name).await;
    }

    async fn predictions(&self, project: &Name, endpoint: &Name) -> Result<Vec<PathBuf>, io::Error> {
        self.inner.tools.front.predictions(project, endpoint).await
    }

    async fn predicted(&self, project: &Name, endpoint: &Name) -> u64 {
        self.inner.tools.front.predicted(project, endpoint)
    }

    async fn condition(&self, project: &Name, endpoint: &Name) -> Option<ServerCondition> {
        let endpoints = self.inner.endpoints.lock().expect("not poisoned");
        let endpoint = endpoints.get(&(project.clone(), endpoint.clone()))?;
        Some(endpoint.condition.lock().expect("not poisoned").clone())
    }

    async fn stop(&self) {
        self.inner.probes.close();
        let endpoints = std::mem::take(&mut *self.inner.endpoints.lock().expect("not poisoned"));
        for endpoint in endpoints.into_values() {
            endpoint.end().await;
        }
    }
}

impl Inner {
    /// Returns the endpoint, with a task that watches it.
    fn endpoint(&self, project: &Name, endpoint: &Name) -> Arc<Endpoint> {
        let mut endpoints = self.endpoints.lock().expect("not poisoned");
        let entry = endpoints.entry((project.clone(), endpoint.clone())).or_insert_with(|| {
            let (commands, received) = mpsc::channel(1);
            let condition = Shared::default();
            tokio::spawn(watch::run(self.tools.clone(), condition.clone(), received));
            Arc::new(Endpoint { deployed: tokio::sync::Mutex::default(), commands, condition })
        });
        Arc::clone(entry)
    }

    /// Lays a model out and finds what runs it; `title` names it for people.
    async fn prepare(
        &self,
        manifest: &Digest,
        log: PathBuf,
        limit: Duration,
        title: &str,
    ) -> Result<(ModelFolder, Launch), ProbeFailure> {
        let folder = self.folders.get(manifest).await.map_err(|error| {
            let reason = format!("its files cannot be laid out: {}", windlass_control::chain(&error));
            match error {
                TreeError::Blob(
                    windlass_oci::BlobError::NotFound { .. }
                    | windlass_oci::BlobError::Corrupt { .. }
                    | windlass_oci::BlobError::Malformed { .. }
                    | windlass_oci::BlobError::Path { .. },
                )
                | TreeError::Unsafe { .. } => ProbeFailure::NotServable(reason),
                _ => ProbeFailure::Unavailable(reason),
            }
        })?;
        // What no model server could run needs no packages either.
        let path = folder.path().to_owned();
        let flavor = match tokio::task::spawn_blocking(move || Description::read(&path)).await {
            Ok(Ok(description)) => description.flavor,
            Ok(Err(error)) => return Err(ProbeFailure::NotServable(windlass_control::chain(&error))),
            Err(error) => return Err(unavailable(&error.to_string())),
        };
        let program = runtime::find(self.python.as_ref(), folder.path(), &flavor, title).await?;
        let patience = match flavor {
            Flavor::Onnx { file: _ } => self.tools.settings.patience,
            Flavor::Python { version: _ } => self.tools.settings.python_patience,
        };
        let (binary, model) = (self.binary.clone(), folder.path().to_owned());
        let launch = Launch { binary, model, program, patience, limit, log };
        Ok((folder, launch))
    }
}

impl Endpoint {
    async fn end(&self) {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(Command::End(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }
}

/// Says that a revision is being started, until it is over.
struct Starting<'a> {
    endpoint: &'a Endpoint,
}

impl<'a> Starting<'a> {
    fn new(endpoint: &'a Endpoint, deployment: &Deployment) -> Self {
        let Deployment { model, version, .. } = deployment;
        endpoint.condition.lock().expect("not poisoned").starting = Some(format!("{model}/{version}"));
        Self { endpoint }
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.endpoint.condition.lock().expect("not poisoned").starting = None;
    }
}

fn unavailable(why: &str) -> ProbeFailure {
    ProbeFailure::Unavailable(why.to_owned())
}
