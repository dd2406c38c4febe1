//! The kit: small pieces that every page is put together from.
//!
//! Each takes plain values and returns markup; every text is escaped. Colour never says anything alone: a badge has its
//! word, a mark its label.

use maud::{Markup, html};
use windlass_kinds::{
    Digest, Micros,
    record::{DatasetVersionState, PipelineRunState, RunStatus, StepState},
};

/// What a state means to whoever looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As wished.
    Good,
    /// Not as wished.
    Bad,
    /// Worth a look.
    Warn,
    /// Going on.
    Busy,
    /// Nothing to say.
    Calm,
}

impl Tone {
    /// Returns the class that the style sheet knows.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Busy => "busy",
            Self::Calm => "calm",
        }
    }

    pub(super) fn of_run(state: PipelineRunState) -> Self {
        match state {
            PipelineRunState::Pending | PipelineRunState::Cancelled => Self::Calm,
            PipelineRunState::Running => Self::Busy,
            PipelineRunState::Succeeded => Self::Good,
            PipelineRunState::Failed => Self::Bad,
        }
    }

    pub(super) fn of_step(state: StepState) -> Self {
        match state {
            StepState::Waiting | StepState::Skipped | StepState::Cancelled | StepState::Blocked => Self::Calm,
            StepState::Preparing | StepState::Ready | StepState::Running => Self::Busy,
            StepState::Succeeded | StepState::Cached => Self::Good,
            StepState::Failed => Self::Bad,
        }
    }

    pub(super) fn of_data(state: DatasetVersionState) -> Self {
        match state {
            DatasetVersionState::Accepted => Self::Good,
            DatasetVersionState::Rejected => Self::Bad,
        }
    }
}

/// Returns the word of a step's state.
pub(super) fn step_word(state: StepState) -> &'static str {
    match state {
        StepState::Waiting => "waiting",
        StepState::Preparing => "preparing",
        StepState::Ready => "ready",
        StepState::Running => "running",
        StepState::Succeeded => "succeeded",
        StepState::Cached => "cached",
        StepState::Skipped => "skipped",
        StepState::Failed => "failed",
        StepState::Blocked => "blocked",
        StepState::Cancelled => "cancelled",
    }
}

/// Returns the word of a dataset version's state.
pub(super) fn data_word(state: DatasetVersionState) -> &'static str {
    match state {
        DatasetVersionState::Accepted => "accepted",
        DatasetVersionState::Rejected => "rejected",
    }
}

/// A state in one word.
pub(super) fn badge(tone: Tone, word: &str) -> Markup {
    html! { span class={"badge " (tone.class())} { (word) } }
}

pub(super) fn run_badge(state: PipelineRunState) -> Markup {
    badge(Tone::of_run(state), windlass_control::state_word(state))
}

/// A tracking run's status in one word.
pub(super) fn status_badge(status: RunStatus) -> Markup {
    match status {
        RunStatus::Running => badge(Tone::Busy, "running"),
        RunStatus::Scheduled => badge(Tone::Calm, "scheduled"),
        RunStatus::Finished => badge(Tone::Good, "finished"),
        RunStatus::Failed => badge(Tone::Bad, "failed"),
        RunStatus::Killed => badge(Tone::Calm, "killed"),
    }
}

pub(super) fn step_badge(state: StepState) -> Markup {
    badge(Tone::of_step(state), step_word(state))
}

pub(super) fn data_badge(state: DatasetVersionState) -> Markup {
    badge(Tone::of_data(state), data_word(state))
}

/// An instant, to the second.
pub(super) fn instant(at: Micros) -> Markup {
    let text = at.to_string();
    let shown = text.get(..19).map_or_else(|| text.clone(), |short| short.replace('T', " "));
    html! { time datetime=(text) { (shown) } }
}

/// An instant that may not have come.
pub(super) fn maybe_instant(at: Option<Micros>) -> Markup {
    html! { @if let Some(at) = at { (instant(at)) } @else { (nothing()) } }
}

/// The time from one instant to another, shortly; nothing where either has not come.
pub(super) fn took(from: Option<Micros>, to: Option<Micros>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => seconds(to.since(from).as_secs_f64()),
        (Some(_) | None, None) | (None, Some(_)) => String::new(),
    }
}

/// Seconds, shortly: `1.2 s`, `3 min 05 s`, `2 h 10 min`, `3 d 04 h`.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        ..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..172_800 => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole / 3600 % 24),
    }
}

/// Bytes, shortly, in powers of 1024.
pub(super) fn bytes(size: u64) -> String {
    let mut value = size as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{size} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// A count with thin spaces between thousands (ISO 80000-1, section 7.3.1).
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && digits.len() > 4 {
            out.push('\u{2009}');
        }
        out.push(digit);
    }
    out
}

/// A measured number, to four significant digits; very large and very small ones by powers of ten.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        return "not a number".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".to_owned() } else { "−∞".to_owned() };
    }
    let size = value.abs();
    let text = if size == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e6).contains(&size) {
        format!("{value:.3e}")
    } else {
        let whole = size.log10().floor() as i32;
        let decimals = usize::try_from(3 - whole).unwrap_or(0);
        let fixed = format!("{value:.decimals$}");
        if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.').to_owned() } else { fixed }
    };
    text.replace('-', "−")
}

/// A number of something, in words: `1 row`, `20 rows`.
pub(super) fn plural(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number as u64))
}

/// The beginning of a digest; the whole of it on hover and for readers of the source.
pub(super) fn digest(digest: &Digest) -> Markup {
    html! { code title=(digest) { (digest.hex().chars().take(12).collect::<String>()) "…" } }
}

/// Says that there is nothing.
pub(super) fn nothing() -> Markup {
    html! { span.quiet { "–" } }
}

/// Facts about one thing: names and values.
pub(super) fn facts(rows: Vec<(&str, Markup)>) -> Markup {
    html! { dl.facts { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}

/// A table: its columns, and rows of as many cells. Scrolls sideways where the page is narrower.
pub(super) fn table(name: &str, columns: &[&str], rows: Vec<Vec<Markup>>) -> Markup {
    html! {
        div.scroll role="region" aria-label=(name) tabindex="0" {
            table {
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
            }
        }
    }
}

/// What is shown where a list is empty, and what would fill it.
pub(super) fn empty(text: &str) -> Markup {
    html! { p.empty { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (12.3456, "12.35"),
            (-0.05, "−0.05"),
            (1234.5678, "1235"),
            (1_234_567.0, "1.235e6"),
            (0.000_012, "1.200e−5"),
            (f64::NAN, "not a number"),
            (100.0, "100"),
            (0.9996, "0.9996"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(count(1234), "1234");
        assert_eq!(count(1_234_567), "1\u{2009}234\u{2009}567");
        assert_eq!(
            (seconds(1.24), seconds(185.0), seconds(7800.0)),
            ("1.2 s".into(), "3 min 05 s".into(), "2 h 10 min".into())
        );
        assert_eq!((bytes(512), bytes(1536)), ("512 B".into(), "1.5 KiB".into()));
        assert_eq!((plural(1, "row"), plural(2, "row")), ("1 row".into(), "2 rows".into()));
    }

    #[test]
    fn texts_are_escaped() {
        let evil = "<script>alert(1)</script>";
        for markup in [badge(Tone::Good, evil), table(evil, &[evil], vec![vec![html! { (evil) }]]), empty(evil)] {
            assert!(!markup.into_string().contains("<script"));
        }
    }
}
