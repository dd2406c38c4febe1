//! What a client is told when it is made.

use std::time::Duration;

use crate::{Allowed, Zone};

/// How a [`crate::Client`] behaves.
///
/// Proxies come from `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` in either case; this machine itself is
/// always spoken to directly. Certificates are the system's, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, and those
/// of `certificates` beside them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose URLs these are.
    pub zone: Zone,
    /// Where users' URLs may lead though it is not public.
    pub allowed: Allowed,
    /// More certificates to trust, as a PEM bundle.
    pub certificates: Option<Vec<u8>>,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest silence within an answer.
    pub read_timeout: Duration,
    /// How often a request that may be asked twice is asked again.
    pub retries: u32,
    /// The wait before the first retry; it doubles each time.
    pub backoff: Duration,
}

impl Settings {
    /// Returns the usual settings for a zone: 10 s to connect, 60 s of silence, 3 retries from 300 ms on.
    pub fn new(zone: Zone) -> Self {
        Self {
            zone,
            allowed: Allowed::default(),
            certificates: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            retries: 3,
            backoff: Duration::from_millis(300),
        }
    }
}
