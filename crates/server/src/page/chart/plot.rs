//! Curves over a common axis: one metric of one run or of several, smoothed if wished, with the raw values faint behind.
//!
//! It draws what it is given; how many points that are is decided where they are read.

use maud::{Markup, html};
use windlass_kinds::Micros;

use super::{
    super::component::{number, seconds, table},
    Scale, extent, named, px,
    scale::{log_ticks, time_ticks},
    smooth::smoothed,
    ticks,
};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// How many colours the style sheet knows; more series repeat them with a dashed line.
const COLOURS: usize = 8;
/// Up to so many points of a series get a mark each.
const MARKED: usize = 40;
/// How many rows of numbers a series has in the table.
const ROWS: usize = 60;

/// What the points stand over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) enum Axis {
    /// The step that was logged.
    #[default]
    Step,
    /// Seconds since the run began.
    Relative,
    /// Seconds since 1970-01-01T00:00:00Z.
    Wall,
}

impl Axis {
    /// Returns its word in a URL.
    pub(in super::super) fn word(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Relative => "relative",
            Self::Wall => "wall",
        }
    }

    /// Returns what it is called.
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Relative => "time since the run began",
            Self::Wall => "time of day, UTC",
        }
    }

    fn shown(self, x: f64) -> String {
        match self {
            Self::Step => number(x),
            Self::Relative if x < 0.0 => format!("−{}", seconds(-x)),
            Self::Relative => seconds(x),
            Self::Wall => instant(x).get(..19).map_or_else(String::new, |text| text.replace('T', " ")),
        }
    }

    /// Returns the places that get a name, with that name.
    fn marks(self, low: f64, high: f64) -> Vec<(f64, String)> {
        match self {
            Self::Step => named(ticks(low, high, 6).into_iter().filter(|x| (low..=high).contains(x)).collect()),
            Self::Relative => time_ticks(low, high, 6).0.into_iter().map(|x| (x, self.shown(x))).collect(),
            Self::Wall => {
                let (places, apart) = time_ticks(low, high, 6);
                let part = if apart < 60.0 {
                    11..19
                } else if apart < 86_400.0 {
                    11..16
                } else {
                    5..10
                };
                let shown = |x: f64| instant(x).get(part.clone()).unwrap_or_default().to_owned();
                places.into_iter().map(|x| (x, shown(x))).collect()
            }
        }
    }
}

fn instant(seconds: f64) -> String {
    Micros((seconds * 1e6) as i64).to_string()
}

/// One curve.
pub(in super::super) struct Series {
    /// What it is called; none where there is only one.
    pub(in super::super) name: String,
    /// Where it stands among the colours.
    pub(in super::super) colour: usize,
    /// Points by x; a y that is not finite breaks the line.
    pub(in super::super) points: Vec<(f64, f64)>,
}

/// Curves over one axis.
pub(in super::super) struct Plot {
    /// What is measured.
    pub(in super::super) name: String,
    /// What it stands over.
    pub(in super::super) axis: Axis,
    /// Whether the values are drawn by powers of ten.
    pub(in super::super) log: bool,
    /// How much is smoothed, from 0 (not at all) to below 1.
    pub(in super::super) smoothing: f64,
    /// The curves.
    pub(in super::super) series: Vec<Series>,
}

impl Plot {
    /// Draws the curves, with their numbers as a table that can be opened.
    pub(in super::super) fn figure(&self, id: &str) -> Markup {
        html! {
            figure.chart {
                figcaption { (self.name) (self.legend()) }
                div.scroll role="region" aria-label={"The curve of " (self.name)} tabindex="0" { (self.drawing()) }
                details id=(id) { summary { "The numbers" } (self.numbers()) }
            }
        }
    }

    fn legend(&self) -> Markup {
        let unseen = self.unseen();
        html! {
            @if self.series.len() > 1 {
                @for series in &self.series { span class={"curve " (class(series.colour))} { (series.name) } }
            }
            @if unseen > 0 { span.quiet { (unseen) " values of 0 or less have no place here" } }
        }
    }

