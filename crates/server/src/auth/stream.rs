//! What lasts: it ends when the token that it was asked with does.
//!
//! A long download, a log that is followed, a page's events, an upload: each is looked at again every few seconds, and at
//! once when this server revokes a token. What may not go on breaks off rather than ends, so that nobody takes what came
//! for the whole.

use std::{io, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
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
/// What has a known size of at most this, in bytes, does not last.
const SHORT: u64 = 1 << 20;

/// What a request was let in with.
#[derive(Clone)]
pub(super) struct Pass {
    pub(super) state: AppState,
    pub(super) credential: Credential,
    pub(super) principal: Principal,
}

/// A pass that is looked at again and again.
struct Watch {
    pass: Pass,
    revoked: watch::Receiver<u64>,
    next: Instant,
}

/// Makes a request whose body lasts end with its token.
pub(super) fn request(pass: &Pass, request: Request) -> Request {
    if lasts(request.body()) { request.map(|body| watched(pass, body)) } else { request }
}

/// Makes an answer that lasts end with its token.
pub(super) fn answer(pass: &Pass, mut answer: Response) -> Response {
    if !lasts(answer.body()) {
        return answer;
    }
    if let (Some(size), false) =
        (answer.body().size_hint().exact(), answer.headers().contains_key(header::CONTENT_LENGTH))
    {
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    answer.map(|body| watched(pass, body))
}

fn lasts(body: &Body) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none_or(|size| size > SHORT)
}

fn watched(pass: &Pass, body: Body) -> Body {
    let watch = Watch { pass: pass.clone(), revoked: pass.state.tokens.revocations(), next: Instant::now() + EVERY };
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
                // Trailers: nothing here has any.
                Ok(Err(_)) => {}
                Err(error) => return Some((Err(error), None)),
            }
        }
    });
    Body::from_stream(pieces)
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
        match tokens::principal_of(&self.pass.state, &self.pass.credential).await {
            Ok(Some(now)) => {
                let role = now.role_in(&self.pass.principal.project);
                role.is_some_and(|role| role >= self.pass.principal.role)
            }
            Ok(None) => false,
            Err(error) => error.is_ours(),
        }
    }
}
