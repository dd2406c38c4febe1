//! JSON as MLflow's server reads it.
//!
//! Its reader takes more than the standard allows, and some clients rely on that: `NaN` and `Infinity` without quotes,
//! integers of any size, a key twice (the last one counts), and halves of surrogate pairs. The order of keys matters
//! too: what stands after a mistake in an object is not looked at. So a body becomes a tree that keeps all of this.
//! Depth is capped here; size is the caller's business.

/// How deeply values may nest.
pub(super) const DEPTH: usize = 200;
/// The most digits of an integer, as Python limits them.
const DIGITS: usize = 4300;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, in decimal digits.
    Big(String),
    Real(f64),
    Text(String),
    /// Text with half a surrogate pair in it, which no string here can hold: as JSON writes it, without the quotes.
    Torn(String),
    List(Vec<Json>),
    /// Keys in their order, each once.
    Map(Vec<(String, Json)>),
}

impl Json {
    /// Returns what stands under a key of an object.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }
}

/// Why a text is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is no JSON.
    Malformed,
    /// It nests more deeply than [`DEPTH`].
    TooDeep,
}

/// Reads one value, and nothing after it.
pub(super) fn read(bytes: &[u8]) -> Result<Json, Unread> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unread::Malformed)?;
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text) };
    let value = reader.value(0)?;
    reader.space();
    if reader.rest.is_empty() { Ok(value) } else { Err(Unread::Malformed) }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes `word` if it comes next.
    fn take(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, Unread> {
        if depth > DEPTH {
            return Err(Unread::TooDeep);
        }
        self.space();
        match self.rest.as_bytes().first() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.text(),
            Some(_) => self.word(),
            None => Err(Unread::Malformed),
        }
    }

    fn word(&mut self) -> Result<Json, Unread> {
        let words = [
            ("null", Json::Null),
            ("true", Json::Bool(true)),
            ("false", Json::Bool(false)),
            ("NaN", Json::Real(f64::NAN)),
            ("Infinity", Json::Real(f64::INFINITY)),
            ("-Infinity", Json::Real(f64::NEG_INFINITY)),
        ];
        for (word, value) in words {
            if self.take(word) {
                return Ok(value);
            }
        }
        self.number()
    }

    fn number(&mut self) -> Result<Json, Unread> {
        let bytes = self.rest.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let start = usize::from(bytes.first() == Some(&b'-'));
        let whole = match bytes.get(start) {
            Some(b'0') => 1,
            _ => digits(start),
        };
        if whole == 0 {
            return Err(Unread::Malformed);
        }
        let mut end = start + whole;
        let mut is_real = false;
        if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
            is_real = true;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent > 0 {
                end += 1 + sign + exponent;
                is_real = true;
            }
        }
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        if is_real {
            return number.parse().map(Json::Real).map_err(|_| Unread::Malformed);
        }
        if whole > DIGITS {
            return Err(Unread::Malformed);
        }
        Ok(number.parse().map_or_else(|_| Json::Big(number.to_owned()), Json::Int))
    }

    fn text(&mut self) -> Result<Json, Unread> {
        let units = self.string()?;
        Ok(match units {
            Ok(text) => Json::Text(text),
            Err(torn) => Json::Torn(torn),
        })
    }

    /// Reads a string; the inner error is one with half a surrogate pair, as JSON shows it.
    fn string(&mut self) -> Result<Result<String, String>, Unread> {
        self.rest = self.rest.strip_prefix('"').ok_or(Unread::Malformed)?;
        let mut text = String::new();
        let mut torn: Option<String> = None;
        loop {
            let plain = self.rest.find(|c: char| c == '"' || c == '\\' || c < ' ').ok_or(Unread::Malformed)?;
            let (before, rest) = self.rest.split_at(plain);
            text.push_str(before);
            self.rest = rest;
            if self.take("\"") {
                return Ok(match torn {
                    None => Ok(text),
                    Some(torn) => Err(torn + &super::python::escaped(&text)),
                });
            }
            if !self.take("\\") {
                return Err(Unread::Malformed);
            }
            let mut after = self.rest.chars();
            let escape = after.next().ok_or(Unread::Malformed)?;
            self.rest = after.as_str();
            match escape {
                '"' | '\\' | '/' => text.push(escape),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'u' => match self.escaped()? {
                    Ok(character) => text.push(character),
                    Err(half) => {
                        let shown = super::python::escaped(&std::mem::take(&mut text));
                        torn = Some(format!("{}{shown}\\u{half:04x}", torn.unwrap_or_default()));
                    }
                },
                _ => return Err(Unread::Malformed),
            }
        }
    }

    /// Reads what follows `\u`; the inner error is half a surrogate pair.
    fn escaped(&mut self) -> Result<Result<char, u16>, Unread> {
        let first = self.unit()?;
        if let Some(character) = char::from_u32(u32::from(first)) {
            return Ok(Ok(character));
        }
        let rest = self.rest;
        if first < 0xdc00 && self.take("\\u") {
            let second = self.unit()?;
            if (0xdc00..0xe000).contains(&second) {
                let point = 0x1_0000 + ((u32::from(first) - 0xd800) << 10) + (u32::from(second) - 0xdc00);
                return Ok(char::from_u32(point).ok_or(first));
            }
            self.rest = rest;
        }
        Ok(Err(first))
    }

    fn unit(&mut self) -> Result<u16, Unread> {
        let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()).ok_or(Unread::Malformed)?;
        self.rest = &self.rest[4..];
        Ok(unit)
    }

    fn list(&mut self, depth: usize) -> Result<Json, Unread> {
        self.rest = &self.rest[1..];
        let mut items = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Ok(Json::List(items));
            }
            if !self.take(",") {
                return Err(Unread::Malformed);
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Json, Unread> {
        self.rest = &self.rest[1..];
        let mut pairs = Pairs::default();
        self.space();
        if self.take("}") {
            return Ok(Json::Map(pairs.list));
        }
        loop {
            self.space();
            let key = self.string()?.unwrap_or_else(|torn| torn);
            self.space();
            if !self.take(":") {
                return Err(Unread::Malformed);
            }
            let value = self.value(depth + 1)?;
            pairs.put(key, value);
            self.space();
            if self.take("}") {
                return Ok(Json::Map(pairs.list));
            }
            if !self.take(",") {
                return Err(Unread::Malformed);
            }
        }
    }
}

