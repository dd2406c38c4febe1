//! `POST /v1/traces`: spans over OpenTelemetry's protocol (OTLP/HTTP), as protocol buffers or JSON, plain or compressed.
//!
//! A request is taken as a whole or not at all. Its body is capped before and after it is unpacked, and so is what is made
//! of it in memory. The protocol: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.

mod json;
mod message;
mod protobuf;
#[cfg(test)]
mod tests;

use std::io::Read;

use axum::{
    Json,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use serde::Serialize;
use windlass_kinds::{RunId, TraceId};
use windlass_plan::access::Operation;
use windlass_store::{SpanBatch, TraceLink};

use self::protobuf::Malformed;
use super::{any::Any, batch, span::Incoming};
use crate::{
    AppState,
    mlflow::{door::Door, error::Error, experiments},
};

/// The header that names the experiment.
const EXPERIMENT: &str = "x-mlflow-experiment-id";
/// The header that names the run in which the traces were made.
const RUN: &str = "x-mlflow-run-id";
/// How many values a request may hold: spans, events, links, keys and everything below them.
const VALUES_MAX: u32 = 500_000;
/// From how many bytes on a body is unpacked and read beside the threads that answer requests.
const LARGE: usize = 64 << 10;

/// Spans that came from one place.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Group {
    /// What is said of the place.
    pub(super) resource: Vec<(String, Any)>,
    pub(super) spans: Vec<Incoming>,
}

/// How many more values a request may hold.
struct Budget(u32);

impl Budget {
    fn take(&mut self) -> Result<(), Rejected> {
        self.0 = self.0.checked_sub(1).ok_or(Rejected::TooMany)?;
        Ok(())
    }
}

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Rejected {
    /// It cannot be unpacked.
    #[error("Failed to decompress {0} payload")]
    Packed(&'static str),
    /// It is larger than we read.
    #[error("The request has more than {0} bytes, as it is or decompressed.")]
    TooLarge(usize),
    /// It holds more values than we take.
    #[error("The request has more than {VALUES_MAX} values; send fewer spans at once.")]
    TooMany,
    /// It is none of the protocol.
    #[error("Invalid OpenTelemetry format")]
    Malformed,
    /// There is nothing in it.
    #[error("Invalid OpenTelemetry format - no spans found")]
    Empty,
    /// A span has no id, or one that is none.
    #[error("Cannot convert OpenTelemetry span to MLflow span")]
    Span,
}

impl From<Malformed> for Rejected {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// A refusal in the shape of this door.
#[derive(Serialize)]
struct Detail {
    detail: String,
}

fn refuse(status: StatusCode, detail: impl Into<String>) -> Response {
    (status, Json(Detail { detail: detail.into() })).into_response()
}

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Packed(_) | Self::Malformed | Self::Empty => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) | Self::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Span => StatusCode::UNPROCESSABLE_ENTITY,
        };
        refuse(status, self.to_string())
    }
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Deflate,
}

/// Returns the bytes of a reader; refuses more than `cap`.
fn read_all(reader: impl Read, cap: usize, name: &'static str) -> Result<Vec<u8>, Rejected> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(cap).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_to_end(&mut bytes).map_err(|_| Rejected::Packed(name))?;
    if bytes.len() > cap { Err(Rejected::TooLarge(cap)) } else { Ok(bytes) }
}

fn unpack(body: &[u8], packing: Packing, cap: usize) -> Result<Vec<u8>, Rejected> {
    match packing {
        Packing::None => Ok(body.to_vec()),
        Packing::Gzip => read_all(MultiGzDecoder::new(body), cap, "gzip"),
        // Some clients leave the envelope of RFC 1950 out.
        Packing::Deflate => match read_all(ZlibDecoder::new(body), cap, "deflate") {
            Err(Rejected::Packed(name)) => read_all(DeflateDecoder::new(body), cap, name),
            other => other,
        },
    }
}

