//! Two columns against each other, a mark a row.

use maud::{Markup, html};

use super::{
    super::component::table,
    ordinate::{Coordinate, Ordinate},
    plot::class,
    px,
};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;
/// How much of a name under an axis is written, in characters.
const NAME: usize = 14;

/// One row of what is drawn: a mark, or a line through several columns.
pub(in super::super) struct Mark {
    /// What it is called.
    pub(in super::super) name: String,
    /// Where it leads.
    pub(in super::super) path: String,
    /// Its place among the colours.
    pub(in super::super) colour: usize,
    /// Its values, one a column.
    pub(in super::super) values: Vec<Option<Coordinate>>,
}

/// Marks by two columns.
pub(in super::super) struct Scatter {
    /// The column across.
    pub(in super::super) x: String,
    /// The column upwards.
    pub(in super::super) y: String,
    /// The marks, each with two values.
    pub(in super::super) marks: Vec<Mark>,
}

impl Scatter {
    /// Draws the marks, with their numbers as a table that can be opened.
    pub(in super::super) fn figure(&self) -> Markup {
        let known: Vec<(&Mark, &Coordinate, &Coordinate)> = self
            .marks
            .iter()
            .filter_map(|mark| match mark.values.as_slice() {
                [Some(x), Some(y)] => Some((mark, x, y)),
                _ => None,
            })
            .collect();
        let x = Ordinate::new(known.iter().map(|(_, x, _)| *x), LEFT + 12.0, WIDTH - RIGHT - 12.0, 5);
        let y = Ordinate::new(known.iter().map(|(_, _, y)| *y), HEIGHT - BOTTOM - 8.0, TOP + 8.0, 4);
        let words = format!("{} against {}, {} runs", self.y, self.x, known.len());
        let rows = known.iter().map(|(mark, x, y)| {
            vec![html! { a href=(mark.path) { bdi { (mark.name) } } }, html! { (x.shown()) }, html! { (y.shown()) }]
        });
        html! {
            figure.chart {
                figcaption { (self.y) " against " (self.x) }
                div.scroll role="region" aria-label=(words) tabindex="0" {
                    svg.line.scatter viewBox={"0 0 " (px(WIDTH)) " " (px(HEIGHT))} role="img" aria-label=(words) {
                        @for (at, name) in &y.ticks {
                            line.grid x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(px(*at)) y2=(px(*at)) {}
                            text.tick x=(px(LEFT - 8.0)) y=(px(at + 4.0)) text-anchor="end" { (shortened(name)) }
                        }
                        @for (at, name) in &x.ticks {
                            line.grid x1=(px(*at)) x2=(px(*at)) y1=(px(TOP)) y2=(px(HEIGHT - BOTTOM)) {}
                            text.tick x=(px(*at)) y=(px(HEIGHT - 14.0)) text-anchor="middle" { (shortened(name)) }
                        }
                        @for (mark, at, value) in &known {
                            circle class={"point " (class(mark.colour))} cx=(px(x.at(at))) cy=(px(y.at(value))) r="5" {
                                title { (mark.name) ": " (at.shown()) ", " (value.shown()) }
                            }
                        }
                    }
                }
                details #scatter-numbers { summary { "The numbers" } (table(&words, &["run", &self.x, &self.y], rows.collect())) }
            }
        }
    }
}

/// Returns the beginning of a name that is too long to stand under an axis.
pub(super) fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_without_both_values_are_left_out() {
        let mark = |name: &str, values: Vec<Option<Coordinate>>| Mark {
            name: name.to_owned(),
            path: "/r".to_owned(),
            colour: 0,
            values,
        };
        let scatter = Scatter {
            x: "params.<p>".to_owned(),
            y: "metrics.m".to_owned(),
            marks: vec![
                mark("<one>", vec![Some(Coordinate::Number(1.0)), Some(Coordinate::Number(2.0))]),
                mark("two", vec![None, Some(Coordinate::Number(2.0))]),
            ],
        };
        let text = scatter.figure().into_string();
        assert!(
            text.contains("metrics.m against params.&lt;p&gt;, 1 runs") && text.matches("<circle").count() == 1,
            "{text}"
        );
        assert!(text.contains("&lt;one&gt;: 1, 2") && !text.contains("two"), "{text}");
    }
}
