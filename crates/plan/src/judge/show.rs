//! Numbers for people.

/// Writes a number with about four significant digits, and without a useless fraction.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return value.to_string();
    }
    let size = value.abs();
    if size < 1.0e-3 {
        return trim(&format!("{value:.2e}"));
    }
    let places = match size {
        size if size < 0.1 => 5,
        size if size < 1.0 => 4,
        size if size < 10.0 => 3,
        size if size < 1000.0 => 2,
        _ => 0,
    };
    trim(&format!("{value:.places$}"))
}

/// Writes two numbers that were compared: in full where they would look alike and are not.
pub(super) fn pair(value: f64, bound: f64) -> (String, String) {
    let (shown, limit) = (number(value), number(bound));
    if shown == limit && value.total_cmp(&bound).is_ne() {
        return (value.to_string(), bound.to_string());
    }
    (shown, limit)
}

/// Takes the zeros off the end of a fraction.
fn trim(text: &str) -> String {
    let (mantissa, exponent) = text.find('e').map_or((text, ""), |at| text.split_at(at));
    if !mantissa.contains('.') {
        return text.to_owned();
    }
    format!("{}{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_never_look_alike() {
        for (value, shown) in [
            (0.0, "0"),
            (20.0, "20"),
            (12.4123, "12.41"),
            (1.0e-4, "1e-4"),
            (3.14159e-6, "3.14e-6"),
            (0.98765, "0.9877"),
            (-0.05, "-0.05"),
            (123_456.7, "123457"),
            (999.999, "1000"),
        ] {
            assert_eq!(number(value), shown, "{value}");
        }
        assert_eq!(pair(20.000_001, 20.0), ("20.000001".to_owned(), "20".to_owned()));
        assert_eq!(pair(20.0, 20.0), ("20".to_owned(), "20".to_owned()));
    }
}
