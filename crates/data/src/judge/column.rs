//! What one column's expectation has seen so far.

use std::{collections::HashSet, fmt};

use windlass_kinds::{
    manifest::{ColumnExpectation, ColumnType},
    record::ExpectationFailure,
};

use super::cell::{Cell, shown, word_of};

/// The most allowed values that a failure repeats.
const VALUES_SHOWN: usize = 10;

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Counts the rows of data from 1.
    pub(crate) row: u64,
    /// The line of the text file, from 1, where the format has lines.
    pub(crate) line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            None => write!(f, "row {}", self.row),
            Some(line) => write!(f, "row {}, line {line}", self.row),
        }
    }
}

/// The values that broke one rule: how many, the first, and how far off they were.
#[derive(Debug, Default)]
struct Offenders {
    count: u64,
    first: Option<(String, Place)>,
    worst: Option<f64>,
}

impl Offenders {
    fn add(&mut self, cell: &Cell<'_>, place: Place, text: fn(&str) -> String) {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some((text(&cell.text()), place));
        }
    }

    fn add_number(&mut self, cell: &Cell<'_>, place: Place, value: f64, worse: fn(f64, f64) -> f64) {
        self.add(cell, place, str::to_owned);
        self.worst = Some(self.worst.map_or(value, |worst| worse(worst, value)));
    }

    fn observed(&self, reach: &str) -> Option<String> {
        let (text, place) = self.first.as_ref()?;
        let mut observed = format!("{text} ({place})");
        if self.count > 1 {
            observed.push_str(&format!("; {} rows in all", self.count));
            if let Some(worst) = self.worst {
                observed.push_str(&format!(", {reach} {worst}"));
            }
        }
        Some(observed)
    }
}

/// One column's expectation at work.
#[derive(Debug)]
pub(crate) struct ColumnCheck<'a> {
    expectation: &'a ColumnExpectation,
    values: HashSet<&'a str>,
    rows: u64,
    nulls: u64,
    misfits: Offenders,
    below: Offenders,
    above: Offenders,
    strays: Offenders,
}

impl<'a> ColumnCheck<'a> {
    /// Starts with nothing seen.
    pub(crate) fn new(expectation: &'a ColumnExpectation) -> Self {
        Self {
            expectation,
            values: expectation.values.iter().map(String::as_str).collect(),
            rows: 0,
            nulls: 0,
            misfits: Offenders::default(),
            below: Offenders::default(),
            above: Offenders::default(),
            strays: Offenders::default(),
        }
    }

    /// Returns whether values must be read to judge it; else the column's presence and type say all.
    pub(crate) fn needs_values(&self) -> bool {
        let ColumnExpectation { name: _, data_type: _, optional: _, max_null_share, min, max, values } =
            self.expectation;
        max_null_share.is_some() || min.is_some() || max.is_some() || !values.is_empty()
    }

    /// Returns the type that values are read as where the format has none: what is expected, else what rules need.
    pub(crate) fn wanted(&self) -> ColumnType {
        match self.expectation.data_type {
            Some(data_type) => data_type,
            None if self.expectation.min.is_some() || self.expectation.max.is_some() => ColumnType::Number,
            None => ColumnType::String,
        }
    }

    /// Takes one value in.
    pub(crate) fn see(&mut self, cell: &Cell<'_>, place: Place) {
        self.rows += 1;
        if cell.is_null() {
            self.nulls += 1;
            return;
        }
        if let Cell::Misfit(_) = cell {
            self.misfits.add(cell, place, shown);
            return;
        }
        if let Some(value) = cell.number() {
            if self.expectation.min.is_some_and(|min| value < min) {
                self.below.add_number(cell, place, value, f64::min);
            }
            if self.expectation.max.is_some_and(|max| value > max) {
                self.above.add_number(cell, place, value, f64::max);
            }
        }
        if !self.values.is_empty() && !self.values.contains(&*cell.text()) {
            self.strays.add(cell, place, shown);
        }
    }

    /// Returns the rules that were broken, in a fixed order.
    pub(crate) fn failures(&self, path: &str) -> Vec<ExpectationFailure> {
        let mut failures = Vec::new();
        let mut fail = |expectation: String, observed: String| {
            let column = Some(self.expectation.name.clone());
            failures.push(ExpectationFailure { path: path.to_owned(), column, expectation, observed });
        };
        if let Some(observed) = self.misfits.observed("") {
            fail(format!("type {}", word_of(self.wanted())), observed);
        }
        if let Some(most) = self.expectation.max_null_share {
            let share = if self.rows == 0 { 0.0 } else { self.nulls as f64 / self.rows as f64 };
            if share > most {
                fail(format!("nulls <= {most}"), format!("{share:.4} ({} of {} rows)", self.nulls, self.rows));
            }
        }
        if let (Some(min), Some(observed)) = (self.expectation.min, self.below.observed("down to")) {
            fail(format!("min >= {min}"), observed);
        }
        if let (Some(max), Some(observed)) = (self.expectation.max, self.above.observed("up to")) {
            fail(format!("max <= {max}"), observed);
        }
        if let Some(observed) = self.strays.observed("") {
            fail(format!("one of {}", listed(&self.expectation.values, VALUES_SHOWN)), observed);
        }
        failures
    }
}

/// Returns the first names in backquotes, and how many more there are.
pub(crate) fn listed<S: AsRef<str>>(names: &[S], most: usize) -> String {
    let mut text = names.iter().take(most).map(|name| shown(name.as_ref())).collect::<Vec<_>>().join(", ");
    if names.len() > most {
        text.push_str(&format!(" and {} more", names.len() - most));
    }
    text
}
