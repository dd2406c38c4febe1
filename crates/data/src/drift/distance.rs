//! Distances between distribution functions: the largest, and the area between them.

use crate::sketch::Steps;

/// How far two samples are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Distances {
    /// The largest difference of the distribution functions: the two-sample Kolmogorov-Smirnov statistic.
    pub(super) largest: f64,
    /// The area between them: the first Wasserstein distance (Vallender, 1973).
    pub(super) area: f64,
}

/// Measures sorted values of a window, at least one, against the steps of a reference of so many values.
///
/// Both functions are walked along together. Between two steps the reference's is a straight line: flat where it is
/// known, and then the distances are those of the samples.
pub(super) fn between(reference: &Steps, references: u64, window: &[f64]) -> Distances {
    let mut walk = Walk { reference, references: references as f64, step: 0, window, at: 0 };
    let mut found = Distances { largest: 0.0, area: 0.0 };
    // The differences just after the place before; before all values both functions are 0.
    let mut before: Option<(f64, f64)> = None;
    while let Some(place) = walk.next() {
        if let Some((value, difference)) = before {
            found.area += area(difference, place.before, place.value - value);
        }
        found.largest = found.largest.max(place.before.abs()).max(place.after.abs());
        before = Some((place.value, place.after));
    }
    found
}

/// Returns the area between zero and a line from `from` to `to`, of so long a base.
fn area(from: f64, to: f64, length: f64) -> f64 {
    let (a, b) = (from.abs(), to.abs());
    match from * to < 0.0 {
        // It crosses zero: two triangles.
        true => length * (a * a + b * b) / (2.0 * (a + b)),
        false => length * (a + b) / 2.0,
    }
}

/// A value of either sample, and the reference's function less the window's just before it and at it.
struct Place {
    value: f64,
    before: f64,
    after: f64,
}

struct Walk<'a> {
    reference: &'a Steps,
    references: f64,
    /// The next step of the reference.
    step: usize,
    window: &'a [f64],
    /// The next value of the window.
    at: usize,
}

impl Walk<'_> {
    fn next(&mut self) -> Option<Place> {
        let Steps { values, below, at_most } = self.reference;
        let (step, number) = (values.get(self.step).copied(), self.window.get(self.at).copied());
        let value = match (step, number) {
            (Some(step), Some(number)) => step.min(number),
            (step, number) => step.or(number)?,
        };
        let windows = self.window.len() as f64;
        let window_before = self.at as f64 / windows;
        while self.window.get(self.at) == Some(&value) {
            self.at += 1;
        }
        let window_after = self.at as f64 / windows;
        let (reference_before, reference_after) = match self.step {
            next if step == Some(value) => {
                self.step += 1;
                (below[next] as f64, at_most[next] as f64)
            }
            0 => (0.0, 0.0),
            next if step.is_none() => (at_most[next - 1] as f64, at_most[next - 1] as f64),
            next => {
                let (low, high) = (at_most[next - 1] as f64, below[next] as f64);
                let share = (value - values[next - 1]) / (values[next] - values[next - 1]);
                let between = low + (high - low) * share;
                (between, between)
            }
        };
        Some(Place {
            value,
            before: reference_before / self.references - window_before,
            after: reference_after / self.references - window_after,
        })
    }
}
