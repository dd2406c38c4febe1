//! Untrusted bytes in, findings or refusals out.
//!
//! Whatever reads bytes that somebody else wrote goes through here: readers that stop at a cap, the shape of JSON
//! before anything parses it, and paths that stay inside their folder. Everything is synchronous and works in bounded
//! memory; nothing here panics, whatever it is given. It does not know the network, async code, or what the bytes are
//! for.

mod capped;
mod json;
mod path;

pub use capped::{CappedReader, TooLong, read_capped};
pub use json::{JsonShapeError, check_json};
pub use path::{PathError, check_encoded_path, check_relative_path};
