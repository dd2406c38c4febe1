//! Turns how a step ended into what the control loop hears.

use std::{borrow::Cow, collections::BTreeMap, fs, io, time::Duration};

use windlass_control::Job;
use windlass_kinds::{
    Name, Span,
    manifest::OutputSpec,
    record::{AttemptEnd, AttemptResult, Usage},
};

use super::{
    Inner,
    collect::{OutputTrouble, collect},
    stage::{self, HandedOver},
};
use crate::{
    layout::AttemptFolder,
    step::{self, StepEnd, StepResult, StopReason, StopRequest},
};

/// Returns the report of an attempt. Where the step exited well, its outputs are in the store when this returns.
/// `job` is its job where this process started it, and knows it from memory.
pub(super) async fn report(
    inner: &Inner,
    folder: &AttemptFolder,
    job: Option<&Job>,
    result: StepResult,
) -> AttemptResult {
    let usage =
        Usage { cpu_micros: result.cpu_micros, peak_memory: result.peak_memory, wall_micros: result.wall_micros };
    let mut outputs = Default::default();
    let failed = |reason: String, retryable: bool| AttemptEnd::Failed { reason, retryable };
    let end = match result.end {
        StepEnd::Exited { code: 0 } => match promised(folder, job) {
            Err(reason) => AttemptEnd::Lost { reason },
            Ok(Promised { step_run, outputs: declared }) => {
                match collect(inner.blobs.as_ref(), folder, &declared).await {
                    Ok(collected) => {
                        outputs = collected;
                        clear_checkpoints(inner, folder, &step_run);
                        AttemptEnd::Succeeded
                    }
                    Err(OutputTrouble { reason, is_retryable }) => failed(reason, is_retryable),
                }
            }
        },
        StepEnd::Exited { code } => failed(format!("exit code {code}"), true),
        StepEnd::Killed { signal } => failed(format!("killed by {}; not by Windlass", signal_text(signal)), true),
        StepEnd::NotStarted { reason, retryable } => failed(reason, retryable),
        StepEnd::OutOfMemory { reason } => failed(reason, true),
        StepEnd::TimedOut => AttemptEnd::TimedOut { limit: limit_text(folder) },
        StepEnd::Lost { reason } => AttemptEnd::Lost { reason },
        StepEnd::Stopped => match step::read::<StopRequest>(&folder.stop()) {
            Ok(StopRequest { reason: StopReason::Cancelled, grace_millis: _ }) => AttemptEnd::Cancelled,
            // Without a wish of ours it was the machine that went down.
            Ok(StopRequest { reason: StopReason::Interrupted, grace_millis: _ }) | Err(_) => AttemptEnd::Interrupted,
        },
    };
    AttemptResult { end, outputs, usage }
}

/// What a step was to leave behind.
struct Promised<'a> {
    step_run: Cow<'a, str>,
    outputs: Cow<'a, BTreeMap<Name, OutputSpec>>,
}

/// Returns what a step that exited well was to leave behind, or why that cannot be believed to be there.
fn promised<'a>(folder: &AttemptFolder, job: Option<&'a Job>) -> Result<Promised<'a>, String> {
    if let Some(job) = job {
        return Ok(Promised { step_run: Cow::Borrowed(&job.step_run), outputs: Cow::Borrowed(&job.outputs) });
    }
    match step::read::<HandedOver>(&folder.job()) {
        Err(error) => Err(format!("its job can no longer be read: {error}")),
        // The outputs were not forced to disk: the name may be there and the bytes not.
        Ok(job) if job.boot != stage::boot() => {
            Err("the machine was started anew before its outputs were kept".to_owned())
        }
        Ok(job) => Ok(Promised { step_run: Cow::Owned(job.step_run), outputs: Cow::Owned(job.outputs) }),
    }
}

/// A step that succeeded has no use for its checkpoints any more; one that will be tried again has.
fn clear_checkpoints(inner: &Inner, folder: &AttemptFolder, step_run: &str) {
    let checkpoints = inner.data.checkpoints(step_run);
    // They go with the work folder, which may be used again.
    let removed = fs::rename(&checkpoints, folder.checkpoints()).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => fs::remove_dir_all(&checkpoints),
    });
    if let Err(error) = removed {
        tracing::warn!(step_run, %error, "failed to remove checkpoints");
    }
}

fn limit_text(folder: &AttemptFolder) -> String {
    let limit = step::read::<HandedOver>(&folder.job()).ok().and_then(|job| job.step.timeout_millis);
    limit.map_or_else(|| "its time-out".to_owned(), |millis| Span(Duration::from_millis(millis)).to_string())
}

fn signal_text(number: i32) -> String {
    match nix::sys::signal::Signal::try_from(number) {
        Ok(signal) => format!("signal {number} ({})", signal.as_str()),
        Err(_) => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names() {
        assert_eq!(signal_text(9), "signal 9 (SIGKILL)");
        assert_eq!(signal_text(40), "signal 40");
    }
}
