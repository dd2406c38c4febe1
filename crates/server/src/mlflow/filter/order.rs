//! What searches are ordered by: a key, then ASC or DESC.

use windlass_kinds::filter::{Field, Order};

use super::{
    super::error::Result,
    Entity, Fault, FilterError,
    fields::{self, Of, Use},
    lexer::{self, Kind},
    pieces::{self, PieceKind},
};

/// The longest clause that is read, in bytes.
const CLAUSE_MAX: usize = 16 * 1024;

/// Parses one clause of an order.
pub(in super::super) fn order(entity: Entity, text: &str) -> Result<Order> {
    Ok(understood(entity, text)?)
}

/// As [`order`], with the place of a mistake.
pub(super) fn understood(entity: Entity, text: &str) -> std::result::Result<Order, FilterError> {
    let refuse = |message: String| Err(Fault::new(message, 0).within(text));
    let invalid = || refuse(format!("Invalid order_by clause '{}'. Could not be parsed.", super::short(text)));
    if text.len() > CLAUSE_MAX {
        return invalid();
    }
    let mut tokens = lexer::tokens(text);
    lexer::timestamps_are_keys(text, &mut tokens);
    let outer_space = |token: Option<&lexer::Token>| token.is_none_or(|token| token.kind == Kind::Space);
    if outer_space(tokens.first()) || outer_space(tokens.last()) {
        return invalid();
    }
    let pieces = pieces::pieces(text, &tokens);
    let [piece] = pieces.as_slice() else { return invalid() };
    if piece.kind != PieceKind::Key {
        return invalid();
    }
    // The key itself has no white space outside quotes, what is behind it does.
    let space = tokens.iter().rposition(|token| token.kind == Kind::Space);
    let (key, ascending) = match space {
        None => (text.to_owned(), true),
        Some(space) => {
            let direction = &text[tokens[space].at.end..];
            let ascending = direction.eq_ignore_ascii_case("asc");
            if !ascending && !direction.eq_ignore_ascii_case("desc") {
                return refuse(format!("Invalid ordering key in order_by clause '{text}'."));
            }
            // With a direction, quotes within the key are left out.
            (text[..tokens[space].at.start].trim_end().replace(['`', '"'], ""), ascending)
        }
    };
    let key = fields::key(entity, &key, piece.at.start, Use::Order).map_err(|fault| fault.within(text))?;
    match (entity, key.of) {
        (_, Of::Attribute(..))
        | (Entity::Run, Of::Metric | Of::Param | Of::Tag)
        | (Entity::Trace, Of::Tag | Of::Metadata) => {
            let (field, _) = fields::field(entity, key);
            Ok(Order { field, ascending })
        }
        (Entity::Run | Entity::Trace, of) => refuse(format!("Invalid identifier type '{}'", of.word())),
        (Entity::Version, _) => refuse(format!(
            "Invalid order by key '{}' specified. Valid keys are {{'creation_timestamp', 'last_updated_timestamp', 'name', \
             'version_number'}}",
            key.name
        )),
        (_, of) => refuse(format!("Invalid order_by entity: {}", of.word())),
    }
}

/// Returns the attribute by which logged models are ordered, by its name.
pub(in super::super) fn logged_model_column(name: &str) -> Option<Field> {
    let key = fields::key(Entity::LoggedModel, name, 0, Use::Order).ok()?;
    matches!(key.of, Of::Attribute(..)).then(|| fields::field(Entity::LoggedModel, key).0)
}
