//! Spans: as they come over OpenTelemetry's protocol, as MLflow keeps them, and as they go out again.
//!
//! MLflow keeps each attribute as JSON within the JSON of a span. That form is the content that the store holds, what
//! filters search in, and what a download of a trace's data is made of.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, Serializer};
use windlass_kinds::record::{Cost, Span, Tokens};

use super::any::{Any, WrappedEntry, quoted};

/// The attribute with the id of the trace.
const REQUEST_ID: &str = "mlflow.traceRequestId";
/// The attribute with what a span was asked.
pub(super) const INPUTS: &str = "mlflow.spanInputs";
/// The attribute with what it answered.
pub(super) const OUTPUTS: &str = "mlflow.spanOutputs";
const TYPE: &str = "mlflow.spanType";
const TOKENS: &str = "mlflow.chat.tokenUsage";
const COST: &str = "mlflow.llm.cost";
const MODEL: &str = "mlflow.llm.model";
const PROVIDER: &str = "mlflow.llm.provider";
/// The longest name of a model or provider, in characters, as MLflow cuts it.
const MODEL_MAX: usize = 500;

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Ended {
    #[default]
    Unset,
    Ok,
    Error,
}

impl Ended {
    /// Returns the word in the store.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unset => "UNSET",
            Self::Ok => "OK",
            Self::Error => "ERROR",
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Unset => "STATUS_CODE_UNSET",
            Self::Ok => "STATUS_CODE_OK",
            Self::Error => "STATUS_CODE_ERROR",
        }
    }
}

/// Something that happened within a span.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Event {
    pub(super) name: String,
    /// Nanoseconds since the epoch.
    pub(super) at_ns: u64,
    pub(super) attributes: Vec<(String, Any)>,
}

/// A span elsewhere that a span has to do with.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Link {
    pub(super) trace: Vec<u8>,
    pub(super) span: Vec<u8>,
    pub(super) attributes: Vec<(String, Any)>,
}

/// A span as it comes in.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Incoming {
    /// At most 16 bytes.
    pub(super) trace: Vec<u8>,
    /// At most 8 bytes.
    pub(super) id: Vec<u8>,
    /// At most 8 bytes; none where no span is around it.
    pub(super) parent: Vec<u8>,
    pub(super) name: String,
    /// Nanoseconds since the epoch.
    pub(super) start_ns: u64,
    /// Nanoseconds since the epoch; 0 where it has not ended.
    pub(super) end_ns: u64,
    pub(super) attributes: Vec<(String, Any)>,
    pub(super) events: Vec<Event>,
    pub(super) links: Vec<Link>,
    pub(super) ended: Ended,
    pub(super) message: String,
}

/// Returns an id with `N` bytes, zeros in front; `None` where it has more or is empty.
fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut id = [0; N];
    if bytes.is_empty() {
        return None;
    }
    id.get_mut(N.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(id)
}

/// Returns the id of a trace whose number OpenTelemetry chose.
pub(super) fn trace_id(bytes: &[u8; 16]) -> String {
    format!("tr-{}", hex::encode(bytes))
}

/// A span as it is kept, with what is read off it.
pub(super) struct Kept {
    /// The id of its trace.
    pub(super) trace: String,
    pub(super) span: Span,
    pub(super) ended: Ended,
    /// Its attributes, each as JSON.
    pub(super) attributes: Vec<(String, String)>,
}

impl Kept {
    /// Returns an attribute, JSON as text.
    pub(super) fn attribute(&self, key: &str) -> Option<&str> {
        find(&self.attributes, key)
    }

    /// Returns an attribute that is a text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let json = self.attribute(key)?;
        Some(serde_json::from_str(json).unwrap_or_else(|_| json.to_owned()))
    }
}

fn find<'a>(attributes: &'a [(String, String)], key: &str) -> Option<&'a str> {
    attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

