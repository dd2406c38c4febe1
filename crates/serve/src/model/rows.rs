//! Whether a column of a table holds what the signature says.
//!
//! Numbers may be missing where they are floating point, and are NaN then; whole numbers, truth values and text have no
//! value for "missing", neither in NumPy nor in ONNX, and are refused.

use windlass_data::table::{Table, Values};
use windlass_infer::Element;

use super::Column;

/// A column of a request that does not hold what the signature says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}`{} {problem}", row.map(|row| format!(", row {row},")).unwrap_or_default())]
pub struct ValueError {
    /// The column.
    pub column: String,
    /// The row, from 1, where one is to blame.
    pub row: Option<usize>,
    /// What is wrong, as the rest of a sentence.
    pub problem: String,
}

impl ValueError {
    /// Blames a row, from 0, or the column as a whole.
    pub(crate) fn new(column: &str, row: Option<usize>, problem: impl Into<String>) -> Self {
        let column = column.chars().take(120).flat_map(char::escape_debug).collect();
        Self { column, row: row.map(|row| row + 1), problem: problem.into() }
    }
}

/// Returns the column of a table, which is most often in the place `at`.
pub(super) fn find<'t>(table: &'t Table, at: usize, column: &Column) -> Result<Option<&'t Values>, ValueError> {
    let found = match table.columns().get(at) {
        Some((name, values)) if *name == column.name => Some(values),
        _ => table.column(&column.name),
    };
    match found {
        Some(values) => check(column, values).map(|()| Some(values)),
        None if may_be_absent(column) => Ok(None),
        None => Err(ValueError::new(&column.name, None, "is missing")),
    }
}

/// Tells whether a request may do without the column.
pub(crate) fn may_be_absent(column: &Column) -> bool {
    !column.required && is_float(column.element)
}

/// Tells whether NaN stands for a missing value.
pub(crate) fn is_float(element: Element) -> bool {
    matches!(element, Element::Float32 | Element::Float64)
}

/// Returns the smallest and largest value of whole numbers; those beyond 64 bits with a sign are not taken.
pub(crate) fn range(element: Element) -> Option<(i64, i64)> {
    match element {
        Element::Int8 => Some((i8::MIN.into(), i8::MAX.into())),
        Element::Int16 => Some((i16::MIN.into(), i16::MAX.into())),
        Element::Int32 => Some((i32::MIN.into(), i32::MAX.into())),
        Element::Int64 => Some((i64::MIN, i64::MAX)),
        Element::Uint8 => Some((0, u8::MAX.into())),
        Element::Uint16 => Some((0, u16::MAX.into())),
        Element::Uint32 => Some((0, u32::MAX.into())),
        Element::Uint64 => Some((0, i64::MAX)),
        Element::Bool | Element::Float32 | Element::Float64 | Element::Text => None,
    }
}

