//! Prometheus' text format (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).

use std::fmt::{Display, Write as _};

/// The content type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that is being written. A family is written in one go, as the format wants it.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// What a family's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Gauge,
    Counter,
}

impl Text {
    /// Begins a family; samples follow by [`Text::sample`].
    pub(super) fn family(&mut self, name: &'static str, kind: Type, help: &'static str) -> Family<'_> {
        let kind = match kind {
            Type::Gauge => "gauge",
            Type::Counter => "counter",
        };
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { name, text: &mut self.0 }
    }

    /// Adds what is such a text already, with families of its own.
    pub(super) fn append(&mut self, text: &str) {
        self.0.push_str(text);
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// A family whose samples are being written.
pub(super) struct Family<'a> {
    name: &'static str,
    text: &'a mut String,
}

impl Family<'_> {
    /// Writes a sample with its labels.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.name);
        for (place, (name, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"{}\"", if place == 0 { '{' } else { ',' }, escaped(text));
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

/// Escapes a label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_families_begin_with_their_type() {
        let mut text = Text::default();
        let mut family = text.family("a_total", Type::Counter, "How many.");
        family.sample(&[("x", "one \"two\" \\ \n"), ("y", "")], 3_u64);
        family.sample(&[], 0.5);
        let expected = "# HELP a_total How many.\n# TYPE a_total counter\na_total{x=\"one \\\"two\\\" \\\\ \\n\",y=\"\"} 3\na_total 0.5\n";
        assert_eq!(text.into_string(), expected);
    }
}
