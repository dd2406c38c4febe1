//! What the control loop asks of a place that runs jobs.
//!
//! The trait is small and idempotent: everything may be asked twice, after a crash of either side. A place reports
//! ends through the [`ResultSink`] it was given; it keeps an attempt's result until [`Executor::forget`], so that an
//! end is never lost between the place and the inbox.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_kinds::{
    AttemptId, Digest, ExperimentId, Name, RunId,
    manifest::{OutputSpec, PythonSpec, Resources},
    record::{AttemptResult, FileEntry, PrepareFailure},
};

/// A place that runs attempts.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Resolves a Python environment to its lock and returns the lock's digest. The same request gives the same
    /// digest for as long as its answer is remembered on disk; only the first needs the network.
    async fn prepare(&self, request: &PrepareRequest) -> Result<Digest, PrepareFailure>;

    /// Hands over an attempt. If the place knows it already (running or ended), nothing is started twice. Whatever
    /// goes wrong later, or while handing over, comes through the sink.
    async fn start(&self, job: Job);

    /// Looks after attempts that an earlier process started: adopts those still running, reports those that ended,
    /// and reports as lost those of which nothing is left (after ending whatever they left behind). What is left of
    /// attempts that `starting` names stays for [`Executor::start`], which is about to be asked for them, perhaps again.
    /// Any other attempt that still runs is ended, and what is left of it may go.
    async fn recover(&self, running: Vec<AttemptId>, starting: Vec<AttemptId>);

    /// Ends an attempt: TERM to its processes, KILL after the grace. The end comes through the sink as
    /// `Cancelled`. Unknown attempts are fine.
    async fn cancel(&self, attempt: &AttemptId);

    /// Ends all attempts for an orderly stop: TERM, KILL after `grace`; each end comes through the sink as
    /// `Interrupted`, before this returns.
    async fn interrupt_all(&self, grace: Duration);

    /// Returns up to `limit` bytes of the attempt's log from byte `offset`. Logs survive the attempt.
    async fn log(&self, attempt: &AttemptId, offset: u64, limit: usize) -> Result<LogChunk, std::io::Error>;

    /// Lets go of an attempt whose end is in the inbox: its work folder may be removed (its log stays).
    async fn forget(&self, attempt: &AttemptId);
}

/// Where a place reports ends. Called once per attempt and process; the receiver drops repeats by the attempt's id.
pub type ResultSink = Arc<dyn Fn(AttemptId, AttemptResult) + Send + Sync>;

/// What to resolve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrepareRequest {
    /// What the manifest says.
    pub python: PythonSpec,
    /// The text of the requirements file, where one is named.
    pub requirements: Option<String>,
    /// The name of the requirements file for error messages.
    pub origin: String,
}

/// Everything a place needs to run one attempt. Complete: nothing is looked up elsewhere.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The attempt.
    pub attempt: AttemptId,
    /// A stable key of the step run; checkpoints are kept under it across attempts.
    pub step_run: String,
    /// The project.
    pub project: Name,
    /// For people: `train-7/train[all]`.
    pub title: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The environment to run in and the digest of its lock.
    pub python: Option<(PrepareRequest, Digest)>,
    /// Variables from the manifest.
    pub env: BTreeMap<String, String>,
    /// The tree of the code folder, copied into the work folder.
    pub code: Option<Digest>,
    /// What appears under `$WINDLASS_INPUTS`.
    pub inputs: BTreeMap<Name, JobInput>,
    /// What must be left under `$WINDLASS_OUTPUTS`.
    pub outputs: BTreeMap<Name, OutputSpec>,
    /// Dataset folders the step may lay files in, linked under `$WINDLASS_WRITES`.
    pub writes: BTreeMap<Name, PathBuf>,
    /// Parameters: `$WINDLASS_PARAMS` (a JSON file) and `WINDLASS_PARAM_<NAME>`.
    pub parameters: BTreeMap<String, Value>,
    /// The longest it may take.
    pub timeout: Option<Duration>,
    /// What it asks of the machine.
    pub resources: Resources,
    /// Where and as whom it tracks.
    pub tracking: TrackingContext,
}

/// The tracking variables of an attempt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackingContext {
    /// `MLFLOW_TRACKING_URI`.
    pub uri: String,
    /// `MLFLOW_TRACKING_TOKEN`, good for this attempt alone. A secret.
    pub token: String,
    /// `MLFLOW_RUN_ID`.
    pub run: RunId,
    /// `MLFLOW_EXPERIMENT_ID`.
    pub experiment: ExperimentId,
}

/// One input of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobInput {
    /// Files of a dataset version, where they lie: linked, after their digests were checked where they look changed.
    Dataset {
        /// The folder.
        base: PathBuf,
        /// The files.
        files: Vec<FileEntry>,
    },
    /// An output of an earlier step: `$WINDLASS_INPUTS/<name>` is the folder, or the file where `single_file`.
    Output {
        /// Its tree.
        tree: Digest,
        /// Whether it is one file.
        single_file: bool,
    },
    /// A fan-in: one folder entry a value, in list order, with `_items.json` listing `{dir, value}`.
    Items(Vec<JobItem>),
}

/// One value of a fan-in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobItem {
    /// The entry's name: `0-all`.
    pub dir: String,
    /// The value.
    pub value: Value,
    /// Its tree.
    pub tree: Digest,
    /// Whether it is one file.
    pub single_file: bool,
}

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogChunk {
    /// The text, cut at a character's end.
    pub text: String,
    /// Where the next piece begins.
    pub next: u64,
    /// Whether nothing will follow.
    pub complete: bool,
}
