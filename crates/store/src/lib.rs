//! Metadata: one concrete [`Store`] over portable SQL, on SQLite and on PostgreSQL.
//!
//! It promises that a write that was answered is on disk, that a transaction is all or nothing, and that both databases
//! give the same answers: one suite of tests runs on both. Callers bring closures over a [`Tx`], which has one typed
//! function per question; SQL never leaves this crate. It does not know HTTP, executors, clocks or what a record means.

mod access;
mod collect;
mod content;
mod counts;
mod datasets;
mod db;
mod encode;
mod endpoints;
mod error;
mod evaluation;
mod execution;
mod import;
mod labels;
mod lease;
pub mod ledger;
mod migrate;
mod objects;
mod postgres;
mod queues;
mod registry;
mod row;
mod settings;
mod sqlite;
mod traces;
mod tracking;
mod triggers;
mod tx;
mod uploads;
mod verdicts;
mod webhooks;

pub use collect::{Deleted, Erasure, UPLOAD};
pub use counts::{StateCount, WindowCount};
pub use db::{Store, StoreUrl, StoreUrlError};
pub use error::StoreError;
pub use evaluation::{RecordChange, evaluation_digest};
pub use execution::RunQuery;
pub use labels::{MeasuredWindow, SentLabel};
pub use lease::{Fence, Leader};
pub use registry::{PackedVersion, VersionFact};
pub use traces::{
    Aggregate, MeasureBy, MeasureFilter, MeasureQuery, MeasureRow, Measured, SpanBatch, TraceLink, TraceRange,
};
pub use tracking::{
    ExperimentChange, LoggedModelChange, ParamChange, Refusal, RunChange, RunLog, Subject as RefusalSubject,
    artifact_holder,
};
pub use tx::Tx;
pub use uploads::UploadPart;
