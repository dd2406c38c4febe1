//! Tracking: experiments, runs and their data, artifacts, logged models.
//!
//! Times here are milliseconds, as tracking clients count. Metric points are only ever added; the last point of each
//! metric stands beside them, so that reading and ordering runs touches few rows. A run that a pipeline made is sealed
//! when its attempt ends, and refuses writes from then on. What a caller may be told is a [`Refusal`]; the words of a
//! dialect are the server's business.

mod artifact;
mod data;
mod experiment;
mod import;
mod logged_model;
mod metric;
mod order;
mod page;
mod run;
mod seal;
mod search;

use std::fmt;

use windlass_kinds::{AssessmentId, ExperimentId, LoggedModelId, RunId, TraceId};

use crate::StoreError;
pub use artifact::holder as artifact_holder;
pub use data::RunLog;
pub use experiment::ExperimentChange;
pub use logged_model::LoggedModelChange;
pub(crate) use order::Find;
pub use run::RunChange;
pub(crate) use search::{Columns, Holds, Keyed, Query};

/// What a refusal is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An experiment, by id.
    Experiment(ExperimentId),
    /// An experiment, by name.
    ExperimentName(String),
    /// A tag of an experiment: id and key.
    ExperimentTag(ExperimentId, String),
    /// A run.
    Run(RunId),
    /// A tag of a run: id and key.
    RunTag(RunId, String),
    /// A logged model.
    LoggedModel(LoggedModelId),
    /// A tag of a logged model: id and key.
    LoggedModelTag(LoggedModelId, String),
    /// A file among the artifacts, by path.
    Artifact(String),
    /// A registered model, by name.
    Model(String),
    /// A version of a registered model.
    Version(String, u32),
    /// An alias of a registered model: model and alias.
    Alias(String, String),
    /// A trace.
    Trace(TraceId),
    /// A tag of a trace: id and key.
    TraceTag(TraceId, String),
    /// What was said of a trace: id of the trace, and its own.
    Assessment(TraceId, AssessmentId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Experiment(id) => write!(f, "experiment {id}"),
            Self::ExperimentName(name) => write!(f, "experiment `{name}`"),
            Self::ExperimentTag(id, key) => write!(f, "tag `{key}` of experiment {id}"),
            Self::Run(id) => write!(f, "run {id}"),
            Self::RunTag(id, key) => write!(f, "tag `{key}` of run {id}"),
            Self::LoggedModel(id) => write!(f, "logged model {id}"),
            Self::LoggedModelTag(id, key) => write!(f, "tag `{key}` of logged model {id}"),
            Self::Artifact(path) => write!(f, "artifact `{path}`"),
            Self::Model(name) => write!(f, "model `{name}`"),
            Self::Version(name, version) => write!(f, "version {version} of model `{name}`"),
            Self::Alias(name, alias) => write!(f, "alias `{alias}` of model `{name}`"),
            Self::Trace(id) => write!(f, "trace {id}"),
            Self::TraceTag(id, key) => write!(f, "tag `{key}` of trace {id}"),
            Self::Assessment(trace, id) => write!(f, "assessment {id} of trace {trace}"),
        }
    }
}

/// A param that somebody tried to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamChange {
    /// The param.
    pub key: String,
    /// What it was logged as.
    pub old: String,
    /// What was tried.
    pub new: String,
}

/// Why a change of tracking or registry was refused. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing.
    #[error("{0} does not exist")]
    Missing(Subject),
    /// It is deleted; restoring it would help.
    #[error("{0} is deleted")]
    Deleted(Subject),
    /// It is deleted, and what was asked would change it.
    #[error("{0} is deleted and cannot be changed")]
    Frozen(Subject),
    /// It is not deleted.
    #[error("{0} is not deleted")]
    NotDeleted(Subject),
    /// There is one already.
    #[error("{0} exists already")]
    Exists(Subject),
    /// The attempt that the run belongs to has ended, and its data is sealed in the ledger.
    #[error("run {0} is sealed: the attempt it belongs to has ended")]
    Sealed(RunId),
    /// The version is provisional: the step that registered it has not ended well yet.
    #[error("version {1} of model `{0}` is provisional: the step that registered it has not committed")]
    Provisional(String, u32),
    /// A param is written once.
    #[error("params of run {run} cannot be changed")]
    ParamChanged {
        /// The run.
        run: RunId,
        /// What would have changed.
        changes: Vec<ParamChange>,
    },
    /// The search asks for something that this kind of record does not have.
    #[error("such records have no {0}")]
    Unsearchable(&'static str),
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// Returns the number behind an experiment's id.
pub(crate) fn experiment_number(id: &ExperimentId) -> Result<i64, StoreError> {
    id.as_str().parse().map_err(|_| Refusal::Missing(Subject::Experiment(id.clone())).into())
}
