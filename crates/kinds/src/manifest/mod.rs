//! Manifests: what should be.
//!
//! `spec` holds the types; the parser beside it turns YAML text into them and answers mistakes with their place:
//! `source` → `tree` (spanned YAML) → `decode` (typed, one decoder a kind) → `check` (cross references) → `merge`
//! (defaults). `surface` and `emit` go the other way, and what they write parses to the same manifest.

mod check;
mod decode;
mod emit;
mod fields;
mod merge;
mod nearest;
mod parsed;
mod plain;
mod report;
mod scalar;
mod source;
mod spans;
mod spec;
mod surface;
mod syntax;
mod tree;
mod units;

pub use check::{Known, NothingKnown, check};
pub use emit::{to_yaml, value_to_yaml};
pub use merge::{merge_settings, read};
pub use nearest::did_you_mean;
pub use parsed::{ParseOutcome, Parsed, parse};
pub use plain::read_yaml;
pub use source::{SOURCE_MAX, Source};
pub use spans::Spans;
pub use spec::*;
pub use surface::to_value;

/// Returns `text` for a message: control characters escaped, so that a file cannot write to a terminal.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Returns the beginning of `text` for a message.
fn show(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown = clean(&text.chars().take(SHOWN).collect::<String>());
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
