//! The inbox, the outbox and the ledger's entries.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AttemptId, Digest, EventId, Micros, Name, PipelineRunId, StepRunId, canonical,
    record::{Actor, AttemptResult, Evidence, Observation},
};

/// An entry of the inbox: something happened or was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Derived from `identity`: a second delivery of the same event is dropped.
    pub id: EventId,
    /// The project.
    pub project: Name,
    /// What makes two deliveries the same event.
    pub identity: String,
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    pub body: EventBody,
    /// When it was received.
    pub received_at: Micros,
}

impl Event {
    /// Makes an event whose id follows from project and identity.
    pub fn new(project: Name, identity: String, actor: Actor, body: EventBody, received_at: Micros) -> Self {
        let id = Self::id_of(&project, &identity);
        Self { id, project, identity, actor, body, received_at }
    }

    /// Returns the id of the event with this identity.
    pub fn id_of(project: &Name, identity: &str) -> EventId {
        EventId::derived(&[project.as_str(), identity])
    }
}

/// What can arrive in the inbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum EventBody {
    /// A dataset has a new accepted version.
    DatasetVersion {
        /// The dataset.
        dataset: Name,
        /// The version.
        version: u32,
    },
    /// Everything was idle; `epoch` names the quiet period.
    Idle {
        /// Counts the quiet periods.
        epoch: u64,
    },
    /// A cron trigger is due.
    Due {
        /// The pipeline.
        pipeline: Name,
        /// The trigger.
        trigger: Name,
        /// The instant it was due.
        at: Micros,
    },
    /// Somebody asked for a run.
    Start {
        /// The pipeline.
        pipeline: Name,
        /// Parameters on top of the defaults.
        parameters: serde_json::Map<String, Value>,
    },
    /// Somebody asked to end a run.
    Cancel {
        /// The run.
        run: PipelineRunId,
    },
    /// Somebody asked to go on from the failed steps.
    Retry {
        /// The run.
        run: PipelineRunId,
    },
    /// Somebody closed a trigger's breaker.
    ResetBreaker {
        /// The pipeline.
        pipeline: Name,
        /// The trigger.
        trigger: Name,
    },
    /// The executor resolved a step's Python environment.
    Prepared {
        /// The step run.
        step_run: StepRunId,
        /// The lock's digest, or why there is none.
        outcome: Result<Digest, PrepareFailure>,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The attempt.
        attempt: AttemptId,
        /// How.
        result: AttemptResult,
    },
    /// The versions of a model were measured for its gates.
    Judged {
        /// The registered model.
        model: String,
        /// The pipeline run whose candidates they are; none where a person asked.
        run: Option<PipelineRunId>,
        /// Which try it was; see [`ActionBody::Judge`].
        round: u32,
        /// What was measured, one a version.
        evidence: Vec<Evidence>,
    },
    /// An endpoint's revision answers, or could not be started.
    Served {
        /// The endpoint.
        endpoint: Name,
        /// The revision.
        number: u32,
        /// Nothing, or why not, in one line for people.
        outcome: Result<(), String>,
    },
    /// A monitor looked at a window.
    Observed {
        /// What it saw; its breaches are not judged yet.
        observation: Observation,
    },
    /// A monitor looked at the windows of rows, or of their own time, that were complete.
    Looked {
        /// What it saw, oldest window first; breaches are not judged yet.
        observations: Vec<Observation>,
        /// Whether it stopped before it had seen all of them.
        more: bool,
    },
}

/// Why an environment could not be resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareFailure {
    /// The resolver's own words and what to do.
    pub reason: String,
    /// Whether trying again could help (no network).
    pub retryable: bool,
}

/// An outgoing action, carried out by a dispatcher under its key, at least once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// The idempotency key: carrying it out twice has the effect of once.
    pub key: String,
    /// The project.
    pub project: Name,
    /// What to do.
    pub body: ActionBody,
}

