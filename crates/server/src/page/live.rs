//! What keeps a page lively: server-sent events (HTML Living Standard, section 9.2).
//!
//! `/changes` says that something changed (`change` in the loop, `tracking` by a client), not what: the script asks for
//! its page again and exchanges the parts that differ. A step's log comes as it is written. Streams end after some
//! minutes, after which a browser asks again and is looked at anew, and when the server stops.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use windlass_control::Change;
use windlass_kinds::AttemptId;

use super::{error::PageError, viewer::Viewer};
use crate::{AppState, pulse::Pulse};

/// How many streams there may be at once.
const STREAMS: usize = 128;
/// How long one lasts.
const LIFE: Duration = Duration::from_secs(5 * 60);
/// How long changes are gathered before one event tells of them.
const GATHER: Duration = Duration::from_millis(400);
/// How often it is asked whether tracking clients wrote.
const TRACKING_EVERY: Duration = Duration::from_secs(1);
/// How often a log is looked at while nothing comes.
const LOG_EVERY: Duration = Duration::from_millis(500);
/// The most of a log that one event holds, in bytes.
const LOG_PIECE: usize = 64 << 10;

/// Counts streams, and ends them when the server stops.
pub(crate) struct Streams {
    room: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(STREAMS)), stop: watch::channel(false).0 }
    }
}

impl Streams {
    /// Ends every stream.
    pub(crate) fn end(&self) {
        self.stop.send_replace(true);
    }

    /// Makes room for a stream; none while there are too many.
    fn enter(&self) -> Option<Lease> {
        let permit = self.room.clone().try_acquire_owned().ok()?;
        Some(Lease { _permit: permit, stop: self.stop.subscribe(), until: tokio::time::Instant::now() + LIFE })
    }
}

/// A stream's room, and how it learns that it is over.
struct Lease {
    _permit: OwnedSemaphorePermit,
    stop: watch::Receiver<bool>,
    until: tokio::time::Instant,
}

impl Lease {
    /// Waits until the stream is over.
    async fn over(&mut self) {
        tokio::select! {
            _ = self.stop.wait_for(|stopped| *stopped) => {}
            () = tokio::time::sleep_until(self.until) => {}
        }
    }
}

fn answer(stream: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))).into_response()
}

fn full() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(axum::http::header::RETRY_AFTER, "30")], "too many pages are open")
        .into_response()
}

/// What a stream of changes listens to.
struct Listening {
    lease: Lease,
    changes: broadcast::Receiver<Change>,
    pulse: Arc<Pulse>,
    /// The count of writes that the page was told of.
    known: u64,
}

/// `GET /changes`: an event whenever something changed.
pub(super) async fn changes(State(state): State<AppState>, _viewer: Viewer) -> Response {
    let Some(lease) = state.streams.enter() else { return full() };
    let known = state.pulse.count();
    let first = Listening { lease, changes: state.control.changes(), pulse: state.pulse.clone(), known };
    answer(stream::unfold(first, |mut listening| async move {
        let Listening { lease, changes, pulse, known } = &mut listening;
        // Each can be left and asked again without losing anything, unlike the gathering behind it.
        let event = tokio::select! {
            () = lease.over() => return None,
            received = changes.recv() => match received {
                Err(broadcast::error::RecvError::Closed) => return None,
                // Too many to have seen each is a change too.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => "change",
            },
            count = written(pulse, *known) => {
                *known = count;
                "tracking"
            }
        };
        if event == "change" {
            gather(changes).await;
        }
        Some((Ok(Event::default().event(event).data("1")), listening))
    }))
}

/// Waits until tracking clients wrote more than `known` times; returns how often.
async fn written(pulse: &Pulse, known: u64) -> u64 {
    loop {
        // First, so that a page that is told all the time is told at most so often.
        tokio::time::sleep(TRACKING_EVERY).await;
        let count = pulse.count();
        if count != known {
            return count;
        }
    }
}

/// Takes in what comes right behind a change.
async fn gather(changes: &mut broadcast::Receiver<Change>) {
    tokio::time::sleep(GATHER).await;
    while !matches!(
        changes.try_recv(),
        Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
    ) {}
}

#[derive(Deserialize)]
pub(super) struct LogQuery {
    /// Where the page's own text of the log ends: a [`LogPlace`].
    #[serde(default)]
    from: String,
}

/// `GET …/log`: the newest attempt's log from where the browser has it, as it is written.
pub(super) async fn log(
    viewer: Viewer,
    Path((_, run, step)): Path<(String, String, String)>,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let control = viewer.state.control.clone();
    let run = control.find_run(&viewer.project, &run).await?;
    let step = control.find_step(&run, &step).await?;
    let Some(attempt) = step.attempt else { return Err(PageError::not_found("log yet")) };
    // A browser that comes again says where it was; the first time the page says it.
    let said = headers.get("last-event-id").and_then(|value| value.to_str().ok()).unwrap_or(&query.from);
    let place = LogPlace::parse(said);
    let offset = place.filter(|place| place.attempt == attempt).map_or(0, |place| place.offset);
    let Some(lease) = viewer.state.streams.enter() else { return Ok(full()) };
    let first = Some((lease, LogPlace { attempt, offset }));
    Ok(answer(stream::unfold(first, move |state| {
        let control = control.clone();
        async move {
            let (mut lease, place) = state?;
            loop {
                let chunk = control.executor().log(&place.attempt, place.offset, LOG_PIECE).await.ok()?;
                let next = LogPlace { attempt: place.attempt.clone(), offset: chunk.next };
                if !chunk.text.is_empty() {
                    // As JSON, so that a lone carriage return of a progress bar stays what it is.
                    let event = Event::default().event("log").id(next.to_string()).json_data(&chunk.text).ok()?;
                    return Some((Ok(event), Some((lease, next))));
                }
                if chunk.complete {
                    return Some((Ok(Event::default().event("end").data("1")), None));
                }
                tokio::select! {
                    () = lease.over() => return None,
                    () = tokio::time::sleep(LOG_EVERY) => {}
                }
            }
        }
    })))
}

/// Where in which log a browser is: `ATTEMPT:OFFSET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogPlace {
    pub(super) attempt: AttemptId,
    pub(super) offset: u64,
}

impl LogPlace {
    fn parse(text: &str) -> Option<Self> {
        let (attempt, offset) = text.rsplit_once(':')?;
        Some(Self { attempt: AttemptId::new(attempt), offset: offset.parse().ok()? })
    }
}

impl std::fmt::Display for LogPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.attempt, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_logs_read_and_write() {
        let place = LogPlace { attempt: AttemptId::new("ab"), offset: 12 };
        assert_eq!(LogPlace::parse(&place.to_string()), Some(place));
        for bad in ["", "ab", "ab:", "ab:-1", "ab:x"] {
            assert_eq!(LogPlace::parse(bad), None, "{bad}");
        }
    }
}
