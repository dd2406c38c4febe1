//! The measures that gates and monitors speak of, by name.
//!
//! Names and their order (is more better?) stand here; how each is computed, with its formula and source, is for the
//! crate that reads tables. A measure is written as in a manifest: `mae`, `quantile-0.9`, `psi`.

use std::{fmt, str::FromStr};

/// A measure of predictions against labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// Mean absolute error.
    Mae,
    /// Root of the mean squared error.
    Rmse,
    /// Mean of prediction minus label; best at 0.
    Bias,
    /// Mean quantile (pinball) loss at a level strictly between 0 and 1.
    Quantile(f64),
    /// Area under the receiver operating characteristic.
    Auc,
    /// Mean negative log-likelihood of labels 0 and 1.
    LogLoss,
    /// Mean squared difference of probability and label 0 or 1.
    Brier,
    /// Expected calibration error.
    Calibration,
    /// The share of right answers.
    Accuracy,
    /// The harmonic mean of precision and recall.
    F1,
}

/// The measures without a parameter, as written.
const PLAIN: [(&str, Measure); 9] = [
    ("mae", Measure::Mae),
    ("rmse", Measure::Rmse),
    ("bias", Measure::Bias),
    ("auc", Measure::Auc),
    ("log-loss", Measure::LogLoss),
    ("brier", Measure::Brier),
    ("calibration", Measure::Calibration),
    ("accuracy", Measure::Accuracy),
    ("f1", Measure::F1),
];

/// What stands before the level of a quantile loss.
const QUANTILE: &str = "quantile-";

impl Measure {
    /// The measures as written, for remedies; the quantile loss by an example.
    pub const WORDS: [&str; 10] =
        ["mae", "rmse", "bias", "quantile-0.9", "auc", "log-loss", "brier", "calibration", "accuracy", "f1"];

    /// Returns whether a larger value is a better one.
    pub fn higher_is_better(self) -> bool {
        match self {
            Self::Auc | Self::Accuracy | Self::F1 => true,
            Self::Mae
            | Self::Rmse
            | Self::Bias
            | Self::Quantile(_)
            | Self::LogLoss
            | Self::Brier
            | Self::Calibration => false,
        }
    }

    /// Returns a value as a loss: the lower of two losses belongs to the better predictions. A bias counts without its
    /// sign, and what is better when larger is negated.
    pub fn loss(self, value: f64) -> f64 {
        match self {
            Self::Bias => value.abs(),
            _ if self.higher_is_better() => -value,
            _ => value,
        }
    }
}

/// Why a text is not a [`Measure`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// No measure is called so.
    #[error("there is no measure `{0}`")]
    Unknown(String),
    /// The level of a quantile loss is no number between 0 and 1.
    #[error("`{0}` is not a level strictly between 0 and 1; write quantile-0.9")]
    Level(String),
}

impl FromStr for Measure {
    type Err = MeasureError;

    fn from_str(text: &str) -> Result<Self, MeasureError> {
        if let Some((_, measure)) = PLAIN.iter().find(|(word, _)| *word == text) {
            return Ok(*measure);
        }
        let shown = |text: &str| text.chars().take(40).collect();
        let Some(level) = text.strip_prefix(QUANTILE) else { return Err(MeasureError::Unknown(shown(text))) };
        let digits = level.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let value = level.parse().ok().filter(|value| digits && *value > 0.0 && *value < 1.0);
        value.map(Self::Quantile).ok_or_else(|| MeasureError::Level(shown(level)))
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Quantile(level) => return write!(f, "{QUANTILE}{level}"),
            Self::Mae => "mae",
            Self::Rmse => "rmse",
            Self::Bias => "bias",
            Self::Auc => "auc",
            Self::LogLoss => "log-loss",
            Self::Brier => "brier",
            Self::Calibration => "calibration",
            Self::Accuracy => "accuracy",
            Self::F1 => "f1",
        };
        f.write_str(word)
    }
}

crate::text::serde_as_text!(Measure);

/// A measure of how far a column moved from its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DriftMeasure {
    /// Population stability index.
    Psi,
    /// Jensen-Shannon distance.
    JensenShannon,
    /// The two-sample Kolmogorov-Smirnov statistic.
    Ks,
    /// Wasserstein distance over the reference's standard deviation.
    Wasserstein,
    /// The chi-squared statistic of categories.
    ChiSquared,
    /// The share of missing values.
    Missing,
    /// The share of values that the reference never had.
    Unseen,
}

impl DriftMeasure {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Psi, Self::JensenShannon, Self::Ks, Self::Wasserstein, Self::ChiSquared, Self::Missing, Self::Unseen];

    /// Returns the written form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Psi => "psi",
            Self::JensenShannon => "jensen-shannon",
            Self::Ks => "ks",
            Self::Wasserstein => "wasserstein",
            Self::ChiSquared => "chi-squared",
            Self::Missing => "missing",
            Self::Unseen => "unseen",
        }
    }

    /// Returns the key of a column's value in an [`crate::record::Observation`]: `psi:temp`.
    pub fn key(self, column: &str) -> String {
        format!("{self}:{column}")
    }
}

impl FromStr for DriftMeasure {
    type Err = MeasureError;

    fn from_str(text: &str) -> Result<Self, MeasureError> {
        let found = Self::ALL.into_iter().find(|measure| measure.as_str() == text);
        found.ok_or_else(|| MeasureError::Unknown(text.chars().take(40).collect()))
    }
}

impl fmt::Display for DriftMeasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

crate::text::serde_as_text!(DriftMeasure);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_read_and_write() {
        for word in Measure::WORDS {
            assert_eq!(word.parse::<Measure>().unwrap().to_string(), word);
        }
        for measure in DriftMeasure::ALL {
            assert_eq!(measure.as_str().parse(), Ok(measure));
        }
        for bad in ["", "MAE", "quantile", "quantile-", "quantile-0", "quantile-1", "quantile-nan", "quantile-1e-1"] {
            assert!(bad.parse::<Measure>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_lower_loss_is_the_better() {
        for (measure, better, worse) in [
            (Measure::Mae, 1.0, 2.0),
            (Measure::Bias, -1.0, 2.0),
            (Measure::Bias, 1.0, -2.0),
            (Measure::Auc, 0.9, 0.8),
            (Measure::Quantile(0.5), 1.0, 2.0),
        ] {
            assert!(measure.loss(better) < measure.loss(worse), "{measure}");
        }
    }
}
