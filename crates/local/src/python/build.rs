//! From a lock to an environment.
//!
//! It is built in its place, because console scripts carry absolute paths, and counts once a marker is there. Whoever
//! builds holds a file lock, and so does the uv it started; a builder that was killed leaves no marker, and the next
//! one waits for what is still running, clears it away and builds anew, from uv's cache.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use windlass_control::PrepareRequest;
use windlass_kinds::{Digest, record::PrepareFailure};

use super::{
    Environments, Progress, failure,
    interpreter::{self, Interpreter},
    lockfile::Lock,
    request,
    resolve::{self, Answer},
    store::{hold, write_whole},
    uv::Uv,
};

/// There when everything else is.
const MARKER: &str = ".windlass-complete";

/// Returns the folder of the environment of a lock.
pub(super) async fn ensure(
    place: &Environments,
    request: &PrepareRequest,
    lock: &Digest,
    progress: Progress<'_>,
) -> Result<PathBuf, PrepareFailure> {
    let folders = &place.folders;
    let folder = folders.environment(lock);
    if is_complete(&folder) {
        return Ok(folder);
    }
    let text = Lock::read(folders, lock).map_err(|error| failure::system("read a lock", &error))?;
    let text = match text {
        Some(text) => text,
        None => again(place, request, lock).await?,
    };
    let held =
        hold(&folders.builder(lock), || progress("waiting for another builder of this Python environment")).await;
    let held = held.map_err(|error| failure::system("write into the data folder", &error))?;
    if is_complete(&folder) {
        return Ok(folder);
    }
    let uv = place.uv().await?;
    let python = interpreter(place, request, lock, &text, uv).await?;
    clear(&folder).map_err(|error| failure::system(&format!("clear away `{}`", folder.display()), &error))?;
    let (count, _) = text.packages();
    progress(&format!("building the Python environment {} ({count} packages, {})", lock.short(), text.identity()));
    let built = build(uv, &folder, &folders.lock(lock), &text, &python, &held, progress).await;
    if built.is_err() {
        // What is left of it takes room and helps nobody; the next builder would clear it away as well.
        let _ = clear(&folder);
    }
    built.map(|()| folder)
}

async fn build(
    uv: &Uv,
    folder: &Path,
    lock: &Path,
    text: &Lock,
    python: &Path,
    held: &fs::File,
    progress: Progress<'_>,
) -> Result<(), PrepareFailure> {
    let (target, python, lock) =
        (folder.display().to_string(), python.display().to_string(), lock.display().to_string());
    // Outside every project, whose settings would have a say.
    let within = Path::new("/");
    let arguments = ["venv", "--quiet", "--no-project", "--python", &python, &target];
    let outcome = uv.run(&arguments, within, Some(held), progress).await?;
    if !outcome.is_success {
        return Err(failure::of_uv("make a Python environment", &outcome.words));
    }
    let (count, is_hashed) = text.packages();
    if count > 0 {
        let inside = folder.join("bin/python").display().to_string();
        let mut arguments = vec!["pip", "sync", "--python", &inside];
        if is_hashed {
            arguments.push("--require-hashes");
        }
        arguments.push(&lock);
        let outcome = uv.run(&arguments, within, Some(held), progress).await?;
        if !outcome.is_success {
            return Err(failure::of_uv("install the Python packages", &outcome.words));
        }
    }
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || {
        // All files first, then the marker: a machine that loses power does not find an environment of empty files.
        rustix::fs::syncfs(fs::File::open(&folder)?)?;
        write_whole(&folder.join(MARKER), b"")
    })
    .await
    .unwrap_or_else(|error| Err(io::Error::other(error)))
    .map_err(|error| failure::system("bring the Python environment to disk", &error))
}

/// Returns whether an environment is whole and its interpreter is still there.
fn is_complete(folder: &Path) -> bool {
    folder.join(MARKER).is_file() && folder.join("bin/python").exists()
}

/// Resolves anew where the text of a lock was lost.
async fn again(place: &Environments, request: &PrepareRequest, lock: &Digest) -> Result<Lock, PrepareFailure> {
    let found = resolve::resolve(place, request).await?;
    let text = Lock::read(&place.folders, &found).map_err(|error| failure::system("read a lock", &error))?;
    text.filter(|_| found == *lock).ok_or_else(|| {
        failure::lasting(format!(
            "the lock {} of this Python environment is gone, and resolving anew gives {}; start a new run",
            lock.short(),
            found.short()
        ))
    })
}

/// Returns the interpreter that a lock is for.
async fn interpreter(
    place: &Environments,
    request: &PrepareRequest,
    lock: &Digest,
    text: &Lock,
    uv: &Uv,
) -> Result<PathBuf, PrepareFailure> {
    let answer = Answer::read(&place.folders, &request::digest(request));
    if let Some(Answer { interpreter, .. }) =
        answer.filter(|answer| answer.lock == *lock && answer.interpreter.is_unchanged())
    {
        return Ok(interpreter.path);
    }
    let identity = text.identity();
    let gone = |why: &str| {
        failure::lasting(format!(
            "Python {identity}, which this environment was resolved for, is no longer on this machine ({why}); start a \
             new run, which resolves anew"
        ))
    };
    match interpreter::find(uv, Some(Interpreter::version_of(identity))).await {
        Ok(found) if found.identity == identity => Ok(found.path),
        Ok(found) => Err(gone(&format!("found {}", found.identity))),
        Err(_) => Err(gone("uv finds none of that version")),
    }
}

fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
