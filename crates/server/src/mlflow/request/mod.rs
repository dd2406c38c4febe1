//! Requests as MLflow's server understands them, read into types.
//!
//! A request type brings a [`Shape`]: which fields it may hold and what is checked. [`Asked`] gives the value, from the
//! query of a GET and from the body of anything else, or refuses in MLflow's words. A field that is not there, or that
//! MLflow passes over, has its default.

mod json;
mod message;
mod python;
mod typed;

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::{Method, header},
};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::DeserializeOwned};

use self::json::{Json, Unread};
pub(super) use self::{
    message::{Check, Field, Kind, Shape},
    python::{Int, float, int, quoted, repr, repr_list},
};
use super::error::{Error, Result};
use crate::AppState;

/// A request.
pub(super) trait Message: DeserializeOwned + Default {
    /// What it may hold and what is checked.
    const SHAPE: Shape;

    /// Reads a body that holds nothing unusual, fast; `None` where it does, and it has to be looked at in detail.
    fn plain(_body: &[u8]) -> Option<Self> {
        None
    }
}

/// A key and its value: a tag or a param.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) value: String,
}

/// The fields of a [`Pair`].
pub(super) const PAIR: &[Field] = &[("key", Kind::Text), ("value", Kind::Text)];

/// Returns the pairs of a list.
pub(super) fn pairs(list: Vec<Pair>) -> Vec<(String, String)> {
    list.into_iter().map(|pair| (pair.key, pair.value)).collect()
}

/// What a request asks for.
pub(super) struct Asked<T>(pub(super) T);

impl<T: Message> FromRequest<AppState> for Asked<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        if request.method() == Method::GET
            && let Some(query) = request.uri().query().filter(|query| !query.is_empty())
        {
            return typed(T::SHAPE.message(&from_query(query, T::SHAPE.fields)?)?).map(Self);
        }
        let body = body(request, state.settings.body_cap).await?;
        if let Some(plain) = T::plain(&body) {
            return Ok(Self(plain));
        }
        typed(T::SHAPE.message(&object(&body)?)?).map(Self)
    }
}

fn typed<T: Message>(message: Json) -> Result<T> {
    T::deserialize(message).map_err(|error| Error::invalid(format!("The request is not the expected one: {error}.")))
}

/// Reads the body; only of requests that must say so is asked that it be JSON.
async fn body(request: Request, cap: usize) -> Result<Bytes> {
    if matches!(*request.method(), Method::POST | Method::PUT) {
        let Some(kind) = request.headers().get(header::CONTENT_TYPE) else {
            return Err(Error::invalid("Bad Request. Content-Type header is missing."));
        };
        if kind.as_bytes().split(|byte| *byte == b';').next() != Some(b"application/json") {
            return Err(Error::invalid("Bad Request. Content-Type must be one of ['application/json']."));
        }
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > cap) {
        return Err(Error::too_large(cap));
    }
    to_bytes(request.into_body(), cap).await.map_err(|_| Error::too_large(cap))
}

/// Returns the object in a body. No body is an empty one, and a text is read once more: old clients send those. MLflow
/// takes a body that is no JSON for an empty one too, and may make a run of it; here it is refused.
fn object(body: &[u8]) -> Result<Json> {
    if body.trim_ascii().is_empty() {
        return Ok(Json::Map(Vec::new()));
    }
    let read = |bytes: &[u8]| match json::read(bytes) {
        Ok(value) => Ok(value),
        Err(Unread::Malformed) => Err(Error::invalid("The request body is not JSON.")),
        Err(Unread::TooDeep) => {
            Err(Error::invalid(format!("The request body nests more than {} levels deep.", json::DEPTH)))
        }
    };
    let no_object = || Error::invalid("The request body must be a JSON object.");
    let value = match read(body)? {
        Json::Text(text) => read(text.as_bytes())?,
        value => value,
    };
    match value {
        Json::Null => Ok(Json::Map(Vec::new())),
        value @ Json::Map(_) => Ok(value),
        _ => Err(no_object()),
    }
}

/// Returns the parameters of a query that the message has, each once, lists as lists.
fn from_query(query: &str, fields: &[Field]) -> Result<Json> {
    let text = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let given: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (text(key), text(value)))
        .collect();
    let mut pairs = Vec::new();
    for (name, kind) in fields {
        let mut values = given.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).peekable();
        if values.peek().is_none() {
            continue;
        }
        let value = match kind {
            Kind::Texts | Kind::Messages(_) => Json::List(values.map(Json::Text).collect()),
            kind => {
                let value = values.next().unwrap_or_default();
                match kind {
                    Kind::Bool => match value.to_ascii_lowercase().as_str() {
                        "true" => Json::Bool(true),
                        "false" => Json::Bool(false),
                        _ => {
                            return Err(Error::invalid(format!(
                                "Invalid boolean value: {value}, must be 'true' or 'false'."
                            )));
                        }
                    },
                    _ => Json::Text(value),
                }
            }
        };
        pairs.push(((*name).to_owned(), value));
    }
    Ok(Json::Map(pairs))
}
