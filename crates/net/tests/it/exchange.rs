//! Retries, redirects, caps and refusals.

use std::time::Duration;

use serde_json::{Value, json};
use windlass_net::{Client, NetError, Settings, StatusCode, Zone};

use crate::server::{Server, answer, client};

#[tokio::test]
async fn what_may_be_asked_twice_is() {
    let busy = answer("503 Service Unavailable", "", "");
    let server = Server::answering([
        busy.clone(),
        answer("429 Too Many Requests", "retry-after: 0\r\n", ""),
        answer("200 OK", "", "yes"),
    ])
    .await;
    let response = client().get(&server.url("/a?b=c")).send_ok().await.unwrap();
    assert_eq!(response.text_capped(10).await.unwrap(), "yes");
    assert_eq!(server.asked().len(), 3);
    assert!(server.asked()[0].contains("GET /a?b=c HTTP/1.1") && server.asked()[0].contains("user-agent: windlass/"));

    let server = Server::answering([busy.clone(), answer("200 OK", "", "")]).await;
    let error = client().post(&server.url("/")).json(&json!({"a": 1})).send_ok().await.unwrap_err();
    assert!(matches!(error, NetError::Status { status: StatusCode::SERVICE_UNAVAILABLE, .. }), "{error}");
    assert_eq!(server.asked().len(), 1);
    assert!(server.asked()[0].ends_with("\n\n{\"a\":1}"), "{:?}", server.asked());

    let server = Server::answering([busy]).await;
    let error = client().get(&server.url("/")).send_ok().await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(server.asked().len(), 4);

    // A connection that is cut counts as well.
    let server = Server::answering([String::new(), answer("200 OK", "", "yes")]).await;
    client().get(&server.url("/")).send_ok().await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_quoted_once_and_masked() {
    let server = Server::answering([answer("403 Forbidden", "", "no\n  such \u{7} luck")]).await;
    let url = server.url("/x?token=s3cret").replace("127.0.0.1", "me:s3cret@127.0.0.1");
    let error = client().get(&url).send_ok().await.unwrap_err();
    let expected = format!("`http://***@127.0.0.1:{}/x?token=***` answered 403 Forbidden: no such luck", server.port());
    assert_eq!(error.to_string(), expected);
    assert!(!error.is_transient());
    assert!(server.asked()[0].contains("authorization: Basic"));
    let server = Server::answering([answer("500 Internal Server Error", "", &"x".repeat(10_000))]).await;
    let error = client().get(&server.url("/")).send_ok().await.unwrap_err();
    assert!(error.to_string().ends_with(&format!(": {}…", "x".repeat(300))), "{error}");
}

#[tokio::test]
async fn bodies_are_capped() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n";
    for text in [answer("200 OK", "", "1234567890"), chunked.to_owned()] {
        let server = Server::answering([text]).await;
        for (cap, fits) in [(9, false), (10, true)] {
            let response = client().get(&server.url("/")).send_ok().await.unwrap();
            match response.bytes_capped(cap).await {
                Ok(bytes) => assert!(fits && bytes == b"1234567890"),
                Err(error) => assert!(!fits && matches!(error, NetError::TooLarge { .. }), "{error}"),
            }
        }
    }
    let server = Server::answering([answer("200 OK", "", "{\"a\":1}")]).await;
    let response = client().get(&server.url("/")).send_ok().await.unwrap();
    assert_eq!(response.json_capped::<Value>(100).await.unwrap(), json!({"a": 1}));
    let server = Server::answering([answer("200 OK", "", "<html>")]).await;
    let response = client().get(&server.url("/")).send_ok().await.unwrap();
    assert!(matches!(response.json_capped::<Value>(100).await, Err(NetError::Json { .. })));
}

#[tokio::test]
async fn redirects_lose_credentials_on_the_way_to_others() {
    let there = Server::answering([answer("200 OK", "", "there")]).await;
    let here = Server::answering([
        answer("302 Found", "location: /again\r\n", ""),
        answer("307 Temporary Redirect", &format!("location: {}\r\n", there.url("/there")), ""),
    ])
    .await;
    let response = client().get(&here.url("/")).bearer("s3cret").send_ok().await.unwrap();
    assert_eq!(response.url(), there.url("/there"));
    assert_eq!(response.text_capped(10).await.unwrap(), "there");
    assert!(here.asked()[0].contains("authorization: Bearer s3cret"));
    assert!(here.asked()[1].contains("GET /again") && here.asked()[1].contains("authorization: Bearer s3cret"));
    assert!(!there.asked()[0].contains("authorization"));

    let round = Server::answering([answer("301 Moved Permanently", "location: /\r\n", "")]).await;
    let error = client().get(&round.url("/")).send().await.unwrap_err();
    assert!(matches!(error, NetError::Redirects { limit: 10, .. }), "{error}");
    let away = Server::answering([answer("302 Found", "location: file:///etc/passwd\r\n", "")]).await;
    assert!(matches!(client().get(&away.url("/")).send().await, Err(NetError::Url { .. })));
    // What changes something is not repeated elsewhere.
    let response = client().put(&away.url("/")).body("x").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
}

#[tokio::test]
async fn nobody_there_and_nothing_said() {
    let settings = Settings { retries: 0, read_timeout: Duration::from_millis(50), ..Settings::new(Zone::Operator) };
    let client = Client::new(settings);
    let error = client.get("http://127.0.0.1:9/").send().await.unwrap_err();
    assert!(matches!(error, NetError::Connect { .. }) && error.is_transient(), "{error:?}");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let error = client.get(&url).send().await.unwrap_err();
    assert!(matches!(error, NetError::TimedOut { .. }), "{error:?}");
    for bad in ["", "host", "ftp://host/", "http://"] {
        assert!(matches!(client.get(bad).send().await, Err(NetError::Url { .. })), "{bad}");
    }
    assert!(matches!(client.get(&url).bearer("a\nb").send().await, Err(NetError::Url { .. })));
}
