//! A client for one of our own servers behind a unix socket.
//!
//! It stands apart from [`Client`](crate::Client) because nothing of that one applies: there is no name to resolve, no
//! certificate, no proxy and no stranger, while a request comes for each prediction and has to cost next to nothing. A
//! connection is moved by the task that asks through it, so an exchange wakes no second task. Nothing is asked twice
//! here: whether a request may be repeated is the caller's to know.

use std::{
    future::poll_fn,
    io,
    path::{Path, PathBuf},
    pin::{Pin, pin},
    sync::Mutex,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Speaks HTTP/1.1 to the server behind one socket, over connections that are kept.
#[derive(Debug)]
pub struct SocketClient {
    path: PathBuf,
    answer_max: usize,
    kept_max: usize,
    idle: Mutex<Vec<Link>>,
}

/// Why the server behind a socket gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Nobody listens there, or nobody takes connections.
    #[error("failed to connect to `{}`", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The exchange broke off before the answer was complete.
    #[error("the exchange with `{}` broke off", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What the connection said.
        #[source]
        source: hyper::Error,
    },
    /// More bytes than we were ready to take.
    #[error("the answer of `{}` is larger than {max} bytes", path.display())]
    TooLarge {
        /// The socket.
        path: PathBuf,
        /// The limit in bytes.
        max: usize,
    },
}

impl SocketClient {
    /// Makes a client that takes answers of at most `answer_max` bytes and keeps at most `kept_max` idle connections.
    /// Nothing is connected yet.
    pub fn new(path: impl Into<PathBuf>, answer_max: usize, kept_max: usize) -> Self {
        Self { path: path.into(), answer_max, kept_max, idle: Mutex::new(Vec::new()) }
    }

    /// Returns the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends a request, whose URI is a path, and returns the whole answer. Dropping the future closes the connection.
    ///
    /// # Errors
    /// See [`SocketError`]; a status is no error.
    pub async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, SocketError> {
        request.headers_mut().entry(header::HOST).or_insert(header::HeaderValue::from_static("localhost"));
        let mut link = match self.take_idle().await {
            Some(link) => link,
            None => self.connect().await?,
        };
        let answer = link.exchange(request.map(Full::new), self.answer_max).await;
        let answer = answer.map_err(|failure| match failure {
            Failure::Broken(source) => SocketError::Broken { path: self.path.clone(), source },
            Failure::TooLarge => SocketError::TooLarge { path: self.path.clone(), max: self.answer_max },
        })?;
        if link.is_open().await {
            let mut idle = self.idle.lock().expect("not poisoned");
            if idle.len() < self.kept_max {
                idle.push(link);
            }
        }
        Ok(answer)
    }

    /// Returns the connection that was used last and is still open; those that the server closed are dropped.
    async fn take_idle(&self) -> Option<Link> {
        loop {
            let mut link = self.idle.lock().expect("not poisoned").pop()?;
            if link.is_open().await {
                return Some(link);
            }
        }
    }

    async fn connect(&self) -> Result<Link, SocketError> {
        let stream = UnixStream::connect(&self.path)
            .await
            .map_err(|source| SocketError::Connect { path: self.path.clone(), source })?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| SocketError::Broken { path: self.path.clone(), source })?;
        Ok(Link { sender, connection: Some(Box::pin(connection)) })
    }
}

/// One connection. It moves only while somebody polls it.
#[derive(Debug)]
struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// None once it ended.
    connection: Option<Moving>,
}

/// What moves a connection's bytes.
type Moving = Pin<Box<Connection<TokioIo<UnixStream>, Full<Bytes>>>>;

enum Failure {
    Broken(hyper::Error),
    TooLarge,
}

impl Link {
    async fn exchange(&mut self, request: Request<Full<Bytes>>, max: usize) -> Result<Response<Bytes>, Failure> {
        let Self { sender, connection } = self;
        let mut answer = pin!(async {
            let (head, body) = sender.send_request(request).await.map_err(Failure::Broken)?.into_parts();
            let body = Limited::new(body, max).collect().await.map_err(|error| match error.downcast() {
                Ok(broken) => Failure::Broken(*broken),
                Err(_) => Failure::TooLarge,
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        });
        poll_fn(|context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            advance(connection, context);
            // What the connection just read is taken at once, not at the next wake-up.
            answer.as_mut().poll(context)
        })
        .await
    }

    /// Returns whether another request can be sent, as far as this side can tell.
    async fn is_open(&mut self) -> bool {
        poll_fn(|context| {
            advance(&mut self.connection, context);
            Poll::Ready(self.connection.is_some() && self.sender.is_ready())
        })
        .await
    }
}

/// Moves a connection as far as it goes, and drops it once it ended: whoever waits for it then hears of it.
fn advance(connection: &mut Option<Moving>, context: &mut Context<'_>) {
    if let Some(moving) = connection
        && moving.as_mut().poll(context).is_ready()
    {
        *connection = None;
    }
}
