//! Checks a ledger: files, rows, records and content against each other and against the signature.
//!
//! Every leaf exists three times: in a bundle of entries, as a hash in a tile, and as a row. [`tree`] finds out which of
//! them the signed root speaks for and names the others. Bodies are held by their entries, records by the newest body
//! about them, content by its own digest. A checkpoint that was kept elsewhere shows whether everything was rewritten
//! and signed anew.

mod records;
mod rows;
mod tracking;
mod tree;

use std::path::Path;

use serde::Serialize;
use windlass_kinds::Digest;

use super::{
    LedgerError,
    files::{self, CHECKPOINT, PUBLIC_KEY},
    key::{open_checkpoint, public_key},
};
use crate::Store;

/// Returns the digest that the bytes stored under a digest really have; `None` where there are none.
pub type BlobCheck = dyn Fn(&Digest) -> std::io::Result<Option<Hashed>> + Send + Sync;

/// What the bytes of a blob are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// The digest that they really have.
    pub digest: Digest,
    /// The files of the folder that it stands for, if it does.
    pub files: Vec<Digest>,
}

/// One thing that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Where: a file, a row, a digest with its holders.
    pub place: String,
    /// What was expected and what was found.
    pub what: String,
}

/// What was checked and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VerifyReport {
    /// Entries in the published tree.
    pub entries: u64,
    /// Tiles and bundles read.
    pub files: u64,
    /// Ledger rows read.
    pub rows: u64,
    /// Ledger rows that are not in the published tree yet.
    pub unpublished: u64,
    /// Ledger rows whose body was erased.
    pub erased: u64,
    /// Record rows compared with the ledger.
    pub records: u64,
    /// Blobs whose bytes were hashed.
    pub blobs: u64,
    /// What is wrong; empty means everything holds.
    pub damage: Vec<Damage>,
}

impl VerifyReport {
    fn damage(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.damage.push(Damage { place: place.into(), what: what.into() });
    }
}

/// Checks the ledger in `folder` (`<data>/ledger`).
///
/// With a `store` its rows and records are checked too; with `kept`, a checkpoint from elsewhere, that the present tree
/// continues it; with `blobs`, that content is what its digest says.
pub async fn verify(
    folder: &Path,
    store: Option<&Store>,
    kept: Option<&[u8]>,
    blobs: Option<&BlobCheck>,
) -> Result<VerifyReport, LedgerError> {
    let mut report = VerifyReport::default();
    let rows = match store {
        Some(store) => Some(rows::check(store, &mut report).await?),
        None => None,
    };
    let key = match public_key(folder) {
        Err(LedgerError::Key { path: _, what }) => {
            report.damage(PUBLIC_KEY, format!("it is not a key: {what}"));
            return finish(store, rows, blobs, report).await;
        }
        key => key?,
    };
    let checkpoint = files::read(&folder.join(CHECKPOINT))?;
    match (&key, &checkpoint) {
        (Some(key), Some(bytes)) => match open_checkpoint(bytes, key) {
            Ok(checkpoint) => {
                let kept = kept.and_then(|kept| {
                    open_checkpoint(kept, key).map_err(|what| report.damage("the checkpoint kept elsewhere", what)).ok()
                });
                let kept = kept.map(|kept| (kept.size(), *kept.hash()));
                let leaves = rows.as_ref().map(|rows| rows.leaves.as_slice());
                tree::check(folder, checkpoint.size(), *checkpoint.hash(), leaves, kept, &mut report)?;
            }
            Err(what) => report.damage(CHECKPOINT, what),
        },
        (None, Some(_)) => report.damage(PUBLIC_KEY, "the key to check signatures with is missing"),
        (_, None) if folder.join("tile").exists() => report.damage(CHECKPOINT, "it is missing, but there are tiles"),
        (_, None) if kept.is_some() => report.damage(CHECKPOINT, "it is missing, but one was kept elsewhere"),
        (_, None) => {}
    }
    finish(store, rows, blobs, report).await
}

/// Checks what does not depend on the published tree.
async fn finish(
    store: Option<&Store>,
    rows: Option<rows::Rows>,
    blobs: Option<&BlobCheck>,
    mut report: VerifyReport,
) -> Result<VerifyReport, LedgerError> {
    if let (Some(store), Some(rows)) = (store, rows) {
        let missing = rows.missing_before(report.entries);
        for index in missing {
            report.damage(format!("row of ledger, index {index}"), "it is missing");
        }
        records::check(store, &rows, &mut report).await?;
        tracking::check(store, &rows, &mut report).await?;
        if let Some(blobs) = blobs {
            records::check_blobs(store, blobs, &mut report).await?;
        }
    }
    Ok(report)
}
