//! Why a value does not exist, in words; a measure never answers with NaN.

/// Why a measure has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undefined {
    /// Nothing to measure.
    #[error("no row has a label")]
    NoRows,
    /// What belongs together has different lengths.
    #[error("{labels} labels beside {predictions} predictions")]
    Lengths {
        /// How many labels.
        labels: usize,
        /// How many of the other.
        predictions: usize,
    },
    /// Some labels are infinite.
    #[error("{0} labels are infinite")]
    InfiniteLabels(usize),
    /// Some predictions are missing or infinite.
    #[error("{0} predictions are no finite numbers")]
    NoNumbers(usize),
    /// The numbers are so large that their squares or sums are infinite.
    #[error("numbers too large to be measured")]
    TooLarge,
    /// The measure is for two classes.
    #[error("labels other than 0 and 1")]
    NotBinary,
    /// All labels are the same.
    #[error("all labels are {0}")]
    OneClass(u8),
    /// The measure is for probabilities.
    #[error("predictions outside 0 to 1, which are no probabilities")]
    NoProbabilities,
    /// Precision and recall need a positive.
    #[error("neither a label nor a prediction is positive")]
    NoPositive,
    /// Nothing can be drawn at random.
    #[error("a single cluster of rows, from which nothing can be drawn")]
    OneCluster,
    /// Too often a draw at random has no value.
    #[error("only {defined} of {drawn} resamples have a value")]
    Resamples {
        /// Those with a value.
        defined: u32,
        /// All.
        drawn: u32,
    },
    /// The reference has no values in this column.
    #[error("the reference has no values in this column")]
    NoReference,
    /// The window has no values in this column.
    #[error("no values in this column")]
    NoValues,
    /// The column is not there.
    #[error("no such column")]
    NoColumn,
    /// Numbers beside text.
    #[error("{found} values where the reference has {expected}")]
    OtherType {
        /// What the reference has.
        expected: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// The measure needs an order among the values.
    #[error("only numbers have this measure")]
    NotOrdered,
    /// The reference does not vary.
    #[error("the reference column is constant")]
    Constant,
    /// The reference keeps only the most frequent categories.
    #[error("the reference has more than {0} categories")]
    Categories(usize),
}
