//! Instants and lengths of time as protocol buffers write them in JSON: `2026-11-24T19:48:31.635Z`, `0.177s`.
//!
//! Fractions have no digit or three, as milliseconds need them. What comes in may have up to nine.

use windlass_kinds::Micros;

/// Returns an instant, given in milliseconds since the epoch.
pub(super) fn instant(ms: i64) -> String {
    let text = Micros::from_millis(ms).to_string();
    // `2026-11-24T19:48:31.635000Z`
    match text.split_once('.') {
        Some((whole, "000000Z")) => format!("{whole}Z"),
        Some((whole, fraction)) => format!("{whole}.{}Z", fraction.get(..3).unwrap_or("000")),
        None => text,
    }
}

/// Returns the milliseconds since the epoch that an instant means.
pub(super) fn parse_instant(text: &str) -> Option<i64> {
    Micros::parse(text).map(Micros::millis)
}

/// Returns a length of time, given in milliseconds.
pub(super) fn length(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let (seconds, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    match rest {
        0 => format!("{sign}{seconds}s"),
        rest => format!("{sign}{seconds}.{rest:03}s"),
    }
}

/// Returns the milliseconds of a length of time, what is below one left out.
pub(super) fn parse_length(text: &str) -> Option<i64> {
    let text = text.strip_suffix('s')?;
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let total = seconds.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(millis)?;
    Some(if negative { -total } else { total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_go_round() {
        for (ms, text) in [
            (1_795_549_711_635, "2026-11-24T19:48:31.635Z"),
            (1_795_549_711_000, "2026-11-24T19:48:31Z"),
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(instant(ms), text);
            assert_eq!(parse_instant(text), Some(ms));
        }
        assert_eq!(parse_instant("2026-11-24T20:48:31.6351239+01:00"), Some(1_795_549_711_635));
        for bad in ["", "x", "2026-11-24", "1795549711"] {
            assert_eq!(parse_instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn lengths_go_round() {
        for (ms, text) in [(177, "0.177s"), (2000, "2s"), (1500, "1.500s"), (0, "0s"), (-1, "-0.001s")] {
            assert_eq!(length(ms), text);
            assert_eq!(parse_length(text), Some(ms));
        }
        assert_eq!(parse_length("1.5s"), Some(1500));
        assert_eq!(parse_length("1.000000001s"), Some(1000));
        for bad in ["", "s", "5", "1.s2", "1e3s", "--1s", "1.0000000000s", "99999999999999999999s"] {
            assert_eq!(parse_length(bad), None, "{bad}");
        }
    }
}