/// Returns the spans of a body by the traces that they belong to.
fn read(body: &[u8], is_json: bool, packing: Packing, cap: usize) -> Result<Vec<batch::Batch>, Rejected> {
    let unpacked;
    let body = match packing {
        Packing::None => body,
        Packing::Gzip | Packing::Deflate => {
            unpacked = unpack(body, packing, cap)?;
            &unpacked
        }
    };
    let mut budget = Budget(VALUES_MAX);
    let groups = if is_json { json::request(body, &mut budget)? } else { message::request(body, &mut budget)? };
    if groups.is_empty() {
        return Err(Rejected::Empty);
    }
    batch::by_trace(groups).ok_or(Rejected::Span)
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(in super::super) async fn take(door: Door, State(state): State<AppState>, request: Request) -> Response {
    if let Err(refusal) = door.may(Operation::WriteTracking) {
        return refusal.into_response();
    }
    let (parts, body) = request.into_parts();
    let kind = text(&parts.headers, header::CONTENT_TYPE).unwrap_or_default();
    let is_json = match kind.split(';').next().map(str::trim) {
        Some("application/x-protobuf") => false,
        Some("application/json") => true,
        _ => {
            let detail = format!("Invalid Content-Type: {kind}. Expected: application/x-protobuf or application/json");
            return refuse(StatusCode::BAD_REQUEST, detail);
        }
    };
    let packing = match text(&parts.headers, header::CONTENT_ENCODING).map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "identity") => Packing::None,
        Some("gzip") => Packing::Gzip,
        Some("deflate") => Packing::Deflate,
        Some(other) => return refuse(StatusCode::BAD_REQUEST, format!("Unsupported Content-Encoding: {other}")),
    };
    let Some(experiment) = text(&parts.headers, EXPERIMENT) else {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, format!("the header {EXPERIMENT} is required"));
    };
    let cap = state.settings.body_cap;
    let Ok(body) = to_bytes(body, cap).await else { return Rejected::TooLarge(cap).into_response() };
    let batches = match read_beside(body, is_json, packing, cap).await {
        Ok(batches) => batches,
        Err(rejected) => return rejected.into_response(),
    };
    match put(&door, experiment, text(&parts.headers, RUN), batches).await {
        Ok(()) if is_json => Json(serde_json::json!({})).into_response(),
        // An answer with nothing to say is an empty message.
        Ok(()) => ([(header::CONTENT_TYPE, "application/x-protobuf")], Vec::new()).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn read_beside(body: Bytes, is_json: bool, packing: Packing, cap: usize) -> Result<Vec<batch::Batch>, Rejected> {
    if body.len() < LARGE && packing == Packing::None {
        return read(&body, is_json, packing, cap);
    }
    let read = tokio::task::spawn_blocking(move || read(&body, is_json, packing, cap));
    // A body that cannot be read without a panic is none of the protocol.
    read.await.unwrap_or(Err(Rejected::Malformed))
}

async fn put(door: &Door, experiment: &str, run: Option<&str>, batches: Vec<batch::Batch>) -> Result<(), Error> {
    let experiment = experiments::id(experiment)?;
    if experiment.as_str() == "0" {
        experiments::ensure_default(door).await?;
    }
    // Traces whose first span is here are complete; only these are linked.
    let complete = batches.iter().filter(|batch| batch.root.is_some()).map(|batch| TraceId::new(&batch.trace));
    let linked: Vec<TraceId> = if run.is_some() { complete.collect() } else { Vec::new() };
    let links: Vec<TraceLink> = run.map(|run| TraceLink::Run(RunId::new(run))).into_iter().collect();
    let batches: Vec<SpanBatch> = batches.into_iter().map(|batch| batch.told(&experiment)).collect();
    door.write((door.project().clone(), experiment, batches, linked, links), |tx, a| {
        Box::pin(async move {
            tx.spans_put(&a.0, &a.1, &a.2).await?;
            if !a.3.is_empty() {
                tx.traces_link(&a.0, &a.3, &a.4).await?;
            }
            Ok(())
        })
    })
    .await
}
