//! What searches are ordered by: a key, then ASC or DESC.

use windlass_kinds::filter::{Field, Order};

use super::{
    super::error::{Error, Result},
    Entity,
    fields::{self, Of, Use},
    lexer::{self, Kind},
    pieces::{self, PieceKind},
};

/// The longest clause that is read, in bytes.
const CLAUSE_MAX: usize = 16 * 1024;

/// Parses one clause of an order.
pub(in super::super) fn order(entity: Entity, text: &str) -> Result<Order> {
    let invalid = || Error::invalid(format!("Invalid order_by clause '{}'. Could not be parsed.", super::short(text)));
    if text.len() > CLAUSE_MAX {
        return Err(invalid());
    }
    let tokens = lexer::tokens(text);
    let outer_space = |token: Option<&lexer::Token>| token.is_none_or(|token| token.kind == Kind::Space);
    if outer_space(tokens.first()) || outer_space(tokens.last()) {
        return Err(invalid());
    }
    let pieces = pieces::pieces(text, &tokens);
    let [piece] = pieces.as_slice() else { return Err(invalid()) };
    if piece.kind != PieceKind::Key {
        return Err(invalid());
    }
    // The key itself has no white space outside quotes, what is behind it does.
    let space = tokens.iter().rposition(|token| token.kind == Kind::Space);
    let (key, ascending) = match space {
        None => (text.to_owned(), true),
        Some(space) => {
            let direction = &text[tokens[space].at.end..];
            let ascending = direction.eq_ignore_ascii_case("asc");
            if !ascending && !direction.eq_ignore_ascii_case("desc") {
                return Err(Error::invalid(format!("Invalid ordering key in order_by clause '{text}'.")));
            }
            // With a direction, quotes within the key are left out.
            (text[..tokens[space].at.start].trim_end().replace(['`', '"'], ""), ascending)
        }
    };
    let at = piece.at.start;
    let key = fields::key(entity, &key, at, Use::Order).map_err(|fault| Error::from(fault.within(text)))?;
    let orders = match (entity, key.of) {
        (_, Of::Attribute(..)) => true,
        (Entity::Run, Of::Metric | Of::Param | Of::Tag) | (Entity::Trace, Of::Tag | Of::Metadata) => true,
        (Entity::Run | Entity::Trace, _) => {
            return Err(Error::invalid(format!("Invalid identifier type '{}'", key.of.word())));
        }
        _ => false,
    };
    if !orders {
        return Err(Error::invalid(format!("Invalid order_by entity: {}", key.of.word())));
    }
    let (field, _) = fields::field(entity, key);
    Ok(Order { field, ascending })
}

/// Returns the attribute by which logged models are ordered, by its name.
pub(in super::super) fn logged_model_column(name: &str) -> Option<Field> {
    let key = fields::key(Entity::LoggedModel, name, 0, Use::Order).ok()?;
    matches!(key.of, Of::Attribute(..)).then(|| fields::field(Entity::LoggedModel, key).0)
}
