//! How Python reads and shows values: MLflow's messages quote what was sent in its words.

use super::json::Json;

/// Returns a value as `json.dumps(value, sort_keys=True, separators=(",", ":"))` does.
pub(crate) fn dumps(value: &Json) -> String {
    let mut text = String::new();
    dump(value, &mut text);
    text
}

fn dump(value: &Json, into: &mut String) {
    match value {
        Json::Null => into.push_str("null"),
        Json::Bool(value) => into.push_str(if *value { "true" } else { "false" }),
        Json::Int(value) => into.push_str(&value.to_string()),
        Json::Big(digits) => into.push_str(digits),
        Json::Real(value) if value.is_nan() => into.push_str("NaN"),
        Json::Real(f64::INFINITY) => into.push_str("Infinity"),
        Json::Real(f64::NEG_INFINITY) => into.push_str("-Infinity"),
        Json::Real(value) => into.push_str(&float(*value)),
        Json::Text(text) => into.push_str(&quoted(text)),
        Json::Torn(shown) => {
            into.push('"');
            into.push_str(shown);
            into.push('"');
        }
        Json::List(items) => {
            into.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    into.push(',');
                }
                dump(item, into);
            }
            into.push(']');
        }
        Json::Map(pairs) => {
            let mut sorted: Vec<&(String, Json)> = pairs.iter().collect();
            sorted.sort_by(|one, other| one.0.cmp(&other.0));
            into.push('{');
            for (place, (key, item)) in sorted.into_iter().enumerate() {
                if place > 0 {
                    into.push(',');
                }
                into.push_str(&quoted(key));
                into.push(':');
                dump(item, into);
            }
            into.push('}');
        }
    }
}

/// Returns a text as JSON in ASCII.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// As [`quoted`], without the quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => shown.push_str("\\\""),
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\u{8}' => shown.push_str("\\b"),
            '\u{c}' => shown.push_str("\\f"),
            ' '..='~' => shown.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    shown.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    shown
}

/// Returns a number as `repr` shows a float: `1.5`, `1e+16`, `nan`.
pub(crate) fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let shown = format!("{value:e}");
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    match exponent {
        // Without an exponent between 0.0001 and 10^16.
        -4..16 => {
            let plain = format!("{value}");
            if plain.contains('.') { plain } else { format!("{plain}.0") }
        }
        _ => format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

/// Returns a text as `repr` shows it: in single quotes, unless it has some and no double ones.
pub(crate) fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push(quote);
    for character in text.chars() {
        match character {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            character if character == quote => {
                shown.push('\\');
                shown.push(character);
            }
            character if is_printable(character) => shown.push(character),
            character => match u32::from(character) {
                point @ ..0x100 => shown.push_str(&format!("\\x{point:02x}")),
                point @ ..0x1_0000 => shown.push_str(&format!("\\u{point:04x}")),
                point => shown.push_str(&format!("\\U{point:08x}")),
            },
        }
    }
    shown.push(quote);
    shown
}

/// Returns whether a character is shown as it is: no control, format or private character, and no space but the usual.
fn is_printable(character: char) -> bool {
    let hidden = matches!(
        character,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..
    );
    !hidden && !character.is_control() && (character == ' ' || !character.is_whitespace())
}

/// Returns texts as `repr` shows a list of them.
pub(crate) fn repr_list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let shown: Vec<String> = texts.into_iter().map(|text| repr(text.as_ref())).collect();
    format!("[{}]", shown.join(", "))
}

/// Returns the name of a value's type.
pub(super) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Int(_) | Json::Big(_) => "int",
        Json::Real(_) => "float",
        Json::Text(_) | Json::Torn(_) => "str",
        Json::List(_) => "list",
        Json::Map(_) => "dict",
    }
}

/// What `int(text)` makes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Int {
    Is(i64),
    /// An integer beyond 64 bits.
    Beyond,
    /// No integer.
    Not,
}

/// Reads an integer as `int(text)` does: around it may be space, between digits `_`, and digits of any script count.
pub(crate) fn int(text: &str) -> Int {
    let Some(digits) = digits(text.trim_matches(is_space)) else { return Int::Not };
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(&digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Int::Not;
    }
    digits.parse().map_or(Int::Beyond, Int::Is)
}

/// Reads a number as `float(text)` does.
pub(super) fn real(text: &str) -> Option<f64> {
    let plain = digits(text.trim_matches(is_space))?;
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let known = ["inf", "infinity", "nan"].iter().any(|word| unsigned.eq_ignore_ascii_case(word));
    // What Rust reads beside numbers are these three words.
    if !known && !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    plain.parse().ok()
}

fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Returns a number's text with ASCII digits and without the `_` between digits; `None` where one stands elsewhere.
fn digits(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '_' {
            let between = plain.ends_with(|last: char| last.is_ascii_digit())
                && characters.peek().is_some_and(|next| digit(*next).is_some());
            if !between {
                return None;
            }
            continue;
        }
        plain.push(digit(character).unwrap_or(character));
    }
    Some(plain)
}

/// Returns the ASCII digit that a decimal digit of a common script means.
fn digit(character: char) -> Option<char> {
    /// The zeros of scripts whose ten digits follow each other.
    const ZEROS: [u32; 16] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0xff10,
    ];
    let point = u32::from(character);
    ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&point)).and_then(|zero| char::from_digit(point - zero, 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_shown_as_python_does() {
        for (value, shown) in [
            (1.5, "1.5"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.2345678901234568e17, "1.2345678901234568e+17"),
            (5e-324, "5e-324"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(value), shown);
        }
    }

    #[test]
    fn texts_are_shown_as_python_does() {
        for (text, shown) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("it's \"x\"", "'it\\'s \"x\"'"),
            ("a\\b\n\u{0}\u{7f}", "'a\\\\b\\n\\x00\\x7f'"),
            ("ä😀\u{202e}\u{ad}", "'ä😀\\u202e\\xad'"),
        ] {
            assert_eq!(repr(text), shown);
        }
        assert_eq!(repr_list(["a", "b"]), "['a', 'b']");
        assert_eq!(quoted("ä😀\u{7f}"), "\"\\u00e4\\ud83d\\ude00\\u007f\"");
    }

    #[test]
    fn numbers_are_read_as_python_does() {
        for (text, number) in [
            ("5", Int::Is(5)),
            (" -7\n", Int::Is(-7)),
            ("+1_0", Int::Is(10)),
            ("٣", Int::Is(3)),
            ("9223372036854775808", Int::Beyond),
            ("", Int::Not),
            ("1.0", Int::Not),
            ("_1", Int::Not),
            ("1__0", Int::Not),
            ("0x10", Int::Not),
            ("--1", Int::Not),
        ] {
            assert_eq!(int(text), number, "{text}");
        }
        for (text, number) in [
            ("1e3", Some(1000.0)),
            (" 1_0.5 ", Some(10.5)),
            ("Infinity", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("1e400", Some(f64::INFINITY)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("", None),
            ("x", None),
            ("1_", None),
        ] {
            assert_eq!(real(text), number, "{text}");
        }
        assert!(real("nAn").is_some_and(f64::is_nan));
    }
}
