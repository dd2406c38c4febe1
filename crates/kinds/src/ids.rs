//! Identifiers that the system chooses.
//!
//! Each record has its own type, so that a step run is never passed where a run is wanted. Ids are opaque text: those
//! made from an event's identity are derived (the same event yields the same id, which makes a repeat harmless), the
//! others come from the random source of the caller. None is ever parsed for meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps text that was stored by us or made by a random source.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Returns an id that follows from `parts` alone: 32 hexadecimal digits.
            pub fn derived(parts: &[&str]) -> Self {
                Self(derive(stringify!($name), parts))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A tracking run (an MLflow run): 32 hexadecimal digits.
    RunId;
    /// A tracking experiment: decimal digits, as MLflow writes them.
    ExperimentId;
    /// An MLflow logged model: `m-` and 32 hexadecimal digits.
    LoggedModelId;
    /// A trace, as its client names it: `tr-` and 32 hexadecimal digits, mostly. Unique within a project.
    TraceId;
    /// What was said of a trace: `a-` and 32 hexadecimal digits, mostly.
    AssessmentId;
    /// One run of a pipeline.
    PipelineRunId;
    /// One step (or one item of a fanned-out step) within a pipeline run.
    StepRunId;
    /// One try at a step run.
    AttemptId;
    /// An entry of the inbox.
    EventId;
    /// A token, as listed; never the secret.
    TokenId;
}

/// Returns 32 hexadecimal digits that follow from `parts`; lengths are hashed too, so that no two lists collide.
fn derive(domain: &str, parts: &[&str]) -> String {
    let mut text = format!("windlass/{domain}");
    for part in parts {
        text.push_str(&format!("\n{}:{part}", part.len()));
    }
    Digest::sha256(text).hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_depend_on_every_part() {
        let one = RunId::derived(&["a", "bc"]);
        assert_eq!(one, RunId::derived(&["a", "bc"]));
        assert_ne!(one, RunId::derived(&["ab", "c"]));
        assert_ne!(one.as_str(), AttemptId::derived(&["a", "bc"]).as_str());
        assert_eq!(one.as_str().len(), 32);
    }
}
