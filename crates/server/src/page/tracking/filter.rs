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
    parse_filter(entity, text).map_err(|error| Fault { place: word(text, error.character), message: error.to_string() })
}

/// Returns the word that begins at a character, counted from 1: up to white space, or to the end of its quotes.
fn word(text: &str, character: usize) -> Range<usize> {
    let start = text.char_indices().nth(character.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
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
            ("metrics.loss < 1 AND nothing.x = 'é'", "<mark>nothing.x</mark>"),
            ("metrics.loss < 'a'", "<mark>'a'</mark>"),
            ("params.p = 1", "<mark>1</mark>"),
            ("metrics.loss <", "<mark>"),
        ] {
            let fault = parse(FilterEntity::Run, text).expect_err(text);
            let shown = fault.show(text).into_string();
            assert!(shown.contains(marked), "{text}: {shown}");
        }
        assert_eq!(parse(FilterEntity::Run, "").expect("all"), vec![]);
    }

    #[test]
    fn a_word_ends_with_its_quotes_or_at_a_space() {
        for (text, character, expected) in
            [("a bc d", 3, "bc"), ("é = 'x y' z", 5, "'x y'"), ("a 'b", 3, "'b"), ("a", 9, ""), ("", 0, "")]
        {
            assert_eq!(&text[word(text, character)], expected, "{text}");
        }
    }
}
