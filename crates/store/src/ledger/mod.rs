//! The ledger: what happened, append-only, provable by others.
//!
//! Rows are written in the transaction of the change they record ([`crate::Tx::ledger_append`]). The [`Sequencer`] then
//! gives them their places in a Merkle tree, in batches, and publishes it as C2SP tlog-tiles
//! (<https://c2sp.org/tlog-tiles>) with signed checkpoints, so that a third party can check inclusion and consistency
//! with tools of their own. [`verify`] checks all of it from the files and the database. Entries hold digests and
//! pseudonymous actors; the bodies stand beside them and may be erased.

mod covered;
mod error;
mod files;
mod key;
mod rows;
mod sequencer;
mod tree;
mod verify;

pub use error::LedgerError;
pub use rows::{LedgerQuery, LedgerRow};
pub use sequencer::{Sequenced, Sequencer};
pub use verify::{BlobCheck, Damage, Hashed, VerifyReport, verify};
