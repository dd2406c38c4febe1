//! What a place that keeps content must do.
//!
//! Small on purpose: five questions. Everything else (whole files, folders, models) is built from them, so that every
//! implementation gets it alike.

use std::{ops::Range, path::PathBuf};

use async_trait::async_trait;
use tokio::io::AsyncRead;
use windlass_kinds::Digest;

use crate::BlobError;

/// The bytes of a blob, or of a range of it, as a stream.
pub type BlobReader = Box<dyn AsyncRead + Send + Unpin>;

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
