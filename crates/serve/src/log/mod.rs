//! The prediction log of one endpoint: what was answered, kept before it is answered, read later as Parquet.
//!
//! [`PredictionLog::append`] returns once the operating system has the rows, so a killed process loses none; they are
//! forced to disk within about a second, so a power cut takes that much. They go into a segment of checksummed frames,
//! which is closed by size, age or request and then becomes Parquet with one row a prediction: `row_id`, `request_id`,
//! `at`, `model_version`, then the model's inputs and outputs. A log that cannot write says so, counts what it loses and
//! goes on as soon as it can: it never keeps a request from being answered. It does not know what a request is, nor who
//! reads the files.

mod close;
mod files;
mod frame;
mod keeper;
mod segment;
mod status;
mod syncer;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    error::Error as _,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc as blocking},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use windlass_kinds::Micros;

pub use self::{frame::Prediction, status::LogStatus};
use self::{keeper::Keeper, status::Counts, writer::Writer};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// How many frames may wait for the writer; a gateway has far fewer requests under way unless the disk stands still.
const QUEUE: usize = 1024;
/// How long a request waits for the writer before it is answered all the same. The first that waited in vain spares the
/// others that, until the writer moves again.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is said of a writer that was waited for in vain.
const STANDS_STILL: &str = "the disk does not answer";

/// The columns that every prediction has, before those of the model, which cannot have these names.
pub const OWN_COLUMNS: [&str; 4] = close::OWN_COLUMNS;

/// How much a log keeps, and in what pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// The age at which files are removed; none keeps them.
    pub retention: Option<Duration>,
    /// The bytes of Parquet above which the oldest files are removed; none keeps them.
    pub max_size: Option<u64>,
    /// The length in bytes at which a segment is closed.
    pub segment_max: u64,
    /// The age at which a segment is closed.
    pub segment_age: Duration,
}

impl Default for LogSettings {
    /// Keeps everything, in segments of 16 MiB or an hour.
    fn default() -> Self {
        Self { retention: None, max_size: None, segment_max: 16 << 20, segment_age: Duration::from_secs(3600) }
    }
}

/// Why a log cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system refused something.
    #[error("failed to {attempt} `{}`", path.display())]
    File {
        /// What was tried, as a verb.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A segment whose frames are whole and yet not ours.
    #[error("`{}` does not hold predictions as this version writes them", path.display())]
    Unreadable {
        /// The segment.
        path: PathBuf,
    },
    /// The log was stopped.
    #[error("the prediction log was stopped")]
    Stopped,
}

impl LogError {
    fn chain(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |source| format!("{self}: {source}"))
    }

    /// Returns the same once more, for everybody who asked.
    fn again(&self) -> Self {
        match self {
            Self::File { attempt, path, source } => {
                // A kind and its text are all that an error of the system can be copied as.
                let source = io::Error::new(source.kind(), source.to_string());
                Self::File { attempt, path: path.clone(), source }
            }
            Self::Unreadable { path } => Self::Unreadable { path: path.clone() },
            Self::Stopped => Self::Stopped,
        }
    }
}

