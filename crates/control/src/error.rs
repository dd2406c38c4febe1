//! What can go wrong in the control loop and its doors.

use windlass_kinds::{Finding, record::Verdict};
use windlass_oci::BlobError;
use windlass_store::StoreError;

/// Why a request to the control loop was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The store did not answer.
    #[error("failed to reach the store")]
    Store(#[from] StoreError),
    /// The content store did not answer.
    #[error("failed to reach the content store")]
    Content(#[from] windlass_oci::BlobError),
    /// A dataset's folder cannot be listed.
    #[error("failed to list the folder")]
    List(#[source] windlass_data::ListError),
    /// A dataset's file cannot be read.
    #[error("failed to read a file")]
    Judge(#[source] windlass_data::JudgeError),
    /// Something named is not there.
    #[error("there is no {what}")]
    NotFound {
        /// What was asked for, such as `Pipeline/train` or `run train-7`.
        what: String,
        /// Names that are close.
        near: Vec<String>,
    },
    /// The manifests have mistakes.
    #[error("{} mistakes; nothing was applied", .0.len())]
    Invalid(Vec<Finding>),
    /// The stored plan was made from another state.
    #[error("the plan is stale: it was made from another state; plan again")]
    Stale,
    /// An object that others name cannot be deleted.
    #[error("{object} is in use by {}", .users.join(", "))]
    InUse {
        /// The object.
        object: String,
        /// Who names it.
        users: Vec<String>,
    },
    /// A gate stands before the alias, and the version does not pass.
    #[error("{}", gated(.0))]
    Gated(Box<Verdict>),
    /// A place that is needed has trouble of its own; trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// The request contradicts the state of what it is about.
    #[error("{0}")]
    Refused(String),
}

/// Says which rules did not hold.
fn gated(verdict: &Verdict) -> String {
    let Verdict { model, version, alias, rules, evidence, .. } = verdict;
    let failed: Vec<String> = rules
        .iter()
        .filter(|rule| !rule.passed)
        .map(|rule| format!("{}: {}", rule.name, rule.text))
        .chain(evidence.problems.iter().cloned())
        .collect();
    format!("{model}@{version} does not pass the gate before alias {alias}: {}", failed.join("; "))
}

impl ControlError {
    /// Returns whether trying again gives the same answer: what was asked is at fault, not the place or the moment.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::Store(error) => match error {
                StoreError::NotFound { .. }
                | StoreError::Invalid { .. }
                | StoreError::Refused(_)
                | StoreError::Corrupt { .. } => true,
                StoreError::Conflict { .. }
                | StoreError::Newer { .. }
                | StoreError::Busy
                | StoreError::Unreachable(_)
                | StoreError::Fenced
                | StoreError::Damaged { .. }
                | StoreError::DiskFull
                | StoreError::ReadOnly
                | StoreError::Open { .. }
                | StoreError::Closed
                | StoreError::Database(_) => false,
            },
            Self::Content(error) => match error {
                BlobError::Full { .. } | BlobError::Io { .. } => false,
                BlobError::NotFound { .. }
                | BlobError::Mismatch { .. }
                | BlobError::Corrupt { .. }
                | BlobError::Malformed { .. }
                | BlobError::TooLarge { .. }
                | BlobError::Algorithm { .. }
                | BlobError::Path { .. }
                | BlobError::NoFiles => true,
            },
            Self::List(_) | Self::Judge(_) | Self::Unavailable(_) => false,
            Self::NotFound { .. }
            | Self::Invalid(_)
            | Self::Stale
            | Self::InUse { .. }
            | Self::Gated(_)
            | Self::Refused(_) => true,
        }
    }
}
