//! A series of numbers against the bounds it must keep to.

use maud::{Markup, html};

use super::{
    super::component::{Tone, number, table},
    Scale, extent, px, ticks,
};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// Up to so many points each gets its own mark.
const MARKED: usize = 80;
/// Up to so many points are drawn; of more, every n-th.
const DRAWN: usize = 600;

/// One point of a series.
pub(in super::super) struct Point {
    /// Its name under the axis.
    pub(in super::super) name: String,
    /// Its value; none where it is not known.
    pub(in super::super) value: Option<f64>,
    /// What is to be said about it.
    pub(in super::super) note: String,
    /// Where it leads.
    pub(in super::super) path: Option<String>,
    /// Whether it stands out, and how.
    pub(in super::super) tone: Option<Tone>,
}

/// A bound, with a value for each point.
pub(in super::super) struct Bound {
    /// What it is called.
    pub(in super::super) name: String,
    /// Its value at each point; none where there is none.
    pub(in super::super) values: Vec<Option<f64>>,
    /// Whether crossing it starts something ([`Tone::Bad`]) or is only shown ([`Tone::Warn`]).
    pub(in super::super) tone: Tone,
}

/// A series against its bounds.
pub(in super::super) struct Line {
    /// What is measured, with its unit if it has one.
    pub(in super::super) name: String,
    /// What the points are.
    pub(in super::super) axis: &'static str,
    /// The points, in order.
    pub(in super::super) points: Vec<Point>,
    /// The bounds.
    pub(in super::super) bounds: Vec<Bound>,
}

impl Line {
    /// Draws the series, with its numbers as a table that can be opened.
    pub(in super::super) fn figure(&self, id: &str) -> Markup {
        html! {
            figure.chart {
                figcaption { (self.name) (self.legend()) }
                div.scroll { (self.drawing()) }
                details id=(id) { summary { "The numbers" } (self.numbers()) }
            }
        }
    }

    fn legend(&self) -> Markup {
        html! {
            @for bound in &self.bounds {
                span class={"key " (bound.tone.class())} { (bound.name) }
            }
        }
    }

    fn range(&self) -> Option<(f64, f64)> {
        let values = self.points.iter().filter_map(|point| point.value);
        extent(values.chain(self.bounds.iter().flat_map(|bound| bound.values.iter().copied().flatten())))
    }

    fn drawing(&self) -> Markup {
        let Some((low, high)) = self.range() else {
            return html! { p.empty { "No number is known yet." } };
        };
        let rows = ticks(low, high, 4);
        let (low, high) =
            (rows.first().map_or(low, |tick| tick.min(low)), rows.last().map_or(high, |tick| tick.max(high)));
        let y = Scale::new(low, high, HEIGHT - BOTTOM, TOP);
        let last = self.points.len().saturating_sub(1) as f64;
        let x = Scale::new(0.0, last.max(1.0), LEFT + 14.0, WIDTH - RIGHT - 14.0);
        let apart = (WIDTH - LEFT - RIGHT) / (last.max(1.0));
        // A name under the axis takes about so many pixels.
        let longest = self.points.iter().map(|point| point.name.chars().count()).max().unwrap_or(1) as f64;
        let every = ((longest * 6.5 + 12.0) / apart).ceil().max(1.0) as usize;
        let thin = self.points.len().div_ceil(DRAWN).max(1);
        html! {
            svg.line viewBox={"0 0 " (px(WIDTH)) " " (px(HEIGHT))} role="img" aria-label=(self.sentence()) {
                @for tick in &rows {
                    line.grid x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(px(y.at(*tick))) y2=(px(y.at(*tick))) {}
                    text.tick x=(px(LEFT - 8.0)) y=(px(y.at(*tick) + 4.0)) text-anchor="end" { (number(*tick)) }
                }
                @for (place, point) in self.points.iter().enumerate() {
                    @if place % every == 0 {
                        text.tick x=(px(x.at(place as f64))) y=(px(HEIGHT - 8.0)) text-anchor="middle" { (point.name) }
                    }
                }
                @for bound in &self.bounds {
                    path class={"bound " (bound.tone.class())} d=(steps(&bound.values, x, y)) {}
                }
                path.series d=(path(self.points.iter().map(|point| point.value), x, y, thin)) {}
                @for (place, point) in self.points.iter().enumerate() {
                    @if let Some(value) = point.value {
                        @if self.points.len() <= MARKED || point.tone.is_some() {
                            (mark(point, x.at(place as f64), y.at(value)))
                        }
                    }
                }
            }
        }
    }

    /// Says the series in one sentence.
    fn sentence(&self) -> String {
        let known: Vec<&Point> = self.points.iter().filter(|point| point.value.is_some()).collect();
        let (Some(first), Some(last)) = (known.first(), known.last()) else {
            return format!("{}: not known", self.name);
        };
        let told = |point: &Point| format!("{} at {}", number(point.value.unwrap_or(f64::NAN)), point.name);
        let out = self.points.iter().filter(|point| point.tone == Some(Tone::Bad)).count();
        let crossed = match out {
            0 => String::new(),
            1 => "; one crossed a bound".to_owned(),
            many => format!("; {many} crossed a bound"),
        };
        format!("{} over {} points, from {} to {}{crossed}", self.name, known.len(), told(first), told(last))
    }

