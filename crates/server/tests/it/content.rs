//! Content by digest: whose it is, and what a wrong digest does.

use axum::http::StatusCode;
use serde_json::Value;
use windlass_kinds::Digest;

use crate::support::{TestServer, token};

#[tokio::test]
async fn a_digest_alone_is_no_right_to_the_bytes() {
    let server = TestServer::new().await;
    let (mine, theirs) = (token("admin"), server.admin("team", Some("team")).await);
    let bytes = b"what this project alone may know".to_vec();
    let path = format!("/api/v1/blobs/{}", Digest::sha256(&bytes));
    // Step by step: who asks what, with which bytes, and what is answered.
    for (who, method, sent, expected) in [
        (&mine, "GET", None, StatusCode::NOT_FOUND),
        (&mine, "PUT", Some(&b"other bytes"[..]), StatusCode::BAD_REQUEST),
        (&mine, "HEAD", None, StatusCode::NOT_FOUND),
        (&mine, "PUT", Some(&bytes[..]), StatusCode::CREATED),
        (&mine, "PUT", Some(&bytes[..]), StatusCode::OK),
        (&mine, "HEAD", None, StatusCode::OK),
        (&mine, "GET", None, StatusCode::OK),
        (&theirs, "HEAD", None, StatusCode::NOT_FOUND),
        (&theirs, "GET", None, StatusCode::NOT_FOUND),
        // Naming it is not having it.
        (&theirs, "PUT", Some(&b""[..]), StatusCode::BAD_REQUEST),
        (&theirs, "GET", None, StatusCode::NOT_FOUND),
        (&theirs, "PUT", Some(&bytes[..]), StatusCode::CREATED),
        (&theirs, "GET", None, StatusCode::OK),
    ] {
        let (status, answer) = server.send(who, method, &path, sent.unwrap_or_default().to_vec()).await;
        assert_eq!(status, expected, "{method} {sent:?}: {}", String::from_utf8_lossy(&answer));
        if method == "GET" && expected == StatusCode::OK {
            assert_eq!(answer, bytes);
        }
    }
    let (status, _) = server.ask(&token("admin"), "GET", "/api/v1/blobs/sha256:abc", Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
