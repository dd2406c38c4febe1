//! The files of a published ledger: names and atomic writing.
//!
//! Names follow C2SP tlog-tiles: `tile/<level>/<N>`, `tile/entries/<N>`, with `.p/<width>` behind a tile that is not
//! full, and N in groups of three digits, all but the last behind an `x`.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::LedgerError;

/// Entries or hashes in a full tile.
pub(super) const WIDTH: usize = 256;

/// The name of the newest checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// The name of the key that checkpoints are checked with.
pub(super) const PUBLIC_KEY: &str = "key.pub";

/// Returns the name of a tile of hashes, of `width` of them.
pub(super) fn tile(level: usize, number: u64, width: usize) -> String {
    format!("tile/{level}/{}", place(number, width))
}

/// Returns the name of a bundle of entries, of `width` of them.
pub(super) fn bundle(number: u64, width: usize) -> String {
    format!("tile/entries/{}", place(number, width))
}

fn place(number: u64, width: usize) -> String {
    let mut text = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    if width < WIDTH { format!("{text}.p/{width}") } else { text }
}

/// Returns the bytes of a file, `None` where it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(LedgerError::Read { path: path.to_owned(), source }),
    }
}

/// Puts `bytes` in the place of whatever is there, whole or not at all, and on disk when it returns.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), LedgerError> {
    write_inner(path, bytes, mode).map_err(|source| LedgerError::Write { path: path.to_owned(), source })
}

fn write_inner(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_folder(folder)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    // What an earlier crash left may have another mode.
    let _ = fs::remove_file(&temporary);
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

/// Makes a folder and those above it, each durable in its parent.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folder(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => File::open(parent)?.sync_all()?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_specification() {
        for (name, expected) in [
            (tile(0, 0, 256), "tile/0/000"),
            (tile(1, 5, 7), "tile/1/005.p/7"),
            (tile(0, 1_234_067, 256), "tile/0/x001/x234/067"),
            (bundle(1000, 1), "tile/entries/x001/000.p/1"),
        ] {
            assert_eq!(name, expected);
        }
    }
}
