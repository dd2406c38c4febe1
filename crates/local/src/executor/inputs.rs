//! Lays out the inputs of a step.

use std::{
    fs,
    io::{self},
    path::{Component, Path},
};

use serde_json::json;
use windlass_control::{Job, JobInput, JobItem};
use windlass_kinds::{Name, record::FileEntry};

use super::{Inner, content, files::FileTrouble, stage::failed};
use crate::{layout::AttemptFolder, step::StepEnd};

/// Lays out every input under its name.
pub(super) async fn place_all(inner: &Inner, job: &Job, folder: &AttemptFolder) -> Result<(), StepEnd> {
    for (name, input) in &job.inputs {
        let into = folder.inputs().join(name.as_str());
        let what = format!("input `{name}`");
        match input {
            JobInput::Dataset { base, files } => dataset(inner, name, base, files, &into).await?,
            JobInput::Output { tree, single_file: true } => {
                content::place_single(&inner.blobs, tree, &into, &what).await?;
            }
            JobInput::Output { tree, single_file: false } => {
                content::place(&inner.blobs, tree, &into, &what).await?;
            }
            JobInput::Items(items) => fan_in(inner, items, &into, &what).await?,
        }
    }
    Ok(())
}

/// Lays out the outputs of all items of a fan-out, and a list of them.
async fn fan_in(inner: &Inner, items: &[JobItem], into: &Path, what: &str) -> Result<(), StepEnd> {
    let io = |error: io::Error| failed(&format!("{what} could not be laid out"), &error);
    fs::create_dir(into).map_err(io)?;
    for item in items {
        let JobItem { dir, value: _, tree, single_file } = item;
        if !is_within(dir) {
            return Err(StepEnd::NotStarted {
                reason: format!("{what}: `{dir}` is no name for a folder"),
                retryable: false,
            });
        }
        match single_file {
            true => content::place_single(&inner.blobs, tree, &into.join(dir), what).await?,
            false => content::place(&inner.blobs, tree, &into.join(dir), what).await?,
        }
    }
    let list: Vec<_> = items.iter().map(|item| json!({ "dir": item.dir, "value": item.value })).collect();
    let list = serde_json::to_vec(&list).map_err(|error| io(error.into()))?;
    fs::write(into.join("_items.json"), list).map_err(io)
}

/// Links the files of a dataset version, after making sure that they are still those of the version.
async fn dataset(inner: &Inner, name: &Name, base: &Path, files: &[FileEntry], into: &Path) -> Result<(), StepEnd> {
    let (known, base, files, into) = (inner.files.clone(), base.to_owned(), files.to_vec(), into.to_owned());
    let linked = tokio::task::spawn_blocking(move || {
        fs::create_dir(&into).map_err(|error| FileTrouble::Link(String::new(), error))?;
        for file in &files {
            let path = base.join(&file.path);
            if !is_within(&file.path) {
                return Err(FileTrouble::Name(file.path.clone()));
            }
            known.check(&path, file)?;
            link(&path, &into.join(&file.path)).map_err(|error| FileTrouble::Link(file.path.clone(), error))?;
        }
        Ok(())
    });
    match linked.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(trouble)) => {
            Err(StepEnd::NotStarted { reason: format!("input `{name}`: {trouble}"), retryable: trouble.is_retryable() })
        }
        Err(error) => Err(failed(&format!("input `{name}` could not be laid out"), &error)),
    }
}

fn link(target: &Path, link: &Path) -> io::Result<()> {
    if let Some(folder) = link.parent() {
        fs::create_dir_all(folder)?;
    }
    std::os::unix::fs::symlink(target, link)
}

/// Returns whether a relative path stays below where it is joined to.
fn is_within(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}
