//! The published tree: which of the copies of a leaf the signed root speaks for, and which files and rows differ.

use std::path::Path;

use tlog_tiles::{Hash, record_hash};

use super::{
    super::{
        LedgerError,
        files::{self, CHECKPOINT, WIDTH, bundle, tile},
        tree::{root, tile_bytes, tile_hashes, unframe},
    },
    VerifyReport,
};

/// The copies of up to 256 leaves.
struct Block {
    number: u64,
    width: usize,
    /// From the tile of hashes.
    tile: Option<Vec<Hash>>,
    /// From the bundle of entries.
    bundle: Option<Vec<Hash>>,
    /// From the rows, where all of them are there.
    rows: Option<Vec<Hash>>,
}

impl Block {
    fn copies(&self) -> [Option<&Vec<Hash>>; 3] {
        [self.tile.as_ref(), self.bundle.as_ref(), self.rows.as_ref()]
    }

    /// Returns the copies that differ, those that more sources agree on first.
    fn candidates(&self) -> Vec<&Vec<Hash>> {
        let mut distinct: Vec<(&Vec<Hash>, usize)> = Vec::new();
        for copy in self.copies().into_iter().flatten() {
            match distinct.iter_mut().find(|(known, _)| *known == copy) {
                Some((_, count)) => *count += 1,
                None => distinct.push((copy, 1)),
            }
        }
        distinct.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        distinct.into_iter().map(|(copy, _)| copy).collect()
    }
}

/// Checks bundles, tiles and the hashes of rows against `expected`, the signed root over `size` leaves, and the tree
/// against `kept`, an older size and root.
pub(super) fn check(
    folder: &Path,
    size: u64,
    expected: Hash,
    rows: Option<&[Option<Hash>]>,
    kept: Option<(u64, Hash)>,
    report: &mut VerifyReport,
) -> Result<(), LedgerError> {
    report.entries = size;
    let blocks = read_blocks(folder, size, rows, report)?;
    let parents = read_parents(folder, size, report)?;
    let Some(leaves) = choose(&blocks, &parents, expected) else {
        report.damage("tile", "too many copies of its leaves are missing or damaged to rebuild the tree");
        return Ok(());
    };
    if root(&leaves) != expected {
        report.damage(CHECKPOINT, format!("it signs another tree of {size} entries than the files and rows hold"));
    }
    for block in &blocks {
        blame(block, &leaves, rows, report);
    }
    check_upper(folder, size, &leaves, report)?;
    check_kept(&leaves, kept, report);
    Ok(())
}

/// Returns the range of leaves of a block.
fn range(block: &Block) -> std::ops::Range<usize> {
    let start = usize::try_from(block.number).unwrap_or(usize::MAX).saturating_mul(WIDTH);
    start..start + block.width
}

fn read_blocks(
    folder: &Path,
    size: u64,
    rows: Option<&[Option<Hash>]>,
    report: &mut VerifyReport,
) -> Result<Vec<Block>, LedgerError> {
    let mut blocks = Vec::new();
    for number in 0..size.div_ceil(WIDTH as u64) {
        let width = usize::try_from((size - number * WIDTH as u64).min(WIDTH as u64)).unwrap_or(WIDTH);
        let name = tile(0, number, width);
        let hashes = piece(folder, &name, report)?.and_then(|bytes| whole(tile_hashes(&bytes), width, &name, report));
        let name = bundle(number, width);
        let entries = piece(folder, &name, report)?.and_then(|bytes| {
            let hashes = unframe(&bytes).map(|entries| entries.into_iter().map(record_hash).collect());
            whole(hashes, width, &name, report)
        });
        let mut block = Block { number, width, tile: hashes, bundle: entries, rows: None };
        block.rows = rows.and_then(|rows| rows.get(range(&block))?.iter().copied().collect());
        blocks.push(block);
    }
    Ok(blocks)
}

fn piece(folder: &Path, name: &str, report: &mut VerifyReport) -> Result<Option<Vec<u8>>, LedgerError> {
    let bytes = files::read(&folder.join(name))?;
    match &bytes {
        Some(_) => report.files += 1,
        None => report.damage(name, "it is missing"),
    }
    Ok(bytes)
}

fn whole(hashes: Option<Vec<Hash>>, width: usize, name: &str, report: &mut VerifyReport) -> Option<Vec<Hash>> {
    let whole = hashes.filter(|hashes| hashes.len() == width);
    if whole.is_none() {
        report.damage(name, format!("its lengths do not add up to {width} entries"));
    }
    whole
}

