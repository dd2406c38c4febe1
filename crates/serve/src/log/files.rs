//! The files of a log: their names, their order, and which of them are old or too many.
//!
//! A folder holds segments that are still frames (`0000000012.segment`) and closed ones (`0000000012-0-AT.parquet`,
//! where 0 counts the files that one segment became and AT is the instant of its last prediction, microseconds since
//! 1970). So order and age are known without opening a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use windlass_kinds::Micros;

/// What lies in a log's folder, oldest first.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Segments that are still frames.
    pub(super) segments: Vec<Segment>,
    /// Closed segments.
    pub(super) closed: Vec<Closed>,
    /// What a crash left half written.
    pub(super) leftovers: Vec<PathBuf>,
}

/// A segment that is still frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
}

/// A Parquet file with predictions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) number: u64,
    pub(super) part: usize,
    /// When the last prediction in it was made.
    pub(super) last_at: Micros,
    /// In bytes.
    pub(super) size: u64,
    pub(super) path: PathBuf,
}

/// Returns the path of a segment.
pub(super) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.segment"))
}

/// Returns the path of a closed segment's part.
pub(super) fn closed_path(folder: &Path, number: u64, part: usize, last_at: Micros) -> PathBuf {
    folder.join(format!("{number:010}-{part}-{}.parquet", last_at.0.max(0)))
}

/// Looks into a log's folder. Files of other names are nobody's here and left alone.
pub(super) fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.ends_with(".partial") {
            listing.leftovers.push(path);
        } else if let Some(number) = name.strip_suffix(".segment").and_then(|stem| stem.parse().ok()) {
            listing.segments.push(Segment { number, path });
        } else if let Some((number, part, last_at)) = name.strip_suffix(".parquet").and_then(parse_closed) {
            // A file that goes away while we look is retention's doing.
            let Ok(meta) = entry.metadata() else { continue };
            listing.closed.push(Closed { number, part, last_at, size: meta.len(), path });
        }
    }
    listing.segments.sort_by_key(|segment| segment.number);
    listing.closed.sort_by_key(|closed| (closed.number, closed.part));
    Ok(listing)
}

fn parse_closed(stem: &str) -> Option<(u64, usize, Micros)> {
    let mut parts = stem.splitn(3, '-');
    let (number, part, at) = (parts.next()?, parts.next()?, parts.next()?);
    Some((number.parse().ok()?, part.parse().ok()?, Micros(at.parse().ok()?)))
}

impl Listing {
    /// Returns the number for the next segment: above all that are there.
    pub(super) fn next_number(&self) -> u64 {
        let segment = self.segments.last().map_or(0, |segment| segment.number);
        let closed = self.closed.last().map_or(0, |closed| closed.number);
        segment.max(closed) + 1
    }
}

/// Returns what is to be removed: what is older than `retention`, and of the rest the oldest, until at most `max_size`
/// bytes are left.
pub(super) fn outdated(
    closed: &[Closed],
    now: Micros,
    retention: Option<Duration>,
    max_size: Option<u64>,
) -> Vec<&Closed> {
    let mut size: u64 = closed.iter().map(|file| file.size).sum();
    let mut removed = Vec::new();
    for file in closed {
        let is_old = retention.is_some_and(|retention| now.since(file.last_at) > retention);
        if is_old || max_size.is_some_and(|max| size > max) {
            size -= file.size;
            removed.push(file);
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(number: u64, last_at: i64, size: u64) -> Closed {
        Closed { number, part: 0, last_at: Micros(last_at), size, path: PathBuf::new() }
    }

    #[test]
    fn old_and_surplus_files_go_oldest_first() {
        let files = [closed(1, 10, 5), closed(2, 20, 5), closed(3, 30, 5)];
        let micros = Duration::from_micros;
        for (now, retention, max_size, expected) in [
            (100, None, None, vec![]),
            (100, Some(micros(1000)), Some(15), vec![]),
            (100, Some(micros(75)), None, vec![1, 2]),
            (100, Some(micros(80)), None, vec![1]),
            (100, None, Some(14), vec![1]),
            (100, None, Some(4), vec![1, 2, 3]),
            (100, Some(micros(85)), Some(5), vec![1, 2]),
            // A clock that went back makes nothing old.
            (0, Some(micros(1)), None, vec![]),
        ] {
            let removed: Vec<u64> =
                outdated(&files, Micros(now), retention, max_size).iter().map(|f| f.number).collect();
            assert_eq!(removed, expected, "now {now}, {retention:?}, {max_size:?}");
        }
    }

    #[test]
    fn names_tell_order_and_age() {
        let folder = tempfile::tempdir().expect("a folder");
        for path in [
            closed_path(folder.path(), 12, 1, Micros(99)),
            closed_path(folder.path(), 12, 0, Micros(98)),
            closed_path(folder.path(), 2, 0, Micros(-5)),
            segment_path(folder.path(), 13),
            folder.path().join("0000000013-0-1.parquet.partial"),
            folder.path().join("notes.txt"),
            folder.path().join("x-0-1.parquet"),
        ] {
            fs::write(path, b"abc").expect("written");
        }
        let listing = list(folder.path()).expect("listed");
        let seen: Vec<_> = listing.closed.iter().map(|f| (f.number, f.part, f.last_at.0, f.size)).collect();
        assert_eq!(seen, [(2, 0, 0, 3), (12, 0, 98, 3), (12, 1, 99, 3)]);
        assert_eq!(listing.segments.iter().map(|s| s.number).collect::<Vec<_>>(), [13]);
        assert_eq!((listing.leftovers.len(), listing.next_number()), (1, 14));
    }
}
