//! Dataset versions and the trees of content.

use serde::{Deserialize, Serialize};

use crate::{Digest, Micros, Name, canonical};

/// One file of a dataset version or of a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileEntry {
    /// The path relative to the folder, with `/`, never `..`.
    pub path: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// A folder as content: its files sorted by path. Its digest is that of its canonical JSON, which is itself a blob.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tree {
    /// The files, sorted by path.
    pub files: Vec<TreeFile>,
}

/// One file of a [`Tree`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TreeFile {
    /// The path relative to the folder, with `/`, never `..`.
    pub path: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it may be executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

impl Tree {
    /// How the canonical bytes of every tree begin.
    pub const START: &[u8] = b"{\"files\":[";

    /// Returns the canonical bytes, the blob that stands for the tree.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::to_bytes(self)
    }

    /// Returns the digest of [`Tree::to_bytes`].
    pub fn digest(&self) -> Digest {
        Digest::sha256(self.to_bytes())
    }

    /// Returns the sum of the sizes, in bytes.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// Whether pipelines may use a dataset version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatasetVersionState {
    /// Every file met every expectation.
    Accepted,
    /// At least one new file failed; nothing starts on it.
    Rejected,
}

/// One observed state of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetVersion {
    /// The project.
    pub project: Name,
    /// The dataset.
    pub dataset: Name,
    /// Counts from 1, rejected versions included.
    pub number: u32,
    /// Accepted or rejected.
    pub state: DatasetVersionState,
    /// The digest of `files` in canonical form: equal means the same data.
    pub digest: Digest,
    /// The files, sorted by path. In a rejected version the failing ones are here too.
    pub files: Vec<FileEntry>,
    /// Rows in all files together, where the format counts them.
    pub rows: Option<u64>,
    /// Paths that the last accepted version lacks.
    pub added: Vec<String>,
    /// Paths whose bytes differ from the last accepted version.
    pub changed: Vec<String>,
    /// Paths that the last accepted version has and this one lacks.
    pub removed: Vec<String>,
    /// Files left out because they failed before and were not replaced since.
    pub omitted: Vec<OmittedFile>,
    /// What failed, where the version is rejected.
    pub failures: Vec<ExpectationFailure>,
    /// When it was observed.
    pub created_at: Micros,
}

/// A file that later versions leave out until it is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OmittedFile {
    /// Its path.
    pub path: String,
    /// The version that was rejected for it.
    pub rejected_in: u32,
    /// Why, in one line.
    pub reason: String,
}

/// One expectation that one file did not meet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpectationFailure {
    /// The file.
    pub path: String,
    /// The column, where the expectation is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The rule as written: `max <= 1500`, `nulls <= 0.05`, `readable`.
    pub expectation: String,
    /// What was seen, with numbers and where: `1713 (row 4021)`.
    pub observed: String,
}

impl std::fmt::Display for ExpectationFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)?;
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": expected {}, found {}", self.expectation, self.observed)
    }
}

/// What is remembered of a file on disk, so that an untouched file is not read again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedFile {
    /// The path relative to the folder.
    pub path: String,
    /// Identity on disk: size, modification time (nanoseconds), inode. Any change means "read again".
    pub stamp: FileStamp,
    /// The digest of its bytes when it was judged.
    pub digest: Digest,
    /// Rows, where the format counts them.
    pub rows: Option<u64>,
    /// What it failed; empty means accepted.
    pub failures: Vec<ExpectationFailure>,
    /// The version that was rejected for it, where it failed.
    pub rejected_in: Option<u32>,
}

/// What tells two states of a file apart without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileStamp {
    /// Size in bytes.
    pub size: u64,
    /// Modification time, nanoseconds since the epoch.
    pub modified_ns: i64,
    /// Inode, 0 where the source has none.
    pub inode: u64,
}
