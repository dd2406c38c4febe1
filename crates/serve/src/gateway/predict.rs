//! A request for predictions from its head to its answer.

use std::time::Instant as Started;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::{
    GatewaySettings, body,
    call::{Call, Form, Written},
    endpoint::Endpoint,
    forward::{self, Tries},
    record,
    refusal::Refusal,
    route::{Held, Live},
};
use crate::{
    hop::{self, Reply},
    log::PredictionLog,
    protocol::Request,
};

/// How many requests may be read for each that may be answered: a slow client takes no place of one that is not.
const READING: u64 = 4;
/// The bytes above which a body is decoded, or an answer encoded, aside from what serves all others.
const LARGE: usize = 256 << 10;
/// The longest id of a request.
const ID_MAX: usize = 128;

/// What a request for predictions is answered with.
pub(super) struct Answered {
    pub(super) written: Written,
    pub(super) request_id: String,
    /// The version that predicted.
    pub(super) version: u32,
}

/// A request that was read and checked for one route.
struct Prepared {
    request: Request,
    form: Form,
    request_id: String,
    row_ids: Vec<String>,
    /// As the model server is asked.
    question: Bytes,
}

/// Answers a request for predictions, and counts it.
pub(super) async fn predict(
    settings: &GatewaySettings,
    endpoint: &Endpoint,
    call: Call,
    headers: &HeaderMap,
    body: Body,
) -> Result<Answered, Refusal> {
    let started = Started::now();
    let outcome = answer(settings, endpoint, call, headers, body).await;
    let status = outcome.as_ref().err().map_or(StatusCode::OK, |refusal| refusal.status);
    endpoint.counters.answered(status, started.elapsed());
    outcome
}

async fn answer(
    settings: &GatewaySettings,
    endpoint: &Endpoint,
    call: Call,
    headers: &HeaderMap,
    body: Body,
) -> Result<Answered, Refusal> {
    let given_id = given_id(headers)?;
    let first = endpoint.current().ok_or_else(Refusal::not_ready)?;
    let limits = &first.route.limits;
    let deadline = Instant::now() + limits.timeout.0;
    call.check(&first)?;
    let too_many =
        || Refusal::new(StatusCode::TOO_MANY_REQUESTS, "as many requests as may are being answered; try again");
    let concurrency = u64::from(limits.concurrency);
    let reading = endpoint.counters.begin_reading(concurrency.saturating_mul(READING)).ok_or_else(too_many)?;
    let body = body::read(headers, body, limits.max_body, deadline).await?;
    drop(reading);
    let _counted = endpoint.counters.begin(concurrency).ok_or_else(too_many)?;

    let mut held = endpoint.hold().ok_or_else(Refusal::not_ready)?;
    let mut prepared = prepare(&held, &call, &body, given_id.as_deref()).await?;
    let mut tries = Tries::default();
    let answer = loop {
        if let Some(answer) = tries.send(endpoint, &held.live, &prepared.question, deadline).await? {
            break answer;
        }
        let now = endpoint.hold().ok_or_else(Refusal::not_ready)?;
        if !std::sync::Arc::ptr_eq(&now.live, &held.live) {
            // Another version may take other columns.
            prepared = prepare(&now, &call, &body, Some(&prepared.request_id)).await?;
        }
        held = now;
    };
    finish(settings, endpoint.open_log(), endpoint, held, prepared, answer).await
}

/// Reads the answer of a model server, logs it, and writes it as it was asked for.
async fn finish(
    settings: &GatewaySettings,
    log: Option<&PredictionLog>,
    endpoint: &Endpoint,
    held: Held,
    prepared: Prepared,
    answer: BytesMut,
) -> Result<Answered, Refusal> {
    let Prepared { request, form, request_id, row_ids, question: _ } = prepared;
    let (rows, version) = (request.rows.rows(), held.live.route.version);
    let is_large = answer.len() > LARGE;
    let (predictions, written) = aside(is_large, move || {
        let predictions = match hop::read_reply(&answer, rows) {
            Some(Reply::Predictions(predictions)) => predictions,
            Some(Reply::Refused(status, why)) => return Err(forward::refused(status, &why)),
            None => return Err(Refusal::new(StatusCode::BAD_GATEWAY, "the model server's answer cannot be read")),
        };
        let written = form.encode(version, &predictions)?;
        Ok::<_, Refusal>((predictions, written))
    })
    .await?;
    endpoint.counters.predicted(rows);
    if let Some(log) = log {
        let at = (settings.clock)();
        record::log(log, &held.live, &request, &predictions, (&request_id, &row_ids), at).await;
    }
    Ok(Answered { written, request_id, version })
}

/// Reads and checks a body for a route.
async fn prepare(held: &Held, call: &Call, body: &Bytes, given_id: Option<&str>) -> Result<Prepared, Refusal> {
    let (live, call, body) = (std::sync::Arc::clone(&held.live), call.clone(), body.clone());
    let given_id = given_id.map(str::to_owned);
    aside(body.len() > LARGE, move || {
        call.check(&live)?;
        prepare_now(&live, &call, &body, given_id)
    })
    .await
}

fn prepare_now(live: &Live, call: &Call, body: &[u8], given_id: Option<String>) -> Result<Prepared, Refusal> {
    let (request, form) = call.decode(body, live)?;
    let own_id = || request.id.clone().filter(|id| is_id(id.as_bytes()));
    let request_id = match given_id.or_else(own_id) {
        Some(id) => id,
        None => random_id()?,
    };
    let row_ids = record::name_rows(live, &request, &request_id)?;
    let question = hop::question(&live.route.signature, &request.rows).into();
    Ok(Prepared { request, form, request_id, row_ids, question })
}

/// Does work here where it is small, and where nobody waits for it otherwise.
async fn aside<T: Send + 'static>(
    is_large: bool,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    if !is_large {
        return work();
    }
    let failed = |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "reading the request failed");
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// Returns the id that the header gives the request.
fn given_id(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get("x-request-id") else { return Ok(None) };
    match value.to_str() {
        Ok(id) if is_id(id.as_bytes()) => Ok(Some(id.to_owned())),
        Ok(_) | Err(_) => {
            let message = format!("`X-Request-Id` must have 1 to {ID_MAX} visible ASCII characters");
            Err(Refusal::new(StatusCode::BAD_REQUEST, message))
        }
    }
}

fn is_id(id: &[u8]) -> bool {
    (1..=ID_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// Returns an id that no other request has.
fn random_id() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no randomness: {error}")))?;
    Ok(hex::encode(bytes))
}