/// Checks that all values of a column are what the signature says.
pub(crate) fn check(column: &Column, values: &Values) -> Result<(), ValueError> {
    let Column { name, element, required: _ } = column;
    let wrong = |row, problem: &str| Err(ValueError::new(name, row, problem));
    let kind = || wrong(None, &format!("holds {}, not {element}", words(values)));
    let first_missing = match (element, values) {
        (Element::Bool, Values::Bool(values)) => values.iter().position(Option::is_none),
        (Element::Text, Values::Text(values)) => values.iter().position(Option::is_none),
        (Element::Float32, Values::Number(values)) => {
            let beyond = |value: &f64| value.is_finite() && !(*value as f32).is_finite();
            return match values.iter().position(beyond) {
                Some(row) => wrong(Some(row), "is too large for float32"),
                None => Ok(()),
            };
        }
        (Element::Float64, Values::Number(_)) | (Element::Float32 | Element::Float64, Values::Int(_)) => None,
        (_, Values::Int(values)) => match range(*element) {
            Some((least, most)) => {
                let beyond = |value: &Option<i64>| value.is_some_and(|value| !(least..=most).contains(&value));
                if let Some(row) = values.iter().position(beyond) {
                    return wrong(Some(row), &format!("is out of the range of {element}"));
                }
                values.iter().position(Option::is_none)
            }
            None => return kind(),
        },
        (_, Values::Number(values)) => match range(*element) {
            Some((least, most)) => {
                // Whole numbers beyond this may have been other ones before they became floating point.
                let exact = 9_007_199_254_740_992.0;
                let (least, most) = ((least as f64).max(-exact), (most as f64).min(exact));
                let unfit = |value: &f64| !value.is_nan() && (value.fract() != 0.0 || !(least..=most).contains(value));
                if let Some(row) = values.iter().position(unfit) {
                    return wrong(Some(row), &format!("is no whole number in the range of {element}"));
                }
                values.iter().position(|value| value.is_nan())
            }
            None => return kind(),
        },
        (_, Values::Bool(_) | Values::Text(_) | Values::Time(_)) => return kind(),
    };
    match first_missing {
        Some(row) => wrong(Some(row), &format!("is missing, and {element} has no value for that")),
        None => Ok(()),
    }
}

fn words(values: &Values) -> &'static str {
    match values {
        Values::Number(_) => "numbers",
        Values::Int(_) => "whole numbers",
        Values::Text(_) => "text",
        Values::Time(_) => "times",
        Values::Bool(_) => "truth values",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_the_signature_says() {
        let numbers = |values: &[f64]| Values::Number(values.to_vec());
        let whole = |values: &[i64]| Values::Int(values.iter().copied().map(Some).collect());
        let text = Values::Text(vec![Some("a".to_owned()), None]);
        for (element, values, problem) in [
            (Element::Float32, numbers(&[1.5, f64::NAN, f64::INFINITY]), None),
            (Element::Float32, numbers(&[0.0, 1e39]), Some(", row 2, is too large for float32")),
            (Element::Float64, numbers(&[1e39]), None),
            (Element::Float64, Values::Int(vec![Some(1), None]), None),
            (Element::Float64, text.clone(), Some(" holds text, not float64")),
            (Element::Float32, Values::Bool(vec![Some(true)]), Some(" holds truth values, not float32")),
            (Element::Float32, Values::Time(vec![Some(1)]), Some(" holds times, not float32")),
            (Element::Int32, whole(&[1, 1 << 31]), Some(", row 2, is out of the range of int32")),
            (Element::Uint8, whole(&[255, -1]), Some(", row 2, is out of the range of uint8")),
            (Element::Int64, whole(&[i64::MIN, i64::MAX]), None),
            (Element::Int64, Values::Int(vec![None]), Some(", row 1, is missing, and int64 has no value for that")),
            (Element::Int8, numbers(&[1.0, -128.0]), None),
            (Element::Int8, numbers(&[1.5]), Some(", row 1, is no whole number in the range of int8")),
            (Element::Int64, numbers(&[1e17]), Some(", row 1, is no whole number in the range of int64")),
            (Element::Int64, numbers(&[f64::NAN]), Some(", row 1, is missing, and int64 has no value for that")),
            (Element::Bool, whole(&[1]), Some(" holds whole numbers, not bool")),
            (
                Element::Bool,
                Values::Bool(vec![Some(true), None]),
                Some(", row 2, is missing, and bool has no value for that"),
            ),
            (Element::Text, text, Some(", row 2, is missing, and text has no value for that")),
            (Element::Text, numbers(&[1.0]), Some(" holds numbers, not text")),
        ] {
            let column = Column { name: "x".to_owned(), element, required: true };
            let given = check(&column, &values).map_err(|error| error.to_string());
            let expected = problem.map_or(Ok(()), |problem| Err(format!("column `x`{problem}")));
            assert_eq!(given, expected, "{element} {values:?}");
        }
    }
}
