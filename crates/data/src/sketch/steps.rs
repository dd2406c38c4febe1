//! The distribution function of a sample, at so many places.

use serde::{Deserialize, Serialize};

use super::STEPS_MAX;

/// For each of some values of a sample, how many lie below it and how many do not lie above it.
///
/// Where the sample has no more than [`STEPS_MAX`] distinct values these are all of them, and nothing is lost. Else they
/// are its quantiles at steps of a thousandth: between two of them lies less than a thousandth of the sample, and it is
/// taken to lie evenly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    /// The values, ascending.
    pub values: Vec<f64>,
    /// How many of the sample are less than the value.
    pub below: Vec<u64>,
    /// How many are less or equal.
    pub at_most: Vec<u64>,
}

impl Steps {
    /// Takes the steps of sorted values, of which there is at least one.
    pub(super) fn of(sorted: &[f64]) -> Self {
        let mut values = Vec::new();
        for value in sorted {
            if values.last() != Some(value) {
                values.push(*value);
            }
            if values.len() > STEPS_MAX {
                let last = sorted.len() - 1;
                // Wide enough for any length of memory.
                let place = |step: usize| (step as u128 * last as u128 / (STEPS_MAX as u128 - 1)) as usize;
                values = (0..STEPS_MAX).map(|step| sorted[place(step)]).collect();
                values.dedup();
                break;
            }
        }
        let below = values.iter().map(|step| sorted.partition_point(|value| value < step) as u64).collect();
        let at_most = values.iter().map(|step| sorted.partition_point(|value| value <= step) as u64).collect();
        Self { values, below, at_most }
    }

    /// Returns whether these are the steps of a sample of so many values.
    pub(super) fn holds(&self, sample: u64) -> bool {
        let Self { values, below, at_most } = self;
        let same = values.len() == below.len() && values.len() == at_most.len();
        let ascending = values.windows(2).all(|pair| pair[0] < pair[1]);
        let counts = below.iter().zip(at_most).all(|(below, at_most)| below < at_most);
        let order = at_most.iter().zip(below.iter().skip(1)).all(|(at_most, next)| at_most <= next);
        same && ascending && counts && order && below.first() == Some(&0) && at_most.last() == Some(&sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_distinct_values_are_all_kept_and_many_to_a_thousandth() {
        let few: Vec<f64> = (0..100_000).map(|row| f64::from(row / 100)).collect();
        let steps = Steps::of(&few);
        assert_eq!((steps.values.len(), steps.below[1], steps.at_most[1]), (1000, 100, 200));
        for rows in [1002_u32, 5000, 123_457] {
            let many: Vec<f64> = (0..rows).map(f64::from).collect();
            let steps = Steps::of(&many);
            assert!(steps.holds(u64::from(rows)));
            let hidden = steps.at_most.iter().zip(&steps.below[1..]).map(|(at_most, next)| next - at_most).max();
            assert!(hidden.unwrap() as f64 / f64::from(rows) <= 0.001, "{rows}: {hidden:?}");
        }
    }
}
