//! The store on SQLite: one file, a few readers, one writer.
//!
//! SQLite is called where its connection lives, on threads that may wait for the disk: a write crosses to the writer's
//! thread once and its answer comes back once, however many statements it has, because waking a thread costs more than
//! most statements; where nobody else writes, a caller that may wait saves even that. Reads go the same way to threads of the runtime that are made for waiting.

mod connection;
mod pace;
mod readers;
mod writer;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::{StoreError, Tx, migrate};
use connection::Access;
pub(crate) use connection::{SqliteConnection, SqliteRow};
use readers::Readers;
use writer::{Desk, Message, Writer};

/// How many writes wait for the writer before callers wait to hand theirs over.
const QUEUE: usize = 1024;

#[derive(Clone)]
pub(crate) struct SqliteStore {
    readers: Readers,
    /// Absent where nothing can be written.
    desk: Option<Desk>,
    jobs: mpsc::Sender<Message>,
    writer: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
    health: Arc<Health>,
}

/// What is known of the file.
struct Health {
    path: PathBuf,
    /// The first damage that somebody met.
    damage: OnceLock<String>,
}

impl Health {
    /// Names the file in an error about its damage, and keeps that there is some.
    fn note<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        answer.map_err(|error| match error {
            StoreError::Damaged { what, .. } => {
                let error = StoreError::Damaged { file: self.path.clone(), what };
                if self.damage.set(error.to_string()).is_ok() {
                    tracing::error!("{error}; restore a backup, or have `sqlite3` recover what it can");
                }
                error
            }
            error => error,
        })
    }
}

impl SqliteStore {
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let opened = path.to_owned();
        let health = Arc::new(Health { path: path.to_owned(), damage: OnceLock::new() });
        let connection = wait(move || {
            prepare_folder(&opened)?;
            let mut connection = SqliteConnection::open(&opened, Access::Write)?;
            migrate::sqlite(&mut connection)?;
            Ok(connection)
        })
        .await;
        let connection = health.note(connection)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let desk = Desk::new(connection);
        let writer =
            Writer::start(desk.clone(), queue).map_err(|source| StoreError::Open { path: path.into(), source })?;
        let readers = Readers::new(path, Access::Read);
        Ok(Self { readers, desk: Some(desk), jobs, writer: Arc::new(Mutex::new(Some(writer))), health })
    }

    /// Opens a file that cannot be written, with a schema that is ours already; there is no writer.
    pub(crate) async fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        // Closed in good order, all is in the file, and SQLite need not make the files beside it that it shares a log by.
        let whole = std::fs::metadata(log).map_or(true, |log| log.len() == 0);
        let access = if whole { Access::Frozen } else { Access::Read };
        let opened = path.to_owned();
        let health = Arc::new(Health { path: path.to_owned(), damage: OnceLock::new() });
        let current = wait(move || migrate::is_current(&mut SqliteConnection::open(&opened, access)?)).await;
        if !health.note(current)? {
            return Err(StoreError::ReadOnly);
        }
        let (jobs, _) = mpsc::channel(1);
        Ok(Self { readers: Readers::new(path, access), desk: None, jobs, writer: Arc::default(), health })
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        let (job, answer) = writer::job(work);
        self.jobs.send(Message::Job(job)).await.map_err(|_| StoreError::Closed)?;
        self.health.note(answer.get().await)
    }

    /// As [`SqliteStore::write`], on this thread where nobody else writes.
    pub(crate) async fn write_here<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        match self.desk.as_ref().and_then(|desk| desk.write(&work)) {
            Some(answer) => self.health.note(answer),
            None => self.write(work).await,
        }
    }

    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        self.health.note(self.readers.read(work).await)
    }

    /// As [`SqliteStore::read`] for one statement, which is a transaction by itself.
    pub(crate) async fn read_one<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        self.health.note(self.readers.read_one(work).await)
    }

    /// Returns what damage of the file was met, if any.
    pub(crate) fn damage(&self) -> Option<&str> {
        self.health.damage.get().map(String::as_str)
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        let writer = self.writer.lock().expect("never poisoned: nothing panics while it is held").take();
        if let Some(writer) = writer {
            // A writer that is gone already needs no message.
            let _ = self.jobs.send(Message::Close).await;
            let _ = wait(move || Ok(writer.join())).await;
        }
    }
}

/// Runs what waits for the disk on a thread that may.
async fn wait<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StoreError::Closed),
    }
}

/// Counts probes of this process.
static PROBES: AtomicU64 = AtomicU64::new(0);

/// Makes the folder and finds out early whether files can be written in it, in clearer words than SQLite's.
fn prepare_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut probe = path.as_os_str().to_owned();
    // Several may be opened at once, by one process too: each has a probe of its own.
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    probe.push(format!(".probe-{}-{number}", std::process::id()));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&probe, b"windlass"))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|source| {
            let _ = std::fs::remove_file(&probe);
            match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull,
                ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => StoreError::ReadOnly,
                _ => StoreError::Open { path: path.to_owned(), source },
            }
        })
}
