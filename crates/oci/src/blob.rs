//! What a place that keeps content must do.
//!
//! Small on purpose. Everything else (whole files, folders, models) is built from these questions, so that every
//! implementation gets it alike.
//!
//! Freeing what nobody needs takes three of them, so that no writer loses: [`BlobStore::set_aside`] takes a blob out of
//! sight unless somebody wrote it lately, the caller then looks once more whether it is needed, and either
//! [`BlobStore::put_back`] or [`BlobStore::discard`] ends it. Whoever writes the same bytes meanwhile either refreshes
//! the blob, which is then not set aside, or finds none and writes it anew.

use std::{ops::Range, path::PathBuf, time::SystemTime};

use async_trait::async_trait;
use tokio::io::AsyncRead;
use windlass_kinds::Digest;

use crate::BlobError;

/// The bytes of a blob, or of a range of it, as a stream.
pub type BlobReader = Box<dyn AsyncRead + Send + Unpin>;

/// A blob as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When somebody last wrote it, or wrote it again.
    pub written: SystemTime,
}

/// A place that keeps bytes under the SHA-256 digest that names them.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Begins a blob. Nothing is visible before [`BlobWriter::commit`]; dropping the writer leaves nothing behind.
    async fn writer(&self) -> Result<Box<dyn BlobWriter>, BlobError>;

    /// Opens a blob for reading, whole or the bytes of `range`. A range that reaches past the end stops there.
    async fn open(&self, digest: &Digest, range: Option<Range<u64>>) -> Result<BlobReader, BlobError>;

    /// Returns the size of a blob in bytes, `None` where it is not there.
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError>;

    /// Removes a blob; one that is not there is fine.
    async fn remove(&self, digest: &Digest) -> Result<(), BlobError>;

    /// Lists the blobs whose digest begins with the byte `first`, in no order.
    async fn list(&self, first: u8) -> Result<Vec<BlobEntry>, BlobError>;

    /// Takes a blob out of sight that nobody wrote after `before`; returns whether that was done.
    async fn set_aside(&self, digest: &Digest, before: SystemTime) -> Result<bool, BlobError>;

    /// Brings back what was set aside; fine where nothing was.
    async fn put_back(&self, digest: &Digest) -> Result<(), BlobError>;

    /// Frees what was set aside; fine where nothing was.
    async fn discard(&self, digest: &Digest) -> Result<(), BlobError>;

    /// Returns where a blob lies as an ordinary file, where that is so and it is there. The file must not be changed.
    fn local_path(&self, digest: &Digest) -> Option<PathBuf>;
}

/// A blob that is being written.
#[async_trait]
pub trait BlobWriter: Send {
    /// Adds bytes at the end.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError>;

    /// Ends the blob and returns its digest and size; it is durable when this returns. A digest that is there already
    /// is success. Where `expected` differs from what was written, nothing is kept.
    async fn commit(self: Box<Self>, expected: Option<&Digest>) -> Result<(Digest, u64), BlobError>;
}
