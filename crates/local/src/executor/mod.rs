//! The control loop's `Executor` on processes of this machine.
//!
//! Each attempt gets a work folder and a shim (see [`crate::step`]). The shim, not this server, decides how a step
//! ended and writes it down; this module lays out, starts, waits and reports. Everything it needs to go on after a
//! crash is in the work folder: a shim that holds its lock is adopted, a result is reported, and where there is
//! neither, whatever is left of the step is killed and the attempt reported as lost.
//!
//! A step gets the environment that [`environment`] spells out, and nothing else of ours. It runs with the rights of
//! the server: a promise that it writes nowhere else holds only in containers, and is not made here.

mod collect;
mod content;
pub mod environment;
mod files;
mod inputs;
mod logs;
mod report;
mod runners;
mod shim;
mod spares;
mod stage;
mod table;

pub(crate) use self::stage::private_folder;

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::runtime::Handle as Runtime;
use windlass_control::{Executor, Job, LogChunk, PrepareRequest, ResultSink};
use windlass_kinds::{
    AttemptId, Digest,
    record::{AttemptEnd, AttemptResult, PrepareFailure, Usage},
};
use windlass_oci::BlobStore;

use self::{
    files::KnownFiles,
    runners::Runners,
    shim::{Found, Shim},
    spares::Spares,
    table::{Handle, Table},
};
use crate::{
    layout::{AttemptFolder, DataFolder},
    python::Progress,
    step::{self, StepEnd, StepResult, StopReason, StopRequest},
};

/// What the executor asks of whoever resolves and builds Python environments.
#[async_trait]
pub trait PythonPlace: Send + Sync {
    /// Resolves a request to a lock and returns the lock's digest.
    async fn resolve(&self, request: &PrepareRequest) -> Result<Digest, PrepareFailure>;

    /// Returns the folder of the environment of a lock, building it where it is missing; `progress` gets lines for
    /// people.
    async fn ensure(
        &self,
        request: &PrepareRequest,
        lock: &Digest,
        progress: Progress<'_>,
    ) -> Result<PathBuf, PrepareFailure>;
}

/// Runs attempts as processes under shims.
#[derive(Clone)]
pub struct LocalExecutor {
    inner: Arc<Inner>,
}

struct Inner {
    data: DataFolder,
    binary: PathBuf,
    blobs: Arc<dyn BlobStore>,
    python: Arc<dyn PythonPlace>,
    sink: ResultSink,
    host: BTreeMap<String, String>,
    files: KnownFiles,
    spares: Spares,
    runners: Arc<Runners>,
    table: Table,
}

