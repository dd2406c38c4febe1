//! Work folders that are used again: of a step that left nothing in them, they are as good as new.
//!
//! Making and removing a handful of files costs a short step more than anything else we do for it (on some file systems
//! ten times as much as elsewhere, since they look at every file that was removed in the last minutes before they make
//! another). So the folder of a step that ended well, and that holds nothing but what we put there, is emptied in place
//! and kept for the next attempt. Anything unusual about it, and it is removed instead.
//!
//! A spare has a hidden name: should the server end, the next one removes it as it removes what was half removed.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::fs::OFlags;

use crate::{
    layout::AttemptFolder,
    step::{self, StepEnd, StepResult},
};

/// Folders kept at most.
const MOST: usize = 16;

/// The folders at hand.
#[derive(Default)]
pub(super) struct Spares(Mutex<Vec<PathBuf>>);

impl Spares {
    fn lock(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        // Nothing panics while it is held; were it so, the list is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a spare become a work folder; false where there is none.
    pub(super) fn take(&self, folder: &AttemptFolder) -> bool {
        let spare = self.lock().pop();
        spare.is_some_and(|spare| fs::rename(spare, folder.path()).is_ok())
    }

    /// Takes over the folder of an attempt that is over, by now under a hidden name; false where it is no good.
    pub(super) fn keep(&self, hidden: &AttemptFolder) -> bool {
        if self.lock().len() >= MOST || !matches!(tidy(hidden), Ok(true)) {
            return false;
        }
        self.lock().push(hidden.path().to_owned());
        true
    }
}

/// Makes a folder as good as new; false, or an error, where it is not to be used again.
fn tidy(folder: &AttemptFolder) -> io::Result<bool> {
    let result: StepResult = step::read(&folder.result())?;
    if result.end != (StepEnd::Exited { code: 0 }) || result.left_behind > 0 || !is_private(&folder.path().metadata()?)
    {
        return Ok(false);
    }
    for entry in fs::read_dir(folder.path())? {
        let path = entry?.path();
        let good = if path == folder.job() || path == folder.parameters() {
            empty_file(&path)?.is_some()
        } else if path == folder.result() {
            // A shim that has not quite gone holds the lock that the next one needs.
            empty_file(&path)?.is_some_and(|file| file.try_lock().is_ok())
        } else {
            [folder.code(), folder.outputs(), folder.checkpoints()].contains(&path) && is_empty_folder(&path)?
        };
        if !good {
            return Ok(false);
        }
    }
    fs::rename(folder.result(), folder.alive())?;
    Ok(true)
}

/// Empties a file of ours; `None` where it is something else by now, or has another name elsewhere.
fn empty_file(path: &Path) -> io::Result<Option<File>> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.nlink() != 1 || !is_private(&metadata) {
        return Ok(None);
    }
    file.set_len(0)?;
    Ok(Some(file))
}

fn is_empty_folder(path: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    Ok(metadata.is_dir() && is_private(&metadata) && fs::read_dir(path)?.next().is_none())
}

/// Returns whether the rights are still those that we made it with: all of its owner's, who is us, and nobody else's.
fn is_private(metadata: &Metadata) -> bool {
    let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
    metadata.permissions().mode() & 0o7777 == mode && metadata.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::DirBuilderExt as _;

    use super::*;

    /// Lays a folder out as a step that ended well leaves it.
    fn ended(path: &Path) -> AttemptFolder {
        let folder = AttemptFolder::new(path);
        for part in [folder.path().to_owned(), folder.code(), folder.outputs(), folder.checkpoints()] {
            fs::DirBuilder::new().mode(0o700).create(part).unwrap();
        }
        for (file, text) in [(folder.job(), "secret"), (folder.parameters(), "{}")] {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        step::write(&folder.result(), &StepResult::bare(StepEnd::Exited { code: 0 })).unwrap();
        folder
    }

    #[test]
    fn a_folder_is_used_again_as_if_it_were_new() {
        let place = tempfile::tempdir().unwrap();
        let spares = Spares::default();
        let next = AttemptFolder::new(place.path().join("b"));
        assert!(!spares.take(&next));
        assert!(spares.keep(&ended(&place.path().join(".a"))));
        assert!(spares.take(&next));
        assert!(!next.result().exists());
        for file in [next.job(), next.parameters(), next.alive()] {
            assert_eq!(fs::read_to_string(file).unwrap(), "");
        }
        assert!(!spares.take(&AttemptFolder::new(place.path().join("c"))), "each is used once");
    }

    #[test]
    fn what_a_step_changed_is_not_used_again() {
        type Change = fn(&AttemptFolder);
        let changes: [(&str, Change); 10] = [
            ("an output", |folder| fs::write(folder.outputs().join("a"), "a").unwrap()),
            ("a file beside the code", |folder| fs::write(folder.code().join("a"), "a").unwrap()),
            ("a checkpoint", |folder| fs::create_dir(folder.checkpoints().join("a")).unwrap()),
            ("something unknown", |folder| fs::write(folder.path().join("a"), "a").unwrap()),
            ("rights", |folder| fs::set_permissions(folder.code(), fs::Permissions::from_mode(0o500)).unwrap()),
            ("a second name", |folder| fs::hard_link(folder.parameters(), folder.path().join("../kept")).unwrap()),
            ("a failure", |folder| {
                step::write(&folder.result(), &StepResult::bare(StepEnd::Exited { code: 1 })).unwrap();
            }),
            ("a process left behind", |folder| {
                let result = StepResult { left_behind: 1, ..StepResult::bare(StepEnd::Exited { code: 0 }) };
                step::write(&folder.result(), &result).unwrap();
            }),
            ("no result", |folder| fs::remove_file(folder.result()).unwrap()),
            ("a link in the place of a file", |folder| {
                fs::remove_file(folder.parameters()).unwrap();
                std::os::unix::fs::symlink(folder.job(), folder.parameters()).unwrap();
            }),
        ];
        for (what, change) in changes {
            let place = tempfile::tempdir().unwrap();
            let folder = ended(&place.path().join(".a"));
            change(&folder);
            assert!(!Spares::default().keep(&folder), "{what}");
        }
    }

    #[test]
    fn a_shim_that_holds_its_lock_keeps_its_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = ended(&place.path().join(".a"));
        let shim = File::open(folder.result()).unwrap();
        shim.try_lock().unwrap();
        assert!(!Spares::default().keep(&folder));
    }
}
