//! Decisions, pure: what is wanted and what was seen go in, a value comes out.
//!
//! Each module decides one thing and imports none of its siblings, but for [`condition`], the expression language that
//! triggers and steps share. Nothing here reads a clock, a file or the network: time arrives as an argument, and so
//! does everything else. What comes out is complete, so that carrying it out leaves nothing to choose.

pub mod access;
pub mod condition;
pub mod diff;
pub mod judge;
pub mod pipeline;
pub mod trigger;
