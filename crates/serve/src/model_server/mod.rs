//! The process that holds one loaded model and answers for it.
//!
//! A model is others' code run by a library that is not ours: it may hang, grow or take its process down. So each has a
//! process of its own, which listens on a socket in the file system, speaks Open Inference Protocol v2 and
//! `/invocations`, and ends when its standard input closes: whoever started it is then gone, or wants it gone. It starts
//! fast and stays small: one thread, and more only where a model is slow. It does not know endpoints, versions other
//! than its own, or who asks.

mod answer;
mod connections;
mod input;
mod pace;
mod probe;
mod server;

use std::path::PathBuf;

pub use self::{
    probe::{ProbeSettings, probe},
    server::{ServeError, run},
};
use crate::model::Runner;

/// What a model server needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of the model, in MLflow's format.
    pub model: PathBuf,
    /// What runs it.
    pub runner: Runner,
    /// Where to listen; there must be nothing yet.
    pub socket: PathBuf,
    /// The name that the model answers to.
    pub name: String,
    /// The version that it is.
    pub version: String,
    /// The largest body, in bytes.
    pub body_max: usize,
    /// The most rows in one request.
    pub rows_max: usize,
}
