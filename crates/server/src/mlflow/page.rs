//! Page tokens.
//!
//! A token holds the place of the last record shown, so that what is added or removed meanwhile moves nothing, and the
//! order that the place is of. Tokens that hold an offset, as MLflow writes them, are understood too. Clients hand a
//! token back as it is; nobody else reads it.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_kinds::filter::{PlaceValue, Start};

use super::error::{Error, Result};

/// The longest token that is read, in bytes: a place holds names and tags, which may be long.
const TOKEN_MAX: usize = 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Token {
    /// What the place is of: a search's order, and whatever else must not change between pages.
    of: Vec<String>,
    after: Vec<Value>,
}

/// Returns where a page begins; an empty token means the first. `of` is what was given to [`next`].
pub(super) fn start(token: Option<&str>, of: &[String]) -> Result<Start> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(Start::First) };
    if token.len() > TOKEN_MAX {
        return Err(Error::invalid(format!("Invalid page token, it has more than {TOKEN_MAX} bytes")));
    }
    let bytes = STANDARD.decode(token).map_err(|_| Error::invalid("Invalid page token, could not base64-decode"))?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|_| Error::invalid("Invalid page token, decoded value is no JSON"))?;
    match serde_json::from_value::<Token>(value.clone()) {
        Ok(token) if token.of == of => Ok(Start::After(token.after.iter().map(place).collect::<Result<_>>()?)),
        Ok(_) => Err(Error::invalid("Invalid page token, it is of a search with another filter or order")),
        Err(_) => behind(&value),
    }
}

/// Returns the offset in a token as MLflow writes it, `{"offset": 100}`.
fn behind(token: &Value) -> Result<Start> {
    let wrong = || Error::invalid(format!("Invalid page token, parsed value={token}"));
    let offset = match token.get("offset").ok_or_else(wrong)? {
        Value::String(text) => {
            text.parse().map_err(|_| Error::invalid(format!("Invalid page token, not stringable {text}")))?
        }
        other => other.as_u64().filter(|offset| *offset > 0).ok_or_else(wrong)?,
    };
    // Databases count to 2^63.
    i64::try_from(offset).map_err(|_| wrong())?;
    Ok(Start::Behind(offset))
}

/// Returns the token of the page behind a place.
pub(super) fn next(place: Option<Vec<PlaceValue>>, of: &[String]) -> Option<String> {
    let after = place?.iter().map(shown).collect();
    let token = Token { of: of.to_vec(), after };
    Some(STANDARD.encode(serde_json::to_vec(&token).expect("texts and numbers are JSON")))
}

/// Writes a part of a place; a number that need not be whole stands in a list, since JSON knows no infinity.
fn shown(value: &PlaceValue) -> Value {
    match value {
        PlaceValue::Integer(value) => Value::from(*value),
        PlaceValue::Number(value) => Value::from(vec![value.to_string()]),
        PlaceValue::Text(value) => Value::from(value.as_str()),
        PlaceValue::Nothing => Value::Null,
    }
}

fn place(value: &Value) -> Result<PlaceValue> {
    let number = |list: &Value| list.get(0)?.as_str()?.parse::<f64>().ok().filter(|number| !number.is_nan());
    let place = match value {
        Value::Null => Some(PlaceValue::Nothing),
        Value::Number(number) => number.as_i64().map(PlaceValue::Integer),
        Value::String(text) => Some(PlaceValue::Text(text.clone())),
        Value::Array(_) => number(value).map(PlaceValue::Number),
        Value::Bool(_) | Value::Object(_) => None,
    };
    place.ok_or_else(|| Error::invalid("Invalid page token, its place cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_round() {
        let place = vec![
            PlaceValue::Integer(-5),
            PlaceValue::Number(f64::INFINITY),
            PlaceValue::Number(0.1),
            PlaceValue::Text("a\"ä".to_owned()),
            PlaceValue::Nothing,
        ];
        let of = ["metrics.a".to_owned()];
        let token = next(Some(place.clone()), &of).unwrap();
        assert_eq!(start(Some(&token), &of).unwrap(), Start::After(place));
        assert!(start(Some(&token), &[]).is_err());
        assert_eq!(next(None, &of), None);
        assert_eq!(start(None, &of).unwrap(), Start::First);
        assert_eq!(start(Some(""), &of).unwrap(), Start::First);
    }

    #[test]
    fn offsets_are_understood() {
        assert_eq!(start(Some("eyJvZmZzZXQiOiAxfQ=="), &[]).unwrap(), Start::Behind(1));
        for bad in ["zzz", "zzzz", "e30=", "eyJvZmZzZXQiOiAieCJ9", "eyJvZmZzZXQiOiAtMX0=", "WzFd"] {
            assert!(start(Some(bad), &[]).is_err(), "{bad}");
        }
    }
}