    fn numbers(&self) -> Markup {
        let mut columns = vec![self.axis, self.name.as_str()];
        columns.extend(self.bounds.iter().map(|bound| bound.name.as_str()));
        columns.push("");
        let thin = self.points.len().div_ceil(DRAWN).max(1);
        let rows = self.points.iter().enumerate().step_by(thin).map(|(place, point)| {
            let shown =
                |value: Option<f64>| html! { @if let Some(value) = value { (number(value)) } @else { "unknown" } };
            let name =
                html! { @if let Some(path) = &point.path { a href=(path) { (point.name) } } @else { (point.name) } };
            let mut row = vec![name, shown(point.value)];
            row.extend(self.bounds.iter().map(|bound| shown(bound.values.get(place).copied().flatten())));
            row.push(html! { (point.note) });
            row
        });
        table(&self.name, &columns, rows.collect())
    }
}

fn mark(point: &Point, x: f64, y: f64) -> Markup {
    let (class, radius) = match point.tone {
        None => ("point".to_owned(), 2.6),
        Some(tone) => (format!("point {}", tone.class()), 4.6),
    };
    let dot = html! { circle class=(class) cx=(px(x)) cy=(px(y)) r=(px(radius)) { title { (point.note) } } };
    html! {
        @if let Some(path) = &point.path { a href=(path) aria-label=(point.note) { (dot) } } @else { (dot) }
    }
}

/// Draws values as a line that breaks where one is not known.
pub(super) fn path(values: impl Iterator<Item = Option<f64>>, x: Scale, y: Scale, thin: usize) -> String {
    let mut out = String::new();
    let mut pen_up = true;
    for (place, value) in values.enumerate() {
        match value {
            Some(value) if value.is_finite() => {
                if place % thin == 0 {
                    let letter = if pen_up { 'M' } else { 'L' };
                    out.push_str(&format!("{letter}{} {}", px(x.at(place as f64)), px(y.at(value))));
                    pen_up = false;
                }
            }
            Some(_) | None => pen_up = true,
        }
    }
    out
}

/// Draws values as steps: each holds from half-way before its point to half-way after.
fn steps(values: &[Option<f64>], x: Scale, y: Scale) -> String {
    let mut out = String::new();
    let mut before: Option<f64> = None;
    for (place, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            before = None;
            continue;
        };
        let (from, to) = (px(x.at(place as f64 - 0.5)), px(x.at(place as f64 + 0.5)));
        let height = px(y.at(value));
        match before {
            Some(before) if before == value => out.push_str(&format!("H{to}")),
            Some(_) => out.push_str(&format!("V{height}H{to}")),
            None => out.push_str(&format!("M{from} {height}H{to}")),
        }
        before = Some(value);
    }
    out
}

/// Draws a series small, without axes: the last values beside a word. For eyes alone; the number stands beside it.
pub(in super::super) fn sparkline(values: &[Option<f64>], bound: Option<f64>) -> Markup {
    let range = extent(values.iter().copied().flatten().chain(bound));
    html! {
        @if let Some((low, high)) = range {
            @let y = Scale::new(low, high, 21.0, 3.0);
            @let x = Scale::new(0.0, values.len().saturating_sub(1).max(1) as f64, 3.0, 93.0);
            svg.spark viewBox="0 0 96 24" width="96" height="24" aria-hidden="true" focusable="false" {
                @if let Some(bound) = bound {
                    line.bound.bad x1="0" x2="96" y1=(px(y.at(bound))) y2=(px(y.at(bound))) {}
                }
                path.series d=(path(values.iter().copied(), x, y, 1)) {}
                @if let Some(last) = values.last().copied().flatten() {
                    circle.point cx=(px(x.at(values.len().saturating_sub(1) as f64))) cy=(px(y.at(last))) r="2.6" {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[Option<f64>]) -> Line {
        let points = values.iter().enumerate().map(|(place, value)| Point {
            name: format!("w{place}"),
            value: *value,
            note: "<b>".to_owned(),
            path: None,
            tone: (place == 1).then_some(Tone::Bad),
        });
        let bounds = vec![Bound { name: "bound".to_owned(), values: vec![Some(2.0); values.len()], tone: Tone::Bad }];
        Line { name: "mae".to_owned(), axis: "window", points: points.collect(), bounds }
    }

    #[test]
    fn unknown_values_break_the_line() {
        let (x, y) = (Scale::new(0.0, 3.0, 0.0, 30.0), Scale::new(0.0, 10.0, 10.0, 0.0));
        let values = [Some(1.0), Some(2.0), None, Some(3.0)];
        assert_eq!(path(values.into_iter(), x, y, 1), "M0 9L10 8M30 7");
        assert_eq!(steps(&[Some(1.0), Some(1.0), Some(2.0), None], x, y), "M-5 9H5H15V8H25");
    }

    #[test]
    fn a_figure_says_its_numbers_too() {
        let text = line(&[Some(1.0), Some(3.0), None]).figure("numbers").into_string();
        for piece in
            ["mae over 2 points, from 1 at w0 to 3 at w1; one crossed a bound", "unknown", "&lt;b&gt;", "<table>"]
        {
            assert!(text.contains(piece), "{piece} in {text}");
        }
        assert!(line(&[None]).figure("numbers").into_string().contains("<svg"), "the bound is known");
        assert!(line(&[]).figure("numbers").into_string().contains("No number is known yet"));
    }
}
