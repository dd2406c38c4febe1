//! Many columns side by side, a line a row: which values lead to which.

use maud::{Markup, html};

use super::{
    super::component::{nothing, table},
    ordinate::{Coordinate, Ordinate},
    plot::class,
    px,
    scatter::{Mark, shortened},
};

const HEIGHT: f64 = 300.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 14.0;
const SIDE: f64 = 70.0;
/// How far columns are apart.
const APART: f64 = 130.0;

/// Lines through columns.
pub(in super::super) struct Parallel {
    /// The columns, from left to right; two at least.
    pub(in super::super) columns: Vec<String>,
    /// The lines, each with a value a column.
    pub(in super::super) lines: Vec<Mark>,
}

impl Parallel {
    /// Draws the lines, with their values as a table that can be opened.
    pub(in super::super) fn figure(&self) -> Markup {
        let axes: Vec<Ordinate> = (0..self.columns.len())
            .map(|place| {
                let values = self.lines.iter().filter_map(move |line| line.values.get(place)?.as_ref());
                Ordinate::new(values, HEIGHT - BOTTOM, TOP + 8.0, 4)
            })
            .collect();
        let across = |place: usize| SIDE + place as f64 * APART;
        let width = across(self.columns.len().saturating_sub(1)) + SIDE;
        let words = format!("{} runs through {} columns", self.lines.len(), self.columns.len());
        html! {
            figure.chart {
                figcaption { "Side by side" }
                div.scroll role="region" aria-label=(words) tabindex="0" {
                    svg.parallel viewBox={"0 0 " (px(width)) " " (px(HEIGHT))} width=(px(width)) height=(px(HEIGHT)) role="img" aria-label=(words) {
                        @for line in &self.lines {
                            path class={"series thin " (class(line.colour))} d=(path(line, &axes, across)) { title { (line.name) } }
                        }
                        @for (place, (name, axis)) in self.columns.iter().zip(&axes).enumerate() {
                            line.axis x1=(px(across(place))) x2=(px(across(place))) y1=(px(TOP)) y2=(px(HEIGHT - BOTTOM + 6.0)) {}
                            text.kind x=(px(across(place))) y="16" text-anchor="middle" { (shortened(name)) title { (name) } }
                            @for (at, name) in &axis.ticks {
                                text.tick x=(px(across(place) - 6.0)) y=(px(at + 4.0)) text-anchor="end" { (shortened(name)) }
                            }
                        }
                    }
                }
                details #parallel-numbers { summary { "The numbers" } (self.numbers(&words)) }
            }
        }
    }

    fn numbers(&self, words: &str) -> Markup {
        let mut columns = vec!["run"];
        columns.extend(self.columns.iter().map(String::as_str));
        let rows = self.lines.iter().map(|line| {
            let mut row = vec![html! { a href=(line.path) { bdi { (line.name) } } }];
            row.extend(line.values.iter().map(|value| match value {
                Some(value) => html! { (value.shown()) },
                None => nothing(),
            }));
            row
        });
        table(words, &columns, rows.collect())
    }
}

/// Draws a line from column to column; it breaks where a value is not known.
fn path(line: &Mark, axes: &[Ordinate], across: impl Fn(usize) -> f64) -> String {
    let mut out = String::new();
    let mut pen_up = true;
    for (place, (value, axis)) in line.values.iter().zip(axes).enumerate() {
        let Some(value) = value else {
            pen_up = true;
            continue;
        };
        let value: &Coordinate = value;
        out.push_str(&format!("{}{} {}", if pen_up { 'M' } else { 'L' }, px(across(place)), px(axis.at(value))));
        pen_up = false;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_nothing_is_known() {
        let line = |values: Vec<Option<Coordinate>>| Mark {
            name: "<run>".to_owned(),
            path: "/r".to_owned(),
            colour: 9,
            values,
        };
        let number = |value: f64| Some(Coordinate::Number(value));
        let parallel = Parallel {
            columns: vec!["params.a".to_owned(), "params.b".to_owned(), "metrics.c".to_owned()],
            lines: vec![line(vec![number(0.0), None, number(1.0)]), line(vec![number(1.0), number(2.0), number(3.0)])],
        };
        let text = parallel.figure().into_string();
        assert!(text.contains("2 runs through 3 columns") && text.contains("series thin c1 dashed"), "{text}");
        let drawn: Vec<&str> = text.split(" d=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(drawn.iter().map(|path| path.matches('M').count()).collect::<Vec<_>>(), [2, 1], "{drawn:?}");
        assert!(text.contains("&lt;run&gt;") && !text.contains("<run>"));
    }
}
