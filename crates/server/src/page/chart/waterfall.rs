//! Pieces of work within each other over time: a row each, those within one below it and further in.

use maud::{Markup, html};

use super::{
    super::component::{Tone, seconds},
    Scale, px,
    scale::time_ticks,
    ticks,
};

const WIDTH: f64 = 900.0;
const LABEL: f64 = 300.0;
const RIGHT: f64 = 84.0;
const ROW: f64 = 22.0;
const TOP: f64 = 24.0;
/// How far a row within another is further in, and how often that is drawn.
const INDENT: f64 = 14.0;
const INDENTS: usize = 12;
/// About how many pixels a character of a name takes.
const CHARACTER: f64 = 6.6;

/// One piece of work.
pub(in super::super) struct Work {
    /// What it is called.
    pub(in super::super) name: String,
    /// How many pieces it is within.
    pub(in super::super) depth: usize,
    /// Where it leads.
    pub(in super::super) path: String,
    /// How it ended.
    pub(in super::super) tone: Tone,
    /// When it began, in seconds since the first.
    pub(in super::super) from: f64,
    /// How long it took, in seconds; none while it goes on.
    pub(in super::super) took: Option<f64>,
    /// Whether it is the one that is looked at.
    pub(in super::super) chosen: bool,
}

impl Work {
    fn said(&self) -> String {
        let took = self.took.map_or_else(|| "going on".to_owned(), short);
        format!("{}, {took}, began after {}", self.name, short(self.from))
    }
}

/// Writes seconds, below one of them in milliseconds or microseconds.
pub(in super::super) fn short(time: f64) -> String {
    match time.abs() {
        ..0.001 => format!("{:.0} µs", time * 1e6),
        0.001..1.0 => format!("{:.1} ms", time * 1e3),
        _ => seconds(time),
    }
}

/// Draws pieces of work in their order.
pub(in super::super) fn waterfall(name: &str, all: &[Work]) -> Markup {
    let end = |work: &Work| work.from + work.took.unwrap_or(0.0).max(0.0);
    let low = all.iter().map(|work| work.from).fold(f64::INFINITY, f64::min).min(0.0);
    let high = all.iter().map(end).fold(low, f64::max).max(low + 1e-6);
    let x = Scale::new(low, high, LABEL, WIDTH - RIGHT);
    let height = TOP + ROW * all.len() as f64 + 6.0;
    html! {
        figure.chart {
            div.scroll role="region" aria-label=(name) tabindex="0" {
                svg.timeline.waterfall viewBox={"0 0 " (px(WIDTH)) " " (px(height))} role="group" aria-label=(name) {
                    @for tick in marks(low, high) {
                        line.grid x1=(px(x.at(tick))) x2=(px(x.at(tick))) y1=(px(TOP - 6.0)) y2=(px(height)) {}
                        text.tick x=(px(x.at(tick))) y=(px(TOP - 10.0)) text-anchor="middle" { (short(tick)) }
                    }
                    @for (place, work) in all.iter().enumerate() { (row(work, TOP + ROW * place as f64, x)) }
                }
            }
        }
    }
}

/// Returns round instants. Below a second they are counted by tens, as nobody divides a second by sixty.
fn marks(low: f64, high: f64) -> Vec<f64> {
    if high - low >= 1.0 {
        return time_ticks(low, high, 5).0;
    }
    ticks(low, high, 5).into_iter().filter(|tick| (low..=high).contains(tick)).collect()
}

fn row(work: &Work, top: f64, x: Scale) -> Markup {
    let indent = work.depth.min(INDENTS) as f64 * INDENT;
    let room = ((LABEL - indent - 16.0) / CHARACTER) as usize;
    let left = x.at(work.from);
    let right = x.at(work.from + work.took.unwrap_or(0.0).max(0.0)).max(left + 2.0);
    html! {
        a href=(work.path) aria-label=(work.said()) aria-current=[work.chosen.then_some("true")] {
            rect.row x="0" y=(px(top)) width=(px(WIDTH)) height=(px(ROW)) {}
            text.name x=(px(4.0 + indent)) y=(px(top + 15.0)) { (shortened(&work.name, room)) }
            rect class={"bar " (work.tone.class())} x=(px(left)) y=(px(top + 4.0)) rx="2" width=(px(right - left))
                height=(px(ROW - 8.0)) { title { (work.said()) } }
            text.after x=(px(right + 6.0)) y=(px(top + 15.0)) { @match work.took { Some(took) => { (short(took)) } None => { "going on" } } }
        }
    }
}

fn shortened(name: &str, room: usize) -> String {
    if name.chars().count() <= room {
        return name.to_owned();
    }
    name.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_drawn_where_it_was() {
        let work = |name: &str, depth: usize, from: f64, took: Option<f64>| Work {
            name: name.to_owned(),
            depth,
            path: "?span=1".to_owned(),
            tone: Tone::Good,
            from,
            took,
            chosen: depth == 1,
        };
        let text = waterfall(
            "spans",
            &[work("<whole>", 0, 0.0, Some(0.2)), work("part", 1, 0.1, Some(0.1)), work("open", 90, 0.2, None)],
        )
        .into_string();
        for piece in [
            "&lt;whole&gt;, 200.0 ms, began after 0 µs",
            "x=\"558\" y=\"50\" rx=\"2\" width=\"258\"",
            "aria-current=\"true\"",
            "open, going on",
            ">50.0 ms<",
        ] {
            assert!(text.contains(piece), "{piece} in {text}");
        }
        assert!(waterfall("none", &[]).into_string().contains("<svg"));
    }

    #[test]
    fn times_are_short() {
        for (time, text) in
            [(0.0, "0 µs"), (0.000_25, "250 µs"), (0.0123, "12.3 ms"), (1.5, "1.5 s"), (61.0, "1 min 01 s")]
        {
            assert_eq!(short(time), text);
        }
    }
}
