//! Values in text formats: what a type looks like when it is written out.

use windlass_kinds::manifest::ColumnType;

use crate::judge::Cell;

/// Reads one field as the type `wanted`.
///
/// An empty field is null. So are `NA`, `NaN` and `null` (in any case) where no text is wanted, as R, pandas and
/// databases write them.
pub(crate) fn cell(text: &str, wanted: ColumnType) -> Cell<'_> {
    if text.is_empty() {
        return Cell::Null;
    }
    if wanted == ColumnType::String {
        return Cell::Text(text);
    }
    if ["NA", "NaN", "null"].iter().any(|null| text.eq_ignore_ascii_case(null)) {
        return Cell::Null;
    }
    let trimmed = text.trim();
    let read = match wanted {
        ColumnType::Integer => integer(trimmed),
        ColumnType::Float => float(trimmed),
        ColumnType::Number => integer(trimmed).or_else(|| float(trimmed)),
        ColumnType::String => Some(Cell::Text(text)),
        ColumnType::Boolean => boolean(trimmed),
        ColumnType::Date => date(trimmed),
        ColumnType::Timestamp => timestamp(trimmed),
    };
    read.unwrap_or(Cell::Misfit(text))
}

fn integer(text: &str) -> Option<Cell<'static>> {
    // As wide as the widest integers of the other formats.
    let value: i128 = text.parse().ok()?;
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(Cell::Integer(value))
}

fn float(text: &str) -> Option<Cell<'static>> {
    text.parse().ok().map(Cell::Float)
}

fn boolean(text: &str) -> Option<Cell<'static>> {
    match text {
        "true" | "True" | "TRUE" => Some(Cell::Boolean(true)),
        "false" | "False" | "FALSE" => Some(Cell::Boolean(false)),
        _ => None,
    }
}

/// Reads `2013-01-31` (ISO 8601, the calendar date in its extended form).
pub(crate) fn date(text: &str) -> Option<Cell<'static>> {
    if text.len() != 10 {
        return None;
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    let days = jiff::civil::date(1970, 1, 1).until((jiff::Unit::Day, date)).ok()?.get_days();
    Some(Cell::Date(days))
}

/// Reads `2013-01-31T05:00:00Z`, with any offset or none, with a blank for the `T` (RFC 3339; ISO 8601 without zone).
pub(crate) fn timestamp(text: &str) -> Option<Cell<'static>> {
    let instant: jiff::Timestamp = match text.parse() {
        Ok(instant) => instant,
        Err(_) => {
            // Without a time a text is a date, and with a zone it would have been an instant.
            if !text.contains(':') || text.ends_with(['z', 'Z']) || text.contains('[') {
                return None;
            }
            let civil: jiff::civil::DateTime = text.parse().ok()?;
            civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()
        }
    };
    Some(Cell::Timestamp(instant.as_nanosecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_what_is_wanted() {
        use ColumnType::{Boolean, Date, Float, Integer, Number, String, Timestamp};
        for (text, wanted, expected) in [
            ("", Integer, Cell::Null),
            ("", String, Cell::Null),
            ("NA", Number, Cell::Null),
            ("NA", String, Cell::Text("NA")),
            ("nan", Float, Cell::Null),
            ("NULL", Date, Cell::Null),
            ("5", Integer, Cell::Integer(5)),
            (" 5 ", Integer, Cell::Integer(5)),
            ("18446744073709551615", Integer, Cell::Integer(u64::MAX.into())),
            ("18446744073709551616", Integer, Cell::Misfit("18446744073709551616")),
            ("5.0", Integer, Cell::Misfit("5.0")),
            ("5.5", Number, Cell::Float(5.5)),
            ("5", Number, Cell::Integer(5)),
            ("1e3", Float, Cell::Float(1000.0)),
            ("abc", Float, Cell::Misfit("abc")),
            ("True", Boolean, Cell::Boolean(true)),
            ("yes", Boolean, Cell::Misfit("yes")),
            ("2013-01-01", Date, Cell::Date(15_706)),
            ("2013-13-01", Date, Cell::Misfit("2013-13-01")),
            ("2013-01-01T00:00:00", Date, Cell::Misfit("2013-01-01T00:00:00")),
            ("1970-01-01T00:00:01Z", Timestamp, Cell::Timestamp(1_000_000_000)),
            ("1970-01-01 00:00:01", Timestamp, Cell::Timestamp(1_000_000_000)),
            ("1970-01-01T01:00:01+01:00", Timestamp, Cell::Timestamp(1_000_000_000)),
            ("1970-01-01", Timestamp, Cell::Misfit("1970-01-01")),
            ("5", Timestamp, Cell::Misfit("5")),
        ] {
            assert_eq!(cell(text, wanted), expected, "{text} as {wanted:?}");
        }
    }
}
