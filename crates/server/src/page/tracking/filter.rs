//! The filter box: MLflow's language, and where a text is wrong in it.

use std::ops::Range;

use maud::{Markup, html};
use windlass_kinds::filter::Filter;

use crate::mlflow::{FilterEntity, parse_filter};

/// Why a filter is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What is wrong, in the words that clients get.
    message: String,
    /// The word that is wrong, in bytes of the text.
    place: Range<usize>,
}

/// Reads a filter over records of one kind; an empty one finds all.
pub(super) fn parse(entity: FilterEntity, text: &str) -> Result<Filter, Fault> {
    parse_filter(entity, text).map_err(|error| {
        let message = error.to_string();
        Fault { place: place(text, error.character, &message), message }
    })
}

/// Returns the place of a mistake: what the message quotes, where that stands at or behind a character (counted from 1),
/// else the word that begins there. A message about a comparison names its beginning, and quotes what is wrong in it.
fn place(text: &str, character: usize, message: &str) -> Range<usize> {
    let start = text.char_indices().nth(character.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
    let quoted = message.split('\'').nth(1).filter(|quoted| !quoted.trim().is_empty());
    match quoted.and_then(|quoted| Some((text[start..].find(quoted)?, quoted.len()))) {
        Some((at, length)) => start + at..start + at + length,
        None => word(text, start),
    }
}

/// Returns the word that begins somewhere: up to white space, or to the end of its quotes.
fn word(text: &str, start: usize) -> Range<usize> {
    let rest = &text[start..];
    let end = match rest.chars().next().filter(|first| matches!(first, '\'' | '"' | '`')) {
        Some(quote) => rest[1..].find(quote).map(|end| end + 2),
        None => rest.find(char::is_whitespace),
    };
    start..start + end.unwrap_or(rest.len())
}

impl Fault {
    /// Renders what is wrong, with the text and a mark at the word.
    pub(super) fn show(&self, text: &str) -> Markup {
        let Self { message, place } = self;
        let (before, word, after) = (&text[..place.start], &text[place.clone()], &text[place.end..]);
        html! {
            div.fault role="alert" #filter-fault {
                p { (message) }
                pre { (before) mark { @if word.is_empty() { "‸" } @else { (word) } } (after) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_points_at_the_word() {
        for (text, marked) in [
            ("metrics.loss << 1", "<mark>&lt;&lt;</mark>"),
            ("metrics.loss < 1 AND nothing.x = 'é'", "<mark>nothing"),
            ("metrics.loss <", "<mark>"),
            ("colour = 'red'", "<mark>colour</mark>"),
        ] {
            let fault = parse(FilterEntity::Run, text).expect_err(text);
            let shown = fault.show(text).into_string();
            assert!(shown.contains(marked), "{text}: {shown}");
        }
        assert_eq!(parse(FilterEntity::Run, "").expect("all"), vec![]);
    }

    #[test]
    fn a_place_is_what_is_quoted_or_the_word_that_begins_there() {
        for (text, character, message, expected) in [
            ("a bc d", 3, "wrong", "bc"),
            ("é = 'x y' z", 5, "wrong", "'x y'"),
            ("a 'b", 3, "wrong", "'b"),
            ("a ~ b", 1, "Invalid comparator '~' not one of '='", "~"),
            ("~ a", 3, "Invalid comparator '~'", "a"),
            ("a", 9, "''", ""),
            ("", 0, "wrong", ""),
        ] {
            assert_eq!(&text[place(text, character, message)], expected, "{text}");
        }
    }
}
