//! From text to words, signs and values.

use super::super::error::{Error, Result};

/// A piece of a filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A key with its quotes, or a keyword.
    Word(String),
    /// `=`, `<=`, `(`, `,` and so on.
    Sign(String),
    /// A number, as written.
    Number(String),
    /// A text, without its quotes.
    Text(String),
}

impl Token {
    /// Returns it as written, for messages.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Sign(text) | Self::Number(text) | Self::Text(text) => text,
        }
    }

    /// Returns it with quotes where it is a text.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => format!("'{text}'"),
            Self::Word(text) | Self::Sign(text) | Self::Number(text) => text.clone(),
        }
    }
}

/// Cuts a filter into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let token;
        (token, rest) = match first {
            '\'' => quoted(text, rest, '\'')?,
            // A double-quoted text is a value, unless a key goes on with it.
            '"' => quoted(text, rest, '"')?,
            '=' | '!' | '<' | '>' => {
                let length = rest.bytes().take_while(|byte| b"=!<>".contains(byte)).take(2).count();
                (Token::Sign(rest[..length].to_owned()), &rest[length..])
            }
            '(' | ')' | ',' => (Token::Sign(first.to_string()), &rest[1..]),
            '0'..='9' | '-' | '+' => {
                let length =
                    rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(byte)).count();
                (Token::Number(rest[..length].to_owned()), &rest[length..])
            }
            '.' if rest[1..].starts_with(|next: char| next.is_ascii_digit()) => {
                let length =
                    rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(byte)).count();
                (Token::Number(rest[..length].to_owned()), &rest[length..])
            }
            _ => word(text, rest)?,
        };
        tokens.push(token);
    }
}

fn unclosed(text: &str) -> Error {
    Error::invalid(format!("Error on parsing filter '{text}': a quote is not closed"))
}

fn quoted<'a>(text: &str, rest: &'a str, quote: char) -> Result<(Token, &'a str)> {
    let inner = &rest[1..];
    let mut value = String::new();
    let mut pieces = inner.char_indices().peekable();
    while let Some((place, character)) = pieces.next() {
        if character != quote {
            value.push(character);
        } else if pieces.peek().is_some_and(|(_, next)| *next == quote) {
            // A doubled quote stands for one.
            value.push(quote);
            pieces.next();
        } else {
            return Ok((Token::Text(value), &inner[place + 1..]));
        }
    }
    Err(unclosed(text))
}

/// Takes a word up to white space or a sign; quoted parts belong to it with their quotes.
fn word<'a>(text: &str, rest: &'a str) -> Result<(Token, &'a str)> {
    let mut quote = None;
    for (place, character) in rest.char_indices() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if matches!(character, '`' | '"') => quote = Some(character),
            None if character.is_whitespace() || "=!<>(),'".contains(character) => {
                return Ok((Token::Word(rest[..place].to_owned()), &rest[place..]));
            }
            None => {}
        }
    }
    match quote {
        Some(_) => Err(unclosed(text)),
        None => Ok((Token::Word(rest.to_owned()), "")),
    }
}
