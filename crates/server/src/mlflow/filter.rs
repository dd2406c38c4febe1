//! MLflow's filter language, parsed into comparisons.
//!
//! `metrics.loss < 0.5 AND params."learning rate" = '0.1' AND tags.stage LIKE 'prod%'`: comparisons joined by AND, a key
//! behind the name of what it is of, in backticks or double quotes where it is no word. A key alone is an attribute.
//!
//! MLflow reads filters with a parser for all of SQL; what that one accepts is accepted here, what it refuses is refused
//! in the same words, with the place at the end. Four steps: [`lexer`] cuts the text, [`pieces`] puts keys, values and
//! comparisons together, [`fields`] and [`values`] understand them, [`judge`] knows which comparators fit.

mod fields;
mod judge;
mod lexer;
mod lists;
mod order;
mod pieces;
mod values;

pub(crate) use fields::Entity;
pub(super) use order::{logged_model_column, order};
use windlass_kinds::filter::{Comparison, Filter, Value};

use self::{
    fields::{Key, Of, Use},
    judge::Case,
    pieces::{Compared, PieceKind},
};
use super::error::Error;

/// The longest filter that is read, in bytes. A list of a thousand ids has some 36 KB.
const FILTER_MAX: usize = 512 * 1024;
/// The most comparisons of one filter. Databases nest conditions by their number; SQLite goes to 1,000.
const COMPARISONS_MAX: usize = 500;
/// How much of a text a message quotes, in characters.
const QUOTED_MAX: usize = 300;

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at character {character})")]
pub(crate) struct FilterError {
    message: String,
    /// Where in the text the mistake is, counted in characters from 1.
    pub(crate) character: usize,
}

