//! Freeing blobs of a folder, safely beside writers in this process and in others that share the folder.
//!
//! Each side first does its own and then looks at what the other did. Who frees renames the blob into `aside/` and then
//! looks at its time; who writes the same bytes sets the time and then looks whether the blob is still in its place. So
//! whichever way the two meet, either the blob goes back or the bytes are written anew. Whatever a killed process left
//! aside comes back when the folder is opened. Whether a blob is needed is not known here.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
use windlass_kinds::Digest;

use crate::{BlobEntry, BlobError, FolderStore, folder::sync_parent};

/// Sets the time of a file to now; returns whether it is in its place after that.
pub(crate) fn refresh(path: &Path) -> Result<bool, BlobError> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    match utimensat(CWD, path, &Timestamps { last_access: now, last_modification: now }, AtFlags::empty()) {
        // The file may have been renamed between the look at its path and the setting of its time.
        Ok(()) => path.try_exists().map_err(|error| BlobError::io("look at", path, error)),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(BlobError::io("refresh", path, error.into())),
    }
}

/// Lists the blobs of one folder, whose digests begin with the byte `first`.
pub(crate) fn list(folder: &Path, first: u8) -> Result<Vec<BlobEntry>, BlobError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BlobError::io("list", folder, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| BlobError::io("list", folder, error))?;
        let name = entry.file_name();
        let Ok(digest) = format!("sha256:{first:02x}{}", name.to_string_lossy()).parse::<Digest>() else { continue };
        // One that is gone meanwhile is no blob any more.
        let Ok(metadata) = entry.metadata() else { continue };
        let written = metadata.modified().map_err(|error| BlobError::io("look at", entry.path(), error))?;
        found.push(BlobEntry { digest, size: metadata.len(), written });
    }
    Ok(found)
}

/// Takes a blob out of sight that nobody wrote after `before`.
pub(crate) fn set_aside(store: &FolderStore, digest: &Digest, before: SystemTime) -> Result<bool, BlobError> {
    let (path, aside) = paths(store, digest)?;
    if !is_older(&path, before)? {
        return Ok(false);
    }
    match fs::rename(&path, &aside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(BlobError::io("set aside", &path, error)),
    }
    if is_older(&aside, before)? {
        return Ok(true);
    }
    put_back(store, digest)?;
    Ok(false)
}

/// Brings a blob back to its place.
pub(crate) fn put_back(store: &FolderStore, digest: &Digest) -> Result<(), BlobError> {
    let (path, aside) = paths(store, digest)?;
    match fs::rename(&aside, &path) {
        Ok(()) => sync_parent(&path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BlobError::io("put back", &aside, error)),
    }
}

/// Frees a blob that was set aside.
pub(crate) fn discard(store: &FolderStore, digest: &Digest) -> Result<(), BlobError> {
    let (_, aside) = paths(store, digest)?;
    match fs::remove_file(&aside) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BlobError::io("remove", &aside, error)),
    }
}

/// Brings everything back that is aside.
pub(crate) fn put_all_back(store: &FolderStore) -> Result<(), BlobError> {
    let folder = store.aside();
    let entries = fs::read_dir(&folder).map_err(|error| BlobError::io("list", &folder, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| BlobError::io("list", &folder, error))?;
        if let Ok(digest) = format!("sha256:{}", entry.file_name().to_string_lossy()).parse::<Digest>() {
            put_back(store, &digest)?;
        }
    }
    Ok(())
}

/// Returns where a blob lies, in sight and out of it.
fn paths(store: &FolderStore, digest: &Digest) -> Result<(PathBuf, PathBuf), BlobError> {
    Ok((store.path(digest)?, store.aside().join(digest.hex())))
}

/// Returns whether a file is there that was not written after `before`.
fn is_older(path: &Path, before: SystemTime) -> Result<bool, BlobError> {
    match fs::metadata(path).and_then(|metadata| metadata.modified()) {
        Ok(written) => Ok(written <= before),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(BlobError::io("look at", path, error)),
    }
}
