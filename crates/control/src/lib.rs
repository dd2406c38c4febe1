//! The control loop: inbox → decide → commit state, ledger and outbox in one transaction → dispatch.

mod executor;

pub use executor::{Executor, Job, JobInput, JobItem, LogChunk, PrepareRequest, ResultSink, TrackingContext};
