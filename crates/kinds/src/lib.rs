//! The words of Windlass: manifests, records, names, digests, ids and errors with their place.
//!
//! Everything here is plain data and pure functions. This crate does not know tokio, clocks, files or the network;
//! every other crate may use it.

pub mod canonical;
mod digest;
pub mod filter;
mod finding;
mod ids;
pub mod manifest;
mod measure;
mod names;
pub mod record;
mod text;
mod time;

pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use finding::{Finding, Position, Severity};
pub use ids::{
    AssessmentId, AttemptId, EventId, ExperimentId, LoggedModelId, PipelineRunId, RunId, StepRunId, TokenId, TraceId,
};
pub use measure::{DriftMeasure, Measure, MeasureError};
pub use names::{Kind, KindError, NAME_MAX, Name, NameError, ObjectRef};
pub use time::{Micros, Span, SpanError};
