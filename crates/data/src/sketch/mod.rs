//! Sketches: what is kept of a table's columns, so that later rows can be held against them without the table.
//!
//! A sketch of 11 columns takes some hundred kilobytes of JSON, whether it is of a thousand rows or of ten million. Of
//! numbers it keeps the counts between deciles and the distribution function at no more than [`STEPS_MAX`] places
//! (exactly where there are no more distinct values, else to 0.001); of text and truth values the counts by category.

mod parallel;
mod steps;

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

pub(crate) use self::parallel::for_each;
pub use self::steps::Steps;
use crate::{
    compare::quantile,
    table::{Table, Values},
};

/// The most categories that are kept of a column, the most frequent first.
pub const CATEGORIES_MAX: usize = 10_000;

/// The longest category that is kept, in bytes; what is longer is nobody's category.
const CATEGORY_BYTES: usize = 256;

/// The most places at which a distribution function is kept.
pub const STEPS_MAX: usize = 1001;

/// Numbers from here on count as missing, like infinite ones: their squares would be infinite.
const NUMBER_MAX: f64 = 1e150;

/// The form of the JSON.
const FORMAT: u32 = 1;

/// What is kept of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    format: u32,
    /// How many rows the table had.
    pub rows: u64,
    /// Its columns, in their order.
    pub columns: Vec<ColumnSketch>,
}

/// What is kept of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSketch {
    /// Its name.
    pub name: String,
    /// How many rows have no value. Numbers that are not finite count as none.
    pub missing: u64,
    /// How many have one.
    pub present: u64,
    /// What the values look like.
    pub shape: Shape,
}

/// What the values of a column look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shape {
    /// There are none.
    Nothing,
    /// Numbers; instants are their microseconds since 1970-01-01.
    Numbers(Numbers),
    /// Text, `true` and `false`.
    Categories(Categories),
}

/// What is kept of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// The mean.
    pub mean: f64,
    /// The standard deviation over all values (divided by their number, not by one less).
    pub deviation: f64,
    /// The nine deciles, interpolated (definition 7 of Hyndman and Fan, 1996).
    pub deciles: Vec<f64>,
    /// The bins: each reaches to an edge and has it; the last reaches on. See [`edges`].
    pub edges: Vec<f64>,
    /// How many values each bin has; one more than edges.
    pub counts: Vec<u64>,
    /// The distribution function.
    pub steps: Steps,
}

/// What is kept of categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Categories {
    /// How often each occurs.
    pub counts: BTreeMap<String, u64>,
    /// How many values belong to categories that are not kept.
    pub others: u64,
}

/// Why bytes are no sketch.
#[derive(Debug, thiserror::Error)]
pub enum SketchError {
    /// They are not its JSON.
    #[error("failed to read the sketch")]
    Json(#[from] serde_json::Error),
    /// They are, but contradict themselves or come from another version.
    #[error("the sketch is damaged: {0}")]
    Damaged(String),
}

impl Sketch {
    /// Sketches a table. Columns are looked at side by side, on a few threads.
    pub fn of(table: &Table) -> Self {
        let columns = for_each(table.columns(), |(name, values)| ColumnSketch::of(name, values));
        Self { format: FORMAT, rows: table.rows() as u64, columns }
    }

