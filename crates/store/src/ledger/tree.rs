//! The Merkle tree's arithmetic (RFC 6962, section 2.1) over tiles of 256.
//!
//! An [`Edge`] is all that is needed to go on appending: per level of tiles the hashes of the last tile that is not full
//! yet, and the entries of the last bundle. Nothing is ever read back while it grows.

use tlog_tiles::{EMPTY_HASH, Hash, node_hash, record_hash};

use super::files::{WIDTH, bundle, tile};

/// A file of the tree: its name and bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Whether it will never change again.
    pub(super) full: bool,
}

/// The right edge of the tree.
#[derive(Debug, Clone, Default)]
pub(super) struct Edge {
    size: u64,
    /// Per level the hashes of the tile that is not full yet, at most 255.
    levels: Vec<Vec<Hash>>,
    /// The entries of the bundle that is not full yet, framed.
    bundle: Vec<u8>,
    /// Levels whose open tile changed since [`Edge::open_pieces`].
    changed: Vec<bool>,
}

impl Edge {
    /// Takes an edge up where it was left; `levels` and `bundle` are those of the tiles that are not full.
    pub(super) fn restore(size: u64, levels: Vec<Vec<Hash>>, bundle: Vec<u8>) -> Self {
        let changed = vec![false; levels.len()];
        Self { size, levels, bundle, changed }
    }

    /// Returns how many entries the tree has.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Appends an entry; tiles that became full are added to `full`.
    pub(super) fn append(&mut self, entry: &[u8], full: &mut Vec<Piece>) {
        frame(&mut self.bundle, entry);
        self.size += 1;
        if self.size.is_multiple_of(WIDTH as u64) {
            let bytes = std::mem::take(&mut self.bundle);
            full.push(Piece { name: bundle(self.size / WIDTH as u64 - 1, WIDTH), bytes, full: true });
        }
        self.push(0, record_hash(entry), full);
    }

    fn push(&mut self, level: usize, hash: Hash, full: &mut Vec<Piece>) {
        if self.levels.len() == level {
            self.levels.push(Vec::with_capacity(WIDTH));
            self.changed.push(false);
        }
        self.levels[level].push(hash);
        self.changed[level] = true;
        if self.levels[level].len() < WIDTH {
            return;
        }
        let hashes = std::mem::take(&mut self.levels[level]);
        let number = (self.size >> (8 * (level + 1))) - 1;
        full.push(Piece { name: tile(level, number, WIDTH), bytes: tile_bytes(&hashes), full: true });
        self.push(level + 1, root(&hashes), full);
    }

    /// Returns the tiles that are not full and changed since the last call.
    pub(super) fn open_pieces(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let width = usize::try_from(self.size % WIDTH as u64).unwrap_or(0);
        if width > 0 && self.changed.first() == Some(&true) {
            let name = bundle(self.size / WIDTH as u64, width);
            pieces.push(Piece { name, bytes: self.bundle.clone(), full: false });
        }
        for (level, hashes) in self.levels.iter().enumerate() {
            if self.changed[level] && !hashes.is_empty() {
                let name = tile(level, self.size >> (8 * (level + 1)), hashes.len());
                pieces.push(Piece { name, bytes: tile_bytes(hashes), full: false });
            }
            self.changed[level] = false;
        }
        pieces
    }

    /// Returns the root hash.
    pub(super) fn root(&self) -> Hash {
        let mut rest = None;
        for hashes in &self.levels {
            let nodes: Vec<Hash> = hashes.iter().copied().chain(rest).collect();
            rest = if nodes.is_empty() { None } else { Some(root(&nodes)) };
        }
        rest.unwrap_or(EMPTY_HASH)
    }
}

/// Adds an entry to a bundle: its length in two bytes, big-endian, then itself.
fn frame(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).expect("ledger_append bounds the length of entries");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// Returns the entries of a bundle; `None` where the lengths do not add up.
pub(super) fn unframe(mut bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        let (length, rest) = bundle.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        bundle = rest;
    }
    Some(entries)
}

/// Returns the bytes of a tile.
pub(super) fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Returns the hashes of a tile; `None` where its length is no multiple of a hash's.
pub(super) fn tile_hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// Returns the root over nodes of equal size, of which the last may be smaller; the empty root over none.
pub(super) fn root(nodes: &[Hash]) -> Hash {
    match nodes {
        [] => EMPTY_HASH,
        [one] => *one,
        nodes => {
            // The largest power of two that is smaller than the number of nodes.
            let split = 1 << (nodes.len() - 1).ilog2();
            node_hash(root(&nodes[..split]), root(&nodes[split..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: usize) -> Vec<u8> {
        format!("entry {number}").into_bytes()
    }

    #[test]
    fn the_edge_has_the_root_of_all_leaves_at_every_size() {
        let mut edge = Edge::default();
        let mut leaves = Vec::new();
        assert_eq!(edge.root(), EMPTY_HASH);
        for number in 0..1500 {
            edge.append(&entry(number), &mut Vec::new());
            leaves.push(record_hash(&entry(number)));
            if number < 20 || number % 37 == 0 || (number + 1) % 256 < 2 {
                assert_eq!(edge.root(), root(&leaves), "size {}", leaves.len());
            }
        }
    }

    #[test]
    fn pieces_hold_what_was_appended() {
        let (mut edge, mut pieces) = (Edge::default(), Vec::new());
        for number in 0..600 {
            edge.append(&entry(number), &mut pieces);
        }
        pieces.extend(edge.open_pieces());
        let mut names: Vec<_> = pieces.iter().map(|piece| piece.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "tile/0/000",
                "tile/0/001",
                "tile/0/002.p/88",
                "tile/1/000.p/2",
                "tile/entries/000",
                "tile/entries/001",
                "tile/entries/002.p/88"
            ]
        );
        let last = pieces.iter().find(|piece| piece.name == "tile/entries/002.p/88").unwrap();
        assert_eq!(unframe(&last.bytes).unwrap()[87], entry(599));
        let hashes = pieces.iter().find(|piece| piece.name == "tile/0/001").unwrap();
        assert_eq!(tile_hashes(&hashes.bytes).unwrap()[3], record_hash(&entry(259)));
        assert!(edge.open_pieces().is_empty(), "nothing changed since");
    }

    #[test]
    fn others_find_the_same_root() {
        struct Stored(Vec<Hash>);
        impl tlog_tiles::HashReader for Stored {
            fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
                Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
            }
        }
        let (mut edge, mut stored) = (Edge::default(), Stored(Vec::new()));
        for number in 0..700 {
            edge.append(&entry(number), &mut Vec::new());
            let hashes = tlog_tiles::stored_hashes(number as u64, &entry(number), &stored).unwrap();
            stored.0.extend(hashes);
        }
        assert_eq!(edge.root(), tlog_tiles::tree_hash(700, &stored).unwrap());
    }

    #[test]
    fn torn_bundles_are_noticed() {
        for bad in [&[0][..], &[0, 2, 65], &[0, 0, 9]] {
            assert!(unframe(bad).is_none(), "{bad:?}");
        }
    }
}
