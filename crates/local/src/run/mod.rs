//! Tracks a command that has no manifest: `windlass run -- CMD`.
//!
//! The command runs where the user stands, with the user's own environment, and the tracking variables besides. On its
//! run are kept: command and arguments, git commit, changes and untracked files (capped), the packages of its Python,
//! the log while it grows, and the exit code. Trouble with tracking is said and never ends the command: what has been
//! computed for hours is worth more than a note about it.
//!
//! How the tracking server is reached is not known here: see [`Tracking`].

mod capture;
mod command;
mod git;
mod packages;
mod untracked;
mod upload;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use windlass_kinds::{ExperimentId, RunId, record::RunStatus};

pub use command::Ended;

/// What goes wrong with a tracking server.
pub type TrackingError = Box<dyn std::error::Error + Send + Sync>;

/// A tracking server, as far as a tracked command needs it.
#[async_trait]
pub trait Tracking: Send + Sync {
    /// Creates a run in the experiment of this name, which is made where it is missing.
    async fn run_create(
        &self,
        experiment: &str,
        name: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<TrackedRun, TrackingError>;

    /// Puts an artifact on the run, or replaces it.
    async fn artifact_put(&self, run: &TrackedRun, path: &str, bytes: Vec<u8>) -> Result<(), TrackingError>;

    /// Adds tags and ends the run.
    async fn run_finish(
        &self,
        run: &TrackedRun,
        status: RunStatus,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), TrackingError>;
}

/// A run that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedRun {
    /// The run.
    pub run: RunId,
    /// Its experiment.
    pub experiment: ExperimentId,
    /// Its name, given or made up.
    pub name: String,
}

/// What to track, and as what.
#[derive(Debug, Clone)]
pub struct TrackOptions {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// The experiment's name.
    pub experiment: String,
    /// The run's name; the server makes one up where absent.
    pub name: Option<String>,
    /// `MLFLOW_TRACKING_URI` for the command.
    pub uri: String,
    /// `MLFLOW_TRACKING_TOKEN` for the command; masked in the log.
    pub token: String,
    /// Folders that are never captured, such as our own data folder.
    pub excluded: Vec<PathBuf>,
    /// Tags beside those that are found out.
    pub tags: BTreeMap<String, String>,
    /// Variables for the command, over those of this process.
    pub variables: BTreeMap<String, String>,
}

/// Why a command could not be tracked at all.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// There is nothing to run.
    #[error("no command was given; write it after `--`, as in `windlass run -- python train.py`")]
    NoCommand,
    /// The server did not create a run.
    #[error("failed to create a run in experiment `{experiment}`")]
    Create {
        /// The experiment.
        experiment: String,
        /// What the server or the way to it said.
        #[source]
        source: TrackingError,
    },
    /// No place for the log.
    #[error("failed to make a place for the log")]
    Log(#[source] io::Error),
    /// The command did not start.
    #[error("failed to start `{program}`")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Runs a command with tracking and returns how it ended. Standard output and error pass through; our own words go to
/// `say`, one line each.
pub async fn track(
    tracking: &dyn Tracking,
    options: &TrackOptions,
    say: &(dyn Fn(&str) + Send + Sync),
) -> Result<Ended, TrackError> {
    let Some(program) = options.command.first() else { return Err(TrackError::NoCommand) };
    let captured = capture::capture(options).await;
    let run = tracking
        .run_create(&options.experiment, options.name.as_deref(), &captured.tags)
        .await
        .map_err(|source| TrackError::Create { experiment: options.experiment.clone(), source })?;
    say(&format!("run {} ({}) in experiment {}", run.name, run.run, options.experiment));
    for (path, bytes) in captured.artifacts {
        if let Err(error) = tracking.artifact_put(&run, &path, bytes).await {
            say(&format!("{path} is not on the run: {}", windlass_control::chain(error.as_ref())));
        }
    }
    let folder = tempfile::tempdir().map_err(TrackError::Log)?;
    let log = folder.path().join("log.txt");
    let started = command::start(options, &run, &log);
    let mut running = match started {
        Ok(running) => running,
        Err(source) => {
            let tags = BTreeMap::from([("windlass.error".to_owned(), source.to_string())]);
            finish(tracking, &run, RunStatus::Failed, &tags, say).await;
            return Err(TrackError::Start { program: program.clone(), source });
        }
    };
    let ended = {
        let upload = upload::keep_uploading(tracking, &run, &log);
        tokio::select! {
            ended = running.wait() => ended,
            never = upload => match never {},
        }
    };
    upload::upload(tracking, &run, &log, say).await;
    let tags = BTreeMap::from([("windlass.exit_code".to_owned(), ended.code().to_string())]);
    finish(tracking, &run, ended.status(), &tags, say).await;
    Ok(ended)
}

async fn finish(
    tracking: &dyn Tracking,
    run: &TrackedRun,
    status: RunStatus,
    tags: &BTreeMap<String, String>,
    say: &(dyn Fn(&str) + Send + Sync),
) {
    if let Err(error) = tracking.run_finish(run, status, tags).await {
        say(&format!("the run is not marked as ended: {}", windlass_control::chain(error.as_ref())));
    }
}

/// Returns the Python and packages that a command would use now, as `windlass/packages.txt` lists them.
pub(crate) async fn packages_now(command: &[String], directory: &Path) -> Option<String> {
    let (command, directory) = (command.to_vec(), directory.to_owned());
    let look = tokio::task::spawn_blocking(move || {
        let python = packages::interpreter(&command, &directory)?;
        String::from_utf8(packages::list(&python, &directory)?).ok()
    });
    look.await.ok().flatten()
}

/// Returns whether `path` lies in one of `folders`.
fn lies_in(path: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}
