//! The client for servers behind a unix socket, against servers that die and lie.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::Request;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};
use windlass_net::{SocketClient, SocketError};

/// Answers each request of each connection with the next of `answers`, the last one for ever; an empty answer closes
/// the connection without one. Returns the socket and the number of connections taken.
fn serve(folder: &TempDir, answers: &'static [&'static str]) -> (PathBuf, Arc<AtomicUsize>) {
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        let given = Arc::new(AtomicUsize::new(0));
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let given = Arc::clone(&given);
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    let turn = given.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
                    if answers[turn].is_empty() {
                        return;
                    }
                    stream.write_all(answers[turn].as_bytes()).await.expect("written");
                    if answers[turn].contains("connection: close") {
                        return;
                    }
                }
            });
        }
    });
    (path, connections)
}

fn ask() -> Request<Bytes> {
    Request::post("/invocations").body(Bytes::from_static(b"{}")).expect("a request")
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CLOSING: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
const CHUNKED: &str = "HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n";
const LONG: &str = "HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n0123456789012345678901234567890123456789";
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 40\r\nx: connection: close\r\n\r\n012";

#[tokio::test]
async fn connections_are_kept_until_the_server_closes_them() {
    for (answers, requests, connections) in
        [(&[OK][..], 5, 1), (&[CLOSING, OK], 4, 2), (&[CHUNKED, OK], 3, 1), (&[OK, CLOSING, OK], 3, 2)]
    {
        let folder = TempDir::new().expect("a folder");
        let (path, taken) = serve(&folder, answers);
        let client = SocketClient::new(path, 32, 4);
        for turn in 0..requests {
            let answer = client.send(ask()).await.expect("an answer");
            let expected = answers[turn.min(answers.len() - 1)];
            assert_eq!(answer.status().as_u16().to_string(), expected[9..12]);
            assert_eq!(answer.body().len(), 2);
        }
        assert_eq!(taken.load(Ordering::SeqCst), connections, "{answers:?}");
    }
}

#[tokio::test]
async fn a_server_that_dies_or_overflows_is_told_apart() {
    let folder = TempDir::new().expect("a folder");
    let missing = SocketClient::new(folder.path().join("nobody"), 32, 4);
    assert!(matches!(missing.send(ask()).await, Err(SocketError::Connect { .. })));
    for (answer, is_too_large) in [("", false), (HALF, false), (LONG, true), ("rubbish\r\n\r\n", false)] {
        let folder = TempDir::new().expect("a folder");
        let (path, _) = serve(&folder, Vec::leak(vec![answer, OK]));
        let client = SocketClient::new(path, 32, 4);
        match client.send(ask()).await {
            Err(SocketError::Broken { .. }) => assert!(!is_too_large, "{answer}"),
            Err(SocketError::TooLarge { .. }) => assert!(is_too_large, "{answer}"),
            other => panic!("{answer}: {other:?}"),
        }
        // The broken connection is not used again.
        assert_eq!(client.send(ask()).await.expect("an answer").body().as_ref(), b"ok", "{answer}");
    }
}

#[tokio::test]
async fn many_tasks_share_a_client() {
    let folder = TempDir::new().expect("a folder");
    let (path, taken) = serve(&folder, &[OK]);
    let client = Arc::new(SocketClient::new(path, 32, 4));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                for _ in 0..20 {
                    assert_eq!(client.send(ask()).await.expect("an answer").body().as_ref(), b"ok");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no failure");
    }
    assert!(taken.load(Ordering::SeqCst) <= 320);
    // An idle connection is there, and is used.
    let before = taken.load(Ordering::SeqCst);
    client.send(ask()).await.expect("an answer");
    assert_eq!(taken.load(Ordering::SeqCst), before);
}