    /// Returns a column by its name.
    pub fn column(&self, name: &str) -> Option<&ColumnSketch> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns the JSON that [`Sketch::from_json`] reads.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, integers and finite numbers: nothing that JSON lacks.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a sketch and checks that it can be used.
    pub fn from_json(bytes: &[u8]) -> Result<Self, SketchError> {
        let sketch: Self = serde_json::from_slice(bytes)?;
        if sketch.format != FORMAT {
            return Err(SketchError::Damaged(format!("format {} where {FORMAT} is read", sketch.format)));
        }
        for column in &sketch.columns {
            if let Shape::Numbers(Numbers { mean: _, deviation: _, deciles: _, edges, counts, steps }) = &column.shape {
                let bins = counts.len() == edges.len() + 1 && edges.is_sorted();
                if !bins || !steps.holds(column.present) {
                    return Err(SketchError::Damaged(format!("column {}", column.name)));
                }
            }
        }
        Ok(sketch)
    }
}

impl ColumnSketch {
    /// Sketches a column.
    pub fn of(name: &str, values: &Values) -> Self {
        let rows = values.len() as u64;
        let (present, shape) = match Column::of(values) {
            Column::Numbers(sorted) if sorted.is_empty() => (0, Shape::Nothing),
            Column::Numbers(sorted) => (sorted.len() as u64, Shape::Numbers(Numbers::of(&sorted))),
            Column::Categories(counts) if counts.is_empty() => (0, Shape::Nothing),
            Column::Categories(counts) => (counts.values().sum(), Shape::Categories(Categories::of(counts))),
        };
        Self { name: name.to_owned(), missing: rows - present, present, shape }
    }
}

/// The values that a column has, as sketches and drift look at them.
pub(crate) enum Column<'a> {
    /// In ascending order.
    Numbers(Vec<f64>),
    /// How often each occurs.
    Categories(BTreeMap<Cow<'a, str>, u64>),
}

impl<'a> Column<'a> {
    /// Looks at a column.
    pub(crate) fn of(values: &'a Values) -> Self {
        match values {
            Values::Number(values) => sorted(values.iter().copied()),
            Values::Int(values) | Values::Time(values) => sorted(values.iter().flatten().map(|value| *value as f64)),
            Values::Text(values) => {
                let mut counts = std::collections::HashMap::new();
                values.iter().flatten().for_each(|text| *counts.entry(text.as_str()).or_insert(0) += 1);
                Self::Categories(counts.into_iter().map(|(text, count)| (Cow::Borrowed(text), count)).collect())
            }
            Values::Bool(values) => {
                let mut counts = BTreeMap::new();
                for value in values.iter().flatten() {
                    *counts.entry(Cow::Borrowed(if *value { "true" } else { "false" })).or_insert(0) += 1;
                }
                Self::Categories(counts)
            }
        }
    }
}

/// Sorts what is finite.
fn sorted(values: impl Iterator<Item = f64>) -> Column<'static> {
    // Adding zero makes one zero of the two.
    let mut values: Vec<f64> = values.filter(|value| value.abs() < NUMBER_MAX).map(|value| value + 0.0).collect();
    values.sort_unstable_by(f64::total_cmp);
    Column::Numbers(values)
}

impl Numbers {
    /// Sketches sorted values, of which there is at least one.
    fn of(sorted: &[f64]) -> Self {
        let rows = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / rows;
        let deviation = match sorted.first() == sorted.last() {
            // Rounding would find a little.
            true => 0.0,
            false => (sorted.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / rows).sqrt(),
        };
        let deciles: Vec<f64> = (1..10).map(|decile| quantile(sorted, f64::from(decile) / 10.0)).collect();
        let edges = edges(&deciles);
        let counts = count(sorted, &edges);
        Self { mean, deviation, deciles, edges, counts, steps: Steps::of(sorted) }
    }
}

