//! Python environments: resolved once to a lock, built once from it.
//!
//! [`Environments::resolve`] turns what a manifest asks for into a lock: exact versions with hashes for this machine's
//! interpreter. The answer is kept on disk under the digest of the question, so that the same question needs the
//! network once and has one answer. [`Environments::ensure`] builds the environment of a lock; builders in other
//! threads and processes wait for one another by file locks, and what a killed one left is built anew.
//!
//! All of it is done by `uv`, found or fetched by `tool`, because Debian's Python has no `ensurepip` and refuses
//! installs (PEP 668). uv does not read pip's configuration, which is where machines say what index they may use;
//! `settings` carries it over. Secrets in index URLs reach uv alone, never a lock, a log or an error.
//!
//! Layout within the data folder: `envs/locks/<request>.json` (question to answer), `envs/locks/<lock>.txt` (the lock),
//! `envs/<lock>/` (the environment), `tools/uv-<version>/uv`.

mod build;
mod failure;
mod fetch;
mod interpreter;
mod lockfile;
mod pip;
mod request;
mod resolve;
mod settings;
mod store;
mod tool;
mod uv;
mod whole;

use std::{collections::BTreeMap, path::PathBuf};

use async_trait::async_trait;
use tokio::sync::OnceCell;
use windlass_control::PrepareRequest;
use windlass_kinds::{Digest, record::PrepareFailure};

use self::{settings::IndexSettings, store::Folders, uv::Uv};
use crate::executor::PythonPlace;

/// What gets lines for people while an environment is built.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The Python environments of a data folder. One for a process; several processes may share the folder.
pub struct Environments {
    folders: Folders,
    host: BTreeMap<String, String>,
    uv: OnceCell<Uv>,
}

impl Environments {
    /// Takes the data folder (an absolute path) and this process's environment for proxies, indexes and certificates.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        let host =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::with_host(data, host)
    }

    /// Takes `host` in the place of this process's environment.
    pub fn with_host(data: impl Into<PathBuf>, host: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { folders: Folders::new(data.into()), host: host.into_iter().collect(), uv: OnceCell::new() }
    }

    /// Returns the digest of the lock that answers a request, resolving it where that was not done before.
    pub async fn resolve(&self, request: &PrepareRequest) -> Result<Digest, PrepareFailure> {
        resolve::resolve(self, request).await
    }

    /// Returns the folder of the environment of a lock, an ordinary virtual environment, building it where it is
    /// missing. `progress` gets lines for people.
    pub async fn ensure(
        &self,
        request: &PrepareRequest,
        lock: &Digest,
        progress: Progress<'_>,
    ) -> Result<PathBuf, PrepareFailure> {
        build::ensure(self, request, lock, progress).await
    }

    /// Returns the version and path of the uv in use, finding or fetching it: for `windlass doctor`.
    pub async fn tool(&self) -> Result<(String, PathBuf), PrepareFailure> {
        let uv = self.uv().await?;
        Ok((uv.version().to_owned(), uv.program().to_owned()))
    }

    async fn uv(&self) -> Result<&Uv, PrepareFailure> {
        self.uv
            .get_or_try_init(|| async {
                let settings = IndexSettings::from_host(&self.host);
                tool::find(&self.folders, &self.host, &settings).await
            })
            .await
    }
}

#[async_trait]
impl PythonPlace for Environments {
    async fn resolve(&self, request: &PrepareRequest) -> Result<Digest, PrepareFailure> {
        Self::resolve(self, request).await
    }

    async fn ensure(
        &self,
        request: &PrepareRequest,
        lock: &Digest,
        progress: Progress<'_>,
    ) -> Result<PathBuf, PrepareFailure> {
        Self::ensure(self, request, lock, progress).await
    }
}
