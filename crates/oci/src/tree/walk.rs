//! Finds the files of a folder, and refuses what cannot be kept.

use std::{
    fs::{self, FileType},
    io,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::{TreeLimits, is_executable};
use crate::TreeError;

/// A file to keep.
pub(super) struct Found {
    /// Relative to the folder.
    pub(super) path: String,
    /// Where its bytes are; for a link, where it leads.
    pub(super) source: PathBuf,
    /// Whether it may be executed.
    pub(super) executable: bool,
}

/// Returns the files of `folder`, sorted by path.
pub(super) fn walk(folder: &Path, limits: &TreeLimits) -> Result<Vec<Found>, TreeError> {
    let root = fs::canonicalize(folder).map_err(|error| TreeError::io("open", folder, error))?;
    let mut walk = Walk { root: &root, limits, found: Vec::new(), bytes: 0 };
    walk.folder(&root, "", 0)?;
    let mut found = walk.found;
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Returns what a thing is that is neither file, folder nor link.
pub(super) fn special(kind: FileType) -> Option<&'static str> {
    if kind.is_socket() {
        Some("a socket")
    } else if kind.is_fifo() {
        Some("a named pipe")
    } else if kind.is_block_device() || kind.is_char_device() {
        Some("a device")
    } else {
        None
    }
}

struct Walk<'a> {
    root: &'a Path,
    limits: &'a TreeLimits,
    found: Vec<Found>,
    bytes: u64,
}

impl Walk<'_> {
    /// Looks through `folder` (a real path), whose files appear under `prefix` (empty, or ending in `/`).
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), TreeError> {
        if depth > self.limits.depth {
            let path = prefix.trim_end_matches('/').to_owned();
            return Err(TreeError::TooDeep { path, limit: self.limits.depth });
        }
        let unreadable = |error| TreeError::io("list", folder, error);
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            names.push(entry.map_err(unreadable)?.file_name());
        }
        // Sorted, so that of several troubles always the same one is named.
        names.sort_unstable();
        for name in names {
            let Some(text) = name.to_str() else {
                return Err(TreeError::Name { path: format!("{prefix}{}", name.to_string_lossy()) });
            };
            self.entry(folder.join(&name), format!("{prefix}{text}"), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, source: PathBuf, path: String, depth: usize) -> Result<(), TreeError> {
        let unreadable = |error| TreeError::io("look at", &source, error);
        let metadata = fs::symlink_metadata(&source).map_err(unreadable)?;
        if !metadata.is_symlink() {
            return self.plain(source, path, depth, &metadata);
        }
        let target = fs::read_link(&source).map_err(unreadable)?;
        let real = match fs::canonicalize(&source) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(TreeError::LinkBroken { path, target });
            }
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(TreeError::LinkLoop { path });
            }
            Err(error) => return Err(unreadable(error)),
        };
        if !real.starts_with(self.root) {
            return Err(TreeError::LinkOut { path, target });
        }
        if source.starts_with(&real) {
            return Err(TreeError::LinkLoop { path });
        }
        let metadata = fs::metadata(&real).map_err(unreadable)?;
        self.plain(real, path, depth, &metadata)
    }

    fn plain(&mut self, source: PathBuf, path: String, depth: usize, metadata: &fs::Metadata) -> Result<(), TreeError> {
        if let Some(what) = special(metadata.file_type()) {
            return Err(TreeError::Special { path, what });
        }
        if metadata.is_dir() {
            return self.folder(&source, &format!("{path}/"), depth + 1);
        }
        self.bytes = self.bytes.saturating_add(metadata.len());
        if self.bytes > self.limits.bytes {
            return Err(TreeError::TooManyBytes { limit: self.limits.bytes });
        }
        if self.found.len() as u64 >= self.limits.files {
            return Err(TreeError::TooManyFiles { limit: self.limits.files });
        }
        self.found.push(Found { path, source, executable: is_executable(metadata) });
        Ok(())
    }
}