/// Returns what the tiles of level 1 say of each full block; they are judged later, with the upper levels.
fn read_parents(folder: &Path, size: u64, report: &mut VerifyReport) -> Result<Vec<Option<Hash>>, LedgerError> {
    let full = size / WIDTH as u64;
    let mut parents = Vec::new();
    for number in 0..full.div_ceil(WIDTH as u64) {
        let width = usize::try_from((full - number * WIDTH as u64).min(WIDTH as u64)).unwrap_or(WIDTH);
        let name = tile(1, number, width);
        let hashes = piece(folder, &name, report)?.and_then(|bytes| whole(tile_hashes(&bytes), width, &name, report));
        match hashes {
            Some(hashes) => parents.extend(hashes.into_iter().map(Some)),
            None => parents.extend(std::iter::repeat_n(None, width)),
        }
    }
    Ok(parents)
}

/// Returns the leaves that the root speaks for, or the likeliest; `None` where a block has no copy left.
fn choose(blocks: &[Block], parents: &[Option<Hash>], expected: Hash) -> Option<Vec<Hash>> {
    let mut leaves = Vec::new();
    for block in blocks {
        let candidates = block.candidates();
        let parent = usize::try_from(block.number).ok().and_then(|number| parents.get(number).copied().flatten());
        let proven = candidates.iter().find(|copy| Some(root(copy)) == parent);
        leaves.extend_from_slice(proven.or(candidates.first())?);
    }
    // The last block, when it is not full, has no parent: there the root itself decides.
    if let Some(last) = blocks.last().filter(|last| last.width < WIDTH) {
        for candidate in last.candidates() {
            let mut tried = leaves[..range(last).start].to_vec();
            tried.extend_from_slice(candidate);
            if root(&tried) == expected {
                return Some(tried);
            }
        }
    }
    Some(leaves)
}

/// Names each copy of a leaf that is not the chosen one.
fn blame(block: &Block, leaves: &[Hash], rows: Option<&[Option<Hash>]>, report: &mut VerifyReport) {
    let range = range(block);
    let chosen = &leaves[range.clone()];
    for (copy, name) in
        [(&block.tile, tile(0, block.number, block.width)), (&block.bundle, bundle(block.number, block.width))]
    {
        for (hash, index) in copy.iter().flatten().zip(range.clone()).filter(|(hash, index)| **hash != leaves[*index]) {
            report.damage(&name, format!("the entry with index {index} is not the one signed (its hash is {hash})"));
        }
    }
    for (index, hash) in range.zip(chosen) {
        if let Some(Some(found)) = rows.and_then(|rows| rows.get(index))
            && found != hash
        {
            report.damage(format!("row of ledger, index {index}"), "column entry is not the one signed");
        }
    }
}

/// Checks the levels above the leaves against what the leaves make of them.
fn check_upper(folder: &Path, size: u64, leaves: &[Hash], report: &mut VerifyReport) -> Result<(), LedgerError> {
    let mut below = leaves.to_vec();
    let mut level = 0;
    while size >> (8 * (level + 1)) > 0 {
        level += 1;
        let hashes: Vec<Hash> = below.chunks_exact(WIDTH).map(root).collect();
        for (number, expected) in hashes.chunks(WIDTH).enumerate() {
            let name = tile(level, number as u64, expected.len());
            // Level 1 was read before, and said whether it is there and whole.
            let bytes = if level == 1 { files::read(&folder.join(&name))? } else { piece(folder, &name, report)? };
            let Some(bytes) = bytes.filter(|bytes| *bytes != tile_bytes(expected)) else { continue };
            match tile_hashes(&bytes).filter(|hashes| hashes.len() == expected.len()) {
                Some(found) => {
                    for (place, _) in
                        found.iter().zip(expected).enumerate().filter(|(_, (found, expected))| found != expected)
                    {
                        report.damage(&name, format!("hash {place} is not that of the tile below it"));
                    }
                }
                None if level == 1 => {}
                None => report.damage(&name, format!("its length is not that of {} hashes", expected.len())),
            }
        }
        below = hashes;
    }
    Ok(())
}

fn check_kept(leaves: &[Hash], kept: Option<(u64, Hash)>, report: &mut VerifyReport) {
    let Some((size, expected)) = kept else { return };
    match usize::try_from(size).ok().and_then(|size| leaves.get(..size)) {
        None => report.damage(
            "the checkpoint kept elsewhere",
            format!("it signs {size} entries, the tree has {}: entries were taken away", leaves.len()),
        ),
        Some(then) if root(then) != expected => report.damage(
            "the checkpoint kept elsewhere",
            format!("it signs other entries 0 to {} than the tree has: history was rewritten", size.saturating_sub(1)),
        ),
        Some(_) => {}
    }
}
