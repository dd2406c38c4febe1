//! Keeps the log on the run while it grows.

use std::{convert::Infallible, path::Path, time::Duration};

use super::{TrackedRun, Tracking};
use crate::executor;

/// The artifact.
const PATH: &str = "windlass/log.txt";

/// The first wait between two uploads; it grows, because each upload sends the whole log.
const FIRST: Duration = Duration::from_secs(2);

/// The longest wait.
const LAST: Duration = Duration::from_secs(30);

/// Puts the log on the run again and again while it grows. Never returns; trouble is left to the last upload to tell.
pub(super) async fn keep_uploading(tracking: &dyn Tracking, run: &TrackedRun, log: &Path) -> Infallible {
    let mut wait = FIRST;
    let mut uploaded = None;
    loop {
        tokio::time::sleep(wait).await;
        let Ok(text) = executor::read_log(log).await else { continue };
        if text.is_empty() || uploaded == Some(text.len()) {
            continue;
        }
        let length = text.len();
        if tracking.artifact_put(run, PATH, text.into_bytes()).await.is_ok() {
            uploaded = Some(length);
        }
        wait = wait.mul_f32(1.5).min(LAST);
    }
}

/// Puts the log on the run as it is now.
pub(super) async fn upload(tracking: &dyn Tracking, run: &TrackedRun, log: &Path, say: &(dyn Fn(&str) + Send + Sync)) {
    let uploaded = match executor::read_log(log).await {
        Ok(text) => tracking.artifact_put(run, PATH, text.into_bytes()).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = uploaded {
        say(&format!("{PATH} is not on the run: {}", windlass_control::chain(error.as_ref())));
    }
}
