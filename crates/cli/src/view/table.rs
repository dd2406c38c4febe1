//! Plain tables: a header, columns as wide as they need, no frames; what a terminal and `awk` both like.

use comfy_table::{Cell, CellAlignment, presets};
use windlass_kinds::record::{Attempt, PipelineRun, StepRun, Usage};

use super::{bytes, instant, seconds, took};

/// A table for people.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// Starts a table with these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(headings.iter().map(|heading| heading.to_uppercase()));
        Self(table)
    }

    /// Adds a row.
    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter().map(|cell| Cell::new(cell.into()).set_alignment(CellAlignment::Left));
        self.0.add_row(cells);
    }

    /// Returns the text, without trailing blanks.
    pub(crate) fn text(&self) -> String {
        let text = self.0.to_string();
        let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
        lines.join("\n")
    }

    /// Prints it to standard output.
    pub(crate) fn print(&self) {
        crate::view::out!("{}", self.text());
    }
}

/// A row for a run: name, state, cause, times.
pub(crate) fn run_row(run: &PipelineRun) -> Vec<String> {
    vec![
        run.display_name(),
        windlass_control::state_word(run.state).to_owned(),
        took(run.started_at, run.ended_at),
        instant(run.created_at),
        run.cause.text.clone(),
        run.reason.clone(),
    ]
}

/// A row for a step: name, state, attempts, time, processor time of all attempts, their peak of memory, reason.
pub(crate) fn step_row(step: &StepRun, attempts: &[Attempt]) -> Vec<String> {
    let used: Vec<Usage> =
        attempts.iter().filter(|attempt| attempt.step_run == step.id).filter_map(|attempt| attempt.usage).collect();
    let cpu: u64 = used.iter().map(|usage| usage.cpu_micros).sum();
    let memory = used.iter().map(|usage| usage.peak_memory).max();
    vec![
        step.display_name(),
        state(step),
        step.attempts.to_string(),
        took(step.started_at, step.ended_at),
        if used.is_empty() { String::new() } else { seconds(cpu as f64 / 1e6) },
        memory.map_or_else(String::new, bytes),
        step.reason.clone(),
    ]
}

fn state(step: &StepRun) -> String {
    serde_json::to_value(step.state).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
