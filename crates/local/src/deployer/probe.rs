//! Trying a version: a model server that answers the rows of a file and ends.
//!
//! The model was somebody's upload: it is loaded in a child, and whatever it does there (a crash, no end, no memory) is
//! told as the reason why it cannot be served.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Deserialize;
use tokio::time::timeout;
use windlass_control::{ProbeAnswer, ProbeFailure};
use windlass_kinds::Digest;
use windlass_oci::BlobStore;
use windlass_scan::read_capped;

use super::server::{Launch, death, was_killed};

/// The most of an answer that is read, in bytes: about ten million predictions.
const ANSWER_CAP: u64 = 256 << 20;

/// What a probe leaves behind.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    /// One prediction a row; JSON has no NaN, so that is null.
    Predictions { predictions: Vec<Option<f64>> },
    /// Why there are none.
    Error { error: String },
}

/// How often a version is tried whose model server somebody kills. A model that needs more memory than there is dies so
/// too, each time.
const TRIES: u32 = 3;

/// Has the model that `launch` names answer the rows of a Parquet file.
pub(super) async fn probe(
    launch: &Launch,
    folder: &Path,
    rows: &Path,
    patience: Duration,
) -> Result<ProbeAnswer, ProbeFailure> {
    for _ in 1..TRIES {
        if let Some(outcome) = probe_once(launch, folder, rows, patience).await.transpose() {
            return outcome;
        }
    }
    let killed = || ProbeFailure::NotServable(format!("its model server was killed {TRIES} times"));
    probe_once(launch, folder, rows, patience).await?.ok_or_else(killed)
}

/// Tries a version; `None` where its model server was killed by somebody.
async fn probe_once(
    launch: &Launch,
    folder: &Path,
    rows: &Path,
    patience: Duration,
) -> Result<Option<ProbeAnswer>, ProbeFailure> {
    let out = folder.join("answer.json");
    let work = folder.join("work");
    fs::create_dir_all(&work).map_err(unavailable)?;
    let (mut command, log_from) = launch.command(&work).map_err(unavailable)?;
    let mut child = command
        .arg("--probe")
        .arg("--rows")
        .arg(rows)
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::null())
        .spawn()
        .map_err(unavailable)?;
    // Held open until it ended: the server ends with its input.
    let input = child.stdin.take();
    let Ok(status) = timeout(patience, child.wait()).await else {
        let _ = child.kill().await;
        return Err(ProbeFailure::NotServable(format!("it took more than {} s to answer", patience.as_secs())));
    };
    drop(input);
    let status = status.map_err(unavailable)?;
    match read(&out) {
        Ok(Some(Answer::Predictions { predictions })) => {
            let predictions = predictions.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect();
            Ok(Some(ProbeAnswer { predictions }))
        }
        Ok(Some(Answer::Error { error })) => Err(ProbeFailure::NotServable(error)),
        Ok(None) if was_killed(status) => Ok(None),
        Ok(None) => Err(ProbeFailure::NotServable(death(status, &launch.log, log_from))),
        Err(error) => Err(unavailable(error)),
    }
}

/// Reads what a probe left; `None` where it is nothing that can be understood.
fn read(out: &Path) -> io::Result<Option<Answer>> {
    match fs::File::open(out) {
        Ok(file) => Ok(serde_json::from_slice(&read_capped(file, ANSWER_CAP)?).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns where the bytes of a blob lie, putting a copy into `folder` where they lie nowhere else.
pub(super) async fn lay_down(blobs: &dyn BlobStore, blob: &Digest, folder: &Path) -> Result<PathBuf, ProbeFailure> {
    if let Some(path) = blobs.local_path(blob) {
        return Ok(path);
    }
    let copy = async {
        let path = folder.join("rows.parquet");
        let mut from = blobs.open(blob, None).await.map_err(io::Error::other)?;
        let mut to = tokio::fs::File::create(&path).await?;
        tokio::io::copy(&mut from, &mut to).await?;
        tokio::io::AsyncWriteExt::flush(&mut to).await?;
        Ok(path)
    };
    copy.await.map_err(unavailable)
}

fn unavailable(error: io::Error) -> ProbeFailure {
    ProbeFailure::Unavailable(format!("the model cannot be tried: {error}"))
}
