//! The one that tidies: makes Parquet of closed segments, and removes what is old or too much.
//!
//! It has a thread of its own, since both take long and nobody who predicts waits for them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc as blocking},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use windlass_kinds::Micros;

use super::{Clock, LogError, LogSettings, close, files, status::Counts, writer};

/// How often it looks for what is due where nobody asks.
const EVERY: Duration = Duration::from_secs(60);

/// What the keeper is told.
#[derive(Debug)]
pub(super) enum Command {
    /// A segment is not written to any more.
    Close(files::Segment),
    /// Say which Parquet files there are, once all closed segments are among them.
    List(oneshot::Sender<Result<Vec<PathBuf>, LogError>>),
    /// End.
    Stop,
}

/// Owns everything in the folder but the open segment.
pub(super) struct Keeper {
    pub(super) folder: PathBuf,
    pub(super) settings: Arc<Mutex<LogSettings>>,
    pub(super) clock: Clock,
    pub(super) counts: Arc<Counts>,
    /// Closed segments that are still frames, oldest first.
    pub(super) pending: Vec<files::Segment>,
    pub(super) writer: mpsc::WeakSender<writer::Command>,
}

impl Keeper {
    /// Works until told to stop, or until the writer and all who ask are gone.
    pub(super) fn run(mut self, commands: &blocking::Receiver<Command>) {
        loop {
            let mut asked = Vec::new();
            match commands.recv_timeout(EVERY) {
                Ok(Command::Close(segment)) => self.pending.push(segment),
                Ok(Command::List(done)) => asked.push(done),
                Err(blocking::RecvTimeoutError::Timeout) => self.rotate_by_age(),
                Ok(Command::Stop) | Err(blocking::RecvTimeoutError::Disconnected) => return,
            }
            let closed = self.close_pending();
            let outcome = closed.and_then(|()| self.remove_outdated());
            self.note(outcome.as_ref().err());
            for done in asked {
                let listed = match &outcome {
                    Ok(()) => self.paths(),
                    Err(error) => Err(error.again()),
                };
                let _ = done.send(listed);
            }
        }
    }

    /// Asks the writer to close a segment that has been open for long; it comes back as [`Command::Close`].
    fn rotate_by_age(&self) {
        let Some(writer) = self.writer.upgrade() else { return };
        let age = i64::try_from(self.settings().segment_age.as_micros()).unwrap_or(i64::MAX);
        let begun_before = Some(Micros((self.clock)().0.saturating_sub(age)));
        // A writer that has no room for it is busy; the next round asks again.
        let _ = writer.try_send(writer::Command::Rotate { begun_before, done: oneshot::channel().0 });
    }

    /// Makes Parquet of what is closed, oldest first, up to the first failure.
    fn close_pending(&mut self) -> Result<(), LogError> {
        while let Some(segment) = self.pending.first() {
            match close::close(&self.folder, segment) {
                Ok(torn) => say_torn(&self.counts, &segment.path, torn),
                Err(LogError::Unreadable { path }) => set_aside(&path)?,
                Err(other) => return Err(other),
            }
            self.pending.remove(0);
        }
        Ok(())
    }

    fn settings(&self) -> LogSettings {
        *self.settings.lock().expect("not poisoned")
    }

    fn remove_outdated(&self) -> Result<(), LogError> {
        let LogSettings { retention, max_size, .. } = self.settings();
        if retention.is_none() && max_size.is_none() {
            return Ok(());
        }
        let listing = list(&self.folder)?;
        for file in files::outdated(&listing.closed, (self.clock)(), retention, max_size) {
            fs::remove_file(&file.path).map_err(|source| LogError::File {
                attempt: "remove",
                path: file.path.clone(),
                source,
            })?;
            tracing::info!(file = %file.path.display(), "removed predictions by age or size");
        }
        Ok(())
    }

    fn paths(&self) -> Result<Vec<PathBuf>, LogError> {
        Ok(list(&self.folder)?.closed.into_iter().map(|file| file.path).collect())
    }

    fn note(&self, error: Option<&LogError>) {
        let text = error.map(LogError::chain);
        if self.counts.closing.note(text.clone())
            && let Some(text) = text
        {
            tracing::error!(folder = %self.folder.display(), "failed to close segments of predictions: {text}");
        }
    }
}

/// Lists the folder.
pub(super) fn list(folder: &Path) -> Result<files::Listing, LogError> {
    files::list(folder).map_err(|source| LogError::File { attempt: "list", path: folder.to_owned(), source })
}

/// Moves a segment out of the way that we cannot read though its checksums are right: a later version's, perhaps.
fn set_aside(path: &Path) -> Result<(), LogError> {
    let aside = PathBuf::from(format!("{}.unreadable", path.display()));
    tracing::error!(segment = %path.display(), aside = %aside.display(), "set aside a segment that cannot be read");
    fs::rename(path, &aside).map_err(|source| LogError::File { attempt: "rename", path: path.to_owned(), source })
}

/// Counts and says what was cut off a segment.
pub(super) fn say_torn(counts: &Counts, path: &Path, torn: usize) {
    if torn > 0 {
        counts.add_torn(torn);
        tracing::warn!(segment = %path.display(), bytes = torn, "cut a torn end off a segment of predictions");
    }
}
