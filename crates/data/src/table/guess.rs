//! Which type the values of a column have, where the format has no types.
//!
//! Every value is looked at before one is kept, so that a column is what all its values are: the narrowest of integer,
//! number, boolean and timestamp, else text. A text that a number would not give back (`007`, `+5`) is no number: it may
//! be part of a name.

use serde_json::Value;
use windlass_kinds::manifest::ColumnType;

use crate::{format::text, judge::Cell};

use super::Values;

/// What a column can still be.
#[derive(Debug, Clone)]
pub(super) struct Guess {
    candidates: Vec<ColumnType>,
    seen: bool,
    /// Whether a value was a list or a structure.
    pub(super) nested: bool,
}

impl Guess {
    /// Starts with nothing seen.
    pub(super) fn new() -> Self {
        let candidates = vec![ColumnType::Integer, ColumnType::Number, ColumnType::Boolean, ColumnType::Timestamp];
        Self { candidates, seen: false, nested: false }
    }

    /// Takes in a field of CSV.
    pub(super) fn see_text(&mut self, field: &str) {
        if field.is_empty() {
            return;
        }
        // In a column of text these are text; elsewhere they are no value.
        if matches!(text::cell(field, ColumnType::Number), Cell::Null) {
            return;
        }
        self.seen = true;
        self.candidates.retain(|wanted| fits(field, *wanted));
    }

    /// Takes in a value of JSON.
    pub(super) fn see_json(&mut self, value: &Value) {
        let keep: &[ColumnType] = match value {
            Value::Null => return,
            Value::Bool(_) => &[ColumnType::Boolean],
            Value::Number(number) if number.is_i64() => &[ColumnType::Integer, ColumnType::Number],
            Value::Number(_) => &[ColumnType::Number],
            Value::String(text) if text == "NaN" => &[ColumnType::Number],
            Value::String(text) if text::timestamp(text).is_some() => &[ColumnType::Timestamp],
            Value::String(_) => &[],
            Value::Array(_) | Value::Object(_) => {
                self.nested = true;
                &[]
            }
        };
        self.seen = true;
        self.candidates.retain(|candidate| keep.contains(candidate));
    }

    /// Returns the type that all values have. Without any value it is a column of missing numbers.
    pub(super) fn decide(&self) -> ColumnType {
        match self.candidates.first() {
            Some(_) if !self.seen => ColumnType::Number,
            Some(first) => *first,
            None => ColumnType::String,
        }
    }
}

/// Returns an empty column of a guessed type.
pub(super) fn empty(decided: ColumnType) -> Values {
    match decided {
        ColumnType::Integer => Values::Int(Vec::new()),
        ColumnType::Float | ColumnType::Number => Values::Number(Vec::new()),
        ColumnType::String | ColumnType::Date => Values::Text(Vec::new()),
        ColumnType::Boolean => Values::Bool(Vec::new()),
        ColumnType::Timestamp => Values::Time(Vec::new()),
    }
}

fn fits(field: &str, wanted: ColumnType) -> bool {
    match text::cell(field, wanted) {
        Cell::Integer(value) => {
            as_a_number_is_written(field) && (wanted == ColumnType::Number || i64::try_from(value).is_ok())
        }
        Cell::Float(_) => as_a_number_is_written(field),
        Cell::Boolean(_) | Cell::Timestamp(_) => true,
        Cell::Null | Cell::Decimal { .. } | Cell::Text(_) | Cell::Date(_) | Cell::Bytes(_) | Cell::Misfit(_) => false,
    }
}

/// Returns whether a field that can be read as a number has nothing around it that a number would not have.
fn as_a_number_is_written(field: &str) -> bool {
    let digits = field.strip_prefix('-').unwrap_or(field).as_bytes();
    match digits {
        [b'0', next, ..] => !next.is_ascii_digit(),
        [first, ..] => *first != b'+' && field.trim() == field,
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_what_all_its_values_are() {
        use ColumnType::{Boolean, Integer, Number, String, Timestamp};
        for (fields, expected) in [
            (&[][..], Number),
            (&["", "NA"], Number),
            (&["1", "", "-5"], Integer),
            (&["1", "NA", "2.5"], Number),
            (&["1", "99999999999999999999"], Number),
            (&["1", "x"], String),
            (&["1", "true"], String),
            (&["007", "5"], String),
            (&["0", "0.5"], Number),
            (&["+5"], String),
            (&[" 5"], String),
            (&["true", "False"], Boolean),
            (&["2013-01-01T05:00:00Z", "2013-01-01 06:00:00"], Timestamp),
            (&["2013-01-01"], String),
        ] {
            let mut guess = Guess::new();
            fields.iter().for_each(|field| guess.see_text(field));
            assert_eq!(guess.decide(), expected, "{fields:?}");
        }
        for (line, expected) in [
            ("[null]", Number),
            ("[1, 2]", Integer),
            ("[1, 2.5]", Number),
            ("[1, 18446744073709551615]", Number),
            (r#"[1, "NaN"]"#, Number),
            (r#"[1, "x"]"#, String),
            (r#"["1"]"#, String),
            ("[true, null]", Boolean),
            (r#"["2013-01-01T05:00:00Z"]"#, Timestamp),
        ] {
            let mut guess = Guess::new();
            let values: Vec<Value> = serde_json::from_str(line).unwrap();
            values.iter().for_each(|value| guess.see_json(value));
            assert_eq!((guess.decide(), guess.nested), (expected, false), "{line}");
        }
    }
}
