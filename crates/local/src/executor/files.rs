//! Knows which files of datasets still hold the bytes that their version says.
//!
//! A file is hashed once; after that its identity, size and times answer for it, as long as this process lives. A
//! file that changed within the last second is hashed again next time, because its times could not tell.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use windlass_kinds::{Digest, Hasher, record::FileEntry};

/// Files remembered at most; beyond that all are forgotten, which costs time and nothing else.
const MOST: usize = 100_000;

/// What was seen of files.
#[derive(Clone, Default)]
pub(super) struct KnownFiles(Arc<Mutex<HashMap<PathBuf, (Stamp, Digest)>>>);

/// What a file looks like from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileTrouble {
    #[error("file `{0}` is gone since its version was observed")]
    Gone(String),
    #[error("file `{path}` changed since its version was observed: {detail}")]
    Changed { path: String, detail: String },
    #[error("file `{0}` could not be read: {1}")]
    Read(String, io::Error),
    #[error("file `{0}` could not be linked: {1}")]
    Link(String, io::Error),
    #[error("`{0}` is no path within a dataset")]
    Name(String),
}

impl FileTrouble {
    /// Returns whether trying again could help.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Gone(_) | Self::Changed { .. } | Self::Name(_) => false,
            Self::Read(..) | Self::Link(..) => true,
        }
    }
}

impl KnownFiles {
    /// Makes sure that the file at `path` holds what `entry` says. Reads the file where nothing is known of it.
    pub(super) fn check(&self, path: &Path, entry: &FileEntry) -> Result<(), FileTrouble> {
        let read = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => FileTrouble::Gone(entry.path.clone()),
            _ => FileTrouble::Read(entry.path.clone(), error),
        };
        let changed = |detail: String| FileTrouble::Changed { path: entry.path.clone(), detail };
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if !metadata.is_file() {
            return Err(changed("it is no file".to_owned()));
        }
        let stamp = Stamp::of(&metadata);
        if stamp.size != entry.size {
            return Err(changed(format!("it has {} bytes, not {}", stamp.size, entry.size)));
        }
        let digest = match self.remembered(path, stamp) {
            Some(digest) => digest,
            None => {
                let digest = hash(&file).map_err(read)?;
                let after = Stamp::of(&file.metadata().map_err(read)?);
                if after == stamp && is_settled(&metadata) {
                    self.remember(path, stamp, digest.clone());
                }
                digest
            }
        };
        match digest == entry.digest {
            true => Ok(()),
            false => Err(changed(format!("its digest is {}…, not {}…", digest.short(), entry.digest.short()))),
        }
    }

    fn remembered(&self, path: &Path, stamp: Stamp) -> Option<Digest> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(path).filter(|(known, _)| *known == stamp).map(|(_, digest)| digest.clone())
    }

    fn remember(&self, path: &Path, stamp: Stamp, digest: Digest) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(path.to_owned(), (stamp, digest));
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Returns whether a file was left alone for a second, so that a later change shows in its times.
fn is_settled(metadata: &Metadata) -> bool {
    let changed = u64::try_from(metadata.ctime()).unwrap_or(0);
    let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + Duration::from_secs(changed));
    age.is_ok_and(|age| age > Duration::from_secs(2))
}

fn hash(mut file: &File) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let entry = FileEntry { path: "a.csv".to_owned(), digest: Digest::sha256("one"), size: 3 };
        let known = KnownFiles::default();
        let check = || known.check(&path, &entry).map_err(|error| error.to_string());
        assert_eq!(check(), Err("file `a.csv` is gone since its version was observed".to_owned()));
        fs::write(&path, "one").unwrap();
        assert_eq!(check(), Ok(()));
        fs::write(&path, "two").unwrap();
        assert!(check().unwrap_err().contains("its digest is"));
        fs::write(&path, "three").unwrap();
        assert!(check().unwrap_err().contains("it has 5 bytes, not 3"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(check().unwrap_err().contains("it is no file"));
    }

    #[test]
    fn an_old_file_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "one").unwrap();
        let known = KnownFiles::default();
        let stamp = Stamp::of(&path.metadata().unwrap());
        known.remember(&path, stamp, Digest::sha256("two"));
        let entry = FileEntry { path: "a.csv".to_owned(), digest: Digest::sha256("two"), size: 3 };
        assert!(known.check(&path, &entry).is_ok());
    }
}
