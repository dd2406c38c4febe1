//! Whole blobs and whole files, over any store.

use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use windlass_kinds::{Algorithm, Digest, Hasher};

use crate::{BlobError, BlobStore};

/// How much is read at once: large enough that a hop to a blocking thread costs nothing beside it.
pub(crate) const CHUNK: usize = 1 << 20;

/// Keeps `bytes` and returns their digest.
pub async fn put_bytes(store: &dyn BlobStore, bytes: &[u8]) -> Result<Digest, BlobError> {
    let mut writer = store.writer().await?;
    writer.write(bytes).await?;
    Ok(writer.commit(None).await?.0)
}

/// Keeps the bytes of a file and returns their digest and size. They are those read, however the file changes meanwhile.
pub async fn put_file(store: &dyn BlobStore, path: &Path) -> Result<(Digest, u64), BlobError> {
    let mut file = tokio::fs::File::open(path).await.map_err(|error| BlobError::io("open", path, error))?;
    let length = file.metadata().await.map_or(0, |metadata| metadata.len());
    let mut writer = store.writer().await?;
    let mut buffer = vec![0; chunk_for(length)];
    loop {
        let count = file.read(&mut buffer).await.map_err(|error| BlobError::io("read", path, error))?;
        if count == 0 {
            return writer.commit(None).await;
        }
        writer.write(&buffer[..count]).await?;
    }
}

/// Returns all bytes of a blob of at most `cap` bytes.
pub async fn read_all(store: &dyn BlobStore, digest: &Digest, cap: u64) -> Result<Vec<u8>, BlobError> {
    let size = store.size(digest).await?.ok_or_else(|| BlobError::NotFound { digest: digest.clone() })?;
    if size > cap {
        return Err(BlobError::TooLarge { digest: digest.clone(), size, cap });
    }
    let mut reader = store.open(digest, None).await?;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    let mut hasher = Hasher::new();
    drain(&mut reader, digest, size, |piece| {
        hasher.update(piece);
        bytes.extend_from_slice(piece);
    })
    .await?;
    // Read whole, they may as well be checked: whoever reads all of a blob decides something by it.
    if digest.algorithm() == Algorithm::Sha256 && hasher.finish() != *digest {
        return Err(BlobError::Corrupt { digest: digest.clone() });
    }
    Ok(bytes)
}

/// Reads a blob and checks that its bytes are still those of its digest.
pub async fn verify(store: &dyn BlobStore, digest: &Digest) -> Result<(), BlobError> {
    let size = store.size(digest).await?.ok_or_else(|| BlobError::NotFound { digest: digest.clone() })?;
    let mut reader = store.open(digest, None).await?;
    let mut hasher = Hasher::new();
    drain(&mut reader, digest, size, |piece| hasher.update(piece)).await?;
    if hasher.finish() == *digest { Ok(()) } else { Err(BlobError::Corrupt { digest: digest.clone() }) }
}

/// Refuses what was written where something else was announced.
pub(crate) fn demand(expected: Option<&Digest>, found: &Digest) -> Result<(), BlobError> {
    match expected {
        None => Ok(()),
        Some(expected) if expected == found => Ok(()),
        Some(expected) => match expected.algorithm() {
            Algorithm::Sha256 => Err(BlobError::Mismatch { expected: expected.clone(), found: found.clone() }),
            Algorithm::Sha512 => Err(BlobError::Algorithm { digest: expected.clone() }),
        },
    }
}

/// Returns a buffer length for content of about `length` bytes; one byte more, so that the end is seen early.
pub(crate) fn chunk_for(length: u64) -> usize {
    usize::try_from(length.saturating_add(1)).map_or(CHUNK, |length| length.clamp(1, CHUNK))
}

async fn drain(
    reader: &mut (dyn AsyncRead + Send + Unpin),
    digest: &Digest,
    size: u64,
    mut take: impl FnMut(&[u8]),
) -> Result<(), BlobError> {
    let mut buffer = vec![0; chunk_for(size)];
    loop {
        let count = reader.read(&mut buffer).await.map_err(|error| BlobError::io("read", digest.to_string(), error))?;
        if count == 0 {
            return Ok(());
        }
        take(&buffer[..count]);
    }
}
