//! A monitor's windows as a series against its threshold.
//!
//! A monitor may watch many values (a measure of every column); the drawing shows one: of a threshold's measure, the
//! value that is farthest out.

use windlass_kinds::{
    manifest::{MonitorSpec, ThresholdSpec, Watch},
    record::Observation,
};

use super::{super::component::Tone, facts::Facts};

/// One measure of a monitor over its windows.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct MonitorSeries {
    /// The measure: `mae`, `psi`, `psi:temp`.
    pub(in super::super) measure: String,
    /// What is shown: the measure, without its sign where the threshold leaves it out.
    pub(in super::super) name: String,
    /// The value in each window.
    pub(in super::super) values: Vec<Option<f64>>,
    /// The bound in each window; none where it is not known or there is no threshold.
    pub(in super::super) bounds: Vec<Option<f64>>,
    /// What the bound is: `1.1 × the test score`; empty where there is none.
    pub(in super::super) bound_name: String,
    /// Whether crossing it is only shown.
    pub(in super::super) warns: bool,
}

impl MonitorSeries {
    /// Returns a series for each threshold of a monitor, or for each measure where it has none.
    pub(in super::super) fn all(facts: &Facts, spec: &MonitorSpec, windows: &[&Observation]) -> Vec<Self> {
        let mut series: Vec<Self> = Vec::new();
        for threshold in &spec.thresholds {
            series.push(Self::of_threshold(facts, threshold, windows));
        }
        let watched = match &spec.watch {
            Watch::Quality { measures } => measures.iter().map(ToString::to_string).collect(),
            Watch::Drift { measure, .. } => vec![measure.to_string()],
            Watch::Prometheus { query: _ } => vec![Watch::VALUE.to_owned()],
        };
        for measure in watched {
            if !series.iter().any(|one| one.measure == measure) {
                series.push(Self::bare(measure, windows));
            }
        }
        series
    }

    fn bare(measure: String, windows: &[&Observation]) -> Self {
        let values: Vec<Option<f64>> = windows.iter().map(|window| value(window, &measure, false, true)).collect();
        let bounds = vec![None; values.len()];
        Self { name: measure.clone(), measure, values, bounds, bound_name: String::new(), warns: false }
    }

    fn of_threshold(facts: &Facts, threshold: &ThresholdSpec, windows: &[&Observation]) -> Self {
        let ThresholdSpec { measure, above, below, of_test, absolute, k, n, warn } = threshold;
        let high = above.is_some();
        let limit = above.or(*below);
        let values = windows.iter().map(|window| value(window, measure, *absolute, high)).collect();
        let bounds = windows.iter().map(|window| {
            let scored = || {
                let model = facts.served.iter().rev().find(|served| served.endpoint == window.endpoint)?;
                facts.scores(&model.model, window.version?)?.get(measure).copied()
            };
            // The window's own record of a crossing knows best what the bound was.
            let crossed = window.breaches.iter().find(|breach| fits(&breach.measure, measure));
            crossed.map(|breach| breach.threshold).or_else(|| if *of_test { Some(limit? * scored()?) } else { limit })
        });
        let limit_text = limit.map_or_else(String::new, |limit| limit.to_string());
        let often = if *n > 1 { format!(", {k} of {n} windows") } else { String::new() };
        let of = if *of_test { format!("{limit_text} × the test score") } else { limit_text };
        Self {
            bounds: bounds.collect(),
            name: if *absolute { format!("|{measure}|") } else { measure.clone() },
            measure: measure.clone(),
            values,
            bound_name: format!("{} {of}{often}", if high { "above" } else { "below" }),
            warns: *warn,
        }
    }
}

/// Whether the key of a value (`psi:temp`) belongs to a measure as a threshold writes it (`psi`, `psi:temp`).
fn fits(key: &str, measure: &str) -> bool {
    key == measure || key.strip_prefix(measure).is_some_and(|rest| rest.starts_with(':'))
}

/// Returns the value of a measure in a window; of one over many columns, the one that is farthest out.
fn value(window: &Observation, measure: &str, absolute: bool, high: bool) -> Option<f64> {
    let values = window.values.iter().filter(|(key, _)| fits(key, measure)).filter_map(|(_, value)| *value);
    let values = values.map(|value| if absolute { value.abs() } else { value });
    values.reduce(if high { f64::max } else { f64::min })
}

/// What a window says in one colour: a crossing that starts something, one that is only shown, or all well.
pub(in super::super) fn observation_tone(observation: &Observation) -> Tone {
    if observation.breaches.iter().any(|breach| !breach.warn) {
        Tone::Bad
    } else if !observation.breaches.is_empty() {
        Tone::Warn
    } else if observation.values.values().all(Option::is_none) {
        Tone::Calm
    } else {
        Tone::Good
    }
}
