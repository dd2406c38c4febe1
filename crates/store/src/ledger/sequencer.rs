//! The sequencer: gives rows their places in the tree and publishes it.
//!
//! Order is decided in the database, once: a row's leaf index never changes. Files follow from it, so whatever a crash
//! leaves unpublished is published by the next pass, byte for byte the same. The checkpoint is written last: a reader
//! that trusts it finds everything below it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tlog_tiles::Checkpoint;

use super::{
    LedgerError,
    files::{self, CHECKPOINT, WIDTH, bundle, tile},
    key::{LedgerKey, open_checkpoint, public_key},
    tree::{Edge, Piece, tile_hashes, unframe},
};
use crate::{Fence, Store, StoreError, Tx, tx::args};

/// How many rows one pass sequences at most.
const BATCH: u32 = 4096;

/// What one call of [`Sequencer::sequence`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequenced {
    /// Entries that got their place in the published tree.
    pub added: u64,
    /// Entries in the tree.
    pub size: u64,
}

/// Publishes one store's ledger; one per store at a time.
pub struct Sequencer {
    store: Store,
    folder: PathBuf,
    key: Arc<LedgerKey>,
    // `None` after a failure: the next call finds out anew what is on disk.
    edge: Option<Edge>,
    /// The checkpoint as this sequencer wrote it last.
    checkpoint: Option<Vec<u8>>,
}

impl Sequencer {
    /// Prepares to publish into `<data>/ledger` with the key `<data>/keys/ledger`, which is made where it is missing.
    pub async fn open(store: Store, data: &Path) -> Result<Self, LedgerError> {
        let (folder, secret) = (data.join("ledger"), data.join("keys").join("ledger"));
        let ledger = folder.clone();
        let key = blocking(move || LedgerKey::open(&secret, &ledger)).await?;
        Ok(Self { store, folder, key: Arc::new(key), edge: None, checkpoint: None })
    }

    /// Publishes every row that was written before the call. Cheap where there is none: one query.
    pub async fn sequence(&mut self) -> Result<Sequenced, LedgerError> {
        self.sequence_under(None).await
    }

    /// As [`Sequencer::sequence`], for one of several servers over a database: the one whose `fence` still holds.
    pub async fn sequence_under(&mut self, fence: Option<Fence>) -> Result<Sequenced, LedgerError> {
        let mut edge = match self.edge.take() {
            Some(edge) => edge,
            None => self.take_up().await?,
        };
        let before = edge.size();
        loop {
            let known = edge.size();
            let (entries, unsequenced) = self
                .store
                .read(move |tx| Box::pin(async move { Ok((entries_from(tx, known).await?, unsequenced(tx).await?)) }))
                .await?;
            if entries.is_empty() && !unsequenced {
                if fence.is_some() && self.was_overwritten().await? {
                    edge = self.take_up().await?;
                    continue;
                }
                let sequenced = Sequenced { added: edge.size() - before, size: edge.size() };
                self.edge = Some(edge);
                return Ok(sequenced);
            }
            if entries.is_empty() {
                self.store.write_under(fence, |tx| Box::pin(assign(tx))).await?;
                continue;
            }
            if let Some(fence) = fence {
                // Another may lead by now and have published more: an older checkpoint must not take the place of its own.
                self.store.write(move |tx| Box::pin(tx.fence(fence))).await?;
            }
            edge = self.publish(edge, entries).await?;
        }
    }

    /// Returns whether the checkpoint is no longer the one written last: a server that led before was frozen between asking
    /// whether it still does and writing its own.
    async fn was_overwritten(&mut self) -> Result<bool, LedgerError> {
        let Some(own) = self.checkpoint.take() else { return Ok(false) };
        let path = self.folder.join(CHECKPOINT);
        let found = blocking(move || files::read(&path)).await?;
        if found.as_ref() != Some(&own) {
            return Ok(true);
        }
        self.checkpoint = found;
        Ok(false)
    }

    async fn publish(&mut self, mut edge: Edge, entries: Vec<String>) -> Result<Edge, LedgerError> {
        let (folder, key) = (self.folder.clone(), self.key.clone());
        let (edge, checkpoint) = blocking(move || {
            let mut pieces = Vec::new();
            for entry in &entries {
                edge.append(entry.as_bytes(), &mut pieces);
            }
            pieces.extend(edge.open_pieces());
            write_all(&folder, &pieces)?;
            let checkpoint = key.sign(edge.size(), edge.root());
            files::write(&folder.join(CHECKPOINT), &checkpoint, 0o644)?;
            for piece in pieces.iter().filter(|piece| piece.full) {
                // Narrower versions of a full tile serve nobody (tlog-tiles, "Partial tiles").
                let _ = std::fs::remove_dir_all(folder.join(format!("{}.p", piece.name)));
            }
            Ok((edge, checkpoint))
        })
        .await?;
        self.checkpoint = Some(checkpoint);
        Ok(edge)
    }

    /// Finds out where publishing stopped. Tiles that are missing or damaged are written again from the rows, if the
    /// rows still have the root that was signed.
    async fn take_up(&self) -> Result<Edge, LedgerError> {
        let folder = self.folder.clone();
        let (checkpoint, edge) = blocking(move || {
            let Some(checkpoint) = last_checkpoint(&folder)? else { return Ok((None, None)) };
            let edge = read_edge(&folder, checkpoint.size())?.filter(|edge| edge.root() == *checkpoint.hash());
            Ok((Some(checkpoint), edge))
        })
        .await?;
        let (Some(checkpoint), edge) = (checkpoint, edge) else { return Ok(Edge::default()) };
        let size = self.store.read(|tx| Box::pin(async move { assigned(tx).await })).await?;
        if size < checkpoint.size() {
            return Err(LedgerError::Diverged {
                what: format!(
                    "{} entries were published, but the database has {size}: it is older than the ledger's folder; \
                     restore both from the same moment",
                    checkpoint.size()
                ),
            });
        }
        match edge {
            Some(edge) => Ok(edge),
            None => self.rebuild(&checkpoint).await,
        }
    }

