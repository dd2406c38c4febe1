//! From text to tokens, by the rules of the SQL lexer that the dialect's filters were made for.
//!
//! Nothing is refused here: what is no token becomes one that nothing accepts, so that a later message can quote it.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space.
    Space,
    /// A word that may be a key, or one in backticks.
    Name,
    /// A text in double quotes, which may be a key too.
    Symbol,
    /// A text in single quotes.
    Text,
    /// A whole number.
    Integer,
    /// Another number.
    Float,
    /// `=`, `LIKE` and the like.
    Comparison,
    /// `+`, `-` and the like.
    Operator,
    /// A word that SQL keeps for itself.
    Keyword,
    /// `ASC` or `DESC`.
    Direction,
    /// A full stop.
    Dot,
    /// A comma.
    Comma,
    /// A round bracket that opens.
    Open,
    /// A round bracket that closes.
    Close,
    /// `;`, which ends a statement.
    End,
    /// A comment.
    Comment,
    /// Anything else.
    Other,
}

/// A token and where it stands, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

/// Words that SQL keeps for itself and that therefore are no keys where they stand alone; before or behind a full stop,
/// they are. Only those that people come upon in filters.
const KEYWORDS: [&str; 92] = [
    "all",
    "alter",
    "and",
    "any",
    "as",
    "avg",
    "between",
    "by",
    "case",
    "class",
    "close",
    "column",
    "comment",
    "count",
    "create",
    "data",
    "date",
    "delete",
    "distinct",
    "double",
    "drop",
    "else",
    "end",
    "exists",
    "false",
    "file",
    "first",
    "float",
    "from",
    "function",
    "get",
    "group",
    "having",
    "host",
    "in",
    "index",
    "insert",
    "int",
    "integer",
    "is",
    "issue",
    "join",
    "key",
    "language",
    "last",
    "left",
    "length",
    "level",
    "limit",
    "max",
    "method",
    "min",
    "mode",
    "module",
    "new",
    "next",
    "not",
    "null",
    "offset",
    "old",
    "on",
    "open",
    "or",
    "order",
    "owner",
    "path",
    "precision",
    "read",
    "reset",
    "right",
    "role",
    "row",
    "schema",
    "select",
    "session",
    "set",
    "size",
    "source",
    "string",
    "sum",
    "table",
    "text",
    "then",
    "time",
    "timestamp",
    "true",
    "type",
    "union",
    "update",
    "user",
    "values",
    "version",
];

/// Returns whether a word is kept for SQL.
fn is_keyword(word: &str) -> bool {
    // A longer word than the longest is none, and need not be copied.
    word.len() <= 10 && KEYWORDS.binary_search(&word.to_ascii_lowercase().as_str()).is_ok()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Returns the tokens of a text; together they are the whole text.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut from = 0;
    let comments_end = text.rfind("*/").unwrap_or(0);
    while let Some(first) = text[from..].chars().next() {
        let behind_dot = tokens.last().is_some_and(|token| token.kind == Kind::Dot);
        let key_before = behind_dot && tokens.len() > 1 && tokens[tokens.len() - 2].at.end + 1 == from;
        let behind_name = tokens.last().is_some_and(|token| matches!(token.kind, Kind::Name | Kind::Symbol));
        let (kind, length) = token(&text[from..], first, key_before, behind_name, from < comments_end);
        tokens.push(Token { kind, at: from..from + length });
        from += length;
    }
    tokens
}

/// Makes the keyword `timestamp` a key, which it is to traces and orders.
pub(super) fn timestamps_are_keys(text: &str, tokens: &mut [Token]) {
    for token in tokens {
        if token.kind == Kind::Keyword && &text[token.at.clone()] == "timestamp" {
            token.kind = Kind::Name;
        }
    }
}

/// Returns the kind and length of the first token; `key_before`: a key and a full stop stand right before it;
/// `comment_ends`: somewhere behind it a comment ends.
fn token(rest: &str, first: char, key_before: bool, behind_name: bool, comment_ends: bool) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    match first {
        _ if first.is_whitespace() => (Kind::Space, first.len_utf8()),
        '-' if rest.starts_with("--") => (Kind::Comment, line(rest)),
        '#' if rest.starts_with("# ") => (Kind::Comment, line(rest)),
        '/' if comment_ends && rest.starts_with("/*") => match rest[2..].find("*/") {
            Some(end) => (Kind::Comment, end + 4),
            None => (Kind::Operator, 1),
        },
        '`' => match rest[1..].find('`') {
            Some(_) => (Kind::Name, backticked(rest)),
            None => (Kind::Other, 1),
        },
        '\'' => quoted(rest, '\'').map_or((Kind::Other, 1), |length| (Kind::Text, length)),
        '"' => quoted(rest, '"').map_or((Kind::Other, 1), |length| (Kind::Symbol, length)),
        '.' if !behind_name && bytes.get(1).is_some_and(u8::is_ascii_digit) => number(rest),
        '.' => (Kind::Dot, 1),
        ',' => (Kind::Comma, 1),
        '(' => (Kind::Open, 1),
        ')' => (Kind::Close, 1),
        ';' => (Kind::End, 1),
        '-' if bytes.get(1).is_some_and(|next| next.is_ascii_digit() || *next == b'.') => number(rest),
        '<' | '>' | '=' | '~' | '!' => {
            (Kind::Comparison, rest.bytes().take_while(|byte| b"<>=~!".contains(byte)).count())
        }
        '-' | '*' => (Kind::Operator, 1),
        '+' | '/' | '@' | '#' | '%' | '^' | '&' | '|' => {
            (Kind::Operator, rest.bytes().take_while(|byte| b"+/@#%^&|".contains(byte)).count())
        }
        '0'..='9' if !key_before => number(rest),
        _ if is_word(first) => word(rest, key_before),
        _ => (Kind::Other, first.len_utf8()),
    }
}

