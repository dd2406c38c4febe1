//! What parsing gives: manifests that still know their place, and findings.

use std::collections::BTreeSet;

use super::{
    Manifest, StepDefaults, decode,
    report::Report,
    source::{SOURCE_MAX, Source, too_large},
    spans::Spans,
    tree,
};
use crate::{Finding, Position, Severity};

/// A manifest and where it was read.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it says.
    pub manifest: Manifest,
    /// The source it came from, as an index into what was parsed.
    pub source: usize,
    /// The name of that source.
    pub file: String,
    /// Where the document begins.
    pub position: Position,
    /// The places of its fields.
    pub spans: Spans,
    /// Settings that a pipeline gives to its steps; merged into them by [`super::merge_settings`].
    pub defaults: StepDefaults,
    /// Fields that could not be read.
    pub(super) gaps: BTreeSet<String>,
}

impl Parsed {
    /// Makes a finding about a field, at the place of its value.
    pub fn finding(
        &self,
        severity: Severity,
        field: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Finding {
        Finding {
            severity,
            file: self.file.clone(),
            position: Some(self.spans.value(field)),
            field: field.to_owned(),
            message: message.into(),
            hint,
        }
    }

    /// Tells whether something at or below a field could not be read.
    pub(super) fn has_gap(&self, field: &str) -> bool {
        let below = self.gaps.range(field.to_owned()..).take_while(|gap| gap.starts_with(field));
        let mut below = below.filter(|gap| gap[field.len()..].is_empty() || gap[field.len()..].starts_with(['.', '[']));
        below.next().is_some()
    }
}

/// What came of parsing some sources.
#[derive(Debug, Clone, Default)]
pub struct ParseOutcome {
    /// The manifests without an error of their own, in the order of the sources.
    pub manifests: Vec<Parsed>,
    /// Manifests with errors, as far as they could be read: worth checking for further mistakes, never to be applied.
    pub broken: Vec<Parsed>,
    /// All mistakes of all sources, in the order of sources and places.
    pub findings: Vec<Finding>,
}

impl ParseOutcome {
    /// Tells whether something must be mended before anything can be applied.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Parses the manifests of all sources. Cross references are for [`super::check`], defaults of templates and
/// pipelines for [`super::merge_settings`]; [`super::read`] does all three.
pub fn parse(sources: &[Source]) -> ParseOutcome {
    let mut outcome = ParseOutcome::default();
    for (index, source) in sources.iter().enumerate() {
        if source.text.len() > SOURCE_MAX {
            outcome.findings.push(too_large(&source.name));
            continue;
        }
        let mut report = Report::new(&source.name);
        for document in tree::documents(&source.text, &mut report) {
            match decode::document(&document.root, &source.name, index, &mut report) {
                Some((parsed, true)) if !document.flawed => outcome.manifests.push(parsed),
                Some((parsed, _)) => outcome.broken.push(parsed),
                None => {}
            }
        }
        let mut findings = report.finish();
        findings.sort_by_key(|finding| finding.position.map_or((u32::MAX, 0), |place| (place.line, place.column)));
        outcome.findings.append(&mut findings);
    }
    outcome
}
