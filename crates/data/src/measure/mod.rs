//! Measures of predictions against labels.
//!
//! Formulas and sources stand in `docs/monitors.md`. A row without a label is no row. A row without a prediction is
//! never left out: a model could look better by not answering, so the measure has no value then. Where scikit-learn
//! defines the same measure, the value is the same.

pub(crate) mod rank;
pub(crate) mod sums;

use windlass_kinds::Measure;

use self::sums::Sums;
use crate::Undefined;

/// Labels and predictions that belong together, as a measure needs them.
#[derive(Debug, Clone)]
pub(crate) struct Rows<'a> {
    measure: Measure,
    label: &'a [f64],
    prediction: &'a [f64],
    /// Whether predictions are classes rather than the probability of class 1.
    classes: bool,
}

/// Returns the value of `measure` over all rows that have a label; one prediction a label, in the same order.
///
/// Where a measure is of classes, predictions that are all whole numbers are classes, and others are probabilities of
/// class 1, which is predicted above 0.5.
pub fn measure(measure: Measure, label: &[f64], prediction: &[f64]) -> Result<f64, Undefined> {
    let rows = Rows::check(measure, label, prediction)?;
    if measure == Measure::Auc {
        return rank::Ranked::new(&rows).area(|_| 1.0);
    }
    let mut sums = Sums::new(measure);
    rows.labelled().for_each(|row| rows.add(row, &mut sums));
    sums::value(measure, sums.rows, &sums.parts)
}

impl<'a> Rows<'a> {
    /// Checks that `measure` is defined for these rows.
    pub(crate) fn check(measure: Measure, label: &'a [f64], prediction: &'a [f64]) -> Result<Self, Undefined> {
        if label.len() != prediction.len() {
            return Err(Undefined::Lengths { labels: label.len(), predictions: prediction.len() });
        }
        let infinite = label.iter().filter(|label| label.is_infinite()).count();
        if infinite > 0 {
            return Err(Undefined::InfiniteLabels(infinite));
        }
        let mut rows = Self { measure, label, prediction, classes: false };
        if rows.labelled().next().is_none() {
            return Err(Undefined::NoRows);
        }
        let missing = rows.labelled().filter(|row| !prediction[*row].is_finite()).count();
        if missing > 0 {
            return Err(Undefined::NoNumbers(missing));
        }
        rows.classes = rows.labelled().all(|row| prediction[row].fract() == 0.0);
        match measure {
            Measure::Mae | Measure::Rmse | Measure::Bias | Measure::Quantile(_) => {}
            Measure::Accuracy if rows.classes => {}
            Measure::Auc => rows.both_classes()?,
            Measure::LogLoss | Measure::Brier | Measure::Calibration | Measure::Accuracy | Measure::F1 => {
                rows.probabilities()?;
            }
        }
        Ok(rows)
    }

    /// Returns the rows that have a label.
    pub(crate) fn labelled(&self) -> impl Iterator<Item = usize> + use<'a> {
        let label = self.label;
        (0..label.len()).filter(|row| !label[*row].is_nan())
    }

    /// Adds one row to sums.
    pub(crate) fn add(&self, row: usize, sums: &mut Sums) {
        sums.add(self.measure, self.label[row], self.prediction[row], self.classes);
    }

    fn binary(&self) -> Result<(), Undefined> {
        let binary = self.labelled().all(|row| self.label[row] == 0.0 || self.label[row] == 1.0);
        if binary { Ok(()) } else { Err(Undefined::NotBinary) }
    }

    fn both_classes(&self) -> Result<(), Undefined> {
        self.binary()?;
        let positives = self.labelled().filter(|row| self.label[*row] == 1.0).count();
        match positives {
            0 => Err(Undefined::OneClass(0)),
            _ if positives == self.labelled().count() => Err(Undefined::OneClass(1)),
            _ => Ok(()),
        }
    }

    fn probabilities(&self) -> Result<(), Undefined> {
        self.binary()?;
        let within = self.labelled().all(|row| (0.0..=1.0).contains(&self.prediction[row]));
        if within { Ok(()) } else { Err(Undefined::NoProbabilities) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(word: &str, label: &[f64], prediction: &[f64]) -> Result<f64, String> {
        measure(word.parse().unwrap(), label, prediction).map_err(|undefined| undefined.to_string())
    }

    #[test]
    fn values_by_hand() {
        let label = [1.0, 2.0, f64::NAN, 4.0];
        let prediction = [2.0, 2.0, f64::NAN, 1.0];
        let binary = [0.0, 0.0, 1.0, 1.0];
        let scores = [0.1, 0.4, 0.4, 0.9];
        for (word, label, prediction, expected) in [
            ("mae", &label, &prediction, 4.0 / 3.0),
            ("rmse", &label, &prediction, (10.0_f64 / 3.0).sqrt()),
            ("bias", &label, &prediction, -2.0 / 3.0),
            ("quantile-0.9", &label, &prediction, (0.1 + 2.7) / 3.0),
            ("auc", &binary, &scores, 3.5 / 4.0),
            ("brier", &binary, &scores, (0.01 + 0.16 + 0.36 + 0.01) / 4.0),
            ("log-loss", &binary, &scores, -(0.9_f64.ln() + 0.6_f64.ln() + 0.4_f64.ln() + 0.9_f64.ln()) / 4.0),
            // 0.1 is in the first bin, 0.4 twice in the fourth, 0.9 in the ninth.
            ("calibration", &binary, &scores, (0.1 + 0.2 + 0.1) / 4.0),
            ("accuracy", &binary, &scores, 0.75),
            ("accuracy", &[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 5.0], 0.75),
            ("f1", &binary, &scores, 2.0 / 3.0),
            ("f1", &binary, &[0.0, 1.0, 1.0, 1.0], 0.8),
        ] {
            let value = of(word, label, prediction).unwrap();
            assert!((value - expected).abs() < 1e-12, "{word}: {value}, expected {expected}");
        }
    }

    #[test]
    fn what_has_no_value_says_why() {
        for (word, label, prediction, expected) in [
            ("mae", &[][..], &[][..], "no row has a label"),
            ("mae", &[f64::NAN], &[1.0], "no row has a label"),
            ("mae", &[1.0], &[], "1 labels beside 0 predictions"),
            ("mae", &[1.0, 2.0], &[1.0, f64::NAN], "1 predictions are no finite numbers"),
            ("mae", &[f64::INFINITY], &[1.0], "1 labels are infinite"),
            ("rmse", &[0.0], &[1e200], "numbers too large to be measured"),
            ("auc", &[0.0, 2.0], &[0.1, 0.2], "labels other than 0 and 1"),
            ("auc", &[1.0, 1.0], &[0.1, 0.2], "all labels are 1"),
            ("auc", &[0.0], &[0.1], "all labels are 0"),
            ("log-loss", &[0.0], &[1.5], "predictions outside 0 to 1, which are no probabilities"),
            ("brier", &[0.5], &[0.5], "labels other than 0 and 1"),
            ("f1", &[0.0, 0.0], &[0.2, 0.5], "neither a label nor a prediction is positive"),
        ] {
            assert_eq!(of(word, label, prediction), Err(expected.to_owned()), "{word}");
        }
    }

    #[test]
    fn certain_and_wrong_is_very_bad_and_not_infinite() {
        let loss = of("log-loss", &[1.0], &[0.0]).unwrap();
        assert!((loss - 36.04).abs() < 0.01, "{loss}");
    }
}
