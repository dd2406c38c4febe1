//! The one that writes: takes frames from all requests and hands them to the system.
//!
//! A disk may make it wait, and the threads that answer requests must not. So it has a thread of its own, which takes as
//! many frames at once as came and answers each. But the way to another thread and back costs several times what a write
//! costs that only copies to the system's memory, as nearly all do: while writes were quick, whoever has a frame and
//! finds the writer free writes it by itself. Forcing to disk is another thread's, so that no request waits for that.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, TryLockError, mpsc as blocking},
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};
use windlass_kinds::Micros;

use super::{Clock, files, keeper, segment::OpenSegment, status::Counts, syncer::Changes};

/// The most bytes that are handed to the system at once, unless one frame has more.
const BATCH: usize = 1 << 20;
/// How often a trouble that goes on is said again.
const REPEAT: Duration = Duration::from_secs(60);

/// A write that takes longer than this has waited for a disk; the next ones are left to the writer's own thread.
const QUICK: Duration = Duration::from_millis(5);

/// The most bytes that are written by whoever has them.
const AT_ONCE: usize = 64 << 10;

/// What the writer is asked.
#[derive(Debug)]
pub(super) enum Command {
    /// Write a frame. The answer says whether the system has it.
    Append { frame: Vec<u8>, rows: u64, done: oneshot::Sender<bool> },
    /// Leave the open segment to the keeper, where it was begun before the instant (always where none is given).
    Rotate { begun_before: Option<Micros>, done: oneshot::Sender<()> },
    /// End. What comes later is not written.
    Stop,
}

/// Owns the open segment.
pub(super) struct Writer {
    pub(super) folder: PathBuf,
    /// The length in bytes at which a segment is closed.
    pub(super) segment_max: u64,
    pub(super) next_number: u64,
    pub(super) clock: Clock,
    pub(super) counts: Arc<Counts>,
    pub(super) keeper: blocking::Sender<keeper::Command>,
    pub(super) changes: Changes,
    pub(super) open: Option<Open>,
    /// When the trouble that goes on was last said.
    pub(super) said: Option<Instant>,
    /// Whether the last write was.
    pub(super) is_quick: bool,
}

/// The writer, for its own thread and for whoever has a frame. Empty once it ended.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Option<Writer>>>);

impl Shared {
    pub(super) fn new(writer: Writer) -> Self {
        Self(Arc::new(Mutex::new(Some(writer))))
    }

    /// Writes a frame on the thread that asks, where that will take next to no time. Returns whether the system has it;
    /// nothing where the writer's own thread is to be asked. The first write that a disk makes wait holds up one thread;
    /// it finds the next ones left to the writer's own.
    pub(super) fn write_at_once(&self, frame: &[u8], rows: u64) -> Option<bool> {
        if frame.len() > AT_ONCE {
            return None;
        }
        let mut writer = match self.0.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => return None,
        };
        let writer = writer.as_mut().filter(|writer| writer.is_quick)?;
        Some(writer.append(frame, rows))
    }

    /// Does something with the writer, where it has not ended.
    fn with<T>(&self, work: impl FnOnce(&mut Writer) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(work)
    }

    /// Writes until told to stop, or until nobody can ask any more.
    pub(super) fn run(&self, commands: mpsc::Receiver<Command>) {
        self.work(commands);
        // With it go the channels to the other threads, which end by that.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn work(&self, mut commands: mpsc::Receiver<Command>) {
        let mut next = commands.blocking_recv();
        while let Some(command) = next.take() {
            match command {
                Command::Stop => return,
                Command::Rotate { begun_before, done } => {
                    self.with(|writer| writer.rotate_if(begun_before));
                    let _ = done.send(());
                }
                Command::Append { frame, rows, done } => {
                    let mut frames = frame;
                    let mut waiting = vec![(rows, done)];
                    while frames.len() < BATCH {
                        match commands.try_recv() {
                            Ok(Command::Append { frame, rows, done }) => {
                                frames.extend_from_slice(&frame);
                                waiting.push((rows, done));
                            }
                            Ok(other @ (Command::Rotate { .. } | Command::Stop)) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    let rows = waiting.iter().map(|(rows, _)| rows).sum();
                    let is_written = self.with(|writer| writer.append(&frames, rows)).unwrap_or(false);
                    for (_, done) in waiting {
                        // A request that gave up waiting does not hear it.
                        let _ = done.send(is_written);
                    }
                }
            }
            if next.is_none() {
                next = commands.blocking_recv();
            }
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// The segment that is written to.
pub(super) struct Open {
    segment: OpenSegment,
    number: u64,
    begun: Micros,
}

impl Writer {
    /// Leaves the open segment to the keeper, where it was begun before the instant (always where none is given).
    fn rotate_if(&mut self, begun_before: Option<Micros>) {
        if self.open.as_ref().is_some_and(|open| begun_before.is_none_or(|before| open.begun < before)) {
            self.rotate();
        }
    }

    /// Writes frames. Returns whether the system has them.
    fn append(&mut self, frames: &[u8], rows: u64) -> bool {
        let begun = Instant::now();
        let outcome = self.try_append(frames);
        self.is_quick = outcome.is_ok() && begun.elapsed() < QUICK;
        self.counts.move_on();
        match outcome {
            Ok(()) => {
                if let Some(since) = self.counts.add_written(rows) {
                    self.said = None;
                    tracing::info!(folder = %self.folder.display(), %since, "predictions are logged again");
                }
                true
            }
            Err(error) => {
                let lost = self.counts.add_lost(rows, (self.clock)(), || error.to_string());
                if self.said.is_none_or(|said| said.elapsed() >= REPEAT) {
                    self.said = Some(Instant::now());
                    let folder = self.folder.display();
                    tracing::error!(%folder, lost, "predictions are answered but not logged: {error}");
                }
                false
            }
        }
    }

    fn try_append(&mut self, frames: &[u8]) -> io::Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let number = self.next_number;
                let segment = OpenSegment::create(&files::segment_path(&self.folder, number))?;
                self.next_number += 1;
                self.changes.begin(segment.file());
                none.insert(Open { segment, number, begun: (self.clock)() })
            }
        };
        if let Err((error, is_lost)) = open.segment.append(frames) {
            if is_lost {
                self.rotate();
            }
            return Err(error);
        }
        self.changes.note(open.segment.file());
        if open.segment.length() >= self.segment_max {
            self.rotate();
        }
        Ok(())
    }

    /// Leaves the open segment to the keeper.
    fn rotate(&mut self) {
        if let Some(Open { segment: _, number, begun: _ }) = self.open.take() {
            let segment = files::Segment { number, path: files::segment_path(&self.folder, number) };
            let _ = self.keeper.send(keeper::Command::Close(segment));
        }
    }
}