impl LocalExecutor {
    /// Makes an executor over a data folder (an absolute path). `binary` is the program whose `step --attempts DIR` is
    /// the shim; ends go to `sink`. Of this process's environment, steps get the variables in
    /// [`environment::PASSED_ON`].
    pub fn new(
        data: impl Into<PathBuf>,
        binary: PathBuf,
        blobs: Arc<dyn BlobStore>,
        python: Arc<dyn PythonPlace>,
        sink: ResultSink,
    ) -> io::Result<Self> {
        Self::with_host(
            data,
            binary,
            blobs,
            python,
            sink,
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// Makes an executor whose steps see `host` in the place of this process's environment.
    pub fn with_host(
        data: impl Into<PathBuf>,
        binary: PathBuf,
        blobs: Arc<dyn BlobStore>,
        python: Arc<dyn PythonPlace>,
        sink: ResultSink,
        host: impl IntoIterator<Item = (String, String)>,
    ) -> io::Result<Self> {
        let data = DataFolder::new(data);
        for folder in [data.attempts(), data.logs()] {
            stage::private_folder(&folder)?;
        }
        let host = environment::passed_on(host);
        let table = Table::default();
        let files = KnownFiles::default();
        let spares = Spares::default();
        let runners = Arc::default();
        let inner = Inner { data, binary, blobs, python, sink, host, files, spares, runners, table };
        Ok(Self { inner: Arc::new(inner) })
    }
}

#[async_trait]
impl Executor for LocalExecutor {
    async fn prepare(&self, request: &PrepareRequest) -> Result<Digest, PrepareFailure> {
        self.inner.python.resolve(request).await
    }

    async fn start(&self, job: Job) {
        let Some(handle) = self.inner.table.enter(&job.attempt) else { return };
        let inner = Arc::clone(&self.inner);
        if inner.table.is_stopping() {
            return inner.leave(&job.attempt, bare(AttemptEnd::Interrupted));
        }
        let folder = inner.data.attempt(&job.attempt);
        if folder.path().exists() {
            inner.resume(job.attempt, handle).await;
        } else if inner.data.log(&job.attempt).exists() {
            // Begun before, and gone: begun again it could do its work twice. Mostly its end is in the inbox, where one
            // more is no news; where it is not (a database from a backup), silence would leave it running for ever.
            inner
                .leave(&job.attempt, bare(AttemptEnd::Lost { reason: "nothing is left of it but its log".to_owned() }));
        } else {
            tokio::spawn(async move {
                let result = inner.run(&job, &folder, &handle).await;
                inner.leave(&job.attempt, result);
            });
        }
    }

    async fn recover(&self, running: Vec<AttemptId>, starting: Vec<AttemptId>) {
        let known: HashSet<String> =
            running.iter().chain(&starting).map(|attempt| attempt.as_str().to_owned()).collect();
        for attempt in running {
            if let Some(handle) = self.inner.table.enter(&attempt) {
                self.inner.resume(attempt, handle).await;
            }
        }
        let inner = Arc::clone(&self.inner);
        let runtime = Runtime::current();
        let strays = tokio::task::spawn_blocking(move || {
            // What is found is watched by the runtime.
            let _runtime = runtime.enter();
            inner.clear_attempts(&known)
        });
        for (folder, mut shim) in strays.await.unwrap_or_default() {
            let request = StopRequest { reason: StopReason::Cancelled, grace_millis: step::GRACE_MILLIS };
            // Nobody waits for its end; what is left of it goes next time.
            tokio::spawn(async move { shim.end(&folder, request).await });
        }
    }

    async fn cancel(&self, attempt: &AttemptId) {
        let request = StopRequest { reason: StopReason::Cancelled, grace_millis: step::GRACE_MILLIS };
        self.inner.table.ask_to_end(attempt, request);
    }

    async fn interrupt_all(&self, grace: Duration) {
        let grace_millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.inner.table.interrupt_all(StopRequest { reason: StopReason::Interrupted, grace_millis }).await;
        self.inner.runners.close().await;
    }

    async fn log(&self, attempt: &AttemptId, offset: u64, limit: usize) -> Result<LogChunk, io::Error> {
        let folder = self.inner.data.attempt(attempt);
        let path = self.inner.data.log(attempt);
        let known = self.inner.table.is_known(attempt);
        tokio::task::spawn_blocking(move || {
            // Before reading: what is written later must not be taken for the end. The result is written after the
            // last line of the log.
            let going_on = (known || folder.path().exists()) && !folder.result().exists();
            match logs::read(&path, offset, limit, !going_on) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && going_on => {
                    Ok(LogChunk { text: String::new(), next: 0, complete: false })
                }
                answer => answer,
            }
        })
        .await
        .map_err(io::Error::other)?
    }

    async fn forget(&self, attempt: &AttemptId) {
        if self.inner.table.is_known(attempt) {
            return;
        }
        let (inner, folder) = (Arc::clone(&self.inner), self.inner.data.attempt(attempt));
        // What cannot be removed now is removed by the next `recover`.
        let _ = tokio::task::spawn_blocking(move || remove(&folder, Some(&inner.spares))).await;
    }
}

impl Inner {
    /// Lets go of the attempt and reports its end. In this order, because the answer may be [`Executor::forget`].
    fn leave(&self, attempt: &AttemptId, result: AttemptResult) {
        self.table.leave(attempt);
        (self.sink)(attempt.clone(), result);
        self.table.reported();
    }

    /// Takes an attempt from nothing to its end.
    async fn run(&self, job: &Job, folder: &AttemptFolder, handle: &Handle) -> AttemptResult {
        let staged = tokio::select! {
            staged = stage::stage(self, job, folder) => staged,
            request = handle.asked_to_end() => Err(stage::stopped(folder, request)),
        };
        match staged {
            Ok(shim) => self.follow(&job.attempt, folder, Some(job), shim, handle).await,
            Err(end) => {
                let result = stage::settle(&self.data.log(&job.attempt), folder, end);
                report::report(self, folder, Some(job), result).await
            }
        }
    }

