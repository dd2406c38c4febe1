//! Mistakes in the syntax of YAML, in words that help.

use saphyr_parser::ScanError;

use super::{source::position, tree::Fault};

/// What the scanner says, what it means, and what to do.
const EXPLAINED: &[(&str, &str, &str)] = &[
    ("found unknown anchor", "no anchor has this name", "an anchor (`&name`) must come before its aliases (`*name`)"),
    (
        "mapping values are not allowed",
        "a `:` cannot stand here",
        "quote text that holds `: `, and check the indentation of this line",
    ),
    (
        "simple key expect",
        "this line is no `key: value`",
        "write `key: value`, or check the indentation and quotes of the lines before",
    ),
    ("unexpected end of stream", "this text is not closed", "add the closing quote"),
    ("unexpected document indicator", "this text is not closed before the next document", "add the closing quote"),
    ("unexpected character", "a value cannot begin with this character", "quote the value"),
    ("expected ',' or ']'", "this list is not closed", "add `,` between values and `]` at the end"),
    ("expected ',' or '}'", "this mapping is not closed", "add `,` between entries and `}` at the end"),
    ("indentation in quoted scalar", "this text is not closed", "add the closing quote"),
    ("illegal placement of ':'", "a `:` cannot stand within a list", "close the list with `]`, or quote the text"),
    (
        "valid YAML whitespace",
        "a space must follow here",
        "write a space, not a tab, after `:` and `-`; quote text that begins with them",
    ),
    ("expected node content", "a value is missing here", "remove a stray `,`, or write the value"),
    (
        "invalid Unicode character escape",
        "this escape is no character, or half of one",
        "write the character itself, or eight digits: \"\\U0001f600\"",
    ),
    ("invalid indentation", "this line is indented less than what it belongs to", "indent it like its neighbours"),
    (
        "expected key",
        "this line does not fit the mapping it stands in",
        "give it the same indentation as the keys beside it",
    ),
    (
        "expected '-' indicator",
        "this line does not fit the list it stands in",
        "begin it with `- `, or indent it like the line it belongs to",
    ),
    (
        "block sequence entries are not allowed",
        "a list entry cannot stand here",
        "put `- ` on a line of its own, below its key",
    ),
    (
        "expected <document start>",
        "nothing can follow here",
        "separate documents by a line `---`, and check the indentation",
    ),
    ("recursion limit", "nested too deep", "64 levels are enough for any manifest"),
    ("found unknown escape", "no such escape", "write `\\\\` for a backslash, or use single quotes"),
    ("unprintable", "a control character stands here", "remove it, or write it as an escape within double quotes"),
];

/// Returns the scanner's error as a fault at its place in the file; `text` begins `line_offset` lines into it.
pub(super) fn explain(error: &ScanError, text: &str, line_offset: usize) -> Fault {
    let mark = error.marker();
    let info = error.info();
    if let Some((line, column)) = tab(text, mark.line(), info.contains("tab")) {
        return Fault {
            position: position(line + line_offset, column),
            message: "a tab indents this line".to_owned(),
            hint: Some("indent with spaces; YAML forbids tabs".to_owned()),
        };
    }
    let position = position(mark.line().max(1) + line_offset, mark.col() + 1);
    let known = EXPLAINED.iter().find(|(said, _, _)| info.contains(said));
    let (message, hint) = match known {
        Some((_, message, hint)) => ((*message).to_owned(), Some((*hint).to_owned())),
        None => (format!("this is not YAML: {info}"), None),
    };
    Fault { position, message, hint }
}

/// Returns the place of a tab that indents the line at `line` or the last line before it that says something; where
/// the scanner `blames` a tab, which it does from the start of a long text on, the lines after it count too.
fn tab(text: &str, line: usize, blames: bool) -> Option<(usize, usize)> {
    const AFTER: usize = 100;
    let lines: Vec<&str> = text.lines().take(line.max(1) + if blames { AFTER } else { 0 }).collect();
    let place = |index: usize| {
        let indentation = lines[index].chars().take_while(|character| matches!(character, ' ' | '\t'));
        indentation.into_iter().position(|character| character == '\t').map(|column| (index + 1, column + 1))
    };
    let said = |index: &usize| !lines[*index].trim().is_empty();
    let before = (0..lines.len().min(line.max(1))).rev().filter(said).take(2);
    let found = before.filter_map(place).last();
    found.or_else(|| (line.min(lines.len())..lines.len()).filter(said).find_map(place))
}
