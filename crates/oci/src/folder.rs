//! Content in a folder: `sha256/<2 digits>/<62 digits>`.
//!
//! A blob appears by rename, after its bytes were written to the same file system, hashed on the way, and brought to
//! disk; then the folder is brought to disk too. So a blob that is there is whole, and one that was acknowledged stays.
//! Files are read-only. A writer that was killed leaves a file under `tmp/` that nobody holds a lock on; the next
//! [`FolderStore::open`] clears those away, however many processes share the folder. Bytes that are written again
//! refresh the time of their file, which is how freeing knows them from those that nobody wants (see `freeing`).

use std::{
    fs::{self, File, Permissions},
    io::{self, SeekFrom, Write as _},
    ops::Range,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use async_trait::async_trait;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, BufReader};
use windlass_kinds::{Algorithm, Digest, Hasher};

use crate::{
    BlobEntry, BlobError, BlobReader, BlobStore, BlobWriter, freeing,
    helpers::{CHUNK, demand},
};

/// Keeps content in a folder. Clones share it.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    /// Opens or makes a store in the folder `root`, and clears away what killed writers left.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let store = Self { root: root.into() };
        for folder in [store.root.join("sha256"), store.temporary(), store.aside()] {
            fs::create_dir_all(&folder).map_err(|error| BlobError::io("make", &folder, error))?;
        }
        sync_folder(&store.root)?;
        store.sweep()?;
        freeing::put_all_back(&store)?;
        Ok(store)
    }

    /// Returns where a blob lies, whether it is there or not.
    pub(crate) fn path(&self, digest: &Digest) -> Result<PathBuf, BlobError> {
        match digest.algorithm() {
            Algorithm::Sha256 => {
                let (head, tail) = digest.hex().split_at(2);
                Ok(self.root.join("sha256").join(head).join(tail))
            }
            Algorithm::Sha512 => Err(BlobError::Algorithm { digest: digest.clone() }),
        }
    }

    fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Returns where blobs lie that are out of sight.
    pub(crate) fn aside(&self) -> PathBuf {
        self.root.join("aside")
    }

    /// Removes temporary files on which nobody holds a lock.
    fn sweep(&self) -> Result<(), BlobError> {
        let folder = self.temporary();
        let entries = fs::read_dir(&folder).map_err(|error| BlobError::io("list", &folder, error))?;
        for entry in entries {
            let path = entry.map_err(|error| BlobError::io("list", &folder, error))?.path();
            // Whatever cannot be opened or is locked is somebody's, or gone meanwhile.
            let Ok(file) = File::open(&path) else { continue };
            if file.try_lock().is_ok() {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(BlobError::io("remove", &path, error));
                    }
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Makes a temporary file that a sweep leaves alone.
    fn temporary_file(&self) -> Result<NamedTempFile, BlobError> {
        let folder = self.temporary();
        loop {
            let file = NamedTempFile::new_in(&folder).map_err(|error| BlobError::io("write in", &folder, error))?;
            file.as_file().lock().map_err(|error| BlobError::io("lock", file.path(), error))?;
            let links =
                file.as_file().metadata().map_err(|error| BlobError::io("look at", file.path(), error))?.nlink();
            // A sweep may have come between making and locking it.
            if links > 0 {
                return Ok(file);
            }
        }
    }
}

#[async_trait]
impl BlobStore for FolderStore {
    async fn writer(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(FolderWriter { store: self.clone(), buffer: Vec::new(), spill: None, is_broken: false }))
    }

    async fn open(&self, digest: &Digest, range: Option<Range<u64>>) -> Result<BlobReader, BlobError> {
        let path = self.path(digest)?;
        let mut file = match tokio::fs::File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BlobError::NotFound { digest: digest.clone() });
            }
            Err(error) => return Err(BlobError::io("open", &path, error)),
        };
        let length = match range {
            None => u64::MAX,
            Some(Range { start, end }) => {
                if start > 0 {
                    file.seek(SeekFrom::Start(start)).await.map_err(|error| BlobError::io("read", &path, error))?;
                }
                end.saturating_sub(start)
            }
        };
        Ok(Box::new(BufReader::with_capacity(256 << 10, file.take(length))))
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let path = self.path(digest)?;
        // One `stat` is quicker than a hop to another thread.
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::io("look at", &path, error)),
        }
    }

    async fn remove(&self, digest: &Digest) -> Result<(), BlobError> {
        let path = self.path(digest)?;
        match tokio::fs::remove_file(&path).await {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(BlobError::io("remove", &path, error)),
        }
    }

    async fn list(&self, first: u8) -> Result<Vec<BlobEntry>, BlobError> {
        let folder = self.root.join("sha256").join(format!("{first:02x}"));
        blocking(move || freeing::list(&folder, first)).await
    }

    async fn set_aside(&self, digest: &Digest, before: SystemTime) -> Result<bool, BlobError> {
        let (store, digest) = (self.clone(), digest.clone());
        blocking(move || freeing::set_aside(&store, &digest, before)).await
    }

    async fn put_back(&self, digest: &Digest) -> Result<(), BlobError> {
        let (store, digest) = (self.clone(), digest.clone());
        blocking(move || freeing::put_back(&store, &digest)).await
    }

    async fn discard(&self, digest: &Digest) -> Result<(), BlobError> {
        let (store, digest) = (self.clone(), digest.clone());
        blocking(move || freeing::discard(&store, &digest)).await
    }

    fn local_path(&self, digest: &Digest) -> Option<PathBuf> {
        self.path(digest).ok().filter(|path| path.is_file())
    }
}