/// Returns a text as people read it off JSON.
fn text_of(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

/// Returns an attribute as JSON. A text that is itself the JSON of a text, list or object was JSON before.
fn attribute_json(value: &Any) -> String {
    if let Any::Text(text) = value
        && text.trim_start().starts_with(['"', '[', '{'])
        && matches!(Any::parse(text), Some(Any::Text(_) | Any::List(_) | Any::Map(_)))
    {
        return text.clone();
    }
    value.json()
}

fn count(value: Option<&Any>) -> Option<i64> {
    match value? {
        Any::Int(count) => Some(*count),
        // Whole numbers up to 2^53 are the same as a double.
        Any::Double(count) if count.fract() == 0.0 && count.abs() <= 9_007_199_254_740_992.0 => Some(*count as i64),
        Any::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn amount(value: Option<&Any>) -> Option<f64> {
    let amount = match value? {
        Any::Int(amount) => *amount as f64,
        Any::Double(amount) => *amount,
        Any::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    amount.is_finite().then_some(amount)
}

/// Returns the tokens that a JSON object counts.
pub(super) fn tokens_of(json: &str) -> Tokens {
    let Some(usage) = Any::parse(json) else { return Tokens::default() };
    Tokens {
        input: count(usage.get("input_tokens")),
        output: count(usage.get("output_tokens")),
        total: count(usage.get("total_tokens")),
        cache_read: count(usage.get("cache_read_input_tokens")),
        cache_write: count(usage.get("cache_creation_input_tokens")),
        cache_write_long: count(usage.get("cache_creation_input_tokens_above_1hr")),
    }
}

/// Returns the cost that a JSON object tells.
pub(super) fn cost_of(json: &str) -> Cost {
    let Some(cost) = Any::parse(json) else { return Cost::default() };
    Cost {
        input: amount(cost.get("input_cost")),
        output: amount(cost.get("output_cost")),
        total: amount(cost.get("total_cost")),
    }
}

impl Incoming {
    /// Returns it as it is kept; `None` where an id is missing or too long, or a time is beyond the year 2262.
    pub(super) fn kept(self) -> Option<Kept> {
        let trace = id::<16>(&self.trace)?;
        let own = id::<8>(&self.id)?;
        let parent = if self.parent.is_empty() { None } else { Some(id::<8>(&self.parent)?) };
        let start_ns = i64::try_from(self.start_ns).ok()?;
        let end_ns = i64::try_from(self.end_ns).ok()?;
        let end_ns = (end_ns != 0).then_some(end_ns);
        let request = trace_id(&trace);

        let mut attributes: Vec<(String, String)> = Vec::with_capacity(self.attributes.len() + 1);
        let mut places: std::collections::HashMap<&str, usize> =
            std::collections::HashMap::with_capacity(self.attributes.len());
        for (key, value) in &self.attributes {
            let json = if key == REQUEST_ID { Any::Text(request.clone()).json() } else { attribute_json(value) };
            match places.get(key.as_str()) {
                Some(place) => attributes[*place].1 = json,
                None => {
                    places.insert(key.as_str(), attributes.len());
                    attributes.push((key.clone(), json));
                }
            }
        }
        if !places.contains_key(REQUEST_ID) {
            attributes.push((REQUEST_ID.to_owned(), Any::Text(request.clone()).json()));
        }
        super::translate::translate(&mut attributes);

        let mut content = String::with_capacity(512);
        content.push_str("{\"trace_id\": ");
        quoted(&mut content, &STANDARD.encode(trace));
        content.push_str(", \"span_id\": ");
        quoted(&mut content, &STANDARD.encode(own));
        content.push_str(", \"parent_span_id\": ");
        match parent {
            Some(parent) => quoted(&mut content, &STANDARD.encode(parent)),
            None => content.push_str("null"),
        }
        content.push_str(", \"name\": ");
        quoted(&mut content, &self.name);
        let end = end_ns.map_or("null".to_owned(), |end| end.to_string());
        content.push_str(&format!(", \"start_time_unix_nano\": {start_ns}, \"end_time_unix_nano\": {end}"));
        content.push_str(", \"events\": [");
        for (place, event) in self.events.into_iter().enumerate() {
            content.push_str(if place == 0 { "{\"name\": " } else { ", {\"name\": " });
            quoted(&mut content, &event.name);
            content.push_str(&format!(", \"time_unix_nano\": {}, \"attributes\": ", event.at_ns));
            Any::Map(event.attributes).write(&mut content);
            content.push('}');
        }
        content.push_str(&format!("], \"status\": {{\"code\": \"{}\", \"message\": ", self.ended.code()));
        quoted(&mut content, &self.message);
        content.push_str("}, \"attributes\": {");
        for (place, (key, json)) in attributes.iter().enumerate() {
            content.push_str(if place == 0 { "" } else { ", " });
            quoted(&mut content, key);
            content.push_str(": ");
            quoted(&mut content, json);
        }
        content.push_str("}, \"links\": [");
        let links =
            self.links.into_iter().filter_map(|link| Some((id::<16>(&link.trace)?, id::<8>(&link.span)?, link)));
        for (place, (trace, span, link)) in links.enumerate() {
            content.push_str(if place == 0 { "{\"trace_id\": " } else { ", {\"trace_id\": " });
            quoted(&mut content, &trace_id(&trace));
            content.push_str(&format!(", \"span_id\": \"{}\", \"attributes\": ", hex::encode(span)));
            Any::Map(link.attributes).write(&mut content);
            content.push('}');
        }
        content.push_str("]}");

        let short = |key| find(&attributes, key).map(|json| text_of(json).chars().take(MODEL_MAX).collect::<String>());
        let span = Span {
            id: hex::encode(own),
            parent: parent.map(hex::encode),
            name: self.name,
            kind: find(&attributes, TYPE).map(text_of),
            status: self.ended.word().to_owned(),
            start_ns,
            end_ns,
            tokens: find(&attributes, TOKENS).map(tokens_of).unwrap_or_default(),
            cost: find(&attributes, COST).map(cost_of).unwrap_or_default(),
            model: short(MODEL),
            provider: short(PROVIDER),
            content,
        };
        Some(Kept { trace: request, span, ended: self.ended, attributes })
    }
}

/// The content of a span, read back.
#[derive(Deserialize)]
struct Content {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    parent_span_id: Option<String>,
    name: String,
    start_time_unix_nano: u64,
    #[serde(default)]
    end_time_unix_nano: Option<u64>,
    #[serde(default)]
    events: Vec<ContentEvent>,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    attributes: Any,
    #[serde(default)]
    links: Vec<ContentLink>,
}

#[derive(Deserialize)]
struct ContentEvent {
    name: String,
    time_unix_nano: u64,
    #[serde(default)]
    attributes: Any,
}

#[derive(Deserialize)]
struct ContentLink {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    attributes: Any,
}

#[derive(Deserialize, Serialize, Default)]
struct Status {
    #[serde(skip_serializing_if = "String::is_empty", default)]
    message: String,
    #[serde(default)]
    code: String,
}

/// A span in the JSON form of OpenTelemetry's protocol buffers.
#[derive(Serialize)]
struct Outgoing<'a> {
    trace_id: &'a str,
    span_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<&'a str>,
    name: &'a str,
    start_time_unix_nano: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time_unix_nano: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<WrappedEntry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<OutgoingEvent<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<OutgoingLink<'a>>,
    status: &'a Status,
}

#[derive(Serialize)]
struct OutgoingEvent<'a> {
    time_unix_nano: u64,
    name: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<WrappedEntry<'a>>,
}

#[derive(Serialize)]
struct OutgoingLink<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<WrappedEntry<'a>>,
}

fn entries(value: &Any) -> Vec<WrappedEntry<'_>> {
    match value {
        Any::Map(entries) => WrappedEntry::of(entries),
        _ => Vec::new(),
    }
}

