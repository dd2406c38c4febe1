//! A request to take spans in, read from a protocol buffer.
//!
//! What is made in memory of a request is bounded by a budget of values, since two bytes on the wire can be a value that
//! takes fifty in memory. The messages: <https://github.com/open-telemetry/opentelemetry-proto>, `trace/v1/trace.proto`.

use super::{
    super::{
        any::Any,
        span::{Ended, Event, Incoming, Link},
    },
    Budget, Group, Rejected,
    protobuf::{Fields, Malformed, Value},
};

/// How deep values may nest.
const DEPTH: usize = 48;

/// Reads an `ExportTraceServiceRequest`.
pub(super) fn request(body: &[u8], budget: &mut Budget) -> Result<Vec<Group>, Rejected> {
    let mut groups = Vec::new();
    for field in Fields::new(body) {
        if let (1, value) = field? {
            budget.take()?;
            groups.push(group(value.bytes()?, budget)?);
        }
    }
    Ok(groups)
}

/// Reads a `ResourceSpans`.
fn group(body: &[u8], budget: &mut Budget) -> Result<Group, Rejected> {
    let mut group = Group::default();
    for field in Fields::new(body) {
        match field? {
            (1, value) => {
                for field in Fields::new(value.bytes()?) {
                    if let (1, value) = field? {
                        group.resource.push(entry(value, budget, 0)?);
                    }
                }
            }
            (2, value) => {
                for field in Fields::new(value.bytes()?) {
                    if let (2, value) = field? {
                        group.spans.push(span(value.bytes()?, budget)?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(group)
}

fn span(body: &[u8], budget: &mut Budget) -> Result<Incoming, Rejected> {
    budget.take()?;
    let mut span = Incoming::default();
    for field in Fields::new(body) {
        match field? {
            (1, value) => span.trace = value.bytes()?.to_vec(),
            (2, value) => span.id = value.bytes()?.to_vec(),
            (4, value) => span.parent = value.bytes()?.to_vec(),
            (5, value) => span.name = value.text()?,
            (7, value) => span.start_ns = value.fixed64()?,
            (8, value) => span.end_ns = value.fixed64()?,
            (9, value) => span.attributes.push(entry(value, budget, 0)?),
            (11, value) => span.events.push(event(value.bytes()?, budget)?),
            (13, value) => span.links.push(link(value.bytes()?, budget)?),
            (15, value) => {
                for field in Fields::new(value.bytes()?) {
                    match field? {
                        (2, value) => span.message = value.text()?,
                        (3, value) => span.ended = ended(value.varint()?),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(span)
}

/// Returns what a status code means.
pub(super) fn ended(code: u64) -> Ended {
    match code {
        1 => Ended::Ok,
        2 => Ended::Error,
        _ => Ended::Unset,
    }
}

fn event(body: &[u8], budget: &mut Budget) -> Result<Event, Rejected> {
    budget.take()?;
    let mut event = Event::default();
    for field in Fields::new(body) {
        match field? {
            (1, value) => event.at_ns = value.fixed64()?,
            (2, value) => event.name = value.text()?,
            (3, value) => event.attributes.push(entry(value, budget, 0)?),
            _ => {}
        }
    }
    Ok(event)
}

fn link(body: &[u8], budget: &mut Budget) -> Result<Link, Rejected> {
    budget.take()?;
    let mut link = Link::default();
    for field in Fields::new(body) {
        match field? {
            (1, value) => link.trace = value.bytes()?.to_vec(),
            (2, value) => link.span = value.bytes()?.to_vec(),
            (4, value) => link.attributes.push(entry(value, budget, 0)?),
            _ => {}
        }
    }
    Ok(link)
}

/// Reads a `KeyValue`.
fn entry(value: Value<'_>, budget: &mut Budget, depth: usize) -> Result<(String, Any), Rejected> {
    budget.take()?;
    let (mut key, mut meant) = (String::new(), Any::Nothing);
    for field in Fields::new(value.bytes()?) {
        match field? {
            (1, value) => key = value.text()?,
            (2, value) => meant = any(value.bytes()?, budget, depth)?,
            _ => {}
        }
    }
    Ok((key, meant))
}

/// Reads an `AnyValue`.
fn any(body: &[u8], budget: &mut Budget, depth: usize) -> Result<Any, Rejected> {
    budget.take()?;
    if depth > DEPTH {
        return Err(Malformed.into());
    }
    let mut meant = Any::Nothing;
    for field in Fields::new(body) {
        meant = match field? {
            (1, value) => Any::Text(value.text()?),
            (2, value) => Any::Bool(value.varint()? != 0),
            // Negative numbers are sent as their two's complement.
            (3, value) => Any::Int(value.varint()?.cast_signed()),
            (4, value) => Any::Double(f64::from_bits(value.fixed64()?)),
            (5, value) => {
                let mut items = Vec::new();
                for field in Fields::new(value.bytes()?) {
                    if let (1, value) = field? {
                        items.push(any(value.bytes()?, budget, depth + 1)?);
                    }
                }
                Any::List(items)
            }
            (6, value) => {
                let mut entries = Vec::new();
                for field in Fields::new(value.bytes()?) {
                    if let (1, value) = field? {
                        entries.push(entry(value, budget, depth + 1)?);
                    }
                }
                Any::Map(entries)
            }
            (7, value) => Any::Bytes(value.bytes()?.to_vec()),
            _ => continue,
        };
    }
    Ok(meant)
}
