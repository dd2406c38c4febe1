//! The gateway's end: for each thread one connection to a model server, for all that the thread asks it.
//!
//! A connection belongs to the thread that opened it, so that an answer wakes nobody but who waits for it. What many
//! requests ask in one turn of the thread is written at once. A question is not asked twice here: whether it may be is
//! the caller's to know.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Mutex,
    thread::{self, ThreadId},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::{mpsc, oneshot},
};

use super::{
    PATH, UPGRADE,
    frame::{self, First},
};

/// How many bytes are read at once, at least.
const READ: usize = 16 << 10;
/// The most bytes that may wait to be written before more questions are taken.
const WAITING_MAX: usize = 1 << 20;
/// The longest answer to an upgrade.
const HEAD_MAX: usize = 8 << 10;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// Nobody listens there, or nobody takes connections.
    #[error("failed to connect to `{}`", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The connection broke off before the reply.
    #[error("the connection to `{}` broke off", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
    },
    /// More bytes than we were ready to take.
    #[error("the reply of `{}` is larger than {max} bytes", path.display())]
    TooLarge {
        /// The socket.
        path: PathBuf,
        /// The limit in bytes.
        max: usize,
    },
}

/// The connections to one model server. Nothing is connected before the first question.
#[derive(Debug)]
pub(crate) struct Links {
    path: PathBuf,
    /// The most bytes of a reply.
    reply_max: usize,
    /// One for each thread that asked: there are a handful.
    open: Mutex<Vec<(ThreadId, Link)>>,
}

/// A connection, as those who ask see it.
type Link = mpsc::UnboundedSender<Question>;

#[derive(Debug)]
struct Question {
    content: Bytes,
    reply: oneshot::Sender<Result<BytesMut, TooLarge>>,
}

/// The reply has more bytes than may be.
#[derive(Debug)]
struct TooLarge;

impl Links {
    /// Makes links to the server behind a socket, for replies of at most `reply_max` bytes.
    pub(crate) fn new(path: &Path, reply_max: usize) -> Self {
        Self { path: path.to_owned(), reply_max, open: Mutex::default() }
    }

    /// Asks a question and returns the reply's content.
    ///
    /// # Errors
    /// See [`LinkError`]; that the model server refuses is no error.
    pub(crate) async fn ask(&self, content: Bytes) -> Result<BytesMut, LinkError> {
        let (reply, replied) = oneshot::channel();
        let question = Question { content, reply };
        let sent = match self.link() {
            Some(link) => link.send(question).map_err(|refused| refused.0),
            None => Err(question),
        };
        if let Err(question) = sent {
            // None, or one whose server is gone.
            let link = self.connect().await?;
            link.send(question).map_err(|_| self.broken())?;
        }
        match replied.await {
            Ok(Ok(content)) => Ok(content),
            Ok(Err(TooLarge)) => Err(LinkError::TooLarge { path: self.path.clone(), max: self.reply_max }),
            Err(_) => Err(self.broken()),
        }
    }

    fn broken(&self) -> LinkError {
        LinkError::Broken { path: self.path.clone() }
    }

    /// Returns this thread's connection, where it is open.
    fn link(&self) -> Option<Link> {
        let open = self.open.lock().expect("not poisoned");
        let own = thread::current().id();
        open.iter().find(|(thread, link)| *thread == own && !link.is_closed()).map(|(_, link)| link.clone())
    }

    async fn connect(&self) -> Result<Link, LinkError> {
        let failed = |source| LinkError::Connect { path: self.path.clone(), source };
        let mut stream = UnixStream::connect(&self.path).await.map_err(failed)?;
        let input = upgrade(&mut stream).await.map_err(|_| self.broken())?;
        let (link, questions) = mpsc::unbounded_channel();
        tokio::spawn(drive(stream, input, questions, self.reply_max));
        let mut open = self.open.lock().expect("not poisoned");
        let own = thread::current().id();
        open.retain(|(thread, link)| *thread != own && !link.is_closed());
        open.push((own, link.clone()));
        Ok(link)
    }
}

/// Turns a new connection from HTTP into frames. Returns what was read beyond.
async fn upgrade(stream: &mut UnixStream) -> io::Result<BytesMut> {
    let asked = format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n");
    stream.write_all(asked.as_bytes()).await?;
    let mut input = BytesMut::with_capacity(READ);
    let end = loop {
        if let Some(end) = input.windows(4).position(|it| it == b"\r\n\r\n") {
            break end + 4;
        }
        if input.len() > HEAD_MAX || stream.read_buf(&mut input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    if !input.starts_with(b"HTTP/1.1 101 ") {
        return Err(io::Error::other("it is no model server of ours"));
    }
    input.advance(end);
    Ok(input)
}

/// Moves questions and replies until nobody can ask any more and all are answered, or the connection ends: then all who
/// wait hear of it.
async fn drive(
    mut stream: UnixStream,
    mut input: BytesMut,
    mut questions: mpsc::UnboundedReceiver<Question>,
    reply_max: usize,
) {
    let (mut reader, mut writer) = stream.split();
    let mut output = BytesMut::new();
    let mut waiting = HashMap::new();
    let mut next = 0_u64;
    let mut take = |question: Question, output: &mut BytesMut, waiting: &mut HashMap<_, _>| {
        frame::put(output, next, &question.content);
        waiting.insert(next, question.reply);
        next += 1;
    };
    // Another connection of the same thread may have taken its place: what was asked here is answered here.
    let mut is_asked = true;
    while is_asked || !waiting.is_empty() {
        input.reserve(READ);
        tokio::select! {
            biased;
            question = questions.recv(), if is_asked && output.len() < WAITING_MAX => {
                match question {
                    Some(question) => take(question, &mut output, &mut waiting),
                    None => is_asked = false,
                }
                while let Ok(question) = questions.try_recv() {
                    take(question, &mut output, &mut waiting);
                }
            }
            written = writer.write_buf(&mut output), if !output.is_empty() => {
                if written.is_err() {
                    return;
                }
            }
            read = reader.read_buf(&mut input) => {
                if read.map_or(true, |read| read == 0) {
                    return;
                }
                loop {
                    let (number, reply) = match frame::take(&mut input, reply_max) {
                        First::Whole(number, content) => (number, Ok(content)),
                        First::Partial => break,
                        First::TooLarge(number) => (number, Err(TooLarge)),
                    };
                    let is_last = reply.is_err();
                    if let Some(waits) = waiting.remove(&number) {
                        // Who gave up waiting does not hear it.
                        let _ = waits.send(reply);
                    }
                    if is_last {
                        return;
                    }
                }
            }
        }
    }
}
