//! The server from outside: requests in, answers out.

mod access;
mod content;
mod metrics;
mod mlflow;
mod mlflow_client;
mod native;
mod openapi;
mod page;
mod page_story;
mod page_tracking;
mod support;
mod wire;