    /// Returns how many values a logarithm cannot show.
    fn unseen(&self) -> usize {
        if !self.log {
            return 0;
        }
        let values = self.series.iter().flat_map(|series| &series.points);
        values.filter(|(_, y)| y.is_finite() && *y <= 0.0).count()
    }

    /// Returns a value's height before it is mapped onto pixels.
    fn height(&self, y: f64) -> Option<f64> {
        match self.log {
            false => y.is_finite().then_some(y),
            true => (y.is_finite() && y > 0.0).then(|| y.log10()),
        }
    }

    fn drawing(&self) -> Markup {
        let all = || self.series.iter().flat_map(|series| &series.points);
        let heights = extent(all().filter_map(|(_, y)| self.height(*y)));
        let (Some((low, high)), Some((left, right))) = (heights, extent(all().map(|(x, _)| *x))) else {
            return html! { p.empty { "No number that can be drawn." } };
        };
        let rows: Vec<(f64, String)> = match self.log {
            true => log_ticks(low, high).into_iter().map(|value| (value.log10(), number(value))).collect(),
            false => named(ticks(low, high, 4)),
        };
        let (low, high) =
            (rows.first().map_or(low, |(tick, _)| tick.min(low)), rows.last().map_or(high, |(tick, _)| tick.max(high)));
        let y = Scale::new(low, high, HEIGHT - BOTTOM, TOP);
        let x = Scale::new(left, right, LEFT + 6.0, WIDTH - RIGHT - 6.0);
        html! {
            svg.line viewBox={"0 0 " (px(WIDTH)) " " (px(HEIGHT))} role="img" aria-label=(self.sentence()) {
                @for (tick, name) in &rows {
                    line.grid x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(px(y.at(*tick))) y2=(px(y.at(*tick))) {}
                    text.tick x=(px(LEFT - 8.0)) y=(px(y.at(*tick) + 4.0)) text-anchor="end" { (name) }
                }
                @for (tick, name) in self.axis.marks(left, right) {
                    text.tick x=(px(x.at(tick))) y=(px(HEIGHT - 8.0)) text-anchor="middle" { (name) }
                }
                @for series in &self.series { (self.curve(series, x, y)) }
            }
        }
    }