    /// Goes on with an attempt of which there may be a work folder; reports at once where it ended.
    async fn resume(self: &Arc<Self>, attempt: AttemptId, handle: Handle) {
        let inner = Arc::clone(self);
        let folder = self.data.attempt(&attempt);
        let looked = {
            let folder = folder.clone();
            tokio::task::spawn_blocking(move || shim::find(&folder)).await
        };
        match looked {
            Ok(Ok(Found::Alive(shim))) => {
                tokio::spawn(async move {
                    let result = inner.follow(&attempt, &folder, None, shim, &handle).await;
                    inner.leave(&attempt, result);
                });
            }
            Ok(Ok(Found::Ended(lock))) => {
                tokio::spawn(async move {
                    let result = inner.conclude(&attempt, &folder, None, None).await;
                    drop(lock);
                    inner.leave(&attempt, result);
                });
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                inner.leave(&attempt, bare(AttemptEnd::Lost { reason: "nothing is left of it".to_owned() }));
            }
            Ok(Err(error)) => {
                inner.leave(
                    &attempt,
                    bare(AttemptEnd::Lost { reason: format!("its work folder is unusable: {error}") }),
                );
            }
            Err(error) => inner.leave(&attempt, bare(AttemptEnd::Lost { reason: error.to_string() })),
        }
    }

    /// Waits for a shim to be over with the attempt, passing on a wish that it end.
    async fn follow(
        &self,
        attempt: &AttemptId,
        folder: &AttemptFolder,
        job: Option<&Job>,
        mut shim: Shim,
        handle: &Handle,
    ) -> AttemptResult {
        tokio::select! {
            () = shim.ended() => {}
            request = handle.asked_to_end() => shim.end(folder, request).await,
        }
        let session = shim.release(&self.runners);
        self.conclude(attempt, folder, job, session).await
    }

    /// Reads how a step ended that has no shim any more; where that is not written, ends what is left and writes it.
    /// `shim` is the session of the step, where its shim is gone since a moment ago.
    async fn conclude(
        &self,
        attempt: &AttemptId,
        folder: &AttemptFolder,
        job: Option<&Job>,
        shim: Option<rustix::process::Pid>,
    ) -> AttemptResult {
        let result = match step::read::<StepResult>(&folder.result()) {
            Ok(result) => result,
            Err(_) => {
                let (attempt, folder) = (attempt.clone(), folder.clone());
                let settled = tokio::task::spawn_blocking(move || shim::outcome(&attempt, &folder, shim)).await;
                settled.unwrap_or_else(|error| StepResult::bare(StepEnd::Lost { reason: error.to_string() }))
            }
        };
        report::report(self, folder, job, result).await
    }

    /// Removes the work folders of attempts that nobody waits for any more; returns those that still run, as they may where
    /// another server took over from this one.
    fn clear_attempts(&self, known: &HashSet<String>) -> Vec<(AttemptFolder, Shim)> {
        let mut strays = Vec::new();
        let Ok(entries) = fs::read_dir(self.data.attempts()) else { return strays };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let folder = AttemptFolder::new(entry.path());
            let is_half_removed = name.starts_with('.');
            if is_half_removed {
                let _ = fs::remove_dir_all(folder.path());
            } else if !known.contains(name) && !self.table.is_known(&AttemptId::new(name)) {
                match shim::find(&folder) {
                    Ok(Found::Ended(_)) => {
                        let _ = remove(&folder, None);
                    }
                    Ok(Found::Alive(shim)) => strays.push((folder, shim)),
                    Err(_) => {}
                }
            }
        }
        strays
    }
}

/// Removes a work folder, or lets it become a spare; by rename first, so that no half of one is ever taken for a whole.
fn remove(folder: &AttemptFolder, spares: Option<&Spares>) -> io::Result<()> {
    let path = folder.path();
    let Some(name) = path.file_name() else { return Ok(()) };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let hidden = path.with_file_name(hidden);
    match fs::rename(path, &hidden) {
        Ok(()) => {
            let hidden = AttemptFolder::new(hidden);
            if spares.is_some_and(|spares| spares.keep(&hidden)) {
                return Ok(());
            }
            fs::remove_dir_all(hidden.path())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns a result without outputs that used nothing.
fn bare(end: AttemptEnd) -> AttemptResult {
    AttemptResult { end, outputs: BTreeMap::new(), usage: Usage::default() }
}

/// Returns all that is kept of a log.
pub(crate) async fn read_log(log: &Path) -> io::Result<String> {
    let log = log.to_owned();
    tokio::task::spawn_blocking(move || logs::read_all(&log)).await.map_err(io::Error::other)?
}
