//! One request: what is asked, redirects, and asking again.

use std::{
    error::Error as _,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use reqwest::{
    Method, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
};
use serde::Serialize;
use windlass_kinds::Digest;

use crate::{Client, NetError, Response, error, url, zone::Forbidden};

/// Redirects followed for one request.
const HOPS: usize = 10;
/// The longest wait that a server can ask for before a retry.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A request that was not sent yet.
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    client: Client,
    method: Method,
    url: String,
    headers: HeaderMap,
    payload: Payload,
    timeout: Option<Duration>,
    retries: u32,
    keeps_method: bool,
    trouble: Option<&'static str>,
}

enum Payload {
    None,
    Bytes(Bytes),
    File(PathBuf),
}

impl Request {
    pub(crate) fn new(client: Client, method: Method, url: &str) -> Self {
        // Idempotent by RFC 9110, section 9.2.2.
        let may_repeat = matches!(method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS);
        let retries = if may_repeat { client.settings().retries } else { 0 };
        let headers = HeaderMap::new();
        Self {
            client,
            method,
            url: url.to_owned(),
            headers,
            payload: Payload::None,
            timeout: None,
            retries,
            keeps_method: false,
            trouble: None,
        }
    }

    /// Sets a header.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(name, value);
            }
            Err(_) => self.trouble = Some("a header has characters that no header may have"),
        }
        self
    }

    /// Sends a bearer token; it is never shown and never follows a redirect to another server.
    pub fn bearer(mut self, token: &str) -> Self {
        match HeaderValue::from_str(&format!("Bearer {token}")) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.headers.insert(AUTHORIZATION, value);
            }
            Err(_) => self.trouble = Some("the token has characters that no header may have"),
        }
        self
    }

    /// Says which kinds of answer are welcome.
    pub fn accept(self, kinds: &str) -> Self {
        self.header(ACCEPT, kinds)
    }

    /// Sends a value as JSON.
    ///
    /// # Panics
    /// When `value` cannot be JSON at all (a map with keys that are not text), which is a mistake in our own types.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.payload = Payload::Bytes(serde_json::to_vec(value).expect("our types serialize to JSON").into());
        self.header(CONTENT_TYPE, "application/json")
    }

    /// Sends bytes.
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.payload = Payload::Bytes(bytes.into());
        self
    }

    /// Sends a file, as a stream.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.payload = Payload::File(path.into());
        self
    }

    /// Limits the whole exchange, the answer's body included.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Says how often to ask again: 0 where a second try would do harm, more for what the server takes as one.
    pub fn retries(mut self, times: u32) -> Self {
        self.retries = times;
        self
    }

    /// Follows redirects that keep method and body (307 and 308) also where the request changes something. A body that
    /// came over https never goes on in clear.
    pub fn follow_changing(mut self) -> Self {
        self.keeps_method = true;
        self
    }

    /// Sends it and returns the answer, whatever its status.
    pub async fn send(self) -> Result<Response, NetError> {
        let mut tries = 0;
        loop {
            let (wait, outcome) = match self.once().await {
                Ok(response) if error::is_transient(response.status()) => (asked_wait(&response), Ok(response)),
                Ok(response) => return Ok(response),
                Err(error) if error.is_transient() => (None, Err(error)),
                Err(error) => return Err(error),
            };
            if tries == self.retries {
                return outcome;
            }
            let backoff = self.client.settings().backoff.saturating_mul(1 << tries.min(10));
            tries += 1;
            tracing::debug!(url = %url::mask(&self.url), tries, "asking again");
            tokio::time::sleep(wait.unwrap_or(backoff).min(LONGEST_WAIT)).await;
        }
    }

    /// Sends it and returns the answer where its status is a success; else the error quotes what the server said.
    pub async fn send_ok(self) -> Result<Response, NetError> {
        self.send().await?.ok().await
    }

    /// Fetches into a file, which appears whole or not at all. At most `max` bytes, and those of `expected` where that
    /// is given. A download that breaks off is begun again, as often as the request may be repeated.
    pub async fn download_to(
        mut self,
        path: &Path,
        max: u64,
        expected: Option<&Digest>,
    ) -> Result<(Digest, u64), NetError> {
        let mut left = std::mem::take(&mut self.retries);
        loop {
            let outcome = match self.once().await {
                Ok(response) => match response.ok().await {
                    Ok(response) => response.download_to(path, max, expected).await,
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) if error.is_transient() && left > 0 => {
                    let used = self.client.settings().retries.saturating_sub(left);
                    left -= 1;
                    tracing::debug!(url = %url::mask(&self.url), %error, "fetching again");
                    tokio::time::sleep(self.client.settings().backoff.saturating_mul(1 << used.min(10))).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Asks once, following redirects where that is harmless.
    async fn once(&self) -> Result<Response, NetError> {
        let begun = url::parse(&self.url)?;
        if let Some(problem) = self.trouble {
            return Err(NetError::Url { url: url::mask_url(&begun), problem });
        }
        let mut target = begun.clone();
        for _ in 0..=HOPS {
            self.client.check(&target).await?;
            let response = self.hop(&begun, &target).await?;
            let Some(next) = self.next(&response, &target)? else {
                return Ok(Response::new(response, target));
            };
            target = next;
        }
        Err(NetError::Redirects { url: url::mask_url(&begun), limit: HOPS })
    }

    async fn hop(&self, begun: &Url, target: &Url) -> Result<reqwest::Response, NetError> {
        let mut headers = self.headers.clone();
        if !url::same_origin(begun, target) {
            headers.remove(AUTHORIZATION);
            headers.remove(COOKIE);
        }
        let mut request = self.client.transport(target)?.request(self.method.clone(), target.clone()).headers(headers);
        if let Some(limit) = self.timeout {
            request = request.timeout(limit);
        }
        request = match &self.payload {
            Payload::None => request,
            Payload::Bytes(bytes) => request.body(bytes.clone()),
            Payload::File(path) => {
                let unreadable = |source| NetError::File { attempt: "open", path: path.clone(), source };
                let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
                let length = file.metadata().await.map_err(unreadable)?.len();
                request.header(reqwest::header::CONTENT_LENGTH, length).body(file)
            }
        };
        request.send().await.map_err(|error| classify(error, target))
    }

    /// Returns where a redirect leads, `None` where the answer is to be taken as it is.
    fn next(&self, response: &reqwest::Response, target: &Url) -> Result<Option<Url>, NetError> {
        let reads = matches!(self.method, Method::GET | Method::HEAD);
        let follows = match response.status() {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => reads,
            // These keep method and body (RFC 9110, section 15.4).
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => reads || self.keeps_method,
            _ => false,
        };
        let Some(location) = response.headers().get(LOCATION).filter(|_| follows) else { return Ok(None) };
        let bad = |problem| NetError::Url { url: url::mask_url(target), problem };
        let location = location.to_str().map_err(|_| bad("it redirects to something that is not a URL"))?;
        let next = target.join(location).map_err(|_| bad("it redirects to something that is not a URL"))?;
        match next.scheme() {
            "http" if !reads && target.scheme() == "https" => {
                Err(bad("it redirects what came over https to where it would go on in clear"))
            }
            "http" | "https" => Ok(Some(next)),
            _ => Err(bad("it redirects to something that is neither http nor https")),
        }
    }
}

/// Tells our own refusal, silence and breakage apart.
pub(crate) fn classify(error: reqwest::Error, target: &Url) -> NetError {
    let url = url::mask_url(target);
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(Forbidden { address, why }) = inner.downcast_ref() {
            let host = format!("{} ({address})", target.host_str().unwrap_or_default());
            return NetError::Refused { url, host, why };
        }
        cause = inner.source();
    }
    let source = error.without_url();
    if source.is_builder() {
        NetError::Request { url, source }
    } else if source.is_timeout() {
        NetError::TimedOut { url, source }
    } else if source.is_connect() {
        NetError::Connect { url, source }
    } else {
        NetError::Broken { url, source }
    }
}

/// Returns the wait in seconds that the server asked for (RFC 9110, section 10.2.3; dates are not taken).
fn asked_wait(response: &Response) -> Option<Duration> {
    response.header(RETRY_AFTER)?.trim().parse().ok().map(Duration::from_secs)
}
