//! What went on when, one row each: the steps of a run.

use maud::{Markup, html};
use windlass_kinds::Micros;

use super::{
    super::component::{Tone, number, seconds},
    Scale, px, ticks,
};

const WIDTH: f64 = 720.0;
const LABEL: f64 = 170.0;
const ROW: f64 = 22.0;
const TOP: f64 = 22.0;

/// One row: something that went on from an instant to another.
pub(in super::super) struct Bar {
    /// What.
    pub(in super::super) name: String,
    /// Where it leads.
    pub(in super::super) path: String,
    /// How it stands.
    pub(in super::super) tone: Tone,
    /// From when; none where it has not begun.
    pub(in super::super) from: Option<Micros>,
    /// Until when; none where it goes on.
    pub(in super::super) to: Option<Micros>,
    /// What is to be said about it.
    pub(in super::super) note: String,
}

/// Draws rows over the time since `start`; what goes on is drawn until `now`.
pub(in super::super) fn timeline(name: &str, bars: &[Bar], start: Micros, now: Micros) -> Markup {
    let end = bars.iter().filter_map(|bar| bar.from.map(|_| bar.to.unwrap_or(now))).max().unwrap_or(start);
    let length = end.since(start).as_secs_f64().max(0.001);
    let x = Scale::new(0.0, length, LABEL, WIDTH - 84.0);
    let height = TOP + ROW * bars.len() as f64 + 6.0;
    html! {
        figure.chart {
            div.scroll {
                svg.timeline viewBox={"0 0 " (px(WIDTH)) " " (px(height))} role="group" aria-label=(name) {
                    @for (tick, name) in times(length) {
                        line.grid x1=(px(x.at(tick))) x2=(px(x.at(tick))) y1=(px(TOP - 6.0)) y2=(px(height)) {}
                        text.tick x=(px(x.at(tick))) y=(px(TOP - 10.0)) text-anchor="middle" { (name) }
                    }
                    @for (place, bar) in bars.iter().enumerate() {
                        (row(bar, TOP + ROW * place as f64, start, now, x))
                    }
                }
            }
        }
    }
}

/// Returns instants within a length of time, in seconds, with their names: in whole units that suit it.
fn times(length: f64) -> Vec<(f64, String)> {
    let (unit, name) = match length {
        ..120.0 => (1.0, "s"),
        120.0..7200.0 => (60.0, "min"),
        7200.0..172_800.0 => (3600.0, "h"),
        _ => (86_400.0, "d"),
    };
    let ticks = ticks(0.0, length / unit, 5).into_iter().filter(|tick| tick * unit <= length);
    ticks.map(|tick| (tick * unit, format!("{} {name}", number(tick)))).collect()
}

fn row(bar: &Bar, top: f64, start: Micros, now: Micros, x: Scale) -> Markup {
    let since = |at: Micros| at.since(start).as_secs_f64();
    html! {
        a href=(bar.path) aria-label={(bar.name) ": " (bar.note)} {
            rect.row x="0" y=(px(top)) width=(px(WIDTH)) height=(px(ROW)) {}
            text.name x=(px(LABEL - 10.0)) y=(px(top + 15.0)) text-anchor="end" { (shortened(&bar.name)) }
            @if let Some(from) = bar.from {
                @let (left, right) = (x.at(since(from)), x.at(since(bar.to.unwrap_or(now))));
                rect class={"bar " (bar.tone.class())} x=(px(left)) y=(px(top + 4.0)) rx="3"
                    width=(px((right - left).max(3.0))) height=(px(ROW - 8.0)) { title { (bar.note) } }
                text.after x=(px(right.max(left + 3.0) + 6.0)) y=(px(top + 15.0)) {
                    (seconds(since(bar.to.unwrap_or(now)) - since(from)))
                }
            } @else {
                text.after x=(px(LABEL)) y=(px(top + 15.0)) { (bar.note) }
            }
        }
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= 24 {
        return name.to_owned();
    }
    name.chars().take(23).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_units_that_suit() {
        let names = |length: f64| times(length).into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(", ");
        assert_eq!(names(0.9), "0 s, 0.2 s, 0.4 s, 0.6 s, 0.8 s");
        assert_eq!(names(480.0), "0 min, 2 min, 4 min, 6 min, 8 min");
        assert_eq!(names(9000.0), "0 h, 0.5 h, 1 h, 1.5 h, 2 h, 2.5 h");
        assert_eq!(names(300_000.0), "0 d, 1 d, 2 d, 3 d");
    }

    #[test]
    fn every_row_is_there_begun_or_not() {
        let bar = |name: &str, from: Option<i64>, to: Option<i64>| Bar {
            name: name.to_owned(),
            path: format!("/{name}"),
            tone: Tone::Good,
            from: from.map(Micros),
            to: to.map(Micros),
            note: "<i>".to_owned(),
        };
        let bars = [bar("one", Some(0), Some(2_000_000)), bar("two", Some(1_000_000), None), bar("three", None, None)];
        let text = timeline("steps", &bars, Micros(0), Micros(4_000_000)).into_string();
        for piece in ["href=\"/one\"", "href=\"/three\"", ">2.0 s<", ">3.0 s<", "&lt;i&gt;"] {
            assert!(text.contains(piece), "{piece} in {text}");
        }
    }
}
