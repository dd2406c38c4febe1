//! The one HTTP client.
//!
//! Everything that leaves this machine over HTTP goes through a [`Client`], so that what must hold for all of it holds
//! in one place: who may be spoken to ([`Zone`]), proxies and certificates of the place we run in, time-outs, retries of
//! what may be asked twice, and caps on what comes back. Servers of ours on this machine are spoken to through a
//! [`SocketClient`]. What is fetched, and why, is not known here.

mod address;
mod allowed;
mod client;
mod error;
mod request;
mod response;
mod settings;
mod socket;
mod url;
mod zone;

pub use address::refusal;
pub use allowed::{Allowed, Exception, ExceptionError, Network};
pub use client::Client;
pub use error::NetError;
pub use request::Request;
pub use reqwest::{Method, StatusCode, header};
pub use response::Response;
pub use settings::Settings;
pub use socket::{SocketClient, SocketError};
pub use url::mask;
pub use zone::Zone;
