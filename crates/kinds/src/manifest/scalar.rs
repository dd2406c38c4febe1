//! What a scalar means: the core schema of YAML 1.2 (section 10.3.2).
//!
//! Only plain scalars resolve; quoted ones are text. `yes`, `no`, `on` and `off` are text, as YAML 1.2 says, and so
//! are dates and `1:30`.

use serde_json::{Number, Value};

/// A scalar as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scalar {
    /// The text, quotes and escapes undone.
    pub(super) text: String,
    /// Whether it stood without quotes or a tag that makes it text.
    pub(super) plain: bool,
}

/// What a scalar resolves to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Resolved {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number that JSON can hold.
    Number(Number),
    /// A number that JSON cannot hold: not finite, or an integer beyond 64 bits.
    Beyond,
    /// Anything else.
    Text,
}

impl Scalar {
    /// Returns what the scalar means.
    pub(super) fn resolve(&self) -> Resolved {
        if self.plain { resolve(&self.text) } else { Resolved::Text }
    }

    /// Tells whether YAML 1.1 would read this as a truth value and YAML 1.2 reads it as text.
    pub(super) fn is_old_boolean(&self) -> bool {
        self.plain && is_old_boolean(&self.text)
    }
}

/// Tells whether YAML 1.1 reads `text` as a truth value where YAML 1.2 does not.
pub(super) fn is_old_boolean(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off" | "y" | "n")
}

/// Returns what plain `text` means.
pub(super) fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Boolean(true),
        "false" | "False" | "FALSE" => return Resolved::Boolean(false),
        ".nan" | ".NaN" | ".NAN" => return Resolved::Beyond,
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Resolved::Beyond;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(radix))
        {
            return u64::from_str_radix(digits, radix).map_or(Resolved::Beyond, |n| Resolved::Number(n.into()));
        }
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        return text
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| text.parse::<u64>().map(Number::from))
            .map_or(Resolved::Beyond, Resolved::Number);
    }
    if is_float(unsigned) {
        let number = text.parse::<f64>().ok().and_then(Number::from_f64);
        return number.map_or(Resolved::Beyond, Resolved::Number);
    }
    Resolved::Text
}

/// Tells whether `text`, its sign taken off, is `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa && exponent
}

/// Returns the JSON value of a scalar, or nothing where JSON has none.
pub(super) fn to_json(scalar: &Scalar) -> Option<Value> {
    match scalar.resolve() {
        Resolved::Null => Some(Value::Null),
        Resolved::Boolean(value) => Some(Value::Bool(value)),
        Resolved::Number(number) => Some(Value::Number(number)),
        Resolved::Beyond => None,
        Resolved::Text => Some(Value::String(scalar.text.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, json) in [
            ("", "null"),
            ("~", "null"),
            ("nUll", "\"nUll\""),
            ("True", "true"),
            ("yes", "\"yes\""),
            ("12", "12"),
            ("+12", "12"),
            ("-0", "0"),
            ("012", "12"),
            ("0o17", "15"),
            ("0xfF", "255"),
            ("0x", "\"0x\""),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("1.", "1.0"),
            (".", "\".\""),
            ("1e3", "1000.0"),
            ("1e", "\"1e\""),
            ("-1.5e-2", "-0.015"),
            ("18446744073709551615", "18446744073709551615"),
            ("2013-01-01", "\"2013-01-01\""),
            ("1:30", "\"1:30\""),
            ("1_000", "\"1_000\""),
        ] {
            let scalar = Scalar { text: text.to_owned(), plain: true };
            assert_eq!(to_json(&scalar).unwrap().to_string(), json, "{text}");
        }
        for beyond in [".nan", "-.inf", "18446744073709551616", "1e999"] {
            assert_eq!(resolve(beyond), Resolved::Beyond, "{beyond}");
        }
    }
}