impl Categories {
    fn of(counts: BTreeMap<Cow<'_, str>, u64>) -> Self {
        let all: u64 = counts.values().sum();
        let mut kept: Vec<(Cow<'_, str>, u64)> =
            counts.into_iter().filter(|(text, _)| text.len() <= CATEGORY_BYTES).collect();
        if kept.len() > CATEGORIES_MAX {
            kept.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
            kept.truncate(CATEGORIES_MAX);
        }
        let counts: BTreeMap<String, u64> = kept.into_iter().map(|(text, count)| (text.into_owned(), count)).collect();
        let others = all - counts.values().sum::<u64>();
        Self { counts, others }
    }
}

/// Returns the upper ends of bins by deciles.
///
/// A value that takes more than a tenth of all rows is several deciles at once; it becomes a bin of its own, so that a
/// move away from it is seen in either direction.
fn edges(deciles: &[f64]) -> Vec<f64> {
    let mut edges = Vec::new();
    for (place, decile) in deciles.iter().enumerate() {
        if place == 0 || deciles[place - 1] != *decile {
            let repeats = deciles.get(place + 1) == Some(decile);
            if repeats {
                let before = decile.next_down();
                // The decile below may be that very neighbour.
                if edges.last() != Some(&before) {
                    edges.push(before);
                }
            }
            edges.push(*decile);
        }
    }
    edges
}

/// Counts sorted values by bins: up to each edge, and beyond the last.
pub(crate) fn count(sorted: &[f64], edges: &[f64]) -> Vec<u64> {
    let ends = edges.iter().map(|edge| sorted.partition_point(|value| value <= edge)).chain([sorted.len()]);
    let mut before = 0;
    ends.map(|end| {
        let count = end - before;
        before = end;
        count as u64
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[f64]) -> Numbers {
        match ColumnSketch::of("a", &Values::Number(values.to_vec())).shape {
            Shape::Numbers(numbers) => numbers,
            Shape::Nothing | Shape::Categories(_) => panic!("no numbers"),
        }
    }

    #[test]
    fn bins_follow_deciles_and_frequent_values_have_their_own() {
        let even: Vec<f64> = (0..=100).map(f64::from).collect();
        let zeros: Vec<f64> = (0..100).map(|row| f64::from(row.max(90) - 90)).collect();
        let tops: Vec<f64> = (0..100).map(|row| f64::from(row.min(5))).collect();
        let down = f64::next_down;
        for (values, edges, counts) in [
            (
                &even[..],
                &[10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0][..],
                &[11, 10, 10, 10, 10, 10, 10, 10, 10, 10][..],
            ),
            (&zeros, &[down(0.0), 0.0], &[0, 91, 9]),
            (&tops, &[down(5.0), 5.0], &[5, 95, 0]),
            (&[3.0; 20], &[down(3.0), 3.0], &[0, 20, 0]),
            (&[3.0], &[down(3.0), 3.0], &[0, 1, 0]),
        ] {
            let found = numbers(values);
            assert_eq!(found.counts, counts, "{found:?}");
            for (found, edge) in found.edges.iter().zip(edges) {
                assert!((found - edge).abs() < 1e-9, "{found} {edge}");
            }
            assert_eq!(found.edges.len(), edges.len());
        }
    }

    #[test]
    fn what_is_not_finite_is_missing() {
        let column = ColumnSketch::of("a", &Values::Number(vec![1.0, f64::NAN, f64::INFINITY, 1e300, 2.0]));
        assert_eq!((column.missing, column.present), (3, 2));
        for nothing in [Values::Number(vec![f64::NAN]), Values::Text(vec![None]), Values::Bool(Vec::new())] {
            assert_eq!(ColumnSketch::of("a", &nothing).shape, Shape::Nothing);
        }
    }

    #[test]
    fn only_the_most_frequent_categories_are_kept() {
        let texts = (0..CATEGORIES_MAX + 5).flat_map(|row| vec![Some(format!("c{row}")); 1 + usize::from(row > 7)]);
        let long = Some("x".repeat(CATEGORY_BYTES + 1));
        let column = ColumnSketch::of("a", &Values::Text(texts.chain([long]).collect()));
        let Shape::Categories(categories) = &column.shape else { panic!("{column:?}") };
        assert_eq!((categories.counts.len(), categories.others), (CATEGORIES_MAX, 6));
        assert!(categories.counts.contains_key("c2") && !categories.counts.contains_key("c7"));
    }

    #[test]
    fn sketches_are_read_as_they_were_written_and_damage_is_found() {
        let table = Table::new(vec![
            ("a".to_owned(), Values::Number((0..5000).map(|row| f64::from(row).sqrt()).collect())),
            ("b".to_owned(), Values::Bool((0..5000).map(|row| (row % 3 > 0).then_some(row % 2 == 0)).collect())),
            ("c".to_owned(), Values::Time(vec![None; 5000])),
        ])
        .unwrap();
        let sketch = Sketch::of(&table);
        let json = sketch.to_json();
        assert_eq!(Sketch::from_json(&json).unwrap(), sketch);
        let text = String::from_utf8(json).unwrap();
        for (from, to) in [
            ("\"format\":1", "\"format\":2"),
            ("\"counts\":[500,", "\"counts\":["),
            ("\"at_most\":[1,", "\"at_most\":[9,"),
            ("\"present\":5000", "\"present\":5001"),
            ("{", "["),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(Sketch::from_json(text.replacen(from, to, 1).as_bytes()).is_err(), "{from}");
        }
    }
}
