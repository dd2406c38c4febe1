//! `Monitor`: what to watch on an endpoint, over which windows, against which thresholds.

use serde::{Deserialize, Serialize};

use crate::{DriftMeasure, Measure, Name, Span};

/// `Monitor`: what to watch on an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorSpec {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// The endpoint.
    pub endpoint: Name,
    /// What is measured.
    pub watch: Watch,
    /// Which rows are measured together.
    pub window: WindowSpec,
    /// Below this many rows a value is unknown.
    pub min_rows: u64,
    /// What is worth an event.
    #[serde(default)]
    pub thresholds: Vec<ThresholdSpec>,
}

/// What a monitor measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Watch {
    /// Measures of predictions against labels that came later.
    Quality {
        /// The measures; at least one.
        measures: Vec<Measure>,
    },
    /// How far the inputs moved from those the serving version was trained on, column by column.
    Drift {
        /// The measure.
        measure: DriftMeasure,
        /// The columns; all inputs where empty.
        #[serde(default)]
        columns: Vec<String>,
    },
    /// What a Prometheus server answers to an expression, asked at set times ([`WindowSpec::Every`]).
    Prometheus {
        /// The expression in PromQL; it is handed on as it is.
        query: String,
    },
}

impl Watch {
    /// What the value of a [`Watch::Prometheus`] is called; that of one series among several is `value:LABELS`.
    pub const VALUE: &str = "value";
}

/// Which rows are measured together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WindowSpec {
    /// For each accepted version of a dataset, the rows that its added and changed files label.
    Version(Name),
    /// This many rows, in the order of the predictions.
    Rows(u64),
    /// Rows whose own time lies in the same span, counted from 1970-01-01T00:00:00Z.
    Time {
        /// The column with a row's time.
        column: String,
        /// The span.
        every: Span,
    },
    /// An instant each time this span has passed, counted from 1970-01-01T00:00:00Z: not rows, but when to ask.
    Every(Span),
}

/// A bound whose crossing is worth an event. `above` or `below` is there, never both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdSpec {
    /// The measure as written: `mae`, `psi` (any column), `psi:temp`.
    pub measure: String,
    /// Crossed where the value lies above.
    #[serde(default)]
    pub above: Option<f64>,
    /// Crossed where the value lies below.
    #[serde(default)]
    pub below: Option<f64>,
    /// Whether the bound is a factor of the serving version's own score over its evaluation rows.
    #[serde(default)]
    pub of_test: bool,
    /// Whether the value's sign is left out of account.
    #[serde(default)]
    pub absolute: bool,
    /// In how many of the last [`Self::n`] windows it must be crossed, this one among them.
    pub k: u32,
    /// How many windows are looked at; at least [`Self::k`].
    pub n: u32,
    /// Whether it is shown and starts nothing.
    #[serde(default)]
    pub warn: bool,
}
