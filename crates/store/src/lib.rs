//! Metadata: one concrete [`Store`] over portable SQL, on SQLite and on PostgreSQL.
//!
//! It promises that a write that was answered is on disk, that a transaction is all or nothing, and that both databases
//! give the same answers: one suite of tests runs on both. Callers bring closures over a [`Tx`], which has one typed
//! function per question; SQL never leaves this crate. It does not know HTTP, executors, clocks or what a record means.

mod db;
mod error;
mod migrate;
mod postgres;
mod sqlite;
mod tx;

pub use db::{Store, StoreUrl, StoreUrlError};
pub use error::StoreError;
pub use tx::Tx;
