//! Forces to disk what the writer wrote: at once where nothing was for a second, else once a second.
//!
//! So a power cut takes at most about a second of predictions, and no request waits for a disk.

use std::{
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use super::{close::sync_folder, status::Counts};

/// How long what was written may wait.
const AFTER: Duration = Duration::from_secs(1);

/// The writer's side: tells which file has something to be forced to disk, once for many writes.
#[derive(Debug)]
pub(super) struct Changes {
    files: mpsc::Sender<Arc<File>>,
    is_told: Arc<AtomicBool>,
}

/// The syncer's side.
#[derive(Debug)]
pub(super) struct Syncer {
    files: mpsc::Receiver<Arc<File>>,
    is_told: Arc<AtomicBool>,
}

/// Returns both sides.
pub(super) fn pair() -> (Changes, Syncer) {
    let (sender, files) = mpsc::channel();
    let is_told = Arc::new(AtomicBool::new(false));
    (Changes { files: sender, is_told: Arc::clone(&is_told) }, Syncer { files, is_told })
}

impl Changes {
    /// Notes that a file is new: what was told of the one before does not stand for it.
    pub(super) fn begin(&self, file: &Arc<File>) {
        self.is_told.store(true, Ordering::SeqCst);
        let _ = self.files.send(Arc::clone(file));
    }

    /// Notes that a file was written to.
    pub(super) fn note(&self, file: &Arc<File>) {
        if !self.is_told.swap(true, Ordering::SeqCst) {
            let _ = self.files.send(Arc::clone(file));
        }
    }
}

impl Syncer {
    /// Works until the writer is gone.
    pub(super) fn run(self, folder: &Path, counts: &Counts) {
        let mut due = Instant::now();
        while let Ok(file) = self.files.recv() {
            let mut changed = vec![file];
            // The end of the writer ends the wait.
            while let Ok(file) = self.files.recv_timeout(due.saturating_duration_since(Instant::now())) {
                changed.push(file);
            }
            // Before forcing: what is written from here on is told anew.
            self.is_told.store(false, Ordering::SeqCst);
            let outcome = changed.iter().try_for_each(|file| file.sync_data()).and_then(|()| sync_folder(folder));
            due = Instant::now() + AFTER;
            let trouble = outcome.err().map(|error| error.to_string());
            if counts.syncing.note(trouble.clone())
                && let Some(error) = trouble
            {
                tracing::error!(folder = %folder.display(), "failed to force predictions to disk: {error}");
            }
        }
    }
}
