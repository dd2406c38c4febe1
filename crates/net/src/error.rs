//! What can go wrong on the way to somebody else's server.

use std::{io, path::PathBuf};

use reqwest::StatusCode;
use windlass_kinds::Digest;

/// Why a request brought nothing back. URLs in it are masked.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The URL cannot be fetched by anybody.
    #[error("cannot fetch `{url}`: {problem}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The URL leads to where users may not send us.
    #[error("refused to fetch `{url}`: {host} is {why}")]
    Refused {
        /// The URL.
        url: String,
        /// Its host, or the address that its host stands for.
        host: String,
        /// What is wrong with that.
        why: &'static str,
    },
    /// The name of a host stands for no address.
    #[error("failed to look up `{host}`")]
    Lookup {
        /// The host.
        host: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A chain of redirects without end.
    #[error("gave up on `{url}` after {limit} redirects")]
    Redirects {
        /// The URL we began with.
        url: String,
        /// How many we follow.
        limit: usize,
    },
    /// Nobody answered.
    #[error("failed to reach `{url}`")]
    Connect {
        /// The URL.
        url: String,
        /// What the system said.
        #[source]
        source: reqwest::Error,
    },
    /// The answer did not come in time.
    #[error("`{url}` did not answer in time")]
    TimedOut {
        /// The URL.
        url: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// The exchange broke off.
    #[error("the exchange with `{url}` broke off")]
    Broken {
        /// The URL.
        url: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// The server answered, but not with what was asked for.
    #[error("`{url}` answered {status}{}", if excerpt.is_empty() { String::new() } else { format!(": {excerpt}") })]
    Status {
        /// The URL.
        url: String,
        /// The status.
        status: StatusCode,
        /// The beginning of what it said, on one line.
        excerpt: String,
    },
    /// More bytes than we were ready to take.
    #[error("the answer of `{url}` is larger than {cap} bytes")]
    TooLarge {
        /// The URL.
        url: String,
        /// The limit in bytes.
        cap: u64,
    },
    /// Other bytes than those announced.
    #[error("what `{url}` sent has the digest {found}, not the expected {expected}")]
    Digest {
        /// The URL.
        url: String,
        /// What was expected.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// Bytes that are not the JSON they should be.
    #[error("the answer of `{url}` is not the expected JSON")]
    Json {
        /// The URL.
        url: String,
        /// What the reader stumbled over.
        #[source]
        source: serde_json::Error,
    },
    /// The request could not be written.
    #[error("the request to `{url}` cannot be written")]
    Request {
        /// The URL.
        url: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// A file to send or to fill could not be used.
    #[error("failed to {attempt} `{}`", path.display())]
    File {
        /// What was attempted, as a verb.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No client could be made: certificates that cannot be read, mostly.
    #[error("failed to set up HTTPS; look at SSL_CERT_FILE, SSL_CERT_DIR and the certificate bundle")]
    Setup(#[source] reqwest::Error),
}

impl NetError {
    /// Returns whether asking again later could help: the network's or the server's trouble, not the request's.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Lookup { .. } | Self::Connect { .. } | Self::TimedOut { .. } | Self::Broken { .. } => true,
            Self::Status { status, .. } => is_transient(*status),
            Self::Url { .. }
            | Self::Refused { .. }
            | Self::Redirects { .. }
            | Self::TooLarge { .. }
            | Self::Digest { .. }
            | Self::Json { .. }
            | Self::Request { .. }
            | Self::File { .. }
            | Self::Setup(_) => false,
        }
    }
}

/// Returns whether a status speaks of a passing trouble (RFC 9110, section 15; RFC 6585 for 429).
pub(crate) fn is_transient(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
