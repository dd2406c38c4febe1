//! Answers that last: they end when the token they were asked with does.
//!
//! A long download, a log that is followed, a page's events: each is looked at again every few seconds, and at once
//! when this server revokes a token. An answer that may not go on breaks off rather than ends, so that nobody takes what
//! came for the whole.

use std::{io, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    http::{HeaderValue, header},
    response::Response,
};
use futures_util::stream;
use http_body_util::BodyExt as _;
use tokio::{sync::watch, time::Instant};

use super::tokens::{self, Credential};
use crate::{AppState, principal::Principal};

/// How often an answer that lasts is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// An answer whose size is known and at most this, in bytes, does not last.
const SHORT: u64 = 1 << 20;

/// What an answer under way was asked with.
struct Watch {
    state: AppState,
    credential: Credential,
    principal: Principal,
    revoked: watch::Receiver<u64>,
    next: Instant,
}

/// Makes an answer that lasts end with its token.
pub(super) fn watched(state: &AppState, credential: Credential, principal: Principal, answer: Response) -> Response {
    let size = answer.body().size_hint().exact();
    if answer.body().is_end_stream() || size.is_some_and(|size| size <= SHORT) {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    if let (Some(size), false) = (size, parts.headers.contains_key(header::CONTENT_LENGTH)) {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    let watch = Watch {
        state: state.clone(),
        credential,
        principal,
        revoked: state.tokens.revocations(),
        next: Instant::now() + EVERY,
    };
    let pieces = stream::unfold(Some((body, watch)), |going_on| async move {
        let (mut body, mut watch) = going_on?;
        loop {
            if watch.is_due() && !watch.is_good().await {
                let end = io::Error::new(io::ErrorKind::PermissionDenied, "the token of this request is good no more");
                return Some((Err(axum::Error::new(end)), None));
            }
            let frame = tokio::select! {
                () = watch.due() => continue,
                frame = body.frame() => frame?,
            };
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(piece)) => return Some((Ok(piece), Some((body, watch)))),
                // Trailers: no answer here has any.
                Ok(Err(_)) => {}
                Err(error) => return Some((Err(error), None)),
            }
        }
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

impl Watch {
    fn is_due(&self) -> bool {
        Instant::now() >= self.next || self.revoked.has_changed().unwrap_or(false)
    }

    /// Waits until the token is to be looked at.
    async fn due(&self) {
        let mut revoked = self.revoked.clone();
        tokio::select! {
            () = tokio::time::sleep_until(self.next) => {}
            // The sender lives as long as the server's state, which is held here.
            _ = revoked.changed() => {}
        }
    }

    /// Returns whether the token still gives what the request was let in with. Where the store cannot say, it goes on
    /// until the next look.
    async fn is_good(&mut self) -> bool {
        self.revoked.mark_unchanged();
        self.next = Instant::now() + EVERY;
        match tokens::principal_of(&self.state, &self.credential).await {
            Ok(Some(now)) => {
                let role = now.role_in(&self.principal.project);
                role.is_some_and(|role| role >= self.principal.role)
            }
            Ok(None) => false,
            Err(error) => error.is_ours(),
        }
    }
}
