//! What is known of a command before it runs.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde::Serialize;

use super::{TrackOptions, git, packages, untracked};

/// The longest tag that MLflow's clients expect to read, in characters.
const TAG_LIMIT: usize = 5000;

/// The longest that any question to git or Python may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tags and artifacts for the run.
pub(super) struct Captured {
    /// Tags, by name.
    pub(super) tags: BTreeMap<String, String>,
    /// Artifacts, by path.
    pub(super) artifacts: Vec<(String, Vec<u8>)>,
}

/// `windlass/command.json`: what ran, and what of it is kept beside.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    command: &'a [String],
    directory: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    git: Option<&'a git::Commit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    python: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
}

/// Looks at everything; what cannot be seen is left out and said so in `windlass/command.json`.
pub(super) async fn capture(options: &TrackOptions) -> Captured {
    let options = options.clone();
    tokio::task::spawn_blocking(move || look(&options))
        .await
        .unwrap_or_else(|_| Captured { tags: BTreeMap::new(), artifacts: Vec::new() })
}

fn look(options: &TrackOptions) -> Captured {
    let mut artifacts = Vec::new();
    let mut left_out = Vec::new();
    let commit = git::commit(&options.directory);
    if let Some(commit) = &commit {
        if let Some(changes) = git::changes(&options.directory, &mut left_out) {
            artifacts.push(("windlass/changes.patch".to_owned(), changes));
        }
        let files = untracked::collect(Path::new(&commit.root), &options.excluded, &mut left_out);
        artifacts.extend(files.into_iter().map(|(path, bytes)| (format!("windlass/untracked/{path}"), bytes)));
    }
    let python = packages::interpreter(&options.command, &options.directory);
    if let Some(python) = &python {
        match packages::list(python, &options.directory) {
            Some(list) => artifacts.push(("windlass/packages.txt".to_owned(), list)),
            None => left_out.push(format!("packages: `{}` did not list them", python.display())),
        }
    }
    let tags = tags(options, commit.as_ref());
    let description = Description {
        command: &options.command,
        directory: options.directory.display().to_string(),
        git: commit.as_ref(),
        python: python.map(|python| python.display().to_string()),
        left_out,
    };
    if let Ok(bytes) = serde_json::to_vec_pretty(&description) {
        artifacts.insert(0, ("windlass/command.json".to_owned(), bytes));
    }
    Captured { tags, artifacts }
}

fn tags(options: &TrackOptions, commit: Option<&git::Commit>) -> BTreeMap<String, String> {
    let mut tags = options.tags.clone();
    let mut set = |name: &str, value: &str| {
        tags.insert(name.to_owned(), value.chars().take(TAG_LIMIT).collect());
    };
    set("mlflow.source.name", &options.command.join(" "));
    set("mlflow.source.type", "LOCAL");
    set("windlass.command", &serde_json::json!(options.command).to_string());
    if let Some(git::Commit { commit, branch, remote, is_changed, root: _ }) = commit {
        set("mlflow.source.git.commit", commit);
        set("windlass.git.changed", if *is_changed { "true" } else { "false" });
        for (name, value) in [("mlflow.source.git.branch", branch), ("mlflow.source.git.repoURL", remote)] {
            if let Some(value) = value {
                set(name, value);
            }
        }
    }
    tags
}

/// Runs a command quietly and returns the first `cap` bytes that it prints and whether there were more; `None` where
/// it fails or takes too long.
pub(super) fn ask(command: &mut Command, cap: usize) -> Option<(Vec<u8>, bool)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut output = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.by_ref().take(cap as u64).read_to_end(&mut bytes);
        let has_more = read.is_ok() && matches!(output.read(&mut [0]), Ok(1));
        // The asker may have lost patience.
        let _ = sender.send((bytes, has_more));
    });
    let answer = receiver.recv_timeout(PATIENCE);
    match answer {
        Ok((bytes, false)) => child.wait().ok()?.success().then_some((bytes, false)),
        Ok((_, true)) | Err(_) => {
            let _ = child.kill();
            let _ = child.wait();
            answer.ok()
        }
    }
}
