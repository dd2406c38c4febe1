//! A request to take spans in, read from the JSON form of the protocol.
//!
//! Ids are hexadecimal there and 64-bit numbers may be texts:
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>. Keys may be written either way, `traceId` or
//! `trace_id`, as protocol buffers allow.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{
    super::{
        any::Any,
        span::{Ended, Event, Incoming, Link},
    },
    Budget, Group, Rejected,
    message::ended,
    protobuf::Malformed,
};

/// How deep the JSON may nest: a value within a value takes four levels.
const DEPTH: usize = 120;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Request {
    #[serde(alias = "resource_spans", rename = "resourceSpans")]
    groups: Vec<ResourceSpans>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResourceSpans {
    resource: Resource,
    #[serde(alias = "scope_spans", rename = "scopeSpans")]
    scopes: Vec<ScopeSpans>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resource {
    attributes: Vec<Entry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ScopeSpans {
    spans: Vec<Span>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Span {
    #[serde(alias = "trace_id", rename = "traceId")]
    trace: String,
    #[serde(alias = "span_id", rename = "spanId")]
    id: String,
    #[serde(alias = "parent_span_id", rename = "parentSpanId")]
    parent: Option<String>,
    name: String,
    #[serde(alias = "start_time_unix_nano", rename = "startTimeUnixNano")]
    start: Number,
    #[serde(alias = "end_time_unix_nano", rename = "endTimeUnixNano")]
    end: Number,
    attributes: Vec<Entry>,
    events: Vec<SpanEvent>,
    links: Vec<SpanLink>,
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SpanEvent {
    name: String,
    #[serde(alias = "time_unix_nano", rename = "timeUnixNano")]
    at: Number,
    attributes: Vec<Entry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SpanLink {
    #[serde(alias = "trace_id", rename = "traceId")]
    trace: String,
    #[serde(alias = "span_id", rename = "spanId")]
    span: String,
    attributes: Vec<Entry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    message: String,
    code: Option<Code>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Code {
    Number(u64),
    Name(String),
}

/// A whole number, as a number or a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Unsigned(u64),
    Signed(i64),
    Text(String),
}

impl Default for Number {
    fn default() -> Self {
        Self::Unsigned(0)
    }
}

impl Number {
    fn unsigned(self) -> Result<u64, Malformed> {
        match self {
            Self::Unsigned(value) => Ok(value),
            Self::Signed(_) => Err(Malformed),
            Self::Text(text) => text.parse().map_err(|_| Malformed),
        }
    }

    fn signed(self) -> Result<i64, Malformed> {
        match self {
            Self::Unsigned(value) => i64::try_from(value).map_err(|_| Malformed),
            Self::Signed(value) => Ok(value),
            Self::Text(text) => text.parse().map_err(|_| Malformed),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    key: String,
    value: Box<Wrapped>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Values<T> {
    values: Vec<T>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wrapped {
    #[serde(alias = "string_value", rename = "stringValue")]
    text: Option<String>,
    #[serde(alias = "bool_value", rename = "boolValue")]
    bool: Option<bool>,
    #[serde(alias = "int_value", rename = "intValue")]
    int: Option<Number>,
    #[serde(alias = "double_value", rename = "doubleValue")]
    double: Option<Double>,
    #[serde(alias = "array_value", rename = "arrayValue")]
    list: Option<Values<Wrapped>>,
    #[serde(alias = "kvlist_value", rename = "kvlistValue")]
    map: Option<Values<Entry>>,
    #[serde(alias = "bytes_value", rename = "bytesValue")]
    bytes: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Double {
    Number(f64),
    Text(String),
}

impl Wrapped {
    fn meant(self) -> Result<Any, Malformed> {
        if let Some(text) = self.text {
            return Ok(Any::Text(text));
        }
        if let Some(value) = self.bool {
            return Ok(Any::Bool(value));
        }
        if let Some(value) = self.int {
            return Ok(Any::Int(value.signed()?));
        }
        match self.double {
            Some(Double::Number(value)) => return Ok(Any::Double(value)),
            // Rust reads `NaN`, `Infinity` and `-Infinity` as the protocol writes them.
            Some(Double::Text(text)) => return text.parse().map(Any::Double).map_err(|_| Malformed),
            None => {}
        }
        if let Some(list) = self.list {
            return list.values.into_iter().map(Self::meant).collect::<Result<_, _>>().map(Any::List);
        }
        if let Some(map) = self.map {
            return entries(map.values).map(Any::Map);
        }
        match self.bytes {
            Some(text) => STANDARD.decode(text).map(Any::Bytes).map_err(|_| Malformed),
            None => Ok(Any::Nothing),
        }
    }
}

fn entries(list: Vec<Entry>) -> Result<Vec<(String, Any)>, Malformed> {
    list.into_iter().map(|entry| Ok((entry.key, entry.value.meant()?))).collect()
}

fn id(text: &str) -> Result<Vec<u8>, Malformed> {
    hex::decode(text).map_err(|_| Malformed)
}

impl Span {
    fn incoming(self) -> Result<Incoming, Malformed> {
        let events = self.events.into_iter().map(|event| {
            Ok(Event { name: event.name, at_ns: event.at.unsigned()?, attributes: entries(event.attributes)? })
        });
        let links = self.links.into_iter().map(|link| {
            Ok(Link { trace: id(&link.trace)?, span: id(&link.span)?, attributes: entries(link.attributes)? })
        });
        Ok(Incoming {
            trace: id(&self.trace)?,
            id: id(&self.id)?,
            parent: id(self.parent.as_deref().unwrap_or_default())?,
            name: self.name,
            start_ns: self.start.unsigned()?,
            end_ns: self.end.unsigned()?,
            attributes: entries(self.attributes)?,
            events: events.collect::<Result<_, _>>()?,
            links: links.collect::<Result<_, _>>()?,
            ended: match self.status.code {
                Some(Code::Number(code)) => ended(code),
                Some(Code::Name(name)) if name == "STATUS_CODE_OK" => Ended::Ok,
                Some(Code::Name(name)) if name == "STATUS_CODE_ERROR" => Ended::Error,
                Some(Code::Name(_)) | None => Ended::Unset,
            },
            message: self.status.message,
        })
    }
}

/// Takes from the budget what the objects and lists of some JSON will need.
fn reckon(body: &[u8], budget: &mut Budget) -> Result<(), Rejected> {
    let (mut in_text, mut escaped) = (false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => budget.take()?,
            _ => {}
        }
    }
    Ok(())
}

/// Reads an `ExportTraceServiceRequest`.
pub(super) fn request(body: &[u8], budget: &mut Budget) -> Result<Vec<Group>, Rejected> {
    windlass_scan::check_json(body, DEPTH, body.len()).map_err(|_| Malformed)?;
    reckon(body, budget)?;
    let request: Request = serde_json::from_slice(body).map_err(|_| Malformed)?;
    let groups = request.groups.into_iter().map(|group| {
        let spans = group.scopes.into_iter().flat_map(|scope| scope.spans).map(Span::incoming);
        Ok(Group { resource: entries(group.resource.attributes)?, spans: spans.collect::<Result<_, _>>()? })
    });
    groups.collect()
}
