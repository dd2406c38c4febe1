//! The area under the receiver operating characteristic: the chance that a positive row has a higher score than a
//! negative one, half counted where they tie (Hanley and McNeil, Radiology 143, 1982).

use super::Rows;
use crate::Undefined;

/// Rows in the order of their scores.
#[derive(Debug)]
pub(crate) struct Ranked {
    /// Row, whether it is positive, and whether its score is that of the row before.
    rows: Vec<(usize, bool, bool)>,
}

impl Ranked {
    /// Sorts the rows that have a label.
    pub(crate) fn new(rows: &Rows<'_>) -> Self {
        let mut order: Vec<usize> = rows.labelled().collect();
        // Adding zero makes one zero of the two.
        let score = |row: usize| rows.prediction[row] + 0.0;
        order.sort_unstable_by(|a, b| score(*a).total_cmp(&score(*b)).then(a.cmp(b)));
        let mut before = None;
        let ranked = order.into_iter().map(|row| {
            let ties = before == Some(score(row));
            before = Some(score(row));
            (row, rows.label[row] == 1.0, ties)
        });
        Self { rows: ranked.collect() }
    }

    /// Returns the area where each row counts as often as `weight` says.
    pub(crate) fn area(&self, weight: impl Fn(usize) -> f64) -> Result<f64, Undefined> {
        let (mut won, mut positives, mut negatives) = (0.0, 0.0, 0.0);
        let (mut tied_positives, mut tied_negatives) = (0.0, 0.0);
        for (row, positive, ties) in &self.rows {
            if !ties {
                won += tied_positives * (negatives + tied_negatives / 2.0);
                positives += tied_positives;
                negatives += tied_negatives;
                (tied_positives, tied_negatives) = (0.0, 0.0);
            }
            match positive {
                true => tied_positives += weight(*row),
                false => tied_negatives += weight(*row),
            }
        }
        won += tied_positives * (negatives + tied_negatives / 2.0);
        positives += tied_positives;
        negatives += tied_negatives;
        if positives == 0.0 {
            return Err(Undefined::OneClass(0));
        }
        if negatives == 0.0 {
            return Err(Undefined::OneClass(1));
        }
        Ok(won / (positives * negatives))
    }
}
