//! The log of a step: bounded on disk, readable while it grows.
//!
//! The first seven eighths of the limit go to the log file itself. What comes later goes to a folder beside it,
//! `<log>.tail/`, in segments named by the offset of their first byte; only the last few stay. So beginning and end of
//! any log survive, nothing is ever rewritten, and offsets always count the bytes that the step wrote. A disk that is
//! full costs log lines, never the step.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::mask::Mask;

/// Segments that stay.
const SEGMENTS: u64 = 8;

/// Returns the folder of the later segments of `log`.
pub fn tail_folder(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".tail");
    PathBuf::from(name)
}

/// Writes a log.
pub(crate) struct LogWriter {
    mask: Mask,
    clean: Vec<u8>,
    head: File,
    /// Bytes that go to the head, in all.
    head_limit: u64,
    /// The size of a segment, in bytes.
    segment: u64,
    tail: PathBuf,
    segments: VecDeque<u64>,
    current: Option<(File, u64)>,
    /// The offset of the next byte.
    position: u64,
    dropped: u64,
    /// Bytes of those that could not be written, and why the first could not.
    unwritten: u64,
    trouble: Option<io::Error>,
    at_line_start: bool,
}

impl LogWriter {
    /// Opens `path` for appending; it and what follows it never take more than `limit` bytes.
    pub(crate) fn open(path: &Path, limit: u64, secrets: &[String]) -> io::Result<Self> {
        let head = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let position = head.metadata()?.len();
        let segment = (limit / 8 / SEGMENTS).max(1);
        Ok(Self {
            mask: Mask::new(secrets),
            clean: Vec::new(),
            head,
            head_limit: limit - limit / 8,
            segment,
            tail: tail_folder(path),
            segments: VecDeque::new(),
            current: None,
            position,
            dropped: 0,
            unwritten: 0,
            trouble: None,
            at_line_start: true,
        })
    }

    /// Returns the log itself, open for appending.
    pub(super) fn file(&self) -> &File {
        &self.head
    }

    /// Takes output of the step.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let mut clean = std::mem::take(&mut self.clean);
        self.mask.push(bytes, &mut clean);
        self.place(&clean);
        clean.clear();
        self.clean = clean;
    }

    /// Takes a line of our own, marked as such, on a line of its own.
    pub(super) fn note(&mut self, text: &str) {
        self.finish();
        if !self.at_line_start {
            self.place(b"\n");
        }
        self.place(format!("windlass: {text}\n").as_bytes());
    }

    /// Writes what was held back.
    pub(crate) fn finish(&mut self) {
        let mut rest = Vec::new();
        self.mask.finish(&mut rest);
        self.place(&rest);
    }

    /// Returns the bytes that are no longer in the log.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns what kept lines from being written, in words; nothing where all were.
    pub(super) fn trouble(&mut self) -> Option<String> {
        let error = self.trouble.take()?;
        Some(format!("{} bytes of this log could not be written: {error}", self.unwritten))
    }

    fn place(&mut self, mut bytes: &[u8]) {
        self.at_line_start = bytes.last().map_or(self.at_line_start, |&byte| byte == b'\n');
        while !bytes.is_empty() {
            let room = self.room();
            let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            if let Err(error) = self.place_within(now) {
                self.dropped += now.len() as u64;
                self.unwritten += now.len() as u64;
                self.trouble.get_or_insert(error);
            }
            self.position += now.len() as u64;
            bytes = later;
        }
    }

    /// Returns how many bytes fit in the file that is written now; at least one.
    fn room(&self) -> u64 {
        match &self.current {
            None if self.position < self.head_limit => self.head_limit - self.position,
            Some((_, start)) if self.position < start + self.segment => start + self.segment - self.position,
            None | Some(_) => self.segment,
        }
    }

    fn place_within(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.position < self.head_limit {
            return self.head.write_all(bytes);
        }
        let full = self.current.as_ref().is_none_or(|(_, start)| self.position >= start + self.segment);
        if full {
            self.turn()?;
        }
        match &mut self.current {
            Some((file, _)) => file.write_all(bytes),
            None => Ok(()),
        }
    }

    /// Begins the next segment and lets the oldest go.
    fn turn(&mut self) -> io::Result<()> {
        if self.segments.is_empty() {
            fs::create_dir_all(&self.tail)?;
        }
        while self.segments.len() as u64 >= SEGMENTS {
            let oldest = self.segments.pop_front().unwrap_or_default();
            let path = self.tail.join(oldest.to_string());
            self.dropped += fs::metadata(&path).map_or(0, |metadata| metadata.len());
            fs::remove_file(path)?;
        }
        let path = self.tail.join(self.position.to_string());
        self.current = None;
        let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        self.segments.push_back(self.position);
        self.current = Some((file, self.position));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(path: &Path) -> u64 {
        fs::metadata(path).map_or(0, |metadata| metadata.len())
    }

    #[test]
    fn beginning_and_end_stay_within_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = LogWriter::open(&path, 6400, &[]).unwrap();
        for line in 0..10_000 {
            log.write(format!("{line:09}\n").as_bytes());
        }
        log.note("end");
        assert_eq!(size(&path), 5600);
        let mut starts: Vec<u64> = fs::read_dir(tail_folder(&path))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        starts.sort_unstable();
        assert_eq!(starts.len() as u64, SEGMENTS);
        let tail: u64 = starts.iter().map(|start| size(&tail_folder(&path).join(start.to_string()))).sum();
        assert!(5600 + tail <= 6400);
        assert_eq!(log.dropped() + 5600 + tail, log.position);
        let text: String = starts
            .iter()
            .map(|start| fs::read_to_string(tail_folder(&path).join(start.to_string())).unwrap())
            .collect();
        assert!(text.ends_with("000009999\nwindlass: end\n"), "{text}");
    }

    #[test]
    fn a_short_log_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, "before\n").unwrap();
        let mut log = LogWriter::open(&path, 6400, &["secret-1".to_owned()]).unwrap();
        log.write(b"token secret-");
        log.write(b"1\n");
        log.finish();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\ntoken ***\n");
        assert!(!tail_folder(&path).exists());
    }
}
