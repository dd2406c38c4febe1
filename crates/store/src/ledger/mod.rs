//! The ledger: what happened, append-only.
//!
//! Rows are written in the transaction of the change they record; a sequencer later gives them their places in a Merkle
//! tree. Entries hold digests and pseudonymous actors; the bodies stand beside them and may be erased.

mod rows;

pub use rows::{LedgerQuery, LedgerRow};
