//! Folders as content.
//!
//! A folder becomes a [`Tree`]: its files, sorted by path, each a blob, and the tree's canonical JSON a blob too, so
//! that one digest stands for all of it. Kept are paths, bytes and whether a file may be executed; times, owners and
//! empty folders are not, so that equal results have equal digests. Links within the folder are kept as what they lead
//! to; sockets, pipes, devices and links out of the folder are refused by name.

mod checkout;
mod walk;

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::AsyncReadExt as _;
use windlass_kinds::{
    Digest,
    record::{Tree, TreeFile},
};

pub use self::checkout::checkout;
pub(crate) use self::checkout::lay_out;
use crate::{BlobError, BlobStore, TreeError, helpers};

/// Files that are hashed and written at the same time; enough to overlap their waits for the disk.
const AT_ONCE: usize = 8;

/// The largest blob taken for a tree, in bytes: a million files at about 256 bytes each.
const TREE_CAP: u64 = 256 << 20;

/// How much a folder may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeLimits {
    /// Files.
    pub files: u64,
    /// Bytes of all files together.
    pub bytes: u64,
    /// Folders within folders.
    pub depth: usize,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self { files: 1_000_000, bytes: 1 << 40, depth: 128 }
    }
}

/// Keeps a folder and returns its tree and the tree's digest.
pub async fn put_tree(store: &dyn BlobStore, folder: &Path, limits: &TreeLimits) -> Result<(Tree, Digest), TreeError> {
    let found = {
        let (folder, limits) = (folder.to_owned(), *limits);
        tokio::task::spawn_blocking(move || walk::walk(&folder, &limits))
            .await
            .map_err(|error| TreeError::io("list", "", std::io::Error::other(error)))??
    };
    let mut files: Vec<TreeFile> = stream::iter(found)
        .map(|found| async move {
            let (digest, size) = helpers::put_file(store, &found.source).await?;
            Ok::<_, TreeError>(TreeFile { path: found.path, digest, size, executable: found.executable })
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let tree = Tree { files };
    // The walk counted what it saw; a file may have grown since.
    if tree.size() > limits.bytes {
        return Err(TreeError::TooManyBytes { limit: limits.bytes });
    }
    put(store, tree).await
}

/// Keeps one file as a tree of one, under its own name, and returns the tree and its digest.
pub async fn put_single(store: &dyn BlobStore, file: &Path) -> Result<(Tree, Digest), TreeError> {
    let name = file.file_name().unwrap_or_default();
    let path = name.to_str().ok_or_else(|| TreeError::Name { path: name.to_string_lossy().into_owned() })?.to_owned();
    let metadata = tokio::fs::metadata(file).await.map_err(|error| TreeError::io("look at", file, error))?;
    if let Some(what) = walk::special(metadata.file_type()) {
        return Err(TreeError::Special { path, what });
    }
    if metadata.is_dir() {
        return Err(TreeError::Special { path, what: "a folder" });
    }
    let executable = is_executable(&metadata);
    let (digest, size) = helpers::put_file(store, file).await?;
    put(store, Tree { files: vec![TreeFile { path, digest, size, executable }] }).await
}

/// Reads a tree back.
pub async fn read_tree(store: &dyn BlobStore, digest: &Digest) -> Result<Tree, BlobError> {
    let bytes = helpers::read_all(store, digest, TREE_CAP).await?;
    serde_json::from_slice(&bytes).map_err(|error| BlobError::Malformed {
        digest: digest.clone(),
        what: "a tree of files",
        source: Some(error),
    })
}

/// Reads a tree back where the content looks like one, and nothing where it does not.
pub async fn tree_if_any(store: &dyn BlobStore, digest: &Digest) -> Result<Option<Tree>, BlobError> {
    let mut start = Vec::with_capacity(Tree::START.len());
    let mut reader = store.open(digest, Some(0..Tree::START.len() as u64)).await?;
    reader.read_to_end(&mut start).await.map_err(|error| BlobError::io("read", "", error))?;
    if start != Tree::START {
        return Ok(None);
    }
    read_tree(store, digest).await.map(Some)
}

async fn put(store: &dyn BlobStore, tree: Tree) -> Result<(Tree, Digest), TreeError> {
    let digest = helpers::put_bytes(store, &tree.to_bytes()).await?;
    Ok((tree, digest))
}

fn is_executable(metadata: &std::fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o111 != 0
}
