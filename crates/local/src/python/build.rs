//! From a lock to an environment.
//!
//! It is built in its place, because console scripts carry absolute paths, and counts once it is marked. Whoever
//! builds holds a file lock, and so does the uv it started; a builder that was killed leaves no mark, and the next
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
    store::hold,
    uv::Uv,
    whole,
};

/// Returns the folder of the environment of a lock.
pub(super) async fn ensure(
    place: &Environments,
    request: &PrepareRequest,
    lock: &Digest,
    progress: Progress<'_>,
) -> Result<PathBuf, PrepareFailure> {
    let folders = &place.folders;
    let folder = folders.environment(lock);
    let text = Lock::read(folders, lock).map_err(|error| failure::system("read a lock", &error))?;
    let count = text.as_ref().map_or(0, |text| text.packages().0);
    if is_complete(&folder, count).await {
        return Ok(folder);
    }
    let text = match text {
        Some(text) => text,
        None => again(place, request, lock).await?,
    };
    let (count, _) = text.packages();
    let held =
        hold(&folders.builder(lock), || progress("waiting for another builder of this Python environment")).await;
    let held = held.map_err(|error| failure::system("write into the data folder", &error))?;
    if is_complete(&folder, count).await {
        return Ok(folder);
    }
    let uv = place.uv().await?;
    let python = interpreter(place, request, lock, &text, uv).await?;
    clear(&folder).await.map_err(|error| failure::system(&format!("clear away `{}`", folder.display()), &error))?;
    progress(&format!("building the Python environment {} ({count} packages, {})", lock.short(), text.identity()));
    let built = build(uv, &folder, &folders.lock(lock), &text, &python, &held, progress).await;
    if built.is_err() {
        // What is left of it takes room and helps nobody; the next builder would clear it away as well.
        let _ = clear(&folder).await;
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
    let mut odd = Vec::new();
    if count > 0 {
        let inside = folder.join("bin/python").display().to_string();
        let mut arguments = vec!["pip", "sync", "--python", &inside];
        if is_hashed {
            arguments.push("--require-hashes");
        }
        arguments.push(&lock);
        let mut outcome = uv.run(&arguments, within, Some(held), progress).await?;
        if !outcome.is_success && outcome.words.contains("no version of") {
            // The lock names what the index had a moment ago: what uv remembers of it is older than the lock.
            progress("the index is asked anew for what the lock names");
            arguments.push("--refresh");
            outcome = uv.run(&arguments, within, Some(held), progress).await?;
        }
        if !outcome.is_success {
            return Err(failure::of_uv("install the Python packages", &outcome.words));
        }
        odd = mend(uv, folder, &arguments, held, progress).await?;
    }
    whole::mark(folder, &odd).map_err(|error| failure::system("mark the Python environment as complete", &error))
}

/// Installs anew, and not from uv's cache, what came out of it damaged; returns the packages that are odd all the same.
async fn mend(
    uv: &Uv,
    folder: &Path,
    sync: &[&str],
    held: &fs::File,
    progress: Progress<'_>,
) -> Result<Vec<String>, PrepareFailure> {
    let names = damaged(folder).await?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    progress(&format!("uv's cache holds damaged files of {}; fetching them anew", names.join(", ")));
    let within = Path::new("/");
    let clean: Vec<&str> = ["cache", "clean"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let mut sync = sync.to_vec();
    sync.extend(names.iter().flat_map(|name| ["--reinstall-package", name]));
    for arguments in [clean, sync] {
        let outcome = uv.run(&arguments, within, Some(held), progress).await?;
        if !outcome.is_success {
            return Err(failure::of_uv("replace damaged Python packages", &outcome.words));
        }
    }
    let odd = damaged(folder).await?;
    if !odd.is_empty() {
        progress(&format!("{}: its own record says otherwise than its files, even fetched anew", odd.join(", ")));
    }
    Ok(odd)
}

async fn damaged(folder: &Path) -> Result<Vec<String>, PrepareFailure> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || whole::damaged(&folder))
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|error| failure::system("look through the Python environment", &error))
}

/// Returns whether an environment is whole; looking may take a moment.
async fn is_complete(folder: &Path, packages: usize) -> bool {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || whole::is_whole(&folder, packages)).await.unwrap_or(false)
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

async fn clear(folder: &Path) -> io::Result<()> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
