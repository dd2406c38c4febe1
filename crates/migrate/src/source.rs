//! What a source must be able to say, in pages, so that nothing has to fit into memory at once.

use std::path::PathBuf;

use async_trait::async_trait;
use tempfile::TempPath;
use windlass_kinds::Digest;

use crate::{Experiment, FileInfo, LoggedModel, Model, Owner, Point, Run, SourceError, Version};

/// Where reading of a list stands. The default is its beginning.
#[derive(Debug, Default)]
pub struct Cursor {
    pub(crate) is_done: bool,
    pub(crate) token: Option<String>,
    pub(crate) place: usize,
}

/// An MLflow store that is read. Lists come in pages; `None` is the end of one.
#[async_trait]
pub trait Source: Send + Sync {
    /// Returns how to show where it is, without secrets.
    fn shown(&self) -> &str;

    /// Returns all experiments, deleted ones too.
    async fn experiments(&self) -> Result<Vec<Experiment>, SourceError>;

    /// Returns the next runs of an experiment, deleted ones too.
    async fn runs(&self, experiment: &str, cursor: &mut Cursor) -> Result<Option<Vec<Run>>, SourceError>;

    /// Returns the next points of a run's metrics.
    async fn points(&self, run: &Run, cursor: &mut Cursor) -> Result<Option<Vec<Point>>, SourceError>;

    /// Returns the next logged models of an experiment.
    async fn logged_models(
        &self,
        experiment: &str,
        cursor: &mut Cursor,
    ) -> Result<Option<Vec<LoggedModel>>, SourceError>;

    /// Returns all registered models, prompts too.
    async fn models(&self) -> Result<Vec<Model>, SourceError>;

    /// Returns the versions of a registered model, by number.
    async fn versions(&self, model: &str) -> Result<Vec<Version>, SourceError>;

    /// Returns what there is that cannot be brought over at all, each with the reason.
    async fn unreachable(&self) -> Result<Vec<(String, String)>, SourceError> {
        Ok(Vec::new())
    }

    /// Returns the files, where the source has them.
    fn files(&self) -> Option<&dyn Files>;
}

/// A file that lies on this machine now.
#[derive(Debug)]
pub struct Fetched {
    /// Where.
    pub path: PathBuf,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Removes it when dropped, where it was fetched only for this.
    pub kept: Option<TempPath>,
}

/// Why files were not had.
#[derive(Debug)]
pub enum FilesError {
    /// They are not there, or nobody can get at them; says why.
    Missing(String),
    /// The source failed.
    Source(SourceError),
}

impl From<SourceError> for FilesError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

/// Files of runs and logged models.
#[async_trait]
pub trait Files: Send + Sync {
    /// Returns all files, sorted; an owner without any has none.
    async fn list(&self, owner: &Owner) -> Result<Vec<FileInfo>, FilesError>;

    /// Returns a file, whole; `scratch` is a folder for it.
    async fn fetch(&self, owner: &Owner, file: &FileInfo, scratch: &std::path::Path) -> Result<Fetched, FilesError>;
}
