//! What a request still sends after it was answered.
//!
//! A refusal often comes before the body was read: no token, too long, not found. A connection that is closed with bytes
//! under way is reset, and the reset can overtake the answer; so the client would see a broken connection instead of the
//! reason. Therefore the rest is read and thrown away first, up to a limit, and the connection goes on. Beyond the limit
//! the answer says that the connection ends.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};

/// The most that is thrown away, in bytes: somewhat more than the longest body that anything here takes.
const MOST: u64 = 128 << 20;
/// The longest that is waited for it.
const LONGEST: Duration = Duration::from_secs(5);

/// Where a body leaves what was not read of it.
#[derive(Clone, Default)]
pub(crate) struct Unread(Arc<Mutex<Option<Incoming>>>);

/// A body that leaves behind what was not read of it.
struct Watched {
    body: Option<Incoming>,
    unread: Unread,
}

impl Unread {
    /// Returns the body as handlers read it.
    pub(crate) fn watch(&self, body: Incoming) -> Body {
        if body.is_end_stream() {
            Body::new(body)
        } else {
            Body::new(Watched { body: Some(body), unread: self.clone() })
        }
    }

    /// Reads what the client still sends, or says in the answer that the connection ends.
    pub(crate) async fn drain(self, response: &mut Response<Body>) {
        let rest = self.0.lock().expect("not poisoned").take();
        let Some(rest) = rest else { return };
        // Whoever was too slow already is not waited for once more.
        let is_slow = response.status() == StatusCode::REQUEST_TIMEOUT;
        if is_slow || !tokio::time::timeout(LONGEST, discard(rest)).await.unwrap_or(false) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Reads a body to its end; returns whether it came within the limit.
async fn discard(mut body: Incoming) -> bool {
    let mut read = 0;
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else { return false };
        read += frame.data_ref().map_or(0, |data| data.len() as u64);
        if read > MOST {
            return false;
        }
    }
    true
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Incoming::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.unread.0.lock().expect("not poisoned") = Some(body);
        }
    }
}
