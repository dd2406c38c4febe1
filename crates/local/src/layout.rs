//! Where this crate keeps things within the data folder.
//!
//! One place for the names, so that whoever clears, reads or repairs the folder agrees with whoever fills it.

use std::path::{Path, PathBuf};

use windlass_kinds::{AttemptId, Name};

/// The data folder, `.windlass` by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// Wraps the path of a data folder; it should be absolute, because steps run elsewhere.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the folder of all attempts' work folders.
    pub fn attempts(&self) -> PathBuf {
        self.0.join("attempts")
    }

    /// Returns the folder of all logs.
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// Returns the work folder of an attempt.
    pub fn attempt(&self, attempt: &AttemptId) -> AttemptFolder {
        AttemptFolder(self.attempts().join(attempt.as_str()))
    }

    /// Returns the log of an attempt; it outlives the work folder.
    pub fn log(&self, attempt: &AttemptId) -> PathBuf {
        self.logs().join(format!("{attempt}.log"))
    }

    /// Returns the folder in which the models that are served are laid out.
    pub fn models(&self) -> PathBuf {
        self.0.join("models")
    }

    /// Returns the folder of the model servers' sockets.
    pub fn sockets(&self) -> PathBuf {
        self.0.join("run")
    }

    /// Returns the log of an endpoint's model servers.
    pub fn endpoint_log(&self, project: &Name, endpoint: &Name) -> PathBuf {
        self.logs().join(format!("endpoint-{project}-{endpoint}.log"))
    }

    /// Returns the folder in which a step run keeps checkpoints across its attempts.
    pub fn checkpoints(&self, step_run: &str) -> PathBuf {
        self.0.join("checkpoints").join(step_run)
    }
}

/// The work folder of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFolder(PathBuf);

impl AttemptFolder {
    /// Wraps the path of a work folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the description that the shim reads.
    pub fn job(&self) -> PathBuf {
        self.0.join("job.json")
    }

    /// Returns the file that the shim keeps locked while it lives; it holds the shim's process id, and becomes the
    /// result.
    pub fn alive(&self) -> PathBuf {
        self.0.join("alive")
    }

    /// Returns the wish that the attempt end.
    pub fn stop(&self) -> PathBuf {
        self.0.join("stop.json")
    }

    /// Returns how the step ended; there once and for all.
    pub fn result(&self) -> PathBuf {
        self.0.join("result.json")
    }

    /// Returns the private copy of the code, the working directory of the step.
    pub fn code(&self) -> PathBuf {
        self.0.join("code")
    }

    /// Returns `$WINDLASS_INPUTS`; made only for a step that has inputs.
    pub fn inputs(&self) -> PathBuf {
        self.0.join("inputs")
    }

    /// Returns `$WINDLASS_OUTPUTS`.
    pub fn outputs(&self) -> PathBuf {
        self.0.join("outputs")
    }

    /// Returns `$WINDLASS_WRITES`; made only for a step that writes datasets.
    pub fn writes(&self) -> PathBuf {
        self.0.join("writes")
    }

    /// Returns where the folder of checkpoints goes that nobody needs any more, to go with the work folder.
    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// Returns `$WINDLASS_PARAMS`.
    pub fn parameters(&self) -> PathBuf {
        self.0.join("params.json")
    }
}