impl From<FilterError> for Error {
    fn from(error: FilterError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// As [`FilterError`], with the place in bytes.
#[derive(Debug)]
struct Fault {
    message: String,
    at: usize,
}

impl Fault {
    fn new(message: impl Into<String>, at: usize) -> Self {
        Self { message: message.into(), at }
    }

    /// Counts the place in characters.
    fn within(self, text: &str) -> FilterError {
        let character = text.char_indices().take_while(|(place, _)| *place < self.at).count() + 1;
        FilterError { message: self.message, character }
    }
}

/// Parses a filter over records of one kind; an empty one finds everything.
pub(crate) fn parse(entity: Entity, text: &str) -> Result<Filter, FilterError> {
    understood(entity, text).map_err(|fault| fault.within(text))
}

fn understood(entity: Entity, text: &str) -> Result<Filter, Fault> {
    if text.is_empty() {
        return Ok(Filter::new());
    }
    if text.len() > FILTER_MAX {
        let message = format!("Error on parsing filter '{}': it has more than {FILTER_MAX} bytes", short(text));
        return Err(Fault::new(message, 0));
    }
    let mut compared = Vec::new();
    for (compared_now, at) in comparisons(entity, text)? {
        compared.push((one(entity, text, &compared_now)?, compared_now, at));
    }
    if let Some((_, _, at)) = compared.get(COMPARISONS_MAX) {
        let message =
            format!("Error on parsing filter '{}': it has more than {COMPARISONS_MAX} comparisons", short(text));
        return Err(Fault::new(message, *at));
    }
    compared
        .into_iter()
        .map(|((key, value), Compared { comparator, .. }, at)| {
            let name = key.name.clone();
            let (field, of) = fields::field(entity, key);
            let case = Case { entity, of, name: &name, comparator: &comparator, at };
            let (operator, value) = judge::judge(&case, value)?;
            Ok(Comparison { field, operator, value })
        })
        .collect()
}

/// Returns the comparisons of a filter with the places where they begin; refuses everything else but AND between them.
fn comparisons(entity: Entity, text: &str) -> Result<Vec<(Compared, usize)>, Fault> {
    let mut tokens = lexer::tokens(text);
    if entity == Entity::Trace {
        lexer::timestamps_are_keys(text, &mut tokens);
    }
    let blank = |token: &lexer::Token| token.kind == lexer::Kind::Space;
    if tokens.iter().all(blank) {
        let message = match entity {
            Entity::LoggedModel => {
                format!("Invalid filter string: {}. Expected a single SQL expression.", repr(text))
            }
            _ => format!("Invalid filter '{text}'. Could not be parsed."),
        };
        return Err(Fault::new(message, 0));
    }
    let end = tokens.iter().position(|token| token.kind == lexer::Kind::End);
    if let Some(end) = end
        && let Some(next) = tokens[end + 1..].iter().find(|token| !blank(token))
    {
        let message = match entity {
            Entity::LoggedModel => {
                format!("Invalid filter string: {}. Expected a single SQL expression.", repr(text))
            }
            _ => format!("Search filter contained multiple expression {}. Provide AND-ed expression list.", repr(text)),
        };
        return Err(Fault::new(message, next.at.start));
    }
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    for piece in pieces::joined(text, pieces::pieces(text, &tokens)) {
        let and = piece.is(text, "and");
        match piece.kind {
            PieceKind::Comparison(compared) => found.push((*compared, piece.at.start)),
            _ if and => {}
            _ => wrong.push(piece.at),
        }
    }
    let Some(first) = wrong.first() else { return Ok(found) };
    let at = first.start;
    let quoted = |quote: &str| {
        let shown: Vec<String> = wrong.iter().map(|at| format!("{quote}{}{quote}", &text[at.clone()])).collect();
        short(&shown.join(", "))
    };
    Err(Fault::new(
        match entity {
            Entity::LoggedModel => format!(
                "Invalid filter string: {}. Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss > 0.1 \
                 AND params.lr = 0.01').",
                repr(text)
            ),
            Entity::Run | Entity::Trace => format!("Invalid clause(s) in filter string: {}", quoted("'")),
            Entity::Experiment | Entity::Model | Entity::Version | Entity::EvaluationDataset => {
                format!("Invalid clause(s) in filter string: {}", quoted(""))
            }
        },
        at,
    ))
}

/// Understands the key and the value of a comparison.
fn one(entity: Entity, text: &str, compared: &Compared) -> Result<(Key, Value), Fault> {
    let Compared { left, comparator, right } = compared;
    let at = left.at.start;
    let shown = &text[left.at.clone()];
    if left.kind != PieceKind::Key && entity != Entity::LoggedModel {
        return Err(Fault::new(format!("Invalid comparison clause. Expected 'Identifier' found '{shown}'"), at));
    }
    if right.is_none() && entity == Entity::LoggedModel {
        let message = format!("Invalid comparison: {shown}{comparator}. Expected a comparison with 3 tokens.");
        return Err(Fault::new(message, at));
    }
    if entity == Entity::LoggedModel {
        let (before, name) = fields::logged_model_shape(shown);
        judge::logged_model(before, name, comparator, at)?;
    }
    let key = fields::key(entity, shown, at, Use::Filter)?;
    let Some(right) = right else {
        let message = match (entity, key.of) {
            (Entity::Experiment, Of::Attribute(..)) => {
                format!("IS NULL / IS NOT NULL is only supported for tags, not for attribute '{}'", key.name)
            }
            (Entity::Run | Entity::EvaluationDataset, Of::Attribute(..) | Of::Metric | Of::Dataset) => format!(
                "IS NULL / IS NOT NULL is only supported for tags and params, not for '{}' '{}'",
                key.of.word(),
                key.name
            ),
            _ => return Ok((key, Value::None)),
        };
        return Err(Fault::new(message, at));
    };
    let value = values::value(entity, &key, comparator, text, right)?;
    Ok((key, value))
}

/// Returns the beginning of a text that may be too long for a message.
fn short(text: &str) -> String {
    match text.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns a text as Python writes it in a program.
fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for character in short(text).chars() {
        match character {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ if character == quote => shown.extend(['\\', quote]),
            _ => shown.push(character),
        }
    }
    shown.push(quote);
    shown
}

#[cfg(test)]
mod tests;
