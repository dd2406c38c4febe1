//! How results look: tables for people, JSON and YAML for programs. Data goes to standard output, all else to standard
//! error.

mod diff;
pub(crate) mod progress;
mod table;

use std::io::{IsTerminal, Write};

use serde::Serialize;
use windlass_kinds::{Finding, Micros, Severity};

pub(crate) use diff::plan;
pub(crate) use table::{Table, run_row, step_row};

use crate::args::Output;

/// Prints a line of results.
macro_rules! out {
    () => { $crate::view::write_out(format_args!("\n")) };
    ($($arg:tt)*) => { $crate::view::write_out(format_args!("{}\n", format_args!($($arg)*))) };
}

/// Prints results without ending the line.
macro_rules! out_raw {
    ($($arg:tt)*) => { $crate::view::write_out(format_args!($($arg)*)) };
}

pub(crate) use {out, out_raw};

/// Writes to standard output. A reader that went away (`| head`) ends the process quietly, as it ends any filter.
pub(crate) fn write_out(text: std::fmt::Arguments<'_>) {
    if let Err(error) = std::io::stdout().lock().write_fmt(text) {
        let gone = error.kind() == std::io::ErrorKind::BrokenPipe;
        if !gone {
            eprintln!("error: failed to write results: {error}");
        }
        #[expect(clippy::disallowed_methods, reason = "nobody reads on, and no verb that prints holds anything open")]
        std::process::exit(if gone { 0 } else { 3 });
    }
}

/// Prints a value as JSON or YAML, or calls `table` for people.
pub(crate) fn show<T: Serialize + ?Sized>(output: Output, value: &T, table: impl FnOnce()) {
    match output {
        Output::Table => table(),
        Output::Json => {
            let text = serde_json::to_string_pretty(value).expect("results serialize to JSON");
            out!("{text}");
        }
        Output::Yaml => {
            let value = serde_json::to_value(value).expect("results serialize to JSON");
            out_raw!("{}", windlass_kinds::manifest::value_to_yaml(&value));
        }
    }
}

/// Returns whether colours are fine on a stream (`NO_COLOR` is honoured: no-color.org).
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes a finding in one line, its severity first.
pub(crate) fn finding(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let bold = if colours(&std::io::stderr()) { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let mut text = format!("{}{severity}{}: ", bold.0, bold.1);
    text.push_str(&finding.file);
    if let Some(position) = finding.position {
        text.push_str(&format!(":{}:{}", position.line, position.column));
    }
    if !finding.field.is_empty() {
        text.push_str(&format!(": {}", finding.field));
    }
    text.push_str(&format!(": {}", finding.message));
    if let Some(hint) = &finding.hint {
        text.push_str(&format!("\n  hint: {hint}"));
    }
    text
}

/// Writes the time between two instants shortly: `1.2s`, `3m05s`.
pub(crate) fn took(from: Option<Micros>, to: Option<Micros>) -> String {
    let (Some(from), Some(to)) = (from, to) else { return String::new() };
    seconds(to.since(from).as_secs_f64())
}

/// Writes seconds shortly.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1}s");
    }
    let whole = seconds as u64;
    format!("{}m{:02}s", whole / 60, whole % 60)
}

/// Writes bytes shortly, in powers of 1024.
pub(crate) fn bytes(size: u64) -> String {
    let mut value = size as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{size} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Writes an instant for people: to the second, UTC.
pub(crate) fn instant(at: Micros) -> String {
    let text = at.to_string();
    text.get(..19).map_or(text.clone(), |short| short.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms() {
        assert_eq!(seconds(1.234), "1.2s");
        assert_eq!(seconds(185.0), "3m05s");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(instant(Micros(1_357_000_000_000_000)), "2013-01-01 00:26:40");
    }
}
