//! What a monitor saw in one window.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Micros, Name};

/// What a monitor saw in one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The project.
    pub project: Name,
    /// The monitor.
    pub monitor: Name,
    /// The endpoint it watches.
    pub endpoint: Name,
    /// Counts from 1 within the monitor.
    pub sequence: u32,
    /// The window, for people: `arrivals version 5`.
    pub window: String,
    /// The model version that served most of its rows.
    #[serde(default)]
    pub version: Option<u32>,
    /// How many rows it has.
    pub rows: u64,
    /// The values by measure (`mae`, `psi:temp`), all of them finite; none where the value is unknown.
    pub values: BTreeMap<String, Option<f64>>,
    /// Why values are unknown, each one line for people.
    #[serde(default)]
    pub unknown: Vec<String>,
    /// The thresholds crossed.
    #[serde(default)]
    pub breaches: Vec<Breach>,
    /// What it was computed from.
    #[serde(default, skip_serializing_if = "Basis::is_empty")]
    pub basis: Box<Basis>,
    /// When it was computed.
    pub observed_at: Micros,
}

/// What an observation was computed from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Basis {
    /// The sketch that inputs were held against, as content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Digest>,
    /// What was counted and is in no value, by [`Counted`]; nothing where it is 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<Counted, u64>,
    /// For a window of rows or of their own time: which one it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<WindowSlice>,
}

impl Basis {
    /// Returns whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is counted of rows and labels besides the rows that were measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// Predictions of a row that was predicted again later.
    RepeatedPredictions,
    /// Labels of rows that were never predicted.
    UnknownLabels,
    /// Labels that said once more what was known.
    RepeatedLabels,
    /// Labels that changed an earlier one, or took it back.
    CorrectedLabels,
    /// Rows whose window had been measured before they came; they are in none.
    LateRows,
    /// Rows whose own time is still to come; they wait.
    FutureRows,
    /// Rows without a time of their own; they are in no window.
    TimelessRows,
}

impl Counted {
    /// Returns the words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RepeatedPredictions => "repeated predictions",
            Self::UnknownLabels => "labels of rows never predicted",
            Self::RepeatedLabels => "repeated labels",
            Self::CorrectedLabels => "corrected labels",
            Self::LateRows => "rows too late for their window",
            Self::FutureRows => "rows of times to come",
            Self::TimelessRows => "rows without a time",
        }
    }
}

/// One window of rows, or of their own time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSlice {
    /// Counts from 1 within the monitor, without gaps.
    pub position: u32,
    /// The names of its rows, as content; none where it has no row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Digest>,
    /// Where it ends, the end not in it; none for a window of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Micros>,
}

/// A threshold that was crossed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breach {
    /// The measure: `mae`, `psi:temp`.
    pub measure: String,
    /// Its value in this window.
    pub value: f64,
    /// The bound it crossed, in the measure's unit.
    pub threshold: f64,
    /// One line for people: `mae 14.2 above 13.9 (1.1 × the test score 12.6)`.
    pub text: String,
    /// Whether it is shown and starts nothing.
    #[serde(default)]
    pub warn: bool,
}
