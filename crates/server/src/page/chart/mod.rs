//! Charts as inline SVG, each with the same numbers in words beside it.
//!
//! A chart is drawn once, on the server, in classes that the style sheet colours for light and dark. It knows numbers,
//! labels and paths to go to; what they mean is the page's.

mod line;
mod ordinate;
mod parallel;
mod plot;
mod scale;
mod scatter;
mod smooth;
mod timeline;
mod waterfall;

pub(super) use line::{Bound, Line, Point, sparkline};
pub(super) use ordinate::Coordinate;
pub(super) use parallel::Parallel;
pub(super) use plot::{Axis, Plot, Series, class};
pub(super) use scatter::{Mark, Scatter};
pub(super) use timeline::{Bar, timeline};
pub(super) use waterfall::{Work, short, waterfall};

use super::component::number;

/// Maps values onto pixels.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Makes a scale from `low..high` onto `from..to`; values that are all the same lie in the middle.
    fn new(low: f64, high: f64, from: f64, to: f64) -> Self {
        if high > low { Self { low, high, from, to } } else { Self { low: low - 1.0, high: low + 1.0, from, to } }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }
}

/// Returns round values that cover `low..high`, about `wanted` of them: steps of 1, 2 or 5 times a power of ten.
fn ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) {
        return vec![low];
    }
    let rough = span / wanted.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step).floor();
    let last = (high / step).ceil();
    // Counted in whole steps, so that rounding does not add up.
    (0..=(last - first) as usize).map(|place| (first + place as f64) * step).collect()
}

/// Gives round values their names: as short as tells them apart.
fn named(values: Vec<f64>) -> Vec<(f64, String)> {
    let short: Vec<String> = values.iter().map(|value| number(*value)).collect();
    if short.windows(2).all(|pair| pair[0] != pair[1]) {
        return values.into_iter().zip(short).collect();
    }
    let step = values.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    // Fifteen digits are what a number is sure of; a step of a hair less than a power of ten is that power.
    let decimals = (-(step.log10() + 1e-6).floor()).clamp(0.0, 15.0) as usize;
    values.into_iter().map(|value| (value, format!("{value:.decimals$}").replace('-', "−"))).collect()
}

/// Returns the least and the greatest of finite values.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

/// Writes a coordinate: to a tenth of a pixel, which no eye tells from less.
pub(super) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover() {
        for (low, high, wanted, expected) in [
            (0.0, 1.0, 4, vec![0.0, 0.5, 1.0]),
            (11.6, 16.8, 4, vec![10.0, 12.0, 14.0, 16.0, 18.0]),
            (-3.0, 3.0, 3, vec![-4.0, -2.0, 0.0, 2.0, 4.0]),
            (5.0, 5.0, 4, vec![5.0]),
        ] {
            assert_eq!(ticks(low, high, wanted), expected);
        }
        assert_eq!(ticks(f64::NAN, 1.0, 3).len(), 1);
    }

    #[test]
    fn names_tell_values_apart() {
        for (values, expected) in [
            (vec![0.0, 0.5, 1.0], "0 0.5 1"),
            (vec![0.999_98, 0.999_99, 1.0], "0.99998 0.99999 1.00000"),
            (vec![1e6, 1e6 + 1.0], "1000000 1000001"),
            (vec![5.0], "5"),
        ] {
            let names: Vec<String> = named(values).into_iter().map(|(_, name)| name).collect();
            assert_eq!(names.join(" "), expected);
        }
    }

    #[test]
    fn a_scale_maps_ends_to_ends() {
        let scale = Scale::new(0.0, 10.0, 100.0, 0.0);
        assert_eq!((scale.at(0.0), scale.at(10.0), scale.at(5.0)), (100.0, 0.0, 50.0));
        assert_eq!(Scale::new(3.0, 3.0, 0.0, 10.0).at(3.0), 5.0);
    }
}
