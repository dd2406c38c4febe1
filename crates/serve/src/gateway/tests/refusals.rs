//! Requests that are not answered with predictions: which status, and does it say what is wrong.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use windlass_kinds::Span;

use super::harness::{Behaviour, Place, get, name, post, row, send, until};

/// A body that never ends.
fn endless(first: &'static str) -> Body {
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>(first)]);
    Body::from_stream(futures_util::StreamExt::chain(first, futures_util::stream::pending()))
}

fn with(mut request: Request<Body>, header: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(header, value.parse().expect("a value"));
    request
}

#[tokio::test]
async fn mistakes_are_answered_with_what_is_wrong() {
    let place = Place::new();
    let server = place.server(1.0);
    place.switch(place.route(3, &server)).await;
    place.gateway.declare(&name("default"), &name("waiting"));
    let invocations = "/endpoints/flights/invocations";
    let infer = "/endpoints/flights/v2/models/flights/infer";
    let rows = |count: usize| {
        let rows = vec![r#"{"day":"1","temp":1,"hour":2}"#; count].join(",");
        post(invocations, &format!(r#"{{"instances": [{rows}]}}"#))
    };
    for (request, status, said) in [
        (post("/endpoints/nobody/invocations", "{}"), 404, "no such endpoint"),
        (post("/endpoints/No%20Name/invocations", "{}"), 404, "no such endpoint"),
        (post("/endpoints/flights/score", "{}"), 404, "invocations"),
        (post("/endpoints/flights/v2/models/flights/explain", "{}"), 404, "v2"),
        (post("/endpoints/flights/v2/models/cars/infer", "{}"), 404, "`cars`"),
        (post("/endpoints/flights/v2/models/flights/versions/2/infer", "{}"), 404, "version"),
        (get("/endpoints/flights/v2/models/cars"), 404, "`cars`"),
        (get("/endpoints/flights/v2/models/flights/versions/x/ready"), 404, "version"),
        (get(invocations), 405, "method"),
        (post("/endpoints/flights/ping", ""), 405, "method"),
        (with(row("1", 1.0, 2), "x-deny", "1"), 401, "token"),
        (post("/endpoints/waiting/invocations", "{}"), 503, "ready"),
        (get("/endpoints/waiting/ping"), 503, "ready"),
        (get("/endpoints/waiting/v2/health/ready"), 503, "ready"),
        (with(row("1", 1.0, 2), "x-request-id", "a b"), 400, "X-Request-Id"),
        (with(row("1", 1.0, 2), "x-request-id", &"a".repeat(129)), 400, "X-Request-Id"),
        (with(row("1", 1.0, 2), "content-type", "text/html"), 415, "text/html"),
        (with(row("1", 1.0, 2), "content-encoding", "gzip"), 415, "Content-Encoding"),
        (with(row("1", 1.0, 2), "content-length", "1001"), 413, "1000 bytes"),
        (post(invocations, &" ".repeat(1001)), 413, "1000 bytes"),
        (with(post(infer, "{}"), "inference-header-content-length", "x"), 400, "Inference-Header-Content-Length"),
        (with(post(infer, "{}"), "inference-header-content-length", "3"), 400, "Inference-Header-Content-Length"),
        (post(invocations, "{"), 400, "JSON"),
        (post(invocations, r#"{"instances": [{"day": "1", "temp": 1}]}"#), 400, "hour"),
        (post(invocations, r#"{"instances": [{"temp": 1, "hour": 2}]}"#), 400, "day"),
        (post(invocations, r#"{"instances": [{"day": null, "temp": 1, "hour": 2}]}"#), 400, "day"),
        (post(invocations, r#"{"instances": [{"day": "1", "temp": 1, "wind": 3}]}"#), 400, "wind"),
        (post(invocations, r#"{"instances": [{"day": "1", "temp": "warm", "hour": 2}]}"#), 400, "temp"),
        (rows(6), 413, "5 rows"),
    ] {
        let shown = format!("{} {}", request.method(), request.uri());
        let is_oip = request.uri().path().contains("/v2/");
        let answer = place.send(request).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
        let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        let message = body[if is_oip { "error" } else { "message" }].as_str().expect("a message");
        assert!(message.contains(said), "{shown}: {message}");
        assert_eq!(answer.header("retry-after"), if status == 503 { "1" } else { "" }, "{shown}");
    }
    assert_eq!(place.send(rows(5)).await.status, 200);
}

#[tokio::test]
async fn clients_and_models_that_take_too_long_are_told() {
    let place = Place::new();
    let server = place.server(1.0);
    let mut hasty = place.route(3, &server);
    hasty.limits.timeout = Span(Duration::from_millis(50));
    place.switch(hasty).await;
    let with_body = |body| {
        let request = Request::post("/endpoints/flights/invocations").header("content-type", "application/json");
        request.body(body).expect("a request")
    };
    let answer = place.send(with_body(endless("{"))).await;
    assert_eq!(answer.status, 408, "{}", answer.body);
    server.behave(Behaviour::Waits);
    assert_eq!(place.send(row("1", 1.0, 2)).await.status, 504);

    place.switch(place.route(4, &server)).await;
    let without_end = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("{{{{"));
    assert_eq!(place.send(with_body(Body::from_stream(without_end))).await.status, 413);
    server.behave(Behaviour::Fails);
    let answer = place.send(row("1", 1.0, 2)).await;
    assert_eq!((answer.status, answer.body.contains("division by zero")), (502, true), "{}", answer.body);
    server.behave(Behaviour::Answers);
    assert_eq!(place.send(row("1", 1.0, 2)).await.status, 200);
    let requests = place.stats().requests;
    assert_eq!(requests.into_iter().collect::<Vec<_>>(), [(200, 1), (408, 1), (413, 1), (502, 1), (504, 1)]);
}

#[tokio::test]
async fn more_requests_than_may_are_sent_away() {
    let place = Place::new();
    let server = place.server(1.0);
    server.behave(Behaviour::Waits);
    let mut route = place.route(3, &server);
    route.limits.concurrency = 2;
    place.switch(route).await;
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let router = place.router.clone();
            tokio::spawn(async move { send(&router, row("1", 1.0, 2)).await })
        })
        .collect();
    server.was_asked(2).await;
    let answer = place.send(row("1", 1.0, 2)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "1"));
    assert_eq!(place.stats().in_flight, 2);
    server.behave(Behaviour::Answers);
    for task in waiting {
        assert_eq!(task.await.expect("answered").status, 200);
    }
    assert_eq!(place.send(row("1", 1.0, 2)).await.status, 200);

    // A client that is slow takes no place of one that is not, and many that are slow are sent away too.
    let reading: Vec<_> = (0..8)
        .map(|_| {
            let request = Request::post("/endpoints/flights/invocations").body(endless("{")).expect("a request");
            let router = place.router.clone();
            tokio::spawn(async move { send(&router, request).await.status })
        })
        .collect();
    let answers = || async { place.send(row("1", 1.0, 2)).await.status };
    let mut status = answers().await;
    while status == 200 {
        status = answers().await;
    }
    assert_eq!(status, 429);
    assert_eq!(place.stats().in_flight, 0);
    reading.iter().for_each(|task| task.abort());
    until(|| reading.iter().all(tokio::task::JoinHandle::is_finished)).await;
    assert_eq!(answers().await, 200);
}
