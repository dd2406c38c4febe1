//! Content in memory, for tests and for what never needs to outlive the process.

use std::{
    collections::HashMap,
    io::Cursor,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use windlass_kinds::Digest;

use crate::{BlobEntry, BlobError, BlobReader, BlobStore, BlobWriter, helpers::demand};

/// A blob, when it was last written, and whether it is out of sight.
struct Blob {
    bytes: Bytes,
    written: SystemTime,
    is_aside: bool,
}

type Blobs = HashMap<Digest, Blob>;

/// Keeps content in memory. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryStore {
    blobs: Arc<Mutex<Blobs>>,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn bytes(&self, digest: &Digest) -> Option<Bytes> {
        self.blobs().get(digest).filter(|blob| !blob.is_aside).map(|blob| blob.bytes.clone())
    }

    fn blobs(&self) -> MutexGuard<'_, Blobs> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl BlobStore for MemoryStore {
    async fn writer(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(MemoryWriter { store: self.clone(), bytes: Vec::new() }))
    }

    async fn open(&self, digest: &Digest, range: Option<Range<u64>>) -> Result<BlobReader, BlobError> {
        let bytes = self.bytes(digest).ok_or_else(|| BlobError::NotFound { digest: digest.clone() })?;
        let bytes = match range {
            None => bytes,
            Some(Range { start, end }) => {
                let end = usize::try_from(end).map_or(bytes.len(), |end| end.min(bytes.len()));
                let start = usize::try_from(start).map_or(end, |start| start.min(end));
                bytes.slice(start..end)
            }
        };
        Ok(Box::new(Cursor::new(bytes)))
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        Ok(self.bytes(digest).map(|bytes| bytes.len() as u64))
    }

    async fn remove(&self, digest: &Digest) -> Result<(), BlobError> {
        self.blobs().remove(digest);
        Ok(())
    }

    async fn list(&self, first: u8) -> Result<Vec<BlobEntry>, BlobError> {
        let first = format!("{first:02x}");
        let blobs = self.blobs();
        let seen = blobs.iter().filter(|(digest, blob)| !blob.is_aside && digest.hex().starts_with(&first));
        let entry = |(digest, blob): (&Digest, &Blob)| BlobEntry {
            digest: digest.clone(),
            size: blob.bytes.len() as u64,
            written: blob.written,
        };
        Ok(seen.map(entry).collect())
    }

    async fn set_aside(&self, digest: &Digest, before: SystemTime) -> Result<bool, BlobError> {
        match self.blobs().get_mut(digest) {
            Some(blob) if !blob.is_aside && blob.written <= before => {
                blob.is_aside = true;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }

    async fn put_back(&self, digest: &Digest) -> Result<(), BlobError> {
        if let Some(blob) = self.blobs().get_mut(digest) {
            blob.is_aside = false;
        }
        Ok(())
    }

    async fn discard(&self, digest: &Digest) -> Result<(), BlobError> {
        let mut blobs = self.blobs();
        if blobs.get(digest).is_some_and(|blob| blob.is_aside) {
            blobs.remove(digest);
        }
        Ok(())
    }

    fn local_path(&self, _digest: &Digest) -> Option<PathBuf> {
        None
    }
}

struct MemoryWriter {
    store: MemoryStore,
    bytes: Vec<u8>,
}

#[async_trait]
impl BlobWriter for MemoryWriter {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    async fn commit(self: Box<Self>, expected: Option<&Digest>) -> Result<(Digest, u64), BlobError> {
        let digest = Digest::sha256(&self.bytes);
        demand(expected, &digest)?;
        let size = self.bytes.len() as u64;
        self.store
            .blobs()
            .insert(digest.clone(), Blob { bytes: self.bytes.into(), written: SystemTime::now(), is_aside: false });
        Ok((digest, size))
    }
}
