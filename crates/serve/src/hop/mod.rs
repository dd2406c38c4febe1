//! The hop between a gateway and the model servers that it asks.
//!
//! It is taken by each prediction, so it is made to cost little. A connection begins as HTTP and is upgraded (RFC 9110,
//! section 7.8) to frames, which carry columns as bytes: what a gateway decoded and checked is not encoded in a
//! protocol for strangers once more. Frames bear numbers, so that many questions are under way on one connection, and
//! those of one moment are written and read together. Whoever is not a gateway asks a model server by its HTTP
//! protocols. Both sides are the same program; nothing here is kept or promised beyond it.

mod frame;
mod link;
mod serve;

pub(crate) use self::{
    frame::{Reply, question, read_question, read_reply, reply},
    link::{LinkError, Links},
    serve::{Outcome, serve},
};

/// The name of the protocol that a connection is upgraded to.
pub(crate) const UPGRADE: &str = "windlass-frames";
/// The path at which a model server is asked to.
pub(crate) const PATH: &str = "/frames";
