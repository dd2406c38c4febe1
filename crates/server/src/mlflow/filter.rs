//! MLflow's filter language, parsed into comparisons.
//!
//! `metrics.loss < 0.5 AND params."learning rate" = '0.1' AND tags.stage LIKE 'prod%'`: comparisons joined by AND, a key
//! after an entity's name, quoted by backticks or double quotes where it is no word. A key alone is an attribute.

mod fields;
mod lexer;

pub(super) use fields::Entity;
use lexer::{Token, tokens};
use windlass_kinds::filter::{Comparison, Field, Filter, Operator, Order, Value};

use self::fields::{Kind, field};
use super::error::{Error, Result};

/// The longest filter that is read, in bytes.
const FILTER_MAX: usize = 64 * 1024;
/// The most comparisons of one filter.
const COMPARISONS_MAX: usize = 100;

/// Parses a filter over records of one kind; an empty one finds everything.
pub(super) fn parse(entity: Entity, text: &str) -> Result<Filter> {
    if text.len() > FILTER_MAX {
        return Err(Error::invalid(format!("The filter has more than {FILTER_MAX} bytes.")));
    }
    let tokens = tokens(text)?;
    let mut rest = tokens.as_slice();
    let mut filter = Filter::new();
    while !rest.is_empty() {
        let comparison;
        (comparison, rest) = one(entity, text, rest)?;
        filter.push(comparison);
        match rest {
            [] => {}
            [Token::Word(word), after @ ..] if word.eq_ignore_ascii_case("and") && !after.is_empty() => rest = after,
            [token, ..] => {
                return Err(Error::invalid(format!("Invalid clause(s) in filter string: '{}'", token.text())));
            }
        }
    }
    if filter.len() > COMPARISONS_MAX {
        return Err(Error::invalid(format!("The filter has more than {COMPARISONS_MAX} comparisons.")));
    }
    Ok(filter)
}

fn one<'t>(entity: Entity, text: &str, tokens: &'t [Token]) -> Result<(Comparison, &'t [Token])> {
    let clauses = || {
        let shown: Vec<String> = tokens.iter().take(3).map(|token| format!("'{}'", token.text())).collect();
        match entity {
            Entity::LoggedModel => Error::invalid(format!(
                "Invalid filter string: '{text}'. Expected a list of comparisons separated by 'AND' (e.g. 'metrics.loss \
                 > 0.1 AND params.lr = 0.01')."
            )),
            Entity::Run | Entity::Experiment | Entity::Model | Entity::Version => {
                Error::invalid(format!("Invalid clause(s) in filter string: {}", shown.join(", ")))
            }
        }
    };
    let [Token::Word(key), rest @ ..] = tokens else { return Err(clauses()) };
    let (operator, rest) = operator(rest).ok_or_else(clauses)?;
    if rest.is_empty() && !matches!(operator, Operator::IsNull | Operator::IsNotNull) {
        return Err(clauses());
    }
    let (field, kind) = field(entity, key)?;
    comparable(kind, operator)?;
    let (value, rest) = value(kind, operator, rest, clauses)?;
    Ok((Comparison { field, operator, value }, rest))
}

fn operator(tokens: &[Token]) -> Option<(Operator, &[Token])> {
    let word = |token: &Token, word: &str| matches!(token, Token::Word(text) if text.eq_ignore_ascii_case(word));
    let found = match tokens {
        [Token::Sign(sign), rest @ ..] => {
            let operator = match sign.as_str() {
                "=" | "==" => Operator::Equal,
                "!=" | "<>" => Operator::NotEqual,
                "<" => Operator::Less,
                "<=" => Operator::LessOrEqual,
                ">" => Operator::Greater,
                ">=" => Operator::GreaterOrEqual,
                _ => return None,
            };
            (operator, rest)
        }
        [first, rest @ ..] if word(first, "like") => (Operator::Like, rest),
        [first, rest @ ..] if word(first, "ilike") => (Operator::ILike, rest),
        [first, second, rest @ ..] if word(first, "not") && word(second, "in") => (Operator::NotIn, rest),
        [first, rest @ ..] if word(first, "in") => (Operator::In, rest),
        [first, second, third, rest @ ..] if word(first, "is") && word(second, "not") && word(third, "null") => {
            (Operator::IsNotNull, rest)
        }
        [first, second, rest @ ..] if word(first, "is") && word(second, "null") => (Operator::IsNull, rest),
        _ => return None,
    };
    Some(found)
}

