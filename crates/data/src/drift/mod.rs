//! How far the values of a window of rows have moved from a reference.
//!
//! The reference is a [`Sketch`], the window is in memory. Formulas, sources and what a sketch costs in accuracy stand in
//! `docs/monitors.md`. Missing values are left out of all measures but their own. Drift is no verdict: seasons move every
//! column of a model that is well.

mod distance;
mod shares;

use windlass_kinds::DriftMeasure;

use crate::{
    Undefined,
    sketch::{CATEGORIES_MAX, Categories, Column, ColumnSketch, Numbers, Shape, Sketch, count, for_each},
    table::{Table, Values},
};

/// How far one column has moved, by one measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Drifted {
    /// The column.
    pub column: String,
    /// The measure.
    pub measure: DriftMeasure,
    /// Its value, or why it has none.
    pub value: Result<f64, Undefined>,
}

/// Measures `window` against `reference`: the columns named, or all of the reference, each by all `measures`.
///
/// Columns are looked at side by side, on a few threads.
pub fn drift(
    reference: &Sketch,
    window: &Table,
    columns: Option<&[String]>,
    measures: &[DriftMeasure],
) -> Vec<Drifted> {
    let names: Vec<&str> = match columns {
        Some(columns) => columns.iter().map(String::as_str).collect(),
        None => reference.columns.iter().map(|column| column.name.as_str()).collect(),
    };
    let measured = for_each(&names, |name| match (reference.column(name), window.column(name)) {
        (Some(reference), Some(values)) => drift_column(reference, values, measures),
        (None, _) => vec![Err(Undefined::NoReference); measures.len()],
        (Some(_), None) => vec![Err(Undefined::NoColumn); measures.len()],
    });
    let each = |(name, values): (&&str, Vec<Result<f64, Undefined>>)| {
        let column = (*name).to_owned();
        let drifted = measures.iter().zip(values);
        drifted.map(move |(measure, value)| Drifted { column: column.clone(), measure: *measure, value }).collect()
    };
    names.iter().zip(measured).flat_map(|pair| -> Vec<Drifted> { each(pair) }).collect()
}

/// Measures one column by all `measures`, and returns the values in their order.
pub fn drift_column(
    reference: &ColumnSketch,
    values: &Values,
    measures: &[DriftMeasure],
) -> Vec<Result<f64, Undefined>> {
    if values.is_empty() {
        return vec![Err(Undefined::NoValues); measures.len()];
    }
    let column = Column::of(values);
    let present: u64 = match &column {
        Column::Numbers(sorted) => sorted.len() as u64,
        Column::Categories(counts) => counts.values().sum(),
    };
    let missing = (values.len() as u64 - present) as f64 / values.len() as f64;
    let moved = match (&reference.shape, &column) {
        (Shape::Nothing, _) => Err(Undefined::NoReference),
        (Shape::Numbers(_) | Shape::Categories(_), _) if present == 0 => Err(Undefined::NoValues),
        (Shape::Numbers(numbers), Column::Numbers(sorted)) => Ok(Moved::numbers(reference.present, numbers, sorted)),
        (Shape::Categories(categories), Column::Categories(counts)) => {
            Ok(Moved::categories(categories, counts.iter().map(|(text, count)| (text.as_ref(), *count))))
        }
        (Shape::Numbers(_), Column::Categories(_)) => {
            Err(Undefined::OtherType { expected: "number", found: values.word() })
        }
        (Shape::Categories(_), Column::Numbers(_)) => {
            Err(Undefined::OtherType { expected: "string", found: values.word() })
        }
    };
    let value = |measure: &DriftMeasure| match (measure, &moved) {
        (DriftMeasure::Missing, _) => Ok(missing),
        (_, Err(undefined)) => Err(undefined.clone()),
        (DriftMeasure::Psi, Ok(moved)) => Ok(shares::stability(&moved.reference, &moved.window)),
        (DriftMeasure::JensenShannon, Ok(moved)) => Ok(shares::jensen_shannon(&moved.reference, &moved.window)),
        (DriftMeasure::ChiSquared, Ok(moved)) => Ok(shares::chi_squared(&moved.reference, &moved.window)),
        (DriftMeasure::Unseen, Ok(moved)) => moved.unseen.clone(),
        (DriftMeasure::Ks, Ok(moved)) => {
            moved.distances.as_ref().map(|found| found.largest).ok_or(Undefined::NotOrdered)
        }
        (DriftMeasure::Wasserstein, Ok(moved)) => match &moved.distances {
            None => Err(Undefined::NotOrdered),
            Some(_) if moved.deviation == 0.0 => Err(Undefined::Constant),
            Some(found) => Ok(found.area / moved.deviation),
        },
    };
    measures.iter().map(value).collect()
}

/// What reference and window have in the same bins, and how far apart they are.
struct Moved {
    reference: Vec<u64>,
    window: Vec<u64>,
    unseen: Result<f64, Undefined>,
    distances: Option<distance::Distances>,
    deviation: f64,
}

impl Moved {
    /// Bins by the reference's deciles; what lies beyond its least and its largest value was never seen.
    fn numbers(present: u64, reference: &Numbers, sorted: &[f64]) -> Self {
        let least = reference.steps.values.first().copied().unwrap_or(f64::NEG_INFINITY);
        let largest = reference.steps.values.last().copied().unwrap_or(f64::INFINITY);
        let outside = sorted.partition_point(|value| *value < least) + sorted.len()
            - sorted.partition_point(|value| *value <= largest);
        Self {
            reference: reference.counts.clone(),
            window: count(sorted, &reference.edges),
            unseen: Ok(outside as f64 / sorted.len() as f64),
            distances: Some(distance::between(&reference.steps, present, sorted)),
            deviation: reference.deviation,
        }
    }