/// Bytes are gathered in memory up to [`CHUNK`] and then go to disk and hash on a blocking thread; a small blob needs
/// one hop and no file before its end.
struct FolderWriter {
    store: FolderStore,
    buffer: Vec<u8>,
    spill: Option<Spill>,
    /// A write failed, or its future was dropped half-way: what is on disk is not what was written.
    is_broken: bool,
}

struct Spill {
    file: NamedTempFile,
    hasher: Hasher,
    size: u64,
}

impl Spill {
    fn begin(store: &FolderStore) -> Result<Self, BlobError> {
        Ok(Self { file: store.temporary_file()?, hasher: Hasher::new(), size: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.file.as_file_mut().write_all(bytes).map_err(|error| BlobError::io("write", self.file.path(), error))
    }
}

impl FolderWriter {
    fn broken(&self) -> Result<(), BlobError> {
        if self.is_broken {
            let source = io::Error::other("an earlier write did not end well");
            return Err(BlobError::io("write in", self.store.temporary(), source));
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), BlobError> {
        self.broken()?;
        self.is_broken = true;
        let (store, buffer, spill) = (self.store.clone(), std::mem::take(&mut self.buffer), self.spill.take());
        let (mut buffer, spill) = blocking(move || {
            let mut spill = spill.map_or_else(|| Spill::begin(&store), Ok)?;
            spill.write(&buffer)?;
            Ok((buffer, spill))
        })
        .await?;
        buffer.clear();
        (self.buffer, self.spill, self.is_broken) = (buffer, Some(spill), false);
        Ok(())
    }
}

#[async_trait]
impl BlobWriter for FolderWriter {
    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), BlobError> {
        self.broken()?;
        while self.buffer.len() + bytes.len() > CHUNK {
            let (now, later) = bytes.split_at(CHUNK - self.buffer.len());
            self.buffer.extend_from_slice(now);
            bytes = later;
            self.flush().await?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    async fn commit(self: Box<Self>, expected: Option<&Digest>) -> Result<(Digest, u64), BlobError> {
        self.broken()?;
        let expected = expected.cloned();
        blocking(move || finish(&self.store, self.spill, &self.buffer, expected.as_ref())).await
    }
}

/// Brings the last bytes to disk and the blob to its name.
fn finish(
    store: &FolderStore,
    spill: Option<Spill>,
    rest: &[u8],
    expected: Option<&Digest>,
) -> Result<(Digest, u64), BlobError> {
    let Some(mut spill) = spill else {
        // All of it is still in memory: a blob that is there already costs no file.
        let digest = Digest::sha256(rest);
        demand(expected, &digest)?;
        let size = rest.len() as u64;
        let path = store.path(&digest)?;
        if !is_there(&path, size)? {
            let mut file = store.temporary_file()?;
            file.write_all(rest).map_err(|error| BlobError::io("write", file.path(), error))?;
            publish(store, file, &path)?;
        }
        return Ok((digest, size));
    };
    spill.write(rest)?;
    let Spill { file, hasher, size } = spill;
    let digest = hasher.finish();
    demand(expected, &digest)?;
    let path = store.path(&digest)?;
    if !is_there(&path, size)? {
        publish(store, file, &path)?;
    }
    Ok((digest, size))
}

/// Returns whether the blob is there and durable. A file of another size is damaged, and replaced by who has the bytes.
fn is_there(path: &Path, size: u64) -> Result<bool, BlobError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() == size => {
            // Somebody needs it, whatever it was before; and it may just have been set aside.
            if !freeing::refresh(path)? {
                return Ok(false);
            }
            // Another writer may have renamed it a moment ago and not yet brought the folder to disk.
            sync_parent(path)?;
            Ok(true)
        }
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(BlobError::io("look at", path, error)),
    }
}

fn publish(store: &FolderStore, file: NamedTempFile, path: &Path) -> Result<(), BlobError> {
    let failed = |attempt, error| BlobError::io(attempt, file.path(), error);
    file.as_file().set_permissions(Permissions::from_mode(0o444)).map_err(|error| failed("seal", error))?;
    file.as_file().sync_all().map_err(|error| failed("bring to disk", error))?;
    let parent = path.parent().unwrap_or(&store.root);
    match fs::create_dir(parent) {
        Ok(()) => sync_parent(parent)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(BlobError::io("make", parent, error)),
    }
    file.persist(path).map_err(|error| BlobError::io("rename to", path, error.error))?;
    sync_folder(parent)
}

pub(crate) fn sync_parent(path: &Path) -> Result<(), BlobError> {
    path.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(path: &Path) -> Result<(), BlobError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| BlobError::io("bring to disk", path, error))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(BlobError::io("write", "", io::Error::other(error))))
}
