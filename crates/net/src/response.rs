//! An answer, taken in measured.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use reqwest::{StatusCode, Url, header::HeaderName};
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use windlass_kinds::{Digest, Hasher};

use crate::{NetError, request::classify, url};

/// How much of a refusal's text is quoted, in bytes read and characters shown.
const EXCERPT_BYTES: usize = 4096;
const EXCERPT_SHOWN: usize = 300;

/// An answer whose body was not read yet.
#[derive(Debug)]
pub struct Response {
    inner: reqwest::Response,
    url: Url,
}

impl Response {
    pub(crate) fn new(inner: reqwest::Response, url: Url) -> Self {
        Self { inner, url }
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// Returns a header's value where it is there and text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// Returns the URL that answered, after redirects. It may hold secrets: show it by [`mask`](crate::mask).
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Returns itself where the status is a success, else an error that quotes the beginning of the body.
    pub async fn ok(self) -> Result<Self, NetError> {
        let status = self.status();
        if status.is_success() {
            return Ok(self);
        }
        let url = url::mask_url(&self.url);
        let excerpt = excerpt(&self.beginning(EXCERPT_BYTES).await);
        Err(NetError::Status { url, status, excerpt })
    }

    /// Returns the first bytes of the body, as far as they come.
    async fn beginning(mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length
            && let Ok(Some(piece)) = self.chunk().await
        {
            bytes.extend_from_slice(&piece[..piece.len().min(length - bytes.len())]);
        }
        bytes
    }

    /// Returns the body, of at most `max` bytes.
    pub async fn bytes_capped(mut self, max: u64) -> Result<Vec<u8>, NetError> {
        self.announced(max)?;
        let mut bytes = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if (bytes.len() + piece.len()) as u64 > max {
                return Err(self.too_large(max));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Returns the body as text, of at most `max` bytes; what is not UTF-8 is replaced.
    pub async fn text_capped(self, max: u64) -> Result<String, NetError> {
        let bytes = self.bytes_capped(max).await?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Returns the body read as JSON, of at most `max` bytes.
    pub async fn json_capped<T: DeserializeOwned>(self, max: u64) -> Result<T, NetError> {
        let url = url::mask_url(&self.url);
        let bytes = self.bytes_capped(max).await?;
        serde_json::from_slice(&bytes).map_err(|source| NetError::Json { url, source })
    }

    /// Returns the next piece of the body, `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, NetError> {
        self.inner.chunk().await.map_err(|error| classify(error, &self.url))
    }

    /// Returns the body as a stream of pieces, without a limit.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, NetError>> + Send + Unpin {
        let Self { inner, url } = self;
        inner.bytes_stream().map(move |piece| piece.map_err(|error| classify(error, &url)))
    }

    /// Writes the body to a file, which appears whole or not at all; returns the digest and size of what came. At most
    /// `max` bytes, and those of `expected` where that is given.
    pub async fn download_to(
        mut self,
        path: &Path,
        max: u64,
        expected: Option<&Digest>,
    ) -> Result<(Digest, u64), NetError> {
        self.announced(max)?;
        let failed = |attempt, source| NetError::File { attempt, path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (file, part) = NamedTempFile::new_in(folder).map_err(|error| failed("write beside", error))?.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        let (mut hasher, mut size) = (Hasher::new(), 0_u64);
        while let Some(piece) = self.chunk().await? {
            size += piece.len() as u64;
            if size > max {
                return Err(self.too_large(max));
            }
            hasher.update(&piece);
            file.write_all(&piece).await.map_err(|error| failed("write", error))?;
        }
        let found = hasher.finish();
        if let Some(expected) = expected.filter(|expected| **expected != found) {
            return Err(NetError::Digest { url: url::mask_url(&self.url), expected: expected.clone(), found });
        }
        file.flush().await.map_err(|error| failed("write", error))?;
        file.sync_all().await.map_err(|error| failed("bring to disk", error))?;
        let target = PathBuf::from(path);
        tokio::task::spawn_blocking(move || part.persist(target).map_err(|error| error.error))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| failed("rename to", error))?;
        Ok((found, size))
    }

    /// Refuses early what says itself that it is too large.
    fn announced(&self, max: u64) -> Result<(), NetError> {
        match self.inner.content_length() {
            Some(length) if length > max => Err(self.too_large(max)),
            Some(_) | None => Ok(()),
        }
    }

    fn too_large(&self, cap: u64) -> NetError {
        NetError::TooLarge { url: url::mask_url(&self.url), cap }
    }
}

/// Returns the beginning of a text on one line.
fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace(|character: char| character.is_control(), " ");
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(EXCERPT_SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
