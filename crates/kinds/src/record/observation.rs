//! What a monitor saw in one window.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Micros, Name};

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
    /// When it was computed.
    pub observed_at: Micros,
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
