//! What can go wrong with content.

use std::{
    io,
    path::{Path, PathBuf},
};

use windlass_kinds::Digest;

/// Why a blob could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No such content.
    #[error("content {digest} is not there")]
    NotFound {
        /// What was asked for.
        digest: Digest,
    },
    /// The bytes written are not those announced.
    #[error("the bytes have the digest {found}, not the expected {expected}")]
    Mismatch {
        /// What the writer was told.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// The bytes on disk are not those that were put there.
    #[error("content {digest} is damaged: its bytes have another digest")]
    Corrupt {
        /// Whose bytes.
        digest: Digest,
    },
    /// The content is sound but not what it was taken for.
    #[error("content {digest} is not {what}")]
    Malformed {
        /// Which.
        digest: Digest,
        /// What it was taken for, such as `a model manifest`.
        what: &'static str,
        /// What the reader stumbled over.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// More bytes than the reader was ready to take.
    #[error("content {digest} has {size} bytes, more than the {cap} allowed here")]
    TooLarge {
        /// Which.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        cap: u64,
    },
    /// A digest under an algorithm that this store does not keep content by.
    #[error("content is kept under sha256 only, not as {digest}")]
    Algorithm {
        /// The digest.
        digest: Digest,
    },
    /// A file of a model has a path that could lead out of its folder.
    #[error("`{path}` is not a path within a model; write it relative, with `/`, without `..`")]
    Path {
        /// The path.
        path: String,
    },
    /// A model without files.
    #[error("a model needs at least one file")]
    NoFiles,
    /// No room left where content is kept.
    #[error("no space left for content in `{}`", path.display())]
    Full {
        /// The file or folder that was written to.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refused something else.
    #[error("failed to {attempt} `{}`", path.display())]
    Io {
        /// What was attempted, as a verb: `read`, `write`, `rename`.
        attempt: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl BlobError {
    /// Wraps what the system said about a path; a full disk gets its own variant.
    pub(crate) fn io(attempt: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        let path = path.as_ref().to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
            _ => Self::Io { attempt, path, source },
        }
    }
}

/// Why a folder could not become content, or content a folder.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The content store did not answer as needed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The folder or one of its files could not be read or written.
    #[error("failed to {attempt} `{}`", path.display())]
    Io {
        /// What was attempted, as a verb.
        attempt: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something that is neither a file nor a folder.
    #[error("`{path}` is {what}; only files and folders can be kept")]
    Special {
        /// Relative to the folder.
        path: String,
        /// `a socket`, `a named pipe`, `a device`.
        what: &'static str,
    },
    /// A link to somewhere else.
    #[error("`{path}` is a link out of its folder, to `{}`; copy the file instead", target.display())]
    LinkOut {
        /// Relative to the folder.
        path: String,
        /// What the link says.
        target: PathBuf,
    },
    /// A link to nowhere.
    #[error("`{path}` is a link to `{}`, which is not there", target.display())]
    LinkBroken {
        /// Relative to the folder.
        path: String,
        /// What the link says.
        target: PathBuf,
    },
    /// A link to a folder that holds the link.
    #[error("`{path}` is a link to a folder around it, which has no end")]
    LinkLoop {
        /// Relative to the folder.
        path: String,
    },
    /// A file name that is not text.
    #[error("`{path}` has a name that is not UTF-8")]
    Name {
        /// The path, with the bad bytes replaced.
        path: String,
    },
    /// Too many files.
    #[error("the folder has more than {limit} files")]
    TooManyFiles {
        /// The limit.
        limit: u64,
    },
    /// Too many bytes.
    #[error("the folder has more than {limit} bytes")]
    TooManyBytes {
        /// The limit.
        limit: u64,
    },
    /// Folders within folders beyond reason.
    #[error("`{path}` lies more than {limit} folders deep")]
    TooDeep {
        /// Relative to the folder.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// A tree whose paths contradict each other or lead elsewhere.
    #[error("the tree {tree} names `{path}`, which {problem}")]
    Unsafe {
        /// The tree.
        tree: Digest,
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl TreeError {
    pub(crate) fn io(attempt: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        let path = path.as_ref().to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Blob(BlobError::Full { path, source }),
            _ => Self::Io { attempt, path, source },
        }
    }
}
