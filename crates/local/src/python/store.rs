//! Where environments, locks and tools lie, and how small files get there whole.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use windlass_kinds::Digest;

/// The folders of this module within a data folder.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    data: PathBuf,
}

impl Folders {
    pub(super) fn new(data: PathBuf) -> Self {
        Self { data }
    }

    /// Returns the folder of an environment.
    pub(super) fn environment(&self, lock: &Digest) -> PathBuf {
        self.data.join("envs").join(lock.hex())
    }

    /// Returns the file that whoever builds an environment holds a lock on. Beside the environment, because that is
    /// removed when it is built anew.
    pub(super) fn builder(&self, lock: &Digest) -> PathBuf {
        self.data.join("envs").join(format!("{}.lock", lock.hex()))
    }

    /// Returns the text of a lock.
    pub(super) fn lock(&self, lock: &Digest) -> PathBuf {
        self.data.join("envs/locks").join(format!("{}.txt", lock.hex()))
    }

    /// Returns the answer to a request.
    pub(super) fn answer(&self, request: &Digest) -> PathBuf {
        self.data.join("envs/locks").join(format!("{}.json", request.hex()))
    }

    /// Returns the file that whoever resolves a request holds a lock on.
    pub(super) fn resolver(&self, request: &Digest) -> PathBuf {
        self.data.join("envs/locks").join(format!("{}.lock", request.hex()))
    }

    /// Returns the folder of a tool.
    pub(super) fn tool(&self, name: &str, version: &str) -> PathBuf {
        self.data.join("tools").join(format!("{name}-{version}"))
    }

    /// Returns the file that whoever fetches a tool holds a lock on.
    pub(super) fn fetcher(&self, name: &str) -> PathBuf {
        self.data.join("tools").join(format!("{name}.lock"))
    }

    /// Returns a cache for a machine that has no home.
    pub(super) fn cache(&self) -> PathBuf {
        self.data.join("cache/uv")
    }
}

/// Writes a file that is there whole or not at all, and stays.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Waits until nobody else holds `path` and holds it until the file is dropped, by this process and by all to whom the
/// file was handed on. `waiting` is called once where somebody else holds it.
///
/// Asks again and again instead of waiting in a thread: a thread that waits cannot be stopped, and would keep the
/// process from ending.
pub(super) async fn hold(path: &Path, waiting: impl FnOnce()) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    let mut waiting = Some(waiting);
    let mut pause = Duration::from_millis(20);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                if let Some(waiting) = waiting.take() {
                    waiting();
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(250));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}
