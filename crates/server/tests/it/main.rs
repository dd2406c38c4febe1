//! The server from outside: requests in, answers out.

mod mlflow;
mod mlflow_client;
mod native;
mod support;
