//! A data folder with an executor over it, and jobs for it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Mutex, mpsc},
    time::timeout,
};
use windlass_control::{Executor as _, Job, PrepareRequest, TrackingContext};
use windlass_kinds::{
    AttemptId, Digest, ExperimentId, Name, RunId,
    manifest::{OutputSpec, Resources},
    record::{AttemptEnd, AttemptResult, PrepareFailure},
};
use windlass_local::{
    executor::{LocalExecutor, PythonPlace},
    layout::DataFolder,
};
use windlass_oci::{BlobStore, FolderStore};

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The token that no log may show.
pub(crate) const TOKEN: &str = "wla_attempt_0123456789abcdef";

/// A machine without Python environments.
struct NoPython;

#[async_trait]
impl PythonPlace for NoPython {
    async fn resolve(&self, _request: &PrepareRequest) -> Result<Digest, PrepareFailure> {
        Err(PrepareFailure { reason: "there is no Python here".to_owned(), retryable: false })
    }

    async fn ensure(
        &self,
        request: &PrepareRequest,
        _lock: &Digest,
        progress: windlass_local::python::Progress<'_>,
    ) -> Result<PathBuf, PrepareFailure> {
        progress("building nothing");
        self.resolve(request).await.map(|_| PathBuf::new())
    }
}

/// A data folder and one server life on it.
pub(crate) struct Place {
    folder: Arc<tempfile::TempDir>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) executor: LocalExecutor,
    ends: Mutex<mpsc::UnboundedReceiver<(AttemptId, AttemptResult)>>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::over(Arc::new(tempfile::tempdir().unwrap()))
    }

    /// Returns a new server life on the same folder, as after a `kill -9`.
    pub(crate) fn again(&self) -> Self {
        Self::over(Arc::clone(&self.folder))
    }

    fn over(folder: Arc<tempfile::TempDir>) -> Self {
        let path = folder.path().canonicalize().unwrap();
        let blobs: Arc<dyn BlobStore> = Arc::new(FolderStore::open(path.join("blobs")).unwrap());
        let (sender, ends) = mpsc::unbounded_channel();
        let sink = Arc::new(move |attempt, result| {
            let _ = sender.send((attempt, result));
        });
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_windlass-step-for-tests"));
        let executor = LocalExecutor::new(&path, binary, Arc::clone(&blobs), Arc::new(NoPython), sink).unwrap();
        Self { folder, blobs, executor, ends: Mutex::new(ends) }
    }

    pub(crate) fn data(&self) -> DataFolder {
        DataFolder::new(self.folder.path().canonicalize().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the next end that is reported.
    pub(crate) async fn end(&self) -> AttemptResult {
        timeout(PATIENCE, self.ends.lock().await.recv()).await.expect("an attempt should have ended").unwrap().1
    }

    /// Starts a job and returns its end.
    pub(crate) async fn run(&self, job: Job) -> AttemptResult {
        self.executor.start(job).await;
        self.end().await
    }

    /// Makes sure that nothing is reported for a moment.
    pub(crate) async fn expect_quiet(&self) {
        let reported = timeout(Duration::from_millis(300), self.ends.lock().await.recv()).await;
        assert!(reported.is_err(), "{reported:?}");
    }

    /// Returns the whole log of an attempt that ended.
    pub(crate) async fn log(&self, attempt: &AttemptId) -> String {
        let mut text = String::new();
        let mut offset = 0;
        loop {
            let chunk = self.executor.log(attempt, offset, 1 << 20).await.unwrap();
            text.push_str(&chunk.text);
            if chunk.complete {
                return text;
            }
            assert!(chunk.next > offset, "the log of an attempt that ended should go on to its end");
            offset = chunk.next;
        }
    }

    /// Waits until a running step printed `text`.
    pub(crate) async fn printed(&self, attempt: &AttemptId, text: &str) {
        let seen = async {
            while !self.executor.log(attempt, 0, 1 << 16).await.unwrap().text.contains(text) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, seen).await.expect("the step should have printed it");
    }
}

/// Returns a job that runs a script by bash.
pub(crate) fn script(name: &str, script: &str) -> Job {
    Job {
        attempt: AttemptId::new(name),
        step_run: format!("{name}-step"),
        project: "default".parse().unwrap(),
        title: format!("test-1/{name}"),
        command: vec!["bash".to_owned(), "-c".to_owned(), script.to_owned()],
        python: None,
        env: BTreeMap::new(),
        code: None,
        inputs: BTreeMap::new(),
        outputs: BTreeMap::new(),
        writes: BTreeMap::new(),
        parameters: BTreeMap::new(),
        timeout: None,
        resources: Resources::default(),
        tracking: TrackingContext {
            uri: "http://127.0.0.1:7070".to_owned(),
            token: TOKEN.to_owned(),
            run: RunId::new("run"),
            experiment: ExperimentId::new("1"),
        },
    }
}

/// Returns the name.
pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Adds an output that must be there.
pub(crate) fn with_output(mut job: Job, output: &str) -> Job {
    job.outputs.insert(name(output), OutputSpec::default());
    job
}

/// Returns an end as text for comparison.
pub(crate) fn text(end: &AttemptEnd) -> String {
    match end {
        AttemptEnd::Succeeded => "succeeded".to_owned(),
        AttemptEnd::Failed { reason, retryable: true } => format!("failed: {reason}"),
        AttemptEnd::Failed { reason, retryable: false } => format!("failed for good: {reason}"),
        AttemptEnd::TimedOut { limit } => format!("timed out: {limit}"),
        AttemptEnd::Lost { reason } => format!("lost: {reason}"),
        AttemptEnd::Interrupted => "interrupted".to_owned(),
        AttemptEnd::Cancelled => "cancelled".to_owned(),
    }
}

/// Returns whether a process lives; a zombie does not.
pub(crate) fn is_alive(pid: &str) -> bool {
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    windlass_local::process::stat(pid).is_some_and(|stat| !stat.is_dead)
}
