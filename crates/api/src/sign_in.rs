//! Signing in to the page: what a one-time link is made of.

use serde::{Deserialize, Serialize};

/// The answer to `POST /api/v1/sign-in`. The path holds a secret that is good once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInAnswer {
    /// The path to open, on the server that was asked; `&to=PATH` leads to another page than the first.
    pub path: String,
    /// For how long it is good, in seconds.
    pub seconds: u64,
}