/// A span that is kept, to be written in the JSON form of OpenTelemetry's protocol buffers.
pub(super) struct Stored(Content);

impl Stored {
    /// Reads the content of a span; `None` where it is damaged.
    pub(super) fn read(content: &str) -> Option<Self> {
        let mut content: Content = serde_json::from_str(content).ok()?;
        if let Any::Map(attributes) = &mut content.attributes {
            for (_, value) in attributes {
                if let Any::Text(json) = value
                    && let Some(meant) = Any::parse(json)
                {
                    *value = meant;
                }
            }
        }
        Some(Self(content))
    }
}

impl Serialize for Stored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content = &self.0;
        let base64 = |id: &str| Some(STANDARD.encode(hex::decode(id).ok()?));
        let links = content.links.iter().filter_map(|link| {
            let trace_id = base64(link.trace_id.strip_prefix("tr-").unwrap_or(&link.trace_id))?;
            Some(OutgoingLink { trace_id, span_id: base64(&link.span_id)?, attributes: entries(&link.attributes) })
        });
        let events = content.events.iter().map(|event| OutgoingEvent {
            time_unix_nano: event.time_unix_nano,
            name: &event.name,
            attributes: entries(&event.attributes),
        });
        let outgoing = Outgoing {
            trace_id: &content.trace_id,
            span_id: &content.span_id,
            parent_span_id: content.parent_span_id.as_deref(),
            name: &content.name,
            start_time_unix_nano: content.start_time_unix_nano,
            end_time_unix_nano: content.end_time_unix_nano,
            attributes: entries(&content.attributes),
            events: events.collect(),
            links: links.collect(),
            status: &content.status,
        };
        outgoing.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming() -> Incoming {
        let text = |text: &str| Any::Text(text.to_owned());
        Incoming {
            trace: vec![1; 16],
            id: vec![2; 8],
            parent: vec![],
            name: "n".to_owned(),
            start_ns: 5,
            end_ns: 9,
            attributes: vec![
                ("a".to_owned(), text("x")),
                (INPUTS.to_owned(), text(r#"{"q": 1}"#)),
                (TOKENS.to_owned(), Any::Map(vec![("input_tokens".to_owned(), Any::Int(3))])),
                ("a".to_owned(), text("5")),
            ],
            events: vec![Event { name: "e".to_owned(), at_ns: 7, attributes: vec![("k".to_owned(), Any::Int(1))] }],
            links: vec![Link { trace: vec![3; 16], span: vec![4; 8], attributes: vec![] }],
            ended: Ended::Error,
            message: "m".to_owned(),
        }
    }

    #[test]
    fn spans_are_kept_as_mlflow_keeps_them() {
        let kept = incoming().kept().unwrap();
        assert_eq!(kept.trace, format!("tr-{}", "01".repeat(16)));
        let request = format!(r#""mlflow.traceRequestId": "\"{}\"""#, kept.trace);
        assert_eq!(
            kept.span.content,
            format!(
                r#"{{"trace_id": "AQEBAQEBAQEBAQEBAQEBAQ==", "span_id": "AgICAgICAgI=", "parent_span_id": null, "name": "n", "start_time_unix_nano": 5, "end_time_unix_nano": 9, "events": [{{"name": "e", "time_unix_nano": 7, "attributes": {{"k": 1}}}}], "status": {{"code": "STATUS_CODE_ERROR", "message": "m"}}, "attributes": {{"a": "\"5\"", "mlflow.spanInputs": "{{\"q\": 1}}", "mlflow.chat.tokenUsage": "{{\"input_tokens\": 3}}", {request}}}, "links": [{{"trace_id": "tr-03030303030303030303030303030303", "span_id": "0404040404040404", "attributes": {{}}}}]}}"#
            )
        );
        assert_eq!(kept.span.tokens, Tokens { input: Some(3), ..Tokens::default() });
        assert_eq!((kept.span.status.as_str(), kept.span.id.as_str()), ("ERROR", "0202020202020202"));
    }

    #[test]
    fn spans_go_out_as_they_came() {
        let kept = incoming().kept().unwrap();
        let out = serde_json::to_string(&Stored::read(&kept.span.content).unwrap()).unwrap();
        assert_eq!(
            out,
            format!(
                r#"{{"trace_id":"AQEBAQEBAQEBAQEBAQEBAQ==","span_id":"AgICAgICAgI=","name":"n","start_time_unix_nano":5,"end_time_unix_nano":9,"attributes":[{{"key":"a","value":{{"string_value":"5"}}}},{{"key":"mlflow.spanInputs","value":{{"kvlist_value":{{"values":[{{"key":"q","value":{{"int_value":1}}}}]}}}}}},{{"key":"mlflow.chat.tokenUsage","value":{{"kvlist_value":{{"values":[{{"key":"input_tokens","value":{{"int_value":3}}}}]}}}}}},{{"key":"mlflow.traceRequestId","value":{{"string_value":"{}"}}}}],"events":[{{"time_unix_nano":7,"name":"e","attributes":[{{"key":"k","value":{{"int_value":1}}}}]}}],"links":[{{"trace_id":"AwMDAwMDAwMDAwMDAwMDAw==","span_id":"BAQEBAQEBAQ="}}],"status":{{"message":"m","code":"STATUS_CODE_ERROR"}}}}"#,
                kept.trace
            )
        );
    }

    #[test]
    fn ids_and_times_are_judged() {
        for change in [
            (|span: &mut Incoming| span.trace.clear()) as fn(&mut Incoming),
            |span| span.id.clear(),
            |span| span.trace.push(1),
            |span| span.parent = vec![1; 9],
            |span| span.start_ns = u64::MAX,
            |span| span.end_ns = 1 << 63,
        ] {
            let mut span = incoming();
            change(&mut span);
            assert!(span.kept().is_none());
        }
    }
}
