//! Lists of texts in round brackets: `('a', "b")`. They are written as Python writes tuples, with its escapes.

/// Why a list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListError {
    /// It has no items.
    Empty,
    /// It has items that are no texts.
    Mixed,
    /// It is no list.
    Malformed,
}

impl ListError {
    /// Returns what the dialect says about the list `text`.
    pub(super) fn message(&self, text: &str) -> String {
        match self {
            Self::Empty => "While parsing a list in the query, expected a non-empty list of string values, but got empty list"
                .to_owned(),
            Self::Mixed => format!(
                "While parsing a list in the query, expected string value, punctuation, or whitespace, but got different \
                 type in list: {}",
                // A single item is written with a comma by those who read messages.
                if text.contains(',') { text.to_owned() } else { text.replacen(')', ",)", 1) }
            ),
            Self::Malformed => {
                "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list."
                    .to_owned()
            }
        }
    }
}

/// Returns the items of a list, which `text` is with its brackets.
pub(super) fn items(text: &str) -> Result<Vec<String>, ListError> {
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or(ListError::Malformed)?;
    let mut rest = inner.trim();
    if rest.is_empty() {
        return Err(ListError::Empty);
    }
    let mut items = Vec::new();
    let mut mixed = false;
    while !rest.is_empty() {
        if rest.starts_with(['\'', '"']) {
            let mut item = String::new();
            // Texts that follow each other are one.
            while rest.starts_with(['\'', '"']) {
                let (part, after) = quoted(rest).ok_or(ListError::Malformed)?;
                item.push_str(&part);
                rest = after.trim_start();
            }
            items.push(item);
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            if rest[..end].trim().parse::<f64>().is_err() {
                return Err(ListError::Malformed);
            }
            mixed = true;
            rest = &rest[end..];
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => {}
            None => return Err(ListError::Malformed),
        }
    }
    if mixed { Err(ListError::Mixed) } else { Ok(items) }
}

/// Returns the text in quotes that `rest` begins with, and what follows.
fn quoted(rest: &str) -> Option<(String, &str)> {
    let quote = rest.chars().next()?;
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((place, character)) = characters.next() {
        match character {
            _ if character == quote => return Some((text, &rest[place + quote.len_utf8()..])),
            '\n' => return None,
            '\\' => match characters.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                '\n' => {}
                escaped @ ('\\' | '\'' | '"') => text.push(escaped),
                other => text.extend(['\\', other]),
            },
            _ => text.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        for (text, expected) in [
            ("('a')", Ok(vec!["a"])),
            ("('a', \"b\",)", Ok(vec!["a", "b"])),
            ("( 'it\\'s' 'x' )", Ok(vec!["it'sx"])),
            ("('a''b')", Ok(vec!["ab"])),
            ("()", Err(ListError::Empty)),
            ("( )", Err(ListError::Empty)),
            ("(1)", Err(ListError::Mixed)),
            ("('a', 1.5)", Err(ListError::Mixed)),
            ("(a)", Err(ListError::Malformed)),
            ("(,)", Err(ListError::Malformed)),
            ("('a' b)", Err(ListError::Malformed)),
            ("('a", Err(ListError::Malformed)),
            ("('a\\')", Err(ListError::Malformed)),
        ] {
            let expected = expected.map(|items| items.into_iter().map(str::to_owned).collect());
            assert_eq!(items(text), expected, "{text}");
        }
    }
}
