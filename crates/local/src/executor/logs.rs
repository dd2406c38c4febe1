//! Reads logs, also while they grow. Offsets count the bytes that were written, kept or not; see `step::log`.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use windlass_control::LogChunk;

use crate::step::tail_folder;

/// The shortest piece: a whole character fits.
const LEAST: usize = 4;

/// Returns a piece of a log. An offset beyond the end gives no text and the end as `next`. `has_ended` says that
/// nothing more will be written.
pub(super) fn read(log: &Path, offset: u64, limit: usize, has_ended: bool) -> io::Result<LogChunk> {
    let limit = limit.max(LEAST);
    let head = File::open(log)?;
    let head_end = head.metadata()?.len();
    if offset < head_end {
        let bytes = read_at(head, offset, limit)?;
        let is_last = has_ended && !tail_folder(log).exists() && offset + bytes.len() as u64 >= head_end;
        return Ok(chunk(bytes, offset, is_last));
    }
    // A segment may go between listing and opening; then the list is read again.
    for _ in 0..10 {
        match read_tail(log, offset.max(head_end), limit, head_end, has_ended) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            answer => return answer,
        }
    }
    Ok(LogChunk { text: String::new(), next: offset, complete: false })
}

/// Returns all that is kept of a log up to now.
pub(super) fn read_all(log: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut offset = 0;
    loop {
        let chunk = read(log, offset, 1 << 20, true)?;
        text.push_str(&chunk.text);
        if chunk.complete || chunk.next == offset {
            return Ok(text);
        }
        offset = chunk.next;
    }
}

fn read_tail(log: &Path, offset: u64, limit: usize, head_end: u64, has_ended: bool) -> io::Result<LogChunk> {
    let segments = segments(log)?;
    let end = segments.last().map_or(head_end, |segment| segment.end);
    if offset >= end {
        return Ok(LogChunk { text: String::new(), next: end, complete: has_ended });
    }
    let Some(segment) = segments.iter().find(|segment| offset < segment.end) else {
        return Ok(LogChunk { text: String::new(), next: end, complete: has_ended });
    };
    if offset < segment.start {
        let text = format!("\nwindlass: {} bytes are left out here\n", segment.start - offset);
        return Ok(LogChunk { text, next: segment.start, complete: false });
    }
    let bytes = read_at(File::open(&segment.path)?, offset - segment.start, limit)?;
    let is_last = has_ended && offset + bytes.len() as u64 >= end;
    Ok(chunk(bytes, offset, is_last))
}

struct Segment {
    path: PathBuf,
    start: u64,
    end: u64,
}

/// Returns the segments of a log's end, in order.
fn segments(log: &Path) -> io::Result<Vec<Segment>> {
    let entries = match fs::read_dir(tail_folder(log)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut segments = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(start) = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()) {
            segments.push(Segment { path: entry.path(), start, end: start + entry.metadata()?.len() });
        }
    }
    segments.sort_by_key(|segment| segment.start);
    Ok(segments)
}

fn read_at(mut file: File, offset: u64, limit: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(limit.min(1 << 20));
    file.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a piece that ends where a character ends, but for the last of a log.
fn chunk(mut bytes: Vec<u8>, offset: u64, is_last: bool) -> LogChunk {
    if !is_last {
        bytes.truncate(bytes.len() - open_character(&bytes));
    }
    let next = offset + bytes.len() as u64;
    LogChunk { text: String::from_utf8_lossy(&bytes).into_owned(), next, complete: is_last }
}

/// Returns how many bytes at the end begin a character that goes on after it.
fn open_character(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let length = match byte {
            0x80..=0xBF => continue,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x00..=0x7F | 0xC0 | 0xC1 | 0xF5..=0xFF => 1,
        };
        return if length > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(log: &Path, limit: usize) -> String {
        let mut text = String::new();
        let mut offset = 0;
        loop {
            let chunk = read(log, offset, limit, true).unwrap();
            text.push_str(&chunk.text);
            offset = chunk.next;
            if chunk.complete {
                return text;
            }
        }
    }

    #[test]
    fn characters_stay_whole() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        let text = "aé€𝄞".repeat(20);
        fs::write(&log, &text).unwrap();
        for limit in 0..20 {
            assert_eq!(all(&log, limit), text, "{limit}");
        }
    }

    #[test]
    fn an_open_character_waits_for_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        fs::write(&log, [b'a', 0xE2, 0x82]).unwrap();
        let going_on = read(&log, 0, 100, false).unwrap();
        assert_eq!((going_on.text.as_str(), going_on.next, going_on.complete), ("a", 1, false));
        let ended = read(&log, 0, 100, true).unwrap();
        assert_eq!((ended.text.as_str(), ended.next, ended.complete), ("a\u{fffd}", 3, true));
    }

    #[test]
    fn the_end_follows_the_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        fs::write(&log, "begin\n").unwrap();
        assert_eq!(read(&log, 99, 100, false).unwrap().next, 6);
        assert!(read(&log, 6, 100, true).unwrap().complete);
        fs::create_dir(tail_folder(&log)).unwrap();
        fs::write(tail_folder(&log).join("1000"), "almost\n").unwrap();
        fs::write(tail_folder(&log).join("1007"), "end\n").unwrap();
        assert_eq!(all(&log, 100), "begin\n\nwindlass: 994 bytes are left out here\nalmost\nend\n");
        assert_eq!(read(&log, u64::MAX, 100, false).unwrap().next, 1011);
    }
}
