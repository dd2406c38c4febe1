//! What the kinds that close the loop read alike: columns, measures, references to models, sizes.

use std::collections::BTreeSet;

use super::super::{
    ModelRef,
    fields::{At, element_position, list, parsed, some_text, text, written},
    nearest::{did_you_mean, either},
    report::Report,
    show,
    spans::element,
    units,
};
use crate::{Measure, MeasureError, Name};

/// Reads the name of a column.
pub(super) fn column(at: &At<'_>, report: &mut Report) -> Option<String> {
    some_text(at, report)
}

/// Reads a list of columns, each once.
pub(super) fn columns(at: &At<'_>, report: &mut Report) -> Vec<String> {
    let columns = list(at, report, column).unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (index, column) in columns.iter().enumerate() {
        if !seen.insert(column) {
            let message = format!("the column `{}` stands here a second time", show(column));
            report.error(element_position(at, index), &element(&at.path, index), message, "name it once".to_owned());
        }
    }
    columns
}

/// Reads a measure of predictions against labels.
pub(super) fn measure(at: &At<'_>, report: &mut Report) -> Option<Measure> {
    let written = text(at, report)?;
    match written.parse() {
        Ok(measure) => Some(measure),
        Err(error @ MeasureError::Level(_)) => {
            at.error(report, super::super::clean(&error.to_string()), None);
            None
        }
        Err(MeasureError::Unknown(_)) => {
            let words = Measure::WORDS;
            let hint = did_you_mean(&written, words).unwrap_or_else(|| format!("the measures are {}", either(words)));
            at.error(report, format!("there is no measure `{}`", show(&written)), hint);
            None
        }
    }
}

/// Reads a version of a model whose manifest could be there: its name is that of an object.
pub(super) fn model_ref(at: &At<'_>, report: &mut Report) -> Option<ModelRef> {
    let reference: ModelRef = parsed(at, report)?;
    if let Err(error) = reference.model.parse::<Name>() {
        at.error(report, super::super::clean(&error.to_string()), "name a Model of this project".to_owned());
        return None;
    }
    Some(reference)
}

/// Reads an amount of bytes: `16Mi`, `16MiB`, `10G`.
pub(super) fn size(at: &At<'_>, report: &mut Report) -> Option<u64> {
    let text = written(at, report)?;
    let plain = text.strip_suffix('B').filter(|plain| plain.ends_with('i')).unwrap_or(&text);
    match units::amount(plain, "data") {
        Ok(bytes) => Some(bytes),
        Err((message, hint)) => {
            at.error(report, message, hint);
            None
        }
    }
}
