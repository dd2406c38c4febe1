//! The code as it was: a clone at the commit, its changes and its untracked files.

use std::{
    path::{Component, Path, PathBuf},
    process::Command,
};

use super::{Kept, RerunError};

/// Makes the folder in which the command ran; without git, that folder itself is used as it is now.
pub(super) fn restore(kept: &Kept, into: &Path, missing: &mut Vec<String>) -> Result<PathBuf, RerunError> {
    let description = &kept.description;
    let Some(commit) = &description.git else {
        let directory = PathBuf::from(&description.directory);
        if !directory.is_dir() {
            return Err(RerunError::Code(format!(
                "it ran outside git, and its folder `{}` is gone",
                directory.display()
            )));
        }
        missing.push("code: it ran outside git, so the files are used as they are now".to_owned());
        return Ok(directory);
    };
    let places = [Some(commit.root.clone()), commit.remote.clone()];
    let mut tried = Vec::new();
    let found = places.into_iter().flatten().any(|place| match clone(&place, &commit.commit, into) {
        Ok(()) => true,
        Err(why) => {
            tried.push(format!("`{}` {why}", windlass_net::mask(&place)));
            false
        }
    });
    if !found {
        return Err(RerunError::Code(format!("commit {} is not there: {}", commit.commit, tried.join("; "))));
    }
    if let Some(changes) = &kept.changes {
        apply(changes, into)?;
    }
    for (path, bytes) in &kept.untracked {
        let is_plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        if !is_plain {
            missing.push(format!("untracked file `{}`: its path leads elsewhere", path.escape_debug()));
            continue;
        }
        let file = into.join(path);
        let failed = |source| RerunError::Folder { path: file.clone(), source };
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        std::fs::write(&file, bytes).map_err(failed)?;
    }
    let below = Path::new(&description.directory).strip_prefix(&commit.root).unwrap_or(Path::new(""));
    let directory = into.join(below);
    std::fs::create_dir_all(&directory).map_err(|source| RerunError::Folder { path: directory.clone(), source })?;
    Ok(directory)
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
    command
}

/// Runs git; says what it said where it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("cannot be asked: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("cannot be cloned").trim().to_owned())
}

/// Clones a repository into an empty folder and checks a commit out.
fn clone(place: &str, commit: &str, into: &Path) -> Result<(), String> {
    if place.starts_with('-') || commit.starts_with('-') {
        return Err("is no repository".to_owned());
    }
    let cloned = run(git(into).args(["clone", "--quiet", "--no-checkout", "--", place, "."])).and_then(|()| {
        run(git(into).args(["-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", commit, "--"]))
            .map_err(|_| "does not have it".to_owned())
    });
    if cloned.is_err() {
        // The next place needs an empty folder.
        let _ = std::fs::read_dir(into).map(|entries| {
            for entry in entries.flatten() {
                let _ = std::fs::remove_dir_all(entry.path()).or_else(|_| std::fs::remove_file(entry.path()));
            }
        });
    }
    cloned
}

/// Makes the changes that were kept.
fn apply(changes: &[u8], into: &Path) -> Result<(), RerunError> {
    let failed = |source| RerunError::Folder { path: into.to_owned(), source };
    let patch = tempfile::NamedTempFile::new().map_err(failed)?;
    std::fs::write(patch.path(), changes).map_err(failed)?;
    run(git(into).args(["apply", "--whitespace=nowarn", "--"]).arg(patch.path()))
        .map_err(|why| RerunError::Code(format!("its changes do not apply: {why}")))
}
