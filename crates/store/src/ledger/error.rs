//! What can go wrong while the ledger is published or checked.

use std::path::PathBuf;

use crate::StoreError;

/// Why the ledger could not be published or checked. Damage that was found is not an error: see
/// [`super::VerifyReport`].
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The rows could not be read or written.
    #[error("failed to read or sequence the ledger's rows")]
    Store(#[from] StoreError),
    /// A file could not be read.
    #[error("failed to read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("failed to write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key file does not hold a key.
    #[error("`{path}` is not a ledger key: {what}; restore it from a backup")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The published tree and the database contradict each other: going on would hide it.
    #[error("the ledger cannot go on: {what}")]
    Diverged {
        /// What contradicts what, and what to do.
        what: String,
    },
}
