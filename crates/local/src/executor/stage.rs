//! Lays out the work folder of an attempt and starts its shim.
//!
//! Nothing here is repeated after a crash: an attempt whose shim never began is reported as lost, and the control loop
//! begins another.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use windlass_control::Job;
use windlass_kinds::{Name, manifest::OutputSpec};

use super::{Inner, content, environment, inputs, shim::Shim};
use crate::{
    layout::AttemptFolder,
    step::{self, StepEnd, StepJob, StepResult, StopRequest},
};

/// `job.json`: what the shim needs, and what we need ourselves when the step ends, perhaps in another process.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HandedOver {
    /// What the shim reads.
    #[serde(flatten)]
    pub(super) step: StepJob,
    /// The key of the checkpoints.
    pub(super) step_run: String,
    /// What must be left behind.
    pub(super) outputs: BTreeMap<Name, OutputSpec>,
    /// Which start of the machine it belongs to.
    #[serde(default)]
    pub(super) boot: String,
}

/// Returns what names the present start of the machine; empty where the kernel does not say. Read once: no process
/// outlives it.
pub(super) fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_or_else(|_| String::new(), |text| text.trim().to_owned())
    })
}

/// Lays out the work folder and starts the shim. An error says how the attempt ended instead.
pub(super) async fn stage(inner: &Inner, job: &Job, folder: &AttemptFolder) -> Result<Shim, StepEnd> {
    let log = inner.data.log(&job.attempt);
    let checkpoints = inner.data.checkpoints(&job.step_run);
    lay_out(inner, job, folder, &log, &checkpoints)
        .map_err(|error| failed("the work folder could not be made", &error))?;
    if let Some(code) = &job.code {
        content::place(&inner.blobs, code, &folder.code(), "the code of the pipeline").await?;
    }
    inputs::place_all(inner, job, folder).await?;
    let python = match &job.python {
        None => None,
        Some((request, lock)) => {
            let progress = |line: &str| note(&log, line);
            let built = inner.python.ensure(request, lock, &progress).await;
            Some(
                built
                    .map_err(|failure| StepEnd::NotStarted { reason: failure.reason, retryable: failure.retryable })?,
            )
        }
    };
    let handed_over = describe(inner, job, folder, &log, &checkpoints, python.as_deref())?;
    serde_json::to_vec(&handed_over)
        .map_err(io::Error::from)
        .and_then(|bytes| write_file(&folder.job(), &bytes))
        .map_err(|error| failed("the job could not be written", &error))?;
    Shim::start(&inner.runners, &inner.binary, &inner.data.attempts(), &job.project, &job.attempt)
        .map_err(|error| failed("the step runner could not be started", &error))
}

/// Writes a file of a work folder, not by rename: nobody reads it before its shim starts.
fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}

/// Returns that an attempt was asked to end before it began, after leaving a note of whose wish it was.
pub(super) fn stopped(folder: &AttemptFolder, request: StopRequest) -> StepEnd {
    if let Err(error) = step::write(&folder.stop(), &request) {
        tracing::warn!(folder = %folder.path().display(), %error, "failed to write why the attempt is to end");
    }
    StepEnd::Stopped
}

/// Writes down how an attempt ended that no shim saw.
pub(super) fn settle(log: &Path, folder: &AttemptFolder, end: StepEnd) -> StepResult {
    if let StepEnd::NotStarted { reason, retryable: _ } = &end {
        note(log, reason);
    }
    let result = StepResult::bare(end);
    if let Err(error) = step::write(&folder.result(), &result) {
        tracing::warn!(folder = %folder.path().display(), %error, "failed to write how an attempt ended");
    }
    result
}

/// Makes a folder, and those above it, that only its owner may enter.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Appends a line of ours to a log.
fn note(log: &Path, text: &str) {
    let line = format!("windlass: {}\n", text.trim_end());
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(log)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        tracing::warn!(log = %log.display(), %error, "failed to write to a log");
    }
}

/// Returns a failure of this machine rather than of the step: trying again could help.
pub(super) fn failed(what: &str, error: &dyn std::error::Error) -> StepEnd {
    StepEnd::NotStarted { reason: format!("{what}: {}", windlass_control::chain(error)), retryable: true }
}

fn lay_out(inner: &Inner, job: &Job, folder: &AttemptFolder, log: &Path, checkpoints: &Path) -> io::Result<()> {
    let used_before = inner.spares.take(folder);
    if !used_before {
        private_folder(folder.path())?;
    }
    // After the work folder: a log without one means an attempt that is over (see `start`).
    OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
    if !used_before {
        private_folder(&folder.code())?;
        private_folder(&folder.outputs())?;
    }
    // It fails where there is none, or where an attempt before left checkpoints: those stay.
    if fs::rename(folder.checkpoints(), checkpoints).is_err() {
        private_folder(checkpoints)?;
    }
    // Making and removing files is most of what a short step costs: what can hold nothing is left out.
    if !job.inputs.is_empty() {
        fs::create_dir(folder.inputs())?;
    }
    if !job.writes.is_empty() {
        fs::create_dir(folder.writes())?;
    }
    write_file(&folder.parameters(), &serde_json::to_vec(&job.parameters)?)?;
    for (name, target) in &job.writes {
        fs::create_dir_all(target)?;
        std::os::unix::fs::symlink(target, folder.writes().join(name.as_str()))?;
    }
    Ok(())
}

fn describe(
    inner: &Inner,
    job: &Job,
    folder: &AttemptFolder,
    log: &Path,
    checkpoints: &Path,
    python: Option<&Path>,
) -> Result<HandedOver, StepEnd> {
    let not_started = |reason: String| StepEnd::NotStarted { reason, retryable: false };
    let variables = environment::environment(&inner.host, job, folder, checkpoints, python);
    let Some((program, arguments)) = job.command.split_first() else {
        return Err(not_started("the step names no program".to_owned()));
    };
    let program: PathBuf = environment::program(program, &folder.code(), &variables).map_err(not_started)?;
    let step = StepJob {
        attempt: job.attempt.to_string(),
        program,
        arguments: arguments.to_vec(),
        directory: folder.code(),
        log: log.to_owned(),
        log_limit: step::LOG_LIMIT,
        secrets: environment::secrets(&job.tracking.token, &variables),
        environment: variables,
        timeout_millis: job.timeout.map(millis),
        grace_millis: step::GRACE_MILLIS,
        memory: job.resources.memory,
    };
    Ok(HandedOver { step, step_run: job.step_run.clone(), outputs: job.outputs.clone(), boot: boot().to_owned() })
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