    /// A bin a category of the reference, and one for all others.
    fn categories<'a>(reference: &Categories, counts: impl Iterator<Item = (&'a str, u64)>) -> Self {
        let bins: std::collections::HashMap<&str, usize> =
            reference.counts.keys().enumerate().map(|(place, text)| (text.as_str(), place)).collect();
        let mut window = vec![0; bins.len() + 1];
        for (text, count) in counts {
            window[bins.get(text).copied().unwrap_or(bins.len())] += count;
        }
        let unseen = match reference.others {
            0 => Ok(window[bins.len()] as f64 / window.iter().sum::<u64>() as f64),
            _ => Err(Undefined::Categories(CATEGORIES_MAX)),
        };
        let reference = reference.counts.values().copied().chain([reference.others]).collect();
        Self { reference, window, unseen, distances: None, deviation: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reference: &Values, window: &Values) -> Vec<Result<f64, String>> {
        let measured = drift_column(&ColumnSketch::of("a", reference), window, &DriftMeasure::ALL);
        measured.into_iter().map(|value| value.map_err(|undefined| undefined.to_string())).collect()
    }

    fn text(values: &str) -> Values {
        Values::Text(values.split(' ').map(|value| (value != "-").then(|| value.to_owned())).collect())
    }

    #[test]
    fn nothing_moved_is_zero() {
        let numbers = Values::Number((0..5000).map(|row| f64::from(row).sqrt()).collect());
        let few = Values::Int((0..50).map(|row| (row % 5 > 0).then_some(row % 5)).collect());
        for (values, missing) in [(&numbers, 0.0), (&few, 0.2)] {
            let [psi, js, ks, wasserstein, chi, gone, unseen] = of(values, values).try_into().unwrap();
            for (value, most) in [(psi, 0.0), (js, 1e-8), (ks, 0.001), (wasserstein, 0.001), (chi, 0.0), (unseen, 0.0)]
            {
                assert!((0.0..=most).contains(&value.clone().unwrap()), "{value:?} {most}");
            }
            assert_eq!(gone, Ok(missing));
        }
    }

    #[test]
    fn values_by_hand() {
        let close = |found: &Result<f64, String>, expected: f64| {
            assert!((found.as_ref().unwrap() - expected).abs() < 1e-12, "{found:?}, expected {expected}");
        };
        // Half and half to a quarter and three quarters, with a third that is new.
        let found = of(&text("a a b b"), &text("a b b b -"));
        close(&found[0], 0.25 * 2_f64.ln() + 0.25 * 1.5_f64.ln());
        close(&found[4], 8.0 / 15.0);
        close(&found[5], 0.2);
        close(&found[6], 0.0);
        assert_eq!(found[2], Err("only numbers have this measure".to_owned()));
        let new = of(&text("a a b b"), &text("c c"));
        close(&new[1], 1.0);
        close(&new[6], 1.0);
        // All moved by one, from a reference with deviation 0.5.
        let found = of(&Values::Number(vec![0.0, 1.0]), &Values::Number(vec![1.0, 2.0]));
        close(&found[2], 0.5);
        close(&found[3], 2.0);
        close(&found[6], 0.5);
        let booleans = of(&Values::Bool(vec![Some(true), Some(false)]), &Values::Bool(vec![Some(true)]));
        close(&booleans[4], 0.75);
    }

    #[test]
    fn what_has_no_value_says_why() {
        let numbers = Values::Number(vec![1.0, 2.0]);
        for (reference, window, expected) in [
            (&Values::Number(vec![f64::NAN]), &numbers, "the reference has no values in this column"),
            (&numbers, &Values::Number(Vec::new()), "no values in this column"),
            (&numbers, &Values::Text(vec![None]), "no values in this column"),
            (&numbers, &text("a"), "string values where the reference has number"),
            (&text("a"), &Values::Time(vec![Some(1)]), "timestamp values where the reference has string"),
        ] {
            assert_eq!(of(reference, window)[0], Err(expected.to_owned()));
        }
        let constant = of(&Values::Int(vec![Some(5); 20]), &Values::Int(vec![Some(6); 20]));
        assert_eq!(constant[3], Err("the reference column is constant".to_owned()));
        assert!(constant[0].as_ref().unwrap() > &9.0 && constant[2] == Ok(1.0), "{constant:?}");
        assert_eq!(of(&numbers, &Values::Number(vec![f64::NAN]))[5], Ok(1.0));
    }

    #[test]
    fn a_table_is_measured_column_by_column() {
        let table = |names: &[&str]| {
            let column = |name: &&str| ((*name).to_owned(), Values::Int(vec![Some(1), Some(2)]));
            Table::new(names.iter().map(column).collect()).unwrap()
        };
        let reference = Sketch::of(&table(&["a", "b"]));
        let keys = |columns: Option<&[String]>| -> Vec<String> {
            drift(&reference, &table(&["a", "c"]), columns, &[DriftMeasure::Psi, DriftMeasure::Missing])
                .into_iter()
                .map(|drifted| {
                    let value = drifted.value.map_or_else(|undefined| undefined.to_string(), |value| value.to_string());
                    format!("{} {value}", drifted.measure.key(&drifted.column))
                })
                .collect()
        };
        assert_eq!(keys(None), ["psi:a 0", "missing:a 0", "psi:b no such column", "missing:b no such column"]);
        let no_reference = "the reference has no values in this column";
        assert_eq!(
            keys(Some(&["c".to_owned()])),
            [format!("psi:c {no_reference}"), format!("missing:c {no_reference}")]
        );
    }
}
