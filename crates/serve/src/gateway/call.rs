//! A request for predictions in the protocol it came in, and its answer in the same.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use windlass_data::table::Table;

use super::{refusal::Refusal, route::Live};
use crate::protocol::{Request, RequestError, invocations, oip};

/// How predictions are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// By `/invocations`, with a body of this type.
    Invocations { content_type: String },
    /// By the Open Inference Protocol.
    Oip {
        /// The model and version as the path names them.
        model: String,
        version: Option<String>,
        /// How many bytes of the body are JSON; none for all.
        json: Option<usize>,
    },
}

/// How the answer is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Invocations,
    Oip { model: String, id: Option<String>, asked: oip::Asked },
}

/// A protocol, for refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Invocations,
    Oip,
}

impl Call {
    /// Reads what the head of a request to `/invocations` says.
    pub(super) fn invocations(headers: &HeaderMap) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Self::Invocations { content_type: content_type.unwrap_or_default().to_owned() }
    }

    /// Reads what the head of an inference request says.
    pub(super) fn oip(headers: &HeaderMap, model: &str, version: Option<&str>) -> Result<Self, Refusal> {
        let json = headers.get(oip::HEADER_LENGTH).map(|value| {
            value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
                let message = "`Inference-Header-Content-Length` must be a number of bytes";
                Refusal::new(StatusCode::BAD_REQUEST, message)
            })
        });
        Ok(Self::Oip { model: model.to_owned(), version: version.map(str::to_owned), json: json.transpose()? })
    }

    /// Reads the body for the model of a route.
    pub(super) fn decode(&self, body: &[u8], live: &Live) -> Result<(Request, Form), RequestError> {
        let (signature, extras, limits) = (&live.route.signature, &live.extras, live.limits());
        match self {
            Self::Invocations { content_type } => {
                let request = invocations::decode(content_type, body, signature, extras, &limits)?;
                Ok((request, Form::Invocations))
            }
            Self::Oip { model, version: _, json } => {
                let (request, asked) = oip::decode(*json, body, signature, extras, &limits)?;
                let id = request.id.clone();
                Ok((request, Form::Oip { model: model.clone(), id, asked }))
            }
        }
    }

    /// Refuses a model or version that is not the one that serves.
    pub(super) fn check(&self, live: &Live) -> Result<(), Refusal> {
        match self {
            Self::Invocations { .. } => Ok(()),
            Self::Oip { model, version, json: _ } => check_model(live, model, version.as_deref()),
        }
    }
}

/// Refuses a model or version that is not the one that serves. The endpoint's name stands for its model.
pub(super) fn check_model(live: &Live, model: &str, version: Option<&str>) -> Result<(), Refusal> {
    let route = &live.route;
    let asked = percent_encoding::percent_decode_str(model).decode_utf8_lossy();
    let shown: String = asked.chars().take(120).flat_map(char::escape_debug).collect();
    if asked != route.model && asked != route.endpoint.as_str() {
        let message = format!("there is no model `{shown}` here; this endpoint serves `{}`", route.model);
        return Err(Refusal::new(StatusCode::NOT_FOUND, message));
    }
    match version {
        Some(version) if version.parse() != Ok(route.version) => {
            let message = format!("another version than {} was asked for, which is the one that serves", route.version);
            Err(Refusal::new(StatusCode::NOT_FOUND, message))
        }
        Some(_) | None => Ok(()),
    }
}

/// A body to send, with the headers that say what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) body: Bytes,
    pub(super) headers: HeaderMap,
}

impl Written {
    pub(super) fn json(body: Vec<u8>) -> Self {
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { body: body.into(), headers: HeaderMap::from_iter([content_type]) }
    }

    /// Writes what the codec made: JSON, or JSON with binary tensors behind it.
    pub(super) fn encoded(encoded: oip::Encoded) -> Self {
        let oip::Encoded { json, body } = encoded;
        let mut written = Self::json(body);
        if let Some(length) = json {
            written.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            written.headers.insert(oip::HEADER_LENGTH, HeaderValue::from(length));
        }
        written
    }
}

impl Form {
    /// Writes predictions.
    pub(super) fn encode(&self, version: u32, predictions: &Table) -> Result<Written, RequestError> {
        match self {
            Self::Invocations => Ok(Written::json(invocations::encode(predictions))),
            Self::Oip { model, id, asked } => {
                let encoded = oip::encode(model, &version.to_string(), id.as_deref(), predictions, asked)?;
                Ok(Written::encoded(encoded))
            }
        }
    }
}

impl Dialect {
    /// Writes a refusal.
    pub(super) fn refuse(self, refusal: &Refusal) -> Written {
        Written::json(match self {
            Self::Invocations => invocations::error(refusal.code(), &refusal.message),
            Self::Oip => oip::error(&refusal.message),
        })
    }
}
