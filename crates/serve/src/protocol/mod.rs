//! The protocols in which predictions are asked for: Open Inference Protocol v2 and `/invocations`.
//!
//! Whatever a request looks like, it becomes a [`Request`]: a table with exactly the columns of the signature, and
//! beside it the columns that only name its rows. Answers go the same way back. Bodies are others' bytes: they are
//! decoded in memory that is bounded by [`Limits`], and a mistake is answered with the column or field that it is in.
//! The gateway and the model server share this module; between them travels [`oip`]'s binary form. It does not know
//! HTTP beyond the few headers that these protocols use.

mod cell;
mod conform;
mod csv;
mod error;
mod frame;
pub mod invocations;
pub mod oip;
#[cfg(test)]
mod tests;

use windlass_data::table::Table;

pub use error::RequestError;

/// How large a request may be. The number of its bytes is for whoever reads the body to limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most rows.
    pub rows: usize,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// How the asker calls this request, if at all.
    pub id: Option<String>,
    /// The columns of the signature, in its order, except those that may be absent and are. At least one row.
    pub rows: Table,
    /// The columns that the model does not take but the caller allowed, in the order allowed: those that there are.
    pub extras: Table,
}
