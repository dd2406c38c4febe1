//! Repeats what `windlass run` kept: the code, the packages and the command, in a folder of its own.
//!
//! Whatever cannot be had again is said, never guessed: [`Restored::missing`] lists it, and [`differences`] tells what
//! came out otherwise. Running it is [`crate::run`]'s business, fetching what was kept the caller's.

mod code;
mod difference;
mod packages;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::python::{Environments, Progress};
pub use difference::{Difference, Facts, differences};

/// Everything that was kept of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// `windlass/command.json`.
    pub description: Description,
    /// `windlass/changes.patch`, where there were changes.
    pub changes: Option<Vec<u8>>,
    /// The files below `windlass/untracked`, by path.
    pub untracked: Vec<(String, Vec<u8>)>,
    /// `windlass/packages.txt`, where there was a Python.
    pub packages: Option<String>,
}

/// What ran, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// Program and arguments.
    pub command: Vec<String>,
    /// The folder.
    pub directory: String,
    /// Where the code stood, where git knew.
    #[serde(default)]
    pub git: Option<Commit>,
    /// The Python that was used.
    #[serde(default)]
    pub python: Option<String>,
    /// What was not kept.
    #[serde(default)]
    pub left_out: Vec<String>,
}

/// A state of the code.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// The top folder of the working tree.
    pub root: String,
    /// The commit's id.
    pub commit: String,
    /// Where it is fetched from.
    #[serde(default)]
    pub remote: Option<String>,
}

/// What to run, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The folder.
    pub directory: PathBuf,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Variables for it.
    pub variables: BTreeMap<String, String>,
    /// What is not as it was, for people.
    pub missing: Vec<String>,
}

/// Why a run cannot be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RerunError {
    /// The code is nowhere.
    #[error("the code cannot be had again: {0}")]
    Code(String),
    /// The folder for it cannot be used.
    #[error("failed to write in `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Makes everything ready in the folder `into`, which is empty.
pub async fn restore(
    kept: &Kept,
    into: &Path,
    environments: &Environments,
    progress: Progress<'_>,
) -> Result<Restored, RerunError> {
    let mut missing: Vec<String> = kept.description.left_out.iter().map(|left| format!("not kept: {left}")).collect();
    let directory = {
        let (kept, into) = (kept.clone(), into.to_owned());
        let work = tokio::task::spawn_blocking(move || {
            let mut missing = Vec::new();
            code::restore(&kept, &into, &mut missing).map(|directory| (directory, missing))
        });
        let (directory, lacks) = work.await.unwrap_or_else(|error| Err(RerunError::Code(error.to_string())))?;
        missing.extend(lacks);
        directory
    };
    let (command, variables) = packages::restore(kept, &directory, environments, progress, &mut missing).await;
    Ok(Restored { directory, command, variables, missing })
}