/// Refuses operators that make no sense for a kind of field.
fn comparable(kind: Kind, operator: Operator) -> Result<()> {
    use Operator::{
        Equal, Greater, GreaterOrEqual, ILike, In, IsNotNull, IsNull, Less, LessOrEqual, Like, NotEqual, NotIn,
    };
    let (fits, allowed) = match kind {
        Kind::Number => (
            matches!(operator, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual),
            "'=', '!=', '<', '<=', '>', '>='",
        ),
        Kind::Keyed(_) => (
            matches!(operator, Equal | NotEqual | Like | ILike | IsNull | IsNotNull),
            "'=', '!=', 'LIKE', 'ILIKE', 'IS NULL', 'IS NOT NULL'",
        ),
        Kind::Text => (
            matches!(operator, Equal | NotEqual | Like | ILike | In | NotIn),
            "'=', '!=', 'LIKE', 'ILIKE', 'IN', 'NOT IN'",
        ),
    };
    if fits {
        return Ok(());
    }
    let shown = match operator {
        Equal => "=",
        NotEqual => "!=",
        Less => "<",
        LessOrEqual => "<=",
        Greater => ">",
        GreaterOrEqual => ">=",
        Like => "LIKE",
        ILike => "ILIKE",
        In => "IN",
        NotIn => "NOT IN",
        IsNull => "IS NULL",
        IsNotNull => "IS NOT NULL",
    };
    Err(Error::invalid(format!("Invalid comparator '{shown}' not one of '{{{allowed}}}'")))
}

fn value(kind: Kind, operator: Operator, tokens: &[Token], clauses: impl Fn() -> Error) -> Result<(Value, &[Token])> {
    match operator {
        Operator::IsNull | Operator::IsNotNull => return Ok((Value::None, tokens)),
        Operator::In | Operator::NotIn => return list(tokens, clauses),
        Operator::Equal
        | Operator::NotEqual
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Greater
        | Operator::GreaterOrEqual
        | Operator::Like
        | Operator::ILike => {}
    }
    let [token, rest @ ..] = tokens else { return Err(clauses()) };
    let value = match (kind, token) {
        (Kind::Number, Token::Number(text)) => {
            Value::Number(text.parse().map_err(|_| Error::invalid(format!("'{text}' is not a number")))?)
        }
        (Kind::Number, token) => {
            return Err(Error::invalid(format!("Expected numeric value type for metric. Found {}", token.shown())));
        }
        (Kind::Text | Kind::Keyed(_), Token::Text(text)) => Value::Text(text.clone()),
        (Kind::Keyed(what), token) => {
            return Err(Error::invalid(format!(
                "Expected a quoted string value for {what} (e.g. 'my-value'). Got value {}",
                token.shown()
            )));
        }
        (Kind::Text, token) => {
            return Err(Error::invalid(format!(
                "Expected a quoted string value for attributes. Got value {}",
                token.shown()
            )));
        }
    };
    Ok((value, rest))
}

fn list(tokens: &[Token], clauses: impl Fn() -> Error) -> Result<(Value, &[Token])> {
    let [Token::Sign(open), inner @ ..] = tokens else { return Err(clauses()) };
    let mut rest = inner;
    if open != "(" {
        return Err(clauses());
    }
    let mut items = Vec::new();
    loop {
        let [Token::Text(item), Token::Sign(next), after @ ..] = rest else { return Err(clauses()) };
        items.push(item.clone());
        rest = after;
        match next.as_str() {
            "," => {}
            ")" => return Ok((Value::List(items), rest)),
            _ => return Err(clauses()),
        }
    }
}

/// Parses one clause of an order: a key, then ASC or DESC.
pub(super) fn order(entity: Entity, text: &str) -> Result<Order> {
    let invalid = || Error::invalid(format!("Invalid ordering key in order_by clause '{text}'."));
    let tokens = tokens(text).map_err(|_| invalid())?;
    let (key, ascending) = match tokens.as_slice() {
        [Token::Word(key)] => (key, true),
        [Token::Word(key), Token::Word(direction)] if direction.eq_ignore_ascii_case("asc") => (key, true),
        [Token::Word(key), Token::Word(direction)] if direction.eq_ignore_ascii_case("desc") => (key, false),
        _ => return Err(invalid()),
    };
    let (field, _) = field(entity, key)?;
    if matches!(field, Field::Dataset(_)) {
        return Err(invalid());
    }
    Ok(Order { field, ascending })
}

#[cfg(test)]
mod tests;