    fn curve(&self, series: &Series, x: Scale, y: Scale) -> Markup {
        let colour = class(series.colour);
        let raw = self.path(&series.points, x, y);
        html! {
            @if self.smoothing > 0.0 && series.points.len() > 2 {
                path class={"series raw " (colour)} d=(raw) {}
                path class={"series " (colour)} d=(self.path(&smoothed(&series.points, self.smoothing), x, y)) {}
            } @else {
                path class={"series " (colour)} d=(raw) {}
                @if series.points.len() <= MARKED {
                    @for (at, value) in &series.points {
                        @if let Some(height) = self.height(*value) {
                            circle class={"point " (colour)} cx=(px(x.at(*at))) cy=(px(y.at(height))) r="2.4" {
                                title { (series.name) " " (self.axis.shown(*at)) ": " (number(*value)) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn path(&self, points: &[(f64, f64)], x: Scale, y: Scale) -> String {
        let mut out = String::new();
        let mut pen_up = true;
        for (at, value) in points {
            match self.height(*value) {
                Some(height) => {
                    out.push(if pen_up { 'M' } else { 'L' });
                    out.push_str(&px(x.at(*at)));
                    out.push(' ');
                    out.push_str(&px(y.at(height)));
                    pen_up = false;
                }
                None => pen_up = true,
            }
        }
        out
    }

    /// Says the curves in a sentence each.
    fn sentence(&self) -> String {
        let told = self.series.iter().map(|series| {
            let known: Vec<&(f64, f64)> = series.points.iter().filter(|(_, y)| y.is_finite()).collect();
            let name = if self.series.len() > 1 { format!("{} ", series.name) } else { String::new() };
            match (known.first(), known.last()) {
                (Some(first), Some(last)) => format!(
                    "{name}over {} points, from {} at {} to {} at {}",
                    series.points.len(),
                    number(first.1),
                    self.axis.shown(first.0),
                    number(last.1),
                    self.axis.shown(last.0)
                ),
                _ => format!("{name}not known"),
            }
        });
        format!("{} {}", self.name, told.collect::<Vec<_>>().join("; "))
    }

    fn numbers(&self) -> Markup {
        let several = self.series.len() > 1;
        let mut columns = vec![self.axis.word(), self.name.as_str()];
        if several {
            columns.insert(0, "run");
        }
        let rows = self.series.iter().flat_map(|series| {
            let thin = series.points.len().div_ceil(ROWS).max(1);
            series.points.iter().step_by(thin).map(move |(x, y)| {
                let mut row = vec![html! { (self.axis.shown(*x)) }, html! { (number(*y)) }];
                if several {
                    row.insert(0, html! { (series.name) });
                }
                row
            })
        });
        table(&format!("Numbers of {}", self.name), &columns, rows.collect())
    }
}

/// Returns the classes of the n-th series.
pub(in super::super) fn class(place: usize) -> String {
    let dashed = if place / COLOURS % 2 == 1 { " dashed" } else { "" };
    format!("c{}{dashed}", place % COLOURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(log: bool, smoothing: f64, series: Vec<Vec<(f64, f64)>>) -> String {
        let series = series.into_iter().enumerate().map(|(colour, points)| Series {
            name: format!("<run {colour}>"),
            colour,
            points,
        });
        let plot = Plot { name: "loss".to_owned(), axis: Axis::Step, log, smoothing, series: series.collect() };
        plot.figure("numbers").into_string()
    }

    #[test]
    fn curves_say_what_they_show() {
        let falling = vec![(0.0, 10.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 0.1)];
        for (text, pieces) in [
            (
                plot(false, 0.0, vec![falling.clone()]),
                vec!["loss over 4 points, from 10 at 0 to 0.1 at 3", "class=\"point c0\""],
            ),
            (plot(false, 0.5, vec![falling.clone()]), vec!["series raw c0"]),
            (plot(true, 0.0, vec![vec![(0.0, 0.0), (1.0, 5.0)]]), vec!["1 values of 0 or less"]),
            (plot(false, 0.0, vec![falling.clone(), falling]), vec!["&lt;run 1&gt;", "curve c1"]),
            (plot(false, 0.0, vec![vec![(0.0, f64::NAN)]]), vec!["No number that can be drawn"]),
            (plot(false, 0.0, vec![]), vec!["No number that can be drawn"]),
        ] {
            for piece in pieces {
                assert!(text.contains(piece), "{piece} in {text}");
            }
            assert!(!text.contains("<run"), "{text}");
        }
    }

    #[test]
    fn times_have_names_that_fit_their_distance() {
        let names = |low: f64, high: f64| {
            Axis::Wall.marks(low, high).into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" ")
        };
        let day = 1_700_006_400.0;
        assert_eq!(names(day, day + 10.0), "00:00:00 00:00:02 00:00:04 00:00:06 00:00:08 00:00:10");
        assert_eq!(names(day, day + 7200.0), "00:00 00:30 01:00 01:30 02:00");
        assert_eq!(names(day, day + 400_000.0), "11-15 11-16 11-17 11-18 11-19");
        assert_eq!(Axis::Relative.shown(90.0), "1 min 30 s");
    }

    #[test]
    fn colours_come_again_dashed() {
        assert_eq!((class(1).as_str(), class(9).as_str(), class(17).as_str()), ("c1", "c1 dashed", "c1"));
    }
}