/// What a dispatcher can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum ActionBody {
    /// Resolve the Python environment of a step; answers with [`EventBody::Prepared`].
    Prepare {
        /// The step run.
        step_run: StepRunId,
        /// Counts tries, so that a retry has its own key.
        round: u32,
    },
    /// Start an attempt; answers with [`EventBody::AttemptEnded`] when it ended.
    StartAttempt {
        /// The attempt.
        attempt: AttemptId,
    },
    /// End an attempt: TERM, then KILL.
    StopAttempt {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Measure a run's candidates for the gates of their model; answers with [`EventBody::Judged`].
    Judge {
        /// The registered model.
        model: String,
        /// The run.
        run: PipelineRunId,
        /// Counts tries, so that a retry has its own key.
        round: u32,
    },
    /// Start a revision of an endpoint beside the one before and switch to it; answers with [`EventBody::Served`].
    Serve {
        /// The endpoint.
        endpoint: Name,
        /// The revision.
        number: u32,
    },
    /// Stop serving an endpoint.
    Unserve {
        /// The endpoint.
        endpoint: Name,
    },
    /// Measure the window of a dataset's version; answers with [`EventBody::Observed`].
    Observe {
        /// The monitor.
        monitor: Name,
        /// The dataset.
        dataset: Name,
        /// The version.
        version: u32,
    },
    /// Measure the windows of rows, or of their own time, that are complete by now; answers with
    /// [`EventBody::Looked`], where there are any.
    Look {
        /// The monitor.
        monitor: Name,
        /// When it was asked for, so that each look has its own key.
        at: Micros,
    },
}

/// An entry of the ledger. Its canonical bytes are the leaf of the Merkle tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// When, to the microsecond.
    pub at: Micros,
    /// The project.
    pub project: Name,
    /// Who.
    pub actor: Actor,
    /// What kind of fact: see [`LedgerKind`].
    pub kind: LedgerKind,
    /// What it is about: `Dataset/arrivals@3`, `run train-7`, `model flights@4`.
    pub subject: String,
    /// The digest of the canonical body, which is stored beside the entry and may be erased.
    pub body: Digest,
}

impl LedgerEntry {
    /// Returns the leaf bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::to_bytes(self)
    }
}

/// The facts that enter the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LedgerKind {
    /// A revision was applied; the body is the [`super::Revision`].
    Revision,
    /// An object was deleted.
    Deletion,
    /// A dataset version was observed; the body is the [`super::DatasetVersion`].
    DatasetVersion,
    /// An event was acted on.
    Event,
    /// A pipeline run began; the body is the [`super::PipelineRun`] at that time.
    RunBegan,
    /// A pipeline run ended; the body is the run with its steps and their outputs.
    RunEnded,
    /// A tracking run ended; the body is a [`super::RunSeal`].
    RunSeal,
    /// A model version was registered; the body is the version's identity and OCI manifest digest.
    ModelVersion,
    /// An experiment or a registered model was made, renamed or restored.
    Registry,
    /// An alias moved.
    Alias,
    /// A token was made or revoked.
    Access,
    /// A trigger's breaker opened or was closed.
    Breaker,
    /// A model version was judged; the body is the [`super::Verdict`].
    Verdict,
    /// An endpoint's revision answered, failed or was retired; the body is the [`super::EndpointRevision`].
    EndpointRevision,
    /// A monitor saw a threshold crossed; the body is the [`super::Observation`].
    Observation,
    /// Labels were sent; the body is the [`super::LabelUpload`].
    Labels,
}

impl LedgerKind {
    /// Returns the written form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revision => "revision",
            Self::Deletion => "deletion",
            Self::DatasetVersion => "dataset-version",
            Self::Event => "event",
            Self::RunBegan => "run-began",
            Self::RunEnded => "run-ended",
            Self::RunSeal => "run-seal",
            Self::ModelVersion => "model-version",
            Self::Registry => "registry",
            Self::Alias => "alias",
            Self::Access => "access",
            Self::Breaker => "breaker",
            Self::Verdict => "verdict",
            Self::EndpointRevision => "endpoint-revision",
            Self::Observation => "observation",
            Self::Labels => "labels",
        }
    }
}