/// The pairs of an object. A key that comes again keeps its place and takes the new value.
#[derive(Default)]
struct Pairs {
    list: Vec<(String, Json)>,
    places: std::collections::HashMap<String, usize>,
}

impl Pairs {
    /// Up to here a look through the list is faster than a table.
    const FEW: usize = 16;

    fn put(&mut self, key: String, value: Json) {
        let place = match self.list.len() {
            ..Self::FEW => self.list.iter().position(|(name, _)| *name == key),
            _ => {
                if self.places.is_empty() {
                    let names = self.list.iter().enumerate();
                    self.places = names.map(|(place, (name, _))| (name.clone(), place)).collect();
                }
                self.places.get(&key).copied()
            }
        };
        match place {
            Some(place) => self.list[place].1 = value,
            None => {
                if !self.places.is_empty() {
                    self.places.insert(key.clone(), self.list.len());
                }
                self.list.push((key, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlflow::request::python::dumps;

    #[test]
    fn values_come_as_they_stand() {
        for (text, shown) in [
            ("5", "5"),
            (" [1, 2.50, -0.0, 1e3] ", "[1,2.5,-0.0,1000.0]"),
            ("\u{feff}null", "null"),
            ("[NaN, Infinity, -Infinity]", "[NaN,Infinity,-Infinity]"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("{\"b\": 1, \"a\": 2, \"b\": 3}", "{\"a\":2,\"b\":3}"),
            ("\"\\ud83d\\ude00\\u00e4\\n\"", "\"\\ud83d\\ude00\\u00e4\\n\""),
            ("\"a\\ud800b\"", "\"a\\ud800b\""),
            ("1e400", "Infinity"),
        ] {
            assert_eq!(dumps(&read(text.as_bytes()).expect(text)), shown, "{text}");
        }
        let bad =
            ["", "x", "{", "[1,]", "{\"a\":1,}", "01", "1.", "'a'", "\"\n\"", "\"\\x\"", "5 5", "\"\\u12\"", "{5: 1}"];
        for text in bad {
            assert_eq!(read(text.as_bytes()), Err(Unread::Malformed), "{text}");
        }
        assert_eq!(read(b"\"\xff\""), Err(Unread::Malformed));
        assert_eq!(read("[".repeat(100_000).as_bytes()), Err(Unread::TooDeep));
    }

    #[test]
    fn many_keys_are_each_kept_once() {
        let text: Vec<String> = (0..100).chain(0..100).map(|n| format!("\"k{}\": {n}", n % 50)).collect();
        let Json::Map(pairs) = read(format!("{{{}}}", text.join(",")).as_bytes()).unwrap() else { panic!("a map") };
        assert_eq!(pairs.len(), 50);
        assert!(pairs.iter().enumerate().all(|(n, pair)| *pair == (format!("k{n}"), Json::Int(n as i64 + 50))));
    }
}
