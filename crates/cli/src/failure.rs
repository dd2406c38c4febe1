//! How a command fails: whose mistake it was, what was tried, why it failed, and what would help.
//!
//! Exit codes: 0 done, 1 the user's mistake, 2 changes pending (asked for), 3 our failure.

use std::{error::Error, process::ExitCode};

use windlass_kinds::Finding;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    ours: bool,
    message: String,
    hint: Option<String>,
    findings: Vec<Finding>,
}

impl Failure {
    /// The user can mend it.
    pub(crate) fn user(message: impl Into<String>) -> Self {
        Self { ours: false, message: message.into(), hint: None, findings: Vec::new() }
    }

    /// The user can mend it; `error` says more.
    pub(crate) fn user_because(message: &str, error: impl Error) -> Self {
        Self::user(format!("{message}: {}", windlass_control::chain(&error)))
    }

    /// We failed, or the machine did.
    pub(crate) fn ours(message: &str, error: impl Error) -> Self {
        Self { ours: true, ..Self::user_because(message, error) }
    }

    /// Mistakes in manifests.
    pub(crate) fn findings(findings: Vec<Finding>) -> Self {
        let count = findings.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        Self { findings, ..Self::user(format!("{count} {noun}; nothing was applied")) }
    }

    /// Returns the mistakes in manifests, where those are why.
    pub(crate) fn mistakes(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns whether it says what would help.
    pub(crate) fn has_hint(&self) -> bool {
        self.hint.is_some()
    }

    /// Adds what would help.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A refusal of the server.
    pub(crate) fn refused(status: u16, body: windlass_api::ErrorBody) -> Self {
        let windlass_api::ErrorBody { code: _, message, hint, findings } = body;
        // 507: a full disk is the user's to mend.
        Self { ours: status >= 500 && status != 507, message, hint, findings }
    }

    /// Prints it to standard error; returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let Self { ours, message, hint, findings } = self;
        for finding in &findings {
            eprintln!("{}", crate::view::finding(finding));
        }
        eprintln!("error: {message}");
        if let Some(hint) = hint {
            eprintln!(" hint: {hint}");
        }
        ExitCode::from(if ours { 3 } else { 1 })
    }
}
