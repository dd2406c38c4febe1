//! What came true, joined with what was predicted.
//!
//! Rows are joined by their names. Labels come late, twice and corrected: the last one given for a row holds, and one
//! without a value takes an earlier one back. A row that was predicted several times counts once, with its last
//! prediction, so that a client that asks again does not weigh more.

mod read;

use std::collections::HashMap;

pub use self::read::{LabelError, LabelFormat, read};

/// A prediction and the label that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelled {
    /// The place of the prediction among those given.
    pub prediction: usize,
    /// The label.
    pub label: f64,
}

/// What the join found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Joined {
    /// Rows that have a prediction and a label, in the order of their predictions.
    pub rows: Vec<Labelled>,
    /// Rows that were predicted and have no label (yet).
    pub unlabelled: u64,
    /// Predictions that a later one of the same row replaced.
    pub repeated_predictions: u64,
    /// Names among the labels that nothing was predicted for.
    pub unknown: u64,
    /// Labels that said once more what was known.
    pub duplicates: u64,
    /// Labels that changed an earlier one, or took it back.
    pub changed: u64,
}

/// What is known of the label of a row.
#[derive(Clone, Copy)]
struct Known {
    /// The place of its last prediction; none where there is none.
    prediction: Option<usize>,
    /// NaN where it was taken back.
    label: Option<f64>,
}

/// Joins predictions, by the names of their rows in the order in which they were made, with labels in the order in which
/// they became known (NaN for none).
pub fn join<'a>(
    predictions: impl IntoIterator<Item = &'a str>,
    labels: impl IntoIterator<Item = (&'a str, f64)>,
) -> Joined {
    let mut joined = Joined::default();
    let predictions = predictions.into_iter();
    let mut known: HashMap<&str, Known> = HashMap::with_capacity(predictions.size_hint().0);
    for (place, id) in predictions.enumerate() {
        let row = known.entry(id).or_insert(Known { prediction: None, label: None });
        joined.repeated_predictions += u64::from(row.prediction.is_some());
        row.prediction = Some(place);
    }
    for (id, label) in labels {
        let row = known.entry(id).or_insert(Known { prediction: None, label: None });
        match row.label {
            None => joined.unknown += u64::from(row.prediction.is_none()),
            Some(before) if before == label || before.is_nan() && label.is_nan() => joined.duplicates += 1,
            Some(_) => joined.changed += 1,
        }
        row.label = Some(label);
    }
    for row in known.into_values() {
        if let Some(prediction) = row.prediction {
            match row.label.filter(|label| !label.is_nan()) {
                Some(label) => joined.rows.push(Labelled { prediction, label }),
                None => joined.unlabelled += 1,
            }
        }
    }
    joined.rows.sort_unstable_by_key(|row| row.prediction);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_label_and_the_last_prediction_hold() {
        let predictions = ["a", "b", "c", "a", "d", "e"];
        let labels = [
            ("a", 1.0),
            ("b", 2.0),
            ("x", 9.0),
            ("b", 2.0),
            ("a", 3.0),
            ("x", 9.0),
            ("c", 5.0),
            ("c", f64::NAN),
            ("e", f64::NAN),
            ("e", 7.0),
        ];
        let joined = join(predictions, labels);
        let rows: Vec<(usize, f64)> = joined.rows.iter().map(|row| (row.prediction, row.label)).collect();
        assert_eq!(rows, [(1, 2.0), (3, 3.0), (5, 7.0)]);
        let Joined { rows: _, unlabelled, repeated_predictions, unknown, duplicates, changed } = joined;
        assert_eq!((unlabelled, repeated_predictions, unknown, duplicates, changed), (2, 1, 1, 2, 3));
        assert_eq!(join([], []), Joined::default());
    }
}
