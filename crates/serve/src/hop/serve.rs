//! The model server's end of a connection.

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::frame::{self, First};

/// How many bytes are read at once, at least.
const READ: usize = 16 << 10;

/// What becomes of a question.
pub(crate) enum Outcome<L> {
    /// It is answered.
    Now(Vec<u8>),
    /// It will be; the next ones do not wait for it.
    Later(L),
}

/// Answers the questions on a connection until the asker closes it, or until `stop` and all that was asked is answered.
/// A question of more than `max` bytes ends it. `input` was read already.
pub(crate) async fn serve<L>(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    input: Bytes,
    max: usize,
    stop: CancellationToken,
    mut answer: impl FnMut(BytesMut) -> Outcome<L>,
) -> std::io::Result<()>
where
    L: Future<Output = Vec<u8>> + Send + 'static,
{
    let (mut input, mut output) = (BytesMut::from(input), BytesMut::new());
    let (later, mut answered) = mpsc::unbounded_channel();
    let mut waiting = 0_usize;
    loop {
        loop {
            match frame::take(&mut input, max) {
                First::Whole(number, content) => match answer(content) {
                    Outcome::Now(content) => frame::put(&mut output, number, &content),
                    Outcome::Later(content) => {
                        waiting += 1;
                        let later = later.clone();
                        // Where the asker is gone, nobody wants it.
                        tokio::spawn(async move { drop(later.send((number, content.await))) });
                    }
                },
                First::Partial => break,
                First::TooLarge(_) => return Err(std::io::ErrorKind::InvalidData.into()),
            }
        }
        stream.write_all(&output).await?;
        output.clear();
        if stop.is_cancelled() && waiting == 0 {
            return Ok(());
        }
        input.reserve(READ);
        tokio::select! {
            read = stream.read_buf(&mut input) => if read? == 0 { return Ok(()) },
            Some((number, content)) = answered.recv() => {
                waiting -= 1;
                frame::put(&mut output, number, &content);
            }
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
    }
}
