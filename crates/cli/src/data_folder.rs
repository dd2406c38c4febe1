//! The data folder: who may use it, its keys, and the address of the server that does.
//!
//! One server per folder, held by a lock that dies with its process. Secrets are files of mode 0600.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The layout this build writes; a higher number in the folder means a newer Windlass was here.
const LAYOUT: u32 = 1;

/// The file that says where content lies, if not here.
const CONTENT: &str = "content-folder";

/// A data folder, existing and writable.
#[derive(Debug, Clone)]
pub(crate) struct DataFolder {
    path: PathBuf,
}

/// The lock on a data folder; dropping it lets go.
#[derive(Debug)]
pub(crate) struct FolderLock(#[expect(dead_code, reason = "held for its lock")] File);

/// What a running server writes about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServerFile {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its process.
    pub(crate) pid: u32,
}

impl DataFolder {
    /// Opens a data folder for serving: makes it where it is not there, checks that it is writable and not newer.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let unusable = |source: io::Error| {
            let failure = Failure::user_because(&format!("the data folder {} cannot be used", path.display()), &source);
            match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    failure.hint("choose another with --data-dir, or make it writable")
                }
                io::ErrorKind::StorageFull => failure.hint("free some space and start again; nothing is lost"),
                _ => failure,
            }
        };
        fs::create_dir_all(path).map_err(unusable)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let folder = Self { path };
        folder.check_layout()?;
        let probe = folder.path.join(".probe");
        fs::write(&probe, b"x").and_then(|()| fs::remove_file(&probe)).map_err(unusable)?;
        fs::create_dir_all(folder.path.join("keys")).map_err(unusable)?;
        fs::set_permissions(folder.path.join("keys"), fs::Permissions::from_mode(0o700)).map_err(unusable)?;
        Ok(folder)
    }

    /// Opens an existing data folder for reading.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let path = path.canonicalize().map_err(|source| {
            Failure::user_because(&format!("there is no data folder {}", path.display()), source)
                .hint("name it with --data-dir, or start one with `windlass up`")
        })?;
        let folder = Self { path };
        folder.check_layout()?;
        Ok(folder)
    }

    fn check_layout(&self) -> Result<(), Failure> {
        let file = self.path.join("layout");
        match fs::read_to_string(&file) {
            Ok(text) => match text.trim().parse::<u32>() {
                Ok(found) if found <= LAYOUT => Ok(()),
                Ok(found) => Err(Failure::user(format!(
                    "the data folder {} was made by a newer Windlass (layout {found}, this one knows {LAYOUT})",
                    self.path.display()
                ))
                .hint("use that version, or another folder with --data-dir; nothing was changed")),
                Err(_) => Err(Failure::user(format!("{} does not hold a layout number", file.display()))
                    .hint("this does not look like a data folder of Windlass; choose another with --data-dir")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Failure::user_because(&format!("failed to read {}", file.display()), error)),
        }
    }

    /// Notes the layout; called once the folder is ours.
    pub(crate) fn mark_layout(&self) -> Result<(), Failure> {
        let file = self.path.join("layout");
        if file.exists() {
            return Ok(());
        }
        write_atomically(&file, format!("{LAYOUT}\n").as_bytes(), 0o644)
            .map_err(|error| Failure::ours("failed to write into the data folder", error))
    }

    /// Takes the folder for this process; fails at once where another server has it.
    pub(crate) fn lock(&self) -> Result<FolderLock, Failure> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.path.join("lock"))
            .map_err(|error| Failure::ours("failed to open the data folder's lock", error))?;
        match file.try_lock() {
            Ok(()) => Ok(FolderLock(file)),
            Err(fs::TryLockError::WouldBlock) => {
                let who = self.server().map_or_else(String::new, |server| {
                    format!(" (process {}, at http://{})", server.pid, server.address)
                });
                Err(Failure::user(format!("another Windlass works on {}{who}", self.path.display()))
                    .hint("stop it first, or use another folder with --data-dir"))
            }
            Err(fs::TryLockError::Error(error)) => Err(Failure::ours("failed to lock the data folder", error)),
        }
    }

    /// Returns whether a server has the folder.
    pub(crate) fn is_locked(&self) -> bool {
        let Ok(file) = OpenOptions::new().write(true).open(self.path.join("lock")) else { return false };
        // Shared, so that two who ask do not take each other for a server.
        matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
    }

    /// Returns the folder's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder of what belongs to the database rather than to one server: content, the ledger and its key.
    /// It is this very folder, unless the server was told another once.
    pub(crate) fn content(&self) -> PathBuf {
        match fs::read_to_string(self.path.join(CONTENT)) {
            Ok(text) => PathBuf::from(text.trim_end_matches('\n')),
            Err(_) => self.path.clone(),
        }
    }

    /// Notes where content lies from now on.
    pub(crate) fn use_content(&self, content: &Path) -> Result<(), Failure> {
        let unusable =
            |error: io::Error| Failure::user_because(&format!("{} cannot be used", content.display()), &error);
        fs::create_dir_all(content).map_err(unusable)?;
        let content = content.canonicalize().map_err(unusable)?;
        let text = content.to_str().ok_or_else(|| Failure::user(format!("{} is not UTF-8", content.display())))?;
        write_atomically(&self.path.join(CONTENT), format!("{text}\n").as_bytes(), 0o644)
            .map_err(|error| Failure::ours("failed to write into the data folder", error))
    }

    /// Returns what tells this content from any other: made where it is first asked for, by one of those who ask at once.
    pub(crate) fn content_identity(&self) -> Result<String, Failure> {
        let content = self.content();
        let unusable =
            |error: io::Error| Failure::user_because(&format!("{} cannot be used", content.display()), &error);
        let path = content.join("identity");
        if !path.exists() {
            let mut random = [0; 16];
            getrandom::fill(&mut random)
                .map_err(|error| Failure::user(format!("the system gives no random bytes: {error}")))?;
            let identity = format!("{:032x}", u128::from_be_bytes(random));
            let own = content.join(format!(".identity-{identity}"));
            write_atomically(&own, format!("{identity}\n").as_bytes(), 0o644).map_err(unusable)?;
            // A link is made by one alone.
            let linked = fs::hard_link(&own, &path);
            let _ = fs::remove_file(&own);
            match linked {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(fs::read_to_string(&path).map_err(unusable)?.trim().to_owned())
    }

    /// Returns what the running server wrote about itself.
    pub(crate) fn server(&self) -> Option<ServerFile> {
        serde_json::from_slice(&fs::read(self.path.join("server.json")).ok()?).ok()
    }

    /// Writes where this server listens.
    pub(crate) fn write_server(&self, address: SocketAddr) -> Result<(), Failure> {
        let file = ServerFile { address, pid: std::process::id() };
        let bytes = serde_json::to_vec(&file).expect("plain data");
        write_atomically(&self.path.join("server.json"), &bytes, 0o600)
            .map_err(|error| Failure::ours("failed to write into the data folder", error))
    }

    /// Removes the note of where this server listens.
    pub(crate) fn remove_server(&self) {
        let _ = fs::remove_file(self.path.join("server.json"));
    }

    /// Returns the local token, where it was made.
    pub(crate) fn token(&self) -> Option<String> {
        let text = fs::read_to_string(self.path.join("token")).ok()?;
        Some(text.trim().to_owned())
    }

    /// Keeps the local token.
    pub(crate) fn write_token(&self, token: &str) -> Result<(), Failure> {
        write_atomically(&self.path.join("token"), format!("{token}\n").as_bytes(), 0o600)
            .map_err(|error| Failure::ours("failed to keep the local token", error))
    }

    /// Returns 32 secret bytes kept under `keys/` beside the content, the same for all servers that share it: made where it
    /// is first asked for, by one of those who ask at once.
    pub(crate) fn shared_secret(&self, name: &str) -> Result<[u8; 32], Failure> {
        let keys = self.content().join("keys");
        let path = keys.join(name);
        let unkept = |error: io::Error| Failure::ours("failed to keep a key", error);
        if !path.exists() {
            fs::create_dir_all(&keys).map_err(unkept)?;
            fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).map_err(unkept)?;
            let mut secret = [0; 40];
            getrandom::fill(&mut secret)
                .map_err(|error| Failure::user(format!("the system gives no random bytes: {error}")))?;
            let (secret, own) = secret.split_at(32);
            let own: String = own.iter().map(|byte| format!("{byte:02x}")).collect();
            let own = keys.join(format!(".{name}-{own}"));
            write_atomically(&own, secret, 0o600).map_err(unkept)?;
            // A link is made by one alone.
            let linked = fs::hard_link(&own, &path);
            let _ = fs::remove_file(&own);
            match linked {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unkept(error)),
                Ok(()) | Err(_) => {}
            }
        }
        let bytes = fs::read(&path).map_err(|error| Failure::ours("failed to read a key", error))?;
        bytes.try_into().map_err(|_| Failure::user(format!("{} is damaged", path.display())))
    }

    /// Returns 32 secret bytes kept under `keys/`, made by `random` at the first call.
    pub(crate) fn secret(&self, name: &str) -> Result<[u8; 32], Failure> {
        let path = self.path.join("keys").join(name);
        match fs::read(&path) {
            Ok(bytes) => bytes.try_into().map_err(|_| Failure::user(format!("{} is damaged", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut secret = [0; 32];
                getrandom::fill(&mut secret)
                    .map_err(|error| Failure::user(format!("the system gives no random bytes: {error}")))?;
                write_atomically(&path, &secret, 0o600)
                    .map_err(|error| Failure::ours("failed to keep a key", error))?;
                Ok(secret)
            }
            Err(error) => Err(Failure::ours("failed to read a key", error)),
        }
    }
}

/// Writes a file so that it is there whole or not at all, also after a power cut.
fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    if let Some(parent) = path.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_and_foreign_folders_are_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(temporary.path()).unwrap();
        folder.mark_layout().unwrap();
        DataFolder::create(temporary.path()).unwrap();
        fs::write(temporary.path().join("layout"), "99\n").unwrap();
        assert!(DataFolder::create(temporary.path()).is_err());
        fs::write(temporary.path().join("layout"), "what\n").unwrap();
        assert!(DataFolder::create(temporary.path()).is_err());
    }

    #[test]
    fn content_lies_here_or_where_it_was_said() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = |name: &str| DataFolder::create(&temporary.path().join(name)).unwrap();
        let (one, other) = (folder("one"), folder("other"));
        assert_eq!(one.content(), one.path());
        assert_ne!(one.content_identity().unwrap(), other.content_identity().unwrap());
        let shared = temporary.path().join("shared");
        one.use_content(&shared).unwrap();
        other.use_content(&shared).unwrap();
        assert_eq!(one.content(), shared.canonicalize().unwrap());
        assert_eq!(one.content_identity().unwrap(), other.content_identity().unwrap());
        assert_eq!(fs::read_dir(&shared).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!(one.shared_secret("webhooks").unwrap(), other.shared_secret("webhooks").unwrap());
        assert_eq!(fs::read_dir(shared.join("keys")).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn one_server_a_folder_and_secrets_stay() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = DataFolder::create(temporary.path()).unwrap();
        let lock = folder.lock().unwrap();
        assert!(folder.lock().is_err());
        assert!(folder.is_locked());
        drop(lock);
        assert!(!folder.is_locked());
        assert_eq!(folder.secret("attempts").unwrap(), folder.secret("attempts").unwrap());
        let mode = fs::metadata(temporary.path().join("keys/attempts")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
