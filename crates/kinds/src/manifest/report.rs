//! Where a parser of one file leaves its findings.
//!
//! A report keeps the first [`FINDINGS_MAX`] findings of a file and counts the rest, so that a hostile file cannot
//! make a long answer. It also remembers the gaps: fields that could not be read, about which later checks stay
//! silent rather than blame what depends on them.

use std::collections::BTreeSet;

use crate::{Finding, Position, Severity};

/// The most findings kept of one file.
pub(super) const FINDINGS_MAX: usize = 100;

/// The findings of one file.
pub(super) struct Report {
    file: String,
    findings: Vec<Finding>,
    hidden: usize,
    gaps: BTreeSet<String>,
}

impl Report {
    /// Starts an empty report on `file`.
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), findings: Vec::new(), hidden: 0, gaps: BTreeSet::new() }
    }

    /// Adds an error; `field` becomes a gap.
    pub(super) fn error(
        &mut self,
        position: Position,
        field: &str,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.gaps.insert(field.to_owned());
        self.push(Severity::Error, position, field, message.into(), hint.into());
    }

    /// Remembers a field that could not be read and is reported elsewhere.
    pub(super) fn gap(&mut self, field: &str) {
        self.gaps.insert(field.to_owned());
    }

    /// Adds a warning.
    pub(super) fn warn(&mut self, position: Position, field: &str, message: impl Into<String>, hint: Option<String>) {
        self.push(Severity::Warning, position, field, message.into(), hint);
    }

    /// Tells whether further findings are only counted: looking for remedies is then wasted.
    pub(super) fn is_full(&self) -> bool {
        self.findings.len() >= FINDINGS_MAX
    }

    /// Returns the gaps since the last call.
    pub(super) fn take_gaps(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.gaps)
    }

    /// Ends the report.
    pub(super) fn finish(self) -> Vec<Finding> {
        let Self { file, mut findings, hidden, gaps: _ } = self;
        if hidden > 0 {
            findings.push(not_shown(&file, hidden));
        }
        findings
    }

    fn push(&mut self, severity: Severity, position: Position, field: &str, message: String, hint: Option<String>) {
        if self.is_full() {
            self.hidden += 1;
            return;
        }
        let field = field.to_owned();
        self.findings.push(Finding {
            severity,
            file: self.file.clone(),
            position: Some(position),
            field,
            message,
            hint,
        });
    }
}

/// Returns the finding that says how many others of a file are not shown.
pub(super) fn not_shown(file: &str, hidden: usize) -> Finding {
    Finding {
        severity: Severity::Error,
        file: file.to_owned(),
        position: None,
        field: String::new(),
        message: format!("{hidden} further mistakes are not shown"),
        hint: None,
    }
}
