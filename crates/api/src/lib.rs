//! The native API as both sides see it: its types, its tokens, and the client.
//!
//! Nothing here knows the server's insides; the client speaks through `net`.

mod client;
mod sign_in;
pub mod token;
mod types;

pub use client::{Client, ClientError};
pub use sign_in::SignInAnswer;
pub use types::*;
