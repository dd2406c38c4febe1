//! Requests over a connection, and waiting for what they bring about.

use std::{future::Future, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

/// Opens a connection and asks; nothing of the answer is read yet.
pub(crate) async fn begin(address: SocketAddr, token: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("a request goes out");
    stream
}

/// Asks over a connection of its own; returns the status and all that came.
pub(crate) async fn ask(address: SocketAddr, token: &str, path: &str) -> (u16, String) {
    let mut stream = begin(address, token, path).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    (status, answer)
}

/// Waits until something holds; fails after a minute.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < end, "after a minute it does not hold that {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
