//! Traces: what a program did for one request, as a tree of spans, and what was said of it.

use serde::{Deserialize, Serialize};

use crate::{AssessmentId, ExperimentId, Name, RunId, TraceId};

/// Where a trace stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TraceState {
    /// Nobody said.
    StateUnspecified,
    /// Ended well.
    Ok,
    /// Ended badly.
    Error,
    /// Going on.
    InProgress,
}

impl TraceState {
    /// Returns the word that clients use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StateUnspecified => "STATE_UNSPECIFIED",
            Self::Ok => "OK",
            Self::Error => "ERROR",
            Self::InProgress => "IN_PROGRESS",
        }
    }

    /// Parses the word that clients use.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::StateUnspecified, Self::Ok, Self::Error, Self::InProgress]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// Returns whether it may still change by itself.
    pub fn is_open(self) -> bool {
        matches!(self, Self::StateUnspecified | Self::InProgress)
    }
}

/// Tokens that language models read and wrote; absent where nobody counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens {
    /// Read.
    pub input: Option<i64>,
    /// Written.
    pub output: Option<i64>,
    /// Both.
    pub total: Option<i64>,
    /// Read from a cache.
    pub cache_read: Option<i64>,
    /// Written into a cache.
    pub cache_write: Option<i64>,
    /// Of these, written to be kept for an hour.
    pub cache_write_long: Option<i64>,
}

/// What language models cost, in US dollars; absent where nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// For reading.
    pub input: Option<f64>,
    /// For writing.
    pub output: Option<f64>,
    /// Both.
    pub total: Option<f64>,
}

/// A trace without its spans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// The experiment.
    pub experiment: ExperimentId,
    /// The project.
    pub project: Name,
    /// When it began, in milliseconds since the epoch.
    pub at_ms: i64,
    /// How long it took, in milliseconds; absent while it goes on.
    pub took_ms: Option<i64>,
    /// Where it stands.
    pub state: TraceState,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The conversation that it belongs to.
    pub session: Option<String>,
    /// The id that the caller of the traced request gave it.
    pub client_request: Option<String>,
    /// The beginning of what was asked.
    pub request: Option<String>,
    /// The beginning of what was answered.
    pub response: Option<String>,
    /// The tokens of all its spans.
    pub tokens: Tokens,
    /// The cost of all its spans.
    pub cost: Cost,
    /// What its client noted for good, by key.
    pub metadata: Vec<(String, String)>,
    /// What may be noted later, by key.
    pub tags: Vec<(String, String)>,
    /// What was said of it, oldest first.
    pub assessments: Vec<Assessment>,
}

/// One piece of work within a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Its id within the trace, 16 hexadecimal digits.
    pub id: String,
    /// The span around it.
    pub parent: Option<String>,
    /// Its name.
    pub name: String,
    /// What sort of work it is, if its client said.
    pub kind: Option<String>,
    /// `OK`, `ERROR` or `UNSET`.
    pub status: String,
    /// When it began, in nanoseconds since the epoch.
    pub start_ns: i64,
    /// When it ended, in nanoseconds since the epoch.
    pub end_ns: Option<i64>,
    /// Its tokens, if it counts any.
    pub tokens: Tokens,
    /// Its cost, if it is known.
    pub cost: Cost,
    /// The language model that it asked.
    pub model: Option<String>,
    /// Who provides that model.
    pub provider: Option<String>,
    /// Everything about it, JSON as text.
    pub content: String,
}

/// What is said of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssessmentKind {
    /// How good it is.
    Feedback,
    /// What it should have been.
    Expectation,
    /// That it belongs to a known problem.
    Issue,
}

impl AssessmentKind {
    /// Returns its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feedback => "feedback",
            Self::Expectation => "expectation",
            Self::Issue => "issue",
        }
    }

    /// Parses its word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Feedback, Self::Expectation, Self::Issue].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something that was said of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// Its id.
    pub id: AssessmentId,
    /// What it is about.
    pub name: String,
    /// What it says.
    pub kind: AssessmentKind,
    /// Its value, JSON as text.
    pub value: String,
    /// The value as a number to compute with, and whether it was written as one: yes and true count as 1.
    pub number: Option<(f64, bool)>,
    /// Why there is no value, JSON as text.
    pub error: Option<String>,
    /// The reason for it.
    pub rationale: Option<String>,
    /// `HUMAN`, `LLM_JUDGE`, `CODE`, …
    pub source_type: String,
    /// Who or what exactly.
    pub source_id: Option<String>,
    /// The run in which it was made.
    pub run: Option<RunId>,
    /// The span that it is about; the whole trace where absent.
    pub span: Option<String>,
    /// The earlier one that it takes the place of.
    pub overrides: Option<AssessmentId>,
    /// Whether none took its place.
    pub valid: bool,
    /// What its client noted, sorted by key.
    pub metadata: Vec<(String, String)>,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_ms: i64,
}
