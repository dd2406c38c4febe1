//! Pipeline runs, step runs and attempts: what `plan::pipeline` decides over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AttemptId, Digest, EventId, Micros, Name, PipelineRunId, RunId, StepRunId, record::Actor};

/// One run of a pipeline at one revision, over frozen dataset versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineRun {
    /// Derived from what started it, so that the same event never starts two.
    pub id: PipelineRunId,
    /// The project.
    pub project: Name,
    /// The pipeline.
    pub pipeline: Name,
    /// Counts from 1 within the pipeline; people say `train-7`.
    pub number: u32,
    /// The pipeline's revision.
    pub revision: u32,
    /// What started it.
    pub cause: Cause,
    /// Parameters: the pipeline's defaults with the trigger's or the caller's on top.
    pub parameters: BTreeMap<String, Value>,
    /// Dataset versions, frozen when the run was created. A dataset without an accepted version is absent.
    pub datasets: BTreeMap<Name, FrozenDataset>,
    /// Where it stands.
    pub state: PipelineRunState,
    /// Why it stands there, in one line for people.
    pub reason: String,
    /// When it was created.
    pub created_at: Micros,
    /// When its first step began.
    pub started_at: Option<Micros>,
    /// When it ended.
    pub ended_at: Option<Micros>,
    /// Who asked to end it, from then on until a person retries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<Actor>,
}

impl PipelineRun {
    /// Returns the name people use: `train-7`.
    pub fn display_name(&self) -> String {
        format!("{}-{}", self.pipeline, self.number)
    }
}

/// A dataset version that a run sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenDataset {
    /// The version's number.
    pub version: u32,
    /// Its digest.
    pub digest: Digest,
}

/// What started a pipeline run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The trigger's name; `None` for a start by hand.
    pub trigger: Option<Name>,
    /// The event acted on.
    pub event: EventId,
    /// One line: `dataset arrivals version 3 (added 2013-03.parquet)`.
    pub text: String,
}

/// The states of a pipeline run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PipelineRunState {
    /// Waits for its turn (concurrency, cool-down); the reason says which.
    Pending,
    /// At least one step may still move.
    Running,
    /// Every step succeeded, came from the cache or was skipped by its condition.
    Succeeded,
    /// A step failed for good; steps that did not need it still ran.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl PipelineRunState {
    /// Returns whether nothing will move any more (short of a retry by a person).
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// One step, or one item of a fanned-out step, within a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRun {
    /// Derived from run, step and item.
    pub id: StepRunId,
    /// The run.
    pub run: PipelineRunId,
    /// The step's name.
    pub step: Name,
    /// Which value of the fan-out, if any.
    pub item: Option<Item>,
    /// Where it stands.
    pub state: StepState,
    /// Why it stands there, in one line: what it waits for, what failed, which key parts matched.
    pub reason: String,
    /// The lock digest of its Python environment, once known.
    pub environment: Option<Digest>,
    /// The cache key and the parts that made it, once inputs and environment are known.
    pub key: Option<CacheKey>,
    /// The step run whose outputs stand in, where it came from the cache.
    pub cached_from: Option<StepRunId>,
    /// What it left behind.
    pub outputs: BTreeMap<Name, Output>,
    /// How often its Python environment was asked for; never counts backwards, so that each asking has its own key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub preparations: u32,
    /// Attempts begun, lost ones included.
    pub attempts: u32,
    /// Attempts that failed and count against the retry limit.
    pub failures: u32,
    /// The attempt that is going on or was the last.
    pub attempt: Option<AttemptId>,
    /// Not before this instant (backoff).
    pub not_before: Option<Micros>,
    /// When its first attempt began.
    pub started_at: Option<Micros>,
    /// When it ended.
    pub ended_at: Option<Micros>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl StepRun {
    /// Returns the id that follows from run, step and item index.
    pub fn derive_id(run: &PipelineRunId, step: &Name, item: Option<u32>) -> StepRunId {
        let item = item.map_or_else(String::new, |index| index.to_string());
        StepRunId::derived(&[run.as_str(), step.as_str(), &item])
    }

    /// Returns the name people use within the run: `train` or `train[last-3-months]`.
    pub fn display_name(&self) -> String {
        match &self.item {
            None => self.step.to_string(),
            Some(item) => format!("{}[{}]", self.step, item.label),
        }
    }
}

/// One value of a fan-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its place in the list, from 0.
    pub index: u32,
    /// The parameter.
    pub parameter: String,
    /// The value.
    pub value: Value,
    /// The value as text, for names.
    pub label: String,
}

/// The states of a step run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Waits for earlier steps, or for idle.
    Waiting,
    /// Its Python environment is being resolved, so that its key is known.
    Preparing,
    /// Has a key and no cached result; waits for backoff or a free place.
    Ready,
    /// An attempt was handed to the executor.
    Running,
    /// An attempt succeeded and its outputs are committed.
    Succeeded,
    /// An earlier result under the same key stands in.
    Cached,
    /// Its condition was false.
    Skipped,
    /// Failed for good.
    Failed,
    /// A step it needs failed, was skipped or was cancelled.
    Blocked,
    /// Somebody cancelled it.
    Cancelled,
}

impl StepState {
    /// Returns whether the step will not move any more by itself.
    pub fn is_final(self) -> bool {
        match self {
            Self::Waiting | Self::Preparing | Self::Ready | Self::Running => false,
            Self::Succeeded | Self::Cached | Self::Skipped | Self::Failed | Self::Blocked | Self::Cancelled => true,
        }
    }

    /// Returns whether its outputs are there.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Succeeded | Self::Cached)
    }
}