/// Returns the length of the first line, with its end.
fn line(rest: &str) -> usize {
    rest.find('\n').map_or(rest.len(), |end| end + 1)
}

/// Returns the length of a name in backticks; two of them within stand for one.
fn backticked(rest: &str) -> usize {
    let mut closed = 0;
    let mut inner = rest[1..].bytes().enumerate().peekable();
    while let Some((place, byte)) = inner.next() {
        if byte == b'`' {
            closed = place + 2;
            if inner.next_if(|(_, next)| *next == b'`').is_none() {
                break;
            }
        }
    }
    closed
}

/// Returns the length of a text in quotes. A doubled quote or one behind a backslash belongs to it, unless the text would
/// not end otherwise.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let quote = quote as u8;
    let bytes = rest.as_bytes();
    let mut at = 1;
    let mut fallback = None;
    while at < bytes.len() {
        match bytes[at] {
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => {
                fallback = Some(at + 1);
                at += 2;
            }
            byte if byte == quote => return Some(at + 1),
            b'\\' if bytes.get(at + 1) == Some(&quote) => {
                fallback = Some(at + 2);
                at += 2;
            }
            _ => at += 1,
        }
    }
    fallback
}

/// Takes a number; where letters stick to it, it is a word or nothing.
fn number(rest: &str) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(bytes[0] == b'-');
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut kind = Kind::Integer;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction > 0 {
            kind = Kind::Float;
            end += 1 + fraction;
        }
    }
    if whole == 0 && kind == Kind::Integer {
        return (Kind::Operator, 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(bytes.get(end + 1) == Some(&b'-'));
        let exponent = bytes.get(end + 1 + sign..).map_or(0, |_| digits(end + 1 + sign));
        if exponent > 0 {
            return (Kind::Float, end + 1 + sign + exponent);
        }
    }
    match rest[end..].chars().next() {
        Some(next) if next.is_alphabetic() || next == '_' => match sign {
            0 if bytes[0] != b'.' => {
                let length = rest.chars().take_while(|next| is_word(*next)).map(char::len_utf8).sum();
                // A hexadecimal number is no number that anything is compared with.
                (if matches!(bytes, [b'0', b'x' | b'X', ..]) { Kind::Other } else { Kind::Name }, length)
            }
            _ => (Kind::Other, 1),
        },
        _ => (kind, end),
    }
}

fn word(rest: &str, key_before: bool) -> (Kind, usize) {
    let length: usize = rest.chars().take_while(|next| is_word(*next) || *next == '$').map(char::len_utf8).sum();
    let word = &rest[..length];
    let behind = &rest[length..];
    let before_dot = behind.trim_start().starts_with('.');
    if key_before || before_dot {
        return (Kind::Name, length);
    }
    let is = |known: &str| word.eq_ignore_ascii_case(known);
    if is("not") {
        let next = behind.trim_start();
        let space = behind.len() - next.len();
        let taken = |known: &&str| {
            space > 0
                && next.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known))
                && !next[known.len()..].starts_with(is_word)
        };
        if let Some(found) = ["like", "ilike", "rlike", "regexp", "null"].iter().find(|known| taken(known)) {
            let kind = if *found == "null" { Kind::Keyword } else { Kind::Comparison };
            return (kind, length + space + found.len());
        }
    }
    let kind = match () {
        () if is("like") || is("ilike") || is("rlike") || is("regexp") => Kind::Comparison,
        () if is("asc") || is("desc") => Kind::Direction,
        () if behind.starts_with('(')
            && !["case", "in", "values", "using", "from", "as"].iter().any(|word| is(word)) =>
        {
            Kind::Name
        }
        () if is_keyword(word) => Kind::Keyword,
        () => Kind::Name,
    };
    (kind, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_can_be_searched() {
        assert!(KEYWORDS.is_sorted());
        assert!(is_keyword("Version") && !is_keyword("versions"));
    }

    #[test]
    fn tokens_are_the_whole_text() {
        for (text, kinds) in [
            ("a.b>=-1.5e-3", "Name Dot Name Comparison Float"),
            ("a.1m = .5", "Name Dot Name Space Comparison Space Float"),
            ("'a''b' \"c\" `d e`", "Text Space Symbol Space Name"),
            ("'a\\'", "Text"),
            ("'a", "Other Name"),
            ("x not  like 'y'", "Name Space Comparison Space Text"),
            ("x is not null", "Name Space Keyword Space Keyword"),
            ("version tags.version", "Keyword Space Name Dot Name"),
            ("a-b -1 - 1", "Name Operator Name Space Integer Space Operator Space Integer"),
            ("-- c\n5;", "Comment Integer End"),
            ("0x10 1x ü", "Other Space Name Space Name"),
            ("-.", "Operator Dot"),
        ] {
            let found = tokens(text);
            let shown: Vec<String> = found.iter().map(|token| format!("{:?}", token.kind)).collect();
            assert_eq!(shown.join(" "), kinds, "{text}");
            assert_eq!(found.iter().map(|token| &text[token.at.clone()]).collect::<String>(), text);
        }
    }
}
