//! The data plane: models answering requests.
//!
//! [`model`] reads a logged model and asks it for predictions, [`protocol`] turns requests into tables and tables into
//! answers, and [`model_server`] is the process that holds one loaded model. In front of it, [`gateway`] is the door of
//! all endpoints, and [`log`] keeps what was answered. This crate does not know SQL, Kubernetes, or why a version serves.

mod columns;
pub mod gateway;
mod hop;
pub mod log;
pub mod model;
pub mod model_server;
pub mod protocol;
