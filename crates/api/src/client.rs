//! The typed client of the native API.

use serde::{Serialize, de::DeserializeOwned};
use windlass_kinds::{Digest, Name};
use windlass_net::{Method, NetError, Response, Settings, StatusCode, Zone, header};

use crate::{ErrorBody, PROJECT_HEADER};

/// The most of one answer that is read, in bytes.
const ANSWER_CAP: u64 = 256 << 20;

/// Speaks the native API of one server as the holder of one token.
#[derive(Clone)]
pub struct Client {
    http: windlass_net::Client,
    base: String,
    token: String,
    project: Option<String>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server's address is not one.
    #[error("`{0}` is not the address of a server; write http://HOST:PORT or https://HOST")]
    Address(String),
    /// The server could not be asked, or its answer not be read.
    #[error("failed to ask the server")]
    Net(#[from] NetError),
    /// The server refused.
    #[error("the server refused ({status}): {}", body.message)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        body: ErrorBody,
    },
}

impl Client {
    /// Makes a client for a server such as `http://127.0.0.1:7070`.
    pub fn new(server: &str, token: &str) -> Result<Self, ClientError> {
        let base = server.trim_end_matches('/').to_owned();
        let known = ["http://", "https://"].iter().any(|scheme| base.len() > scheme.len() && base.starts_with(scheme));
        if !known {
            return Err(ClientError::Address(windlass_net::mask(server)));
        }
        Ok(Self {
            http: windlass_net::Client::new(Settings::new(Zone::Operator)),
            base,
            token: token.to_owned(),
            project: None,
        })
    }

    /// Makes a client whose requests are about one project.
    pub fn in_project(&self, project: &Name) -> Self {
        Self { project: Some(project.to_string()), ..self.clone() }
    }

    /// Returns the server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn request(&self, method: Method, path: &str) -> windlass_net::Request {
        let request = self.http.request(method, &format!("{}{path}", self.base)).bearer(&self.token);
        match &self.project {
            Some(project) => request.header(header::HeaderName::from_static(PROJECT_HEADER), project),
            None => request,
        }
    }

    /// Asks for a path.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        answer(self.request(Method::GET, path).send().await?).await
    }

    /// Asks for the bytes at a path, of at most `max`.
    pub async fn get_bytes(&self, path: &str, max: u64) -> Result<Vec<u8>, ClientError> {
        let response = self.request(Method::GET, path).send().await?;
        if response.status().is_success() {
            Ok(response.bytes_capped(max).await?)
        } else {
            Err(refusal(response).await)
        }
    }

    /// Sends a value to a path. Not asked twice on trouble; requests that may be repeated carry their identity.
    pub async fn post<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        answer(self.request(Method::POST, path).json(body).send().await?).await
    }

    /// Sends bytes of a content type to a path.
    pub async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> Result<T, ClientError> {
        answer(self.request(Method::POST, path).header(header::CONTENT_TYPE, content_type).body(bytes).send().await?)
            .await
    }

    /// Sends a value to a path by PATCH.
    pub async fn patch<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        answer(self.request(Method::PATCH, path).json(body).send().await?).await
    }

    /// Deletes what is at a path.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        answer(self.request(Method::DELETE, path).send().await?).await
    }

    /// Returns whether the content store has a digest.
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, ClientError> {
        let response = self.request(Method::HEAD, &format!("/api/v1/blobs/{digest}")).send().await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refusal(response).await),
        }
    }

    /// Uploads bytes under their digest; the server verifies it. Uploading twice is harmless.
    pub async fn put_blob(&self, digest: &Digest, bytes: Vec<u8>) -> Result<(), ClientError> {
        let response = self.request(Method::PUT, &format!("/api/v1/blobs/{digest}")).body(bytes).send().await?;
        if response.status().is_success() { Ok(()) } else { Err(refusal(response).await) }
    }

    /// Uploads a file under the digest of its bytes, as a stream; otherwise like [`Client::put_blob`].
    pub async fn put_blob_file(&self, digest: &Digest, path: &std::path::Path) -> Result<(), ClientError> {
        let response = self.request(Method::PUT, &format!("/api/v1/blobs/{digest}")).file(path).send().await?;
        if response.status().is_success() { Ok(()) } else { Err(refusal(response).await) }
    }

    /// Uploads bytes to a path as they are.
    pub async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), ClientError> {
        let response = self.request(Method::PUT, path).body(bytes).send().await?;
        if response.status().is_success() { Ok(()) } else { Err(refusal(response).await) }
    }
}

async fn answer<T: DeserializeOwned>(response: Response) -> Result<T, ClientError> {
    if response.status().is_success() {
        return Ok(response.json_capped(ANSWER_CAP).await?);
    }
    Err(refusal(response).await)
}

async fn refusal(response: Response) -> ClientError {
    let status = response.status().as_u16();
    let text = match response.bytes_capped(1 << 20).await {
        Ok(bytes) => bytes,
        Err(error) => return error.into(),
    };
    let body = serde_json::from_slice(&text).unwrap_or_else(|_| ErrorBody {
        code: "unknown".to_owned(),
        message: match text.is_empty() {
            true => format!("HTTP status {status}"),
            false => String::from_utf8_lossy(&text).chars().take(300).collect(),
        },
        hint: None,
        findings: Vec::new(),
    });
    ClientError::Refused { status, body }
}
