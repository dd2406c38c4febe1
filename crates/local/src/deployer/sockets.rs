//! Places for the sockets of model servers.
//!
//! The path of a unix socket has at most 107 bytes (sun_path of unix(7)), and data folders may lie deep: where theirs
//! would be too long, sockets lie in a folder of our own under the system's temporary folder.

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::DirBuilderExt as _},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

/// The longest path of a folder of sockets, in bytes; names within have at most 20.
const FOLDER_MAX: usize = 80;

/// A folder of sockets that goes with this value.
pub(super) struct Sockets {
    folder: PathBuf,
    made: AtomicU64,
    _temporary: Option<tempfile::TempDir>,
}

impl Sockets {
    /// Takes `wanted` for its own and clears it, or makes another folder where its path is too long.
    pub(super) fn new(wanted: PathBuf) -> io::Result<Self> {
        if wanted.as_os_str().as_bytes().len() > FOLDER_MAX {
            // Made with mode 0700.
            let temporary = tempfile::Builder::new().prefix("windlass-").tempdir()?;
            return Ok(Self {
                folder: temporary.path().to_owned(),
                made: AtomicU64::new(0),
                _temporary: Some(temporary),
            });
        }
        match fs::remove_dir_all(&wanted) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&wanted)?;
        Ok(Self { folder: wanted, made: AtomicU64::new(0), _temporary: None })
    }

    /// Returns a path that no socket had before.
    pub(super) fn next(&self) -> io::Result<PathBuf> {
        // Somebody may tidy the temporary folder.
        fs::create_dir_all(&self.folder)?;
        Ok(self.folder.join(format!("{}.sock", self.made.fetch_add(1, Ordering::Relaxed))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_fits_wherever_the_data_lies() {
        let data = tempfile::tempdir().unwrap();
        let deep = data.path().join("d".repeat(90));
        for wanted in [data.path().join("run"), deep.clone()] {
            let sockets = Sockets::new(wanted).unwrap();
            let (one, other) = (sockets.next().unwrap(), sockets.next().unwrap());
            assert_ne!(one, other);
            assert!(std::os::unix::net::UnixListener::bind(one).is_ok());
        }
        assert!(!deep.exists());
    }
}