    async fn rebuild(&self, checkpoint: &Checkpoint) -> Result<Edge, LedgerError> {
        let (mut edge, mut pieces) = (Edge::default(), Vec::new());
        while edge.size() < checkpoint.size() {
            let known = edge.size();
            let entries = self.store.read(move |tx| Box::pin(async move { entries_from(tx, known).await })).await?;
            let missing = usize::try_from(checkpoint.size() - known).unwrap_or(usize::MAX);
            if entries.is_empty() {
                break;
            }
            for entry in entries.iter().take(missing) {
                edge.append(entry.as_bytes(), &mut pieces);
            }
        }
        if edge.root() != *checkpoint.hash() {
            return Err(LedgerError::Diverged {
                what: "tiles are damaged and the rows no longer have the root that was signed; \
                       `windlass ledger verify` says where"
                    .to_owned(),
            });
        }
        tracing::warn!(size = edge.size(), "the ledger's tiles were damaged and are written again from its rows");
        pieces.extend(edge.open_pieces());
        let folder = self.folder.clone();
        blocking(move || write_all(&folder, &pieces)).await?;
        Ok(edge)
    }
}

/// Runs work that waits for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, LedgerError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(LedgerError::Store(StoreError::Closed)),
    }
}

fn write_all(folder: &Path, pieces: &[Piece]) -> Result<(), LedgerError> {
    pieces.iter().try_for_each(|piece| files::write(&folder.join(&piece.name), &piece.bytes, 0o644))
}

fn last_checkpoint(folder: &Path) -> Result<Option<Checkpoint>, LedgerError> {
    let Some(bytes) = files::read(&folder.join(CHECKPOINT))? else { return Ok(None) };
    let Some(key) = public_key(folder)? else { return Ok(None) };
    open_checkpoint(&bytes, &key).map(Some).map_err(|what| LedgerError::Diverged {
        what: format!(
            "`{}` is not ours: {what}; restore keys/ledger and ledger/checkpoint from a backup",
            folder.join(CHECKPOINT).display()
        ),
    })
}

/// Reads the tiles that are not full; `None` where one is missing or has the wrong form.
fn read_edge(folder: &Path, size: u64) -> Result<Option<Edge>, LedgerError> {
    let mut levels = Vec::new();
    while size >> (8 * levels.len()) > 0 {
        let level = levels.len();
        let width = usize::try_from((size >> (8 * level)) % WIDTH as u64).unwrap_or(0);
        let mut hashes = Vec::new();
        if width > 0 {
            let Some(bytes) = files::read(&folder.join(tile(level, size >> (8 * (level + 1)), width)))? else {
                return Ok(None);
            };
            match tile_hashes(&bytes).filter(|hashes| hashes.len() == width) {
                Some(read) => hashes = read,
                None => return Ok(None),
            }
        }
        levels.push(hashes);
    }
    let width = usize::try_from(size % WIDTH as u64).unwrap_or(0);
    let mut bytes = Vec::new();
    if width > 0 {
        match files::read(&folder.join(bundle(size / WIDTH as u64, width)))? {
            Some(read) if unframe(&read).is_some_and(|entries| entries.len() == width) => bytes = read,
            Some(_) | None => return Ok(None),
        }
    }
    Ok(Some(Edge::restore(size, levels, bytes)))
}

async fn unsequenced(tx: &mut Tx) -> Result<bool, StoreError> {
    Ok(tx.row("SELECT place FROM ledger WHERE leaf IS NULL LIMIT 1", args![]).await?.is_some())
}

/// Returns how many rows have a place in the tree.
async fn assigned(tx: &mut Tx) -> Result<u64, StoreError> {
    let row = tx.row("SELECT COALESCE(MAX(leaf) + 1, 0) FROM ledger", args![]).await?;
    let size = row.map_or(Ok(0), |row| row.int(0))?;
    u64::try_from(size).map_err(|_| StoreError::corrupt("a ledger row with a negative index"))
}

/// Gives rows without a place the next ones, in the order they were written.
async fn assign(tx: &mut Tx) -> Result<(), StoreError> {
    let mut leaf = assigned(tx).await?;
    let rows = tx.rows("SELECT place FROM ledger WHERE leaf IS NULL ORDER BY place LIMIT $1", args![BATCH]).await?;
    for row in rows {
        tx.execute("UPDATE ledger SET leaf = $2 WHERE place = $1", args![row.int(0)?, leaf]).await?;
        leaf += 1;
    }
    Ok(())
}

/// Returns the next entries from index `from` on, without gaps.
async fn entries_from(tx: &mut Tx, from: u64) -> Result<Vec<String>, StoreError> {
    let rows =
        tx.rows("SELECT leaf, entry FROM ledger WHERE leaf >= $1 ORDER BY leaf LIMIT $2", args![from, BATCH]).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for (row, expected) in rows.iter().zip(from..) {
        if u64::try_from(row.int(0)?) != Ok(expected) {
            return Err(StoreError::corrupt(format!("the ledger row with index {expected} is missing")));
        }
        entries.push(row.text(1)?);
    }
    Ok(entries)
}