/// A cache key: the digest of its parts, and the parts, so that `why` can say which differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheKey {
    /// The digest of `parts` in canonical form.
    pub digest: Digest,
    /// Part name (`command`, `code`, `environment`, `parameter.seed`, `input.flights`, …) to its value or digest.
    pub parts: BTreeMap<String, String>,
}

/// An output that was committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The digest of its [`super::Tree`].
    pub tree: Digest,
    /// Bytes in all.
    pub size: u64,
    /// Files in all.
    pub files: u64,
    /// Whether the output is a single file rather than a folder.
    pub single_file: bool,
}

/// One try at a step run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Derived from step run and number.
    pub id: AttemptId,
    /// The step run.
    pub step_run: StepRunId,
    /// The pipeline run.
    pub run: PipelineRunId,
    /// The project.
    pub project: Name,
    /// Counts from 1 within the step run.
    pub number: u32,
    /// Its tracking run.
    pub tracking_run: RunId,
    /// Where it stands.
    pub state: AttemptState,
    /// Why, in one line.
    pub reason: String,
    /// What it used, once it ended.
    pub usage: Option<Usage>,
    /// When it was handed to the executor.
    pub started_at: Micros,
    /// When it ended.
    pub ended_at: Option<Micros>,
}

impl Attempt {
    /// Returns the id that follows from step run and number.
    pub fn derive_id(step_run: &StepRunId, number: u32) -> AttemptId {
        AttemptId::derived(&[step_run.as_str(), &number.to_string()])
    }

    /// Returns the tracking run's id, which follows from the attempt's.
    pub fn derive_tracking_run(attempt: &AttemptId) -> RunId {
        RunId::derived(&[attempt.as_str()])
    }
}

/// The states of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptState {
    /// Handed to the executor, or running.
    Running,
    /// Ended well; its outputs are committed.
    Succeeded,
    /// Ended badly; counts against the retry limit.
    Failed,
    /// Vanished with its shim or its server; does not count.
    Lost,
    /// Ended by an orderly stop of the server; does not count.
    Interrupted,
    /// Ended because somebody cancelled.
    Cancelled,
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time of the process tree, user and system, in microseconds.
    pub cpu_micros: u64,
    /// Peak resident memory of the largest process, in bytes.
    pub peak_memory: u64,
    /// Wall time in microseconds.
    pub wall_micros: u64,
}

/// How an attempt ended, as an executor reports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptResult {
    /// What happened.
    pub end: AttemptEnd,
    /// The outputs, where it succeeded; already in the content store.
    #[serde(default)]
    pub outputs: BTreeMap<Name, Output>,
    /// What it used.
    pub usage: Usage,
}

/// The ways an attempt ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "end")]
pub enum AttemptEnd {
    /// Exit 0 and every declared output is there.
    Succeeded,
    /// A counted failure.
    Failed {
        /// One line: `exit code 1`, `killed by signal 9 (SIGKILL)`, `output "model" is missing`.
        reason: String,
        /// Whether trying again could help. `false` for requirements that do not resolve, a missing program.
        retryable: bool,
    },
    /// Took longer than its time-out; counted.
    TimedOut {
        /// The limit, as text.
        limit: String,
    },
    /// Vanished with its shim or server; not counted.
    Lost {
        /// What is known.
        reason: String,
    },
    /// Ended by an orderly stop of the server; not counted.
    Interrupted,
    /// Ended on request.
    Cancelled,
}

/// An earlier result that may stand in for a step under the same cache key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheEntry {
    /// The step run that made it.
    pub step_run: StepRunId,
    /// What it left behind.
    pub outputs: BTreeMap<Name, Output>,
}

/// What is remembered of a trigger between events.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TriggerState {
    /// How many runs it has started in all.
    pub fired: u32,
    /// When it started the last 24 hours' runs, oldest first; the last start stays, however old.
    pub recent: Vec<Micros>,
    /// When it was last asked about an event, whatever it answered: a schedule goes on from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Micros>,
    /// Runs that failed in a row.
    pub failures: u32,
    /// Runs in a row that ended well and whose model versions took no alias.
    #[serde(default)]
    pub without_improvement: u32,
    /// Why the breaker is open, where it is: it then waits for a person.
    pub open: Option<String>,
    /// The newest event that could not be acted on yet; an older one gives way to it.
    pub held: Option<HeldEvent>,
}

/// An event that a trigger could not act on yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldEvent {
    /// The event.
    pub event: EventId,
    /// What the trigger knows of it.
    pub facts: TriggerFacts,
    /// Why it waits, for people: `cooling down until …`.
    pub reason: String,
    /// When to look again; `None` means when a person acts.
    pub until: Option<Micros>,
}

/// What a trigger knows of the event it may act on: the variables of its condition and parameters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TriggerFacts {
    /// One line for people: `dataset arrivals version 3 (added 2013-03.parquet)`.
    pub text: String,
    /// For a dataset, and for a monitor whose window is a dataset's version: the version's number.
    pub version: Option<u32>,
    /// For a dataset: how many files the version has.
    pub files: Option<u32>,
    /// For a dataset: how many rows, where known.
    pub rows: Option<u64>,
    /// For a dataset: the paths added.
    pub added: Vec<String>,
    /// For a dataset: the paths changed.
    pub changed: Vec<String>,
    /// For a dataset: the paths removed.
    pub removed: Vec<String>,
    /// For a monitor: what was crossed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breach: Option<BreachFacts>,
}

/// What a trigger knows of a crossed threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BreachFacts {
    /// The monitor.
    pub monitor: Name,
    /// The measure: `mae`, `psi:temp`.
    pub measure: String,
    /// Its value.
    pub value: f64,
    /// The bound it crossed, in the measure's unit.
    pub threshold: f64,
    /// The window, for people: `arrivals version 5`.
    pub window: String,
}
