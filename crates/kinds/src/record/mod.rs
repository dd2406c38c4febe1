//! The facts the store keeps and every crate shares.
//!
//! A record is plain data with a JSON form that is stable once released. Records that the ledger covers are hashed in
//! their canonical form; a field that may be absent in old rows needs `#[serde(default)]` *and* must be skipped when
//! empty, or old digests change.

mod collection;
mod data;
mod endpoint;
mod evaluation;
mod evidence;
mod execution;
mod import;
mod label;
mod ledger;
mod model;
mod object;
mod observation;
mod trace;
mod tracking;
mod webhook;

pub use collection::*;
pub use data::*;
pub use endpoint::*;
pub use evaluation::*;
pub use evidence::*;
pub use execution::*;
pub use import::*;
pub use label::*;
pub use ledger::*;
pub use model::*;
pub use object::*;
pub use observation::*;
pub use trace::*;
pub use tracking::*;
pub use webhook::*;
