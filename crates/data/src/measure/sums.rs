//! Measures that are made of sums over rows, so that sums over parts add up to the sums over all.

use windlass_kinds::Measure;

use crate::Undefined;

/// The bins of the calibration error.
const BINS: usize = 10;

/// How close to 0 or 1 a probability may come in the log-loss, as in scikit-learn.
const CLIP: f64 = f64::EPSILON;

/// What one measure sums up.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    /// How many rows there are.
    pub(crate) rows: f64,
    /// The sums that the measure is made of.
    pub(crate) parts: Vec<f64>,
}

impl Sums {
    /// Starts at zero.
    pub(crate) fn new(measure: Measure) -> Self {
        let parts = match measure {
            Measure::Mae
            | Measure::Rmse
            | Measure::Bias
            | Measure::Quantile(_)
            | Measure::LogLoss
            | Measure::Brier
            | Measure::Accuracy => 1,
            // True positives, false positives, false negatives.
            Measure::F1 => 3,
            Measure::Calibration => BINS,
            // Made of ranks, not of sums.
            Measure::Auc => 0,
        };
        Self { rows: 0.0, parts: vec![0.0; parts] }
    }

    /// Adds one row.
    pub(super) fn add(&mut self, measure: Measure, label: f64, prediction: f64, classes: bool) {
        self.rows += 1.0;
        let class = match classes {
            true => prediction,
            false => f64::from(u8::from(prediction > 0.5)),
        };
        let (part, value) = match measure {
            Measure::Mae => (0, (prediction - label).abs()),
            Measure::Rmse | Measure::Brier => (0, (prediction - label) * (prediction - label)),
            Measure::Bias => (0, prediction - label),
            Measure::Quantile(level) => {
                let short = label - prediction;
                (0, (level * short).max((level - 1.0) * short))
            }
            Measure::LogLoss => {
                let probability = prediction.clamp(CLIP, 1.0 - CLIP);
                (0, if label == 1.0 { -probability.ln() } else { -(1.0 - probability).ln() })
            }
            Measure::Calibration => (bin(prediction), prediction - label),
            Measure::Accuracy => (0, f64::from(u8::from(class == label))),
            Measure::F1 => match (class == 1.0, label == 1.0) {
                (true, true) => (0, 1.0),
                (true, false) => (1, 1.0),
                (false, true) => (2, 1.0),
                (false, false) => return,
            },
            Measure::Auc => return,
        };
        self.parts[part] += value;
    }
}

/// Returns the measure that sums over so many rows make.
pub(crate) fn value(measure: Measure, rows: f64, parts: &[f64]) -> Result<f64, Undefined> {
    if rows == 0.0 {
        return Err(Undefined::NoRows);
    }
    let value = match (measure, parts) {
        (Measure::Rmse, parts) => (parts.iter().sum::<f64>() / rows).sqrt(),
        (Measure::F1, [hits, wrong, missed]) => match 2.0 * hits + wrong + missed {
            0.0 => return Err(Undefined::NoPositive),
            all => 2.0 * hits / all,
        },
        (Measure::Calibration, bins) => bins.iter().map(|gap| gap.abs()).sum::<f64>() / rows,
        (_, parts) => parts.iter().sum::<f64>() / rows,
    };
    if value.is_finite() { Ok(value) } else { Err(Undefined::TooLarge) }
}

/// Returns the bin of a probability: ten of equal width, each with its upper end, the first with 0 too.
fn bin(probability: f64) -> usize {
    (1..BINS).take_while(|edge| probability > *edge as f64 * 0.1).count()
}