/// A log that is open; the process that opened it is the only one that writes to its folder.
#[derive(Debug)]
pub struct PredictionLog {
    writer: writer::Shared,
    commands: mpsc::Sender<writer::Command>,
    keeper: blocking::Sender<keeper::Command>,
    settings: Arc<Mutex<LogSettings>>,
    counts: Arc<Counts>,
    clock: ClockBox,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl PredictionLog {
    /// Opens the log in a folder, which is made where it is not there. Torn ends of segments, left by a crash, are cut
    /// and said; whole ones become Parquet soon. Blocks on the disk.
    ///
    /// # Errors
    /// Where the folder cannot be made, listed or tidied, or a thread cannot be started.
    pub fn open(folder: &Path, settings: LogSettings, clock: Clock) -> Result<Self, LogError> {
        let failed = |attempt| move |source| LogError::File { attempt, path: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make"))?;
        let listing = keeper::list(folder)?;
        let next_number = listing.next_number();
        for path in &listing.leftovers {
            fs::remove_file(path).map_err(failed("tidy"))?;
        }
        let counts = Arc::new(Counts::default());
        for segment in &listing.segments {
            let torn = segment::repair(&segment.path).map_err(failed("repair"))?;
            keeper::say_torn(&counts, &segment.path, torn);
        }

        let settings = Arc::new(Mutex::new(settings));
        let (commands, to_writer) = mpsc::channel(QUEUE);
        let (keeper, to_keeper) = blocking::channel();
        let (changes, syncer) = syncer::pair();
        let has_pending = !listing.segments.is_empty();
        let keeping = Keeper {
            folder: folder.to_owned(),
            settings: Arc::clone(&settings),
            clock: Arc::clone(&clock),
            counts: Arc::clone(&counts),
            pending: listing.segments,
            writer: commands.downgrade(),
        };
        let writer = writer::Shared::new(Writer {
            folder: folder.to_owned(),
            segment_max: settings.lock().expect("not poisoned").segment_max,
            next_number,
            clock: Arc::clone(&clock),
            counts: Arc::clone(&counts),
            keeper: keeper.clone(),
            changes,
            open: None,
            said: None,
            is_quick: true,
        });
        let writing = writer.clone();
        let sync_folder = folder.to_owned();
        let sync_counts = Arc::clone(&counts);
        let threads = vec![
            start("log-writer", move || writing.run(to_writer)).map_err(failed("write to"))?,
            start("log-syncer", move || syncer.run(&sync_folder, &sync_counts)).map_err(failed("write to"))?,
            start("log-keeper", move || keeping.run(&to_keeper)).map_err(failed("write to"))?,
        ];
        if has_pending {
            // Wakes the keeper; nobody waits for what it finds.
            let _ = keeper.send(keeper::Command::List(oneshot::channel().0));
        }
        Ok(Self { writer, commands, keeper, settings, counts, clock: ClockBox(clock), threads: Mutex::new(threads) })
    }

    /// Hands the predictions of one request to the system, and returns whether it has them. Where not, they are counted
    /// as lost and the log says why: the request is to be answered all the same.
    pub async fn append(&self, prediction: &Prediction<'_>) -> bool {
        let rows = prediction.row_ids.len() as u64;
        let frame = frame::encode(prediction);
        if let Some(is_written) = self.writer.write_at_once(&frame, rows) {
            return is_written;
        }
        let (done, is_written) = oneshot::channel();
        let command = writer::Command::Append { frame, rows, done };
        let why = match self.commands.try_send(command) {
            Err(mpsc::error::TrySendError::Closed(_)) => "the prediction log was stopped",
            Err(mpsc::error::TrySendError::Full(_)) => STANDS_STILL,
            Ok(()) if self.counts.stands_still() => STANDS_STILL,
            Ok(()) => match tokio::time::timeout(PATIENCE, is_written).await {
                Ok(Ok(is_written)) => return is_written,
                Ok(Err(_)) => "the prediction log was stopped",
                Err(_) => STANDS_STILL,
            },
        };
        if why == STANDS_STILL && self.counts.stand_still() {
            tracing::error!("predictions are answered before they are logged: {why}");
        }
        // What waits for a disk may yet be written; that it is, nobody waited for.
        self.counts.add_lost(rows, (self.clock.0)(), || why.to_owned());
        false
    }

    /// Closes the open segment and returns all Parquet files, oldest first: together they hold every prediction that
    /// [`append`](Self::append) returned true for and that was not removed by age or size. Files may be removed at any
    /// time after that.
    ///
    /// # Errors
    /// Where some of it cannot be made into Parquet now.
    pub async fn close_segments(&self) -> Result<Vec<PathBuf>, LogError> {
        let (done, is_rotated) = oneshot::channel();
        let rotate = writer::Command::Rotate { begun_before: None, done };
        self.commands.send(rotate).await.map_err(|_| LogError::Stopped)?;
        is_rotated.await.map_err(|_| LogError::Stopped)?;
        let (done, listed) = oneshot::channel();
        self.keeper.send(keeper::Command::List(done)).map_err(|_| LogError::Stopped)?;
        listed.await.map_err(|_| LogError::Stopped)?
    }

    /// Changes how much is kept, from the next tidying on. The size of segments stays as it was at opening.
    pub fn set(&self, settings: LogSettings) {
        *self.settings.lock().expect("not poisoned") = settings;
    }

    /// Returns how the log fares.
    pub fn status(&self) -> LogStatus {
        self.counts.status()
    }

    /// Ends the log: what was appended is forced to disk, segments that are not closed are left for the next opening.
    /// Whatever comes later is lost, and counted so.
    pub async fn stop(&self) {
        let _ = self.commands.send(writer::Command::Stop).await;
        let _ = self.keeper.send(keeper::Command::Stop);
        let threads = std::mem::take(&mut *self.threads.lock().expect("not poisoned"));
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A thread that panicked has said so.
                let _ = thread.join();
            }
        });
        let _ = joined.await;
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// A clock that can be shown, as everything here can.
struct ClockBox(Clock);

impl std::fmt::Debug for ClockBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
