//! The control loop: inbox → decide → commit state, ledger and outbox in one transaction → dispatch.
//!
//! Events and commands enter an inbox. One task takes them in order, asks `plan` (which decides purely), and writes
//! the whole decision in one transaction: state, ledger rows, outgoing actions, and that the event was answered. A
//! dispatcher carries the actions out under idempotency keys; their results are events again. So a `kill -9` anywhere
//! loses and doubles nothing: what was not committed did not happen, and what is repeated is recognised.
//!
//! This crate owns the traits [`Executor`] and [`Deployer`]; it does not know HTTP, Kubernetes or processes.

mod active;
mod clock;
mod collect;
mod commit;
mod core;
mod deployer;
mod dispatch;
mod endpoints;
mod ends;
mod environments;
mod error;
mod executor;
mod export;
mod handle;
mod idle;
mod jobs;
mod judging;
mod leading;
mod monitoring;
mod moves;
mod objects;
mod outgoing;
mod requests;
mod story;
mod timers;
mod unless;
mod upkeep;
mod versions;
mod watch;
mod webhooks;
mod why;

pub use clock::{Clock, SystemClock};
pub use collect::CollectRequest;
pub use core::{Change, Control, EndChannel, Settings};
pub use deployer::{Deployer, Deployment, ProbeAnswer, ProbeFailure, ProbeRequest, ServerCondition};
pub use endpoints::EndpointView;
pub use error::ControlError;
pub use executor::{Executor, Job, JobInput, JobItem, LogChunk, PrepareRequest, ResultSink, TrackingContext};
pub use export::export_canonical;
pub use jobs::{attempt_of_token, attempt_token};
pub use leading::Candidate;
pub use monitoring::LabelsTaken;
pub use objects::{Wanted, users_of};
pub use requests::state_word;
pub use story::StoryEvent;
pub use webhooks::{Courier, Delivered};
pub use why::Why;

/// Returns an error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
