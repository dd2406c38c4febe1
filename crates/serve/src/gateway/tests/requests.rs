//! Requests that are answered, and what is kept of them.

use std::sync::atomic::Ordering;

use windlass_data::table::{Table, TableLimits, Values, read_table};

use super::harness::{Place, get, name, post, row};

/// A row in each form, and the beginning of its answer.
const FORMS: [(&str, &str, &str); 4] = [
    (
        "invocations",
        r#"{"dataframe_records": [{"day": "1", "temp": 2.5, "hour": 10}]}"#,
        r#"{"predictions": [{"variable": 13.5}]}"#,
    ),
    (
        "invocations",
        r#"{"dataframe_split": {"columns": ["hour", "day", "temp"], "data": [[10, 1, 2.5], [11, 1, 3.5]]}}"#,
        r#"{"predictions": [{"variable": 13.5}, {"variable": 15.5}]}"#,
    ),
    (
        "v2/models/flights/infer",
        r#"{"id": "mine", "inputs": [
            {"name": "day", "datatype": "BYTES", "shape": [1], "data": ["1"]},
            {"name": "temp", "datatype": "FP64", "shape": [1], "data": [2.5]},
            {"name": "hour", "datatype": "INT64", "shape": [1], "data": [10]}]}"#,
        r#"{"model_name":"flights","model_version":"3","id":"mine","outputs":[{"name":"variable","datatype":"FP64","shape":[1],"data":[13.5]}]}"#,
    ),
    (
        "v2/models/flights/versions/3/infer",
        r#"{"inputs": [
            {"name": "day", "datatype": "BYTES", "shape": [1], "data": ["1"]},
            {"name": "temp", "datatype": "FP64", "shape": [1], "data": [2.5]},
            {"name": "hour", "datatype": "INT64", "shape": [1], "data": [10]}],
            "outputs": [{"name": "variable", "parameters": {"binary_data": true}}]}"#,
        r#"{"model_name":"flights","model_version":"3","outputs":[{"name":"variable","datatype":"FP64","shape":[1],"parameters":{"binary_data_size":8}}]}"#,
    ),
];

#[tokio::test]
async fn every_form_is_answered_in_its_own() {
    let place = Place::new();
    let server = place.server(1.0);
    place.switch(place.route(3, &server)).await;
    for (path, body, expected) in FORMS {
        let answer = place.send(post(&format!("/endpoints/flights/{path}"), body)).await;
        assert_eq!((answer.status, answer.header("x-model-version")), (200, "3"), "{}", answer.body);
        assert!(answer.body.starts_with(expected), "{}", answer.body);
        let is_binary = expected.contains("binary_data_size");
        let length = if is_binary { expected.len().to_string() } else { String::new() };
        assert_eq!(answer.header("inference-header-content-length"), length);
        let id = answer.header("x-request-id");
        assert!(if body.contains("mine") { id == "mine" } else { id.len() == 32 }, "{id}");
    }
    assert_eq!((place.stats().rows, place.stats().requests[&200]), (5, 4));
}

#[tokio::test]
async fn predictions_are_logged_by_the_names_of_their_rows() {
    let place = Place::new();
    let server = place.server(0.5);
    place.switch(place.route(3, &server)).await;
    let mut request = row("2013-03-01T05:00:00-05:00", 2.5, 10);
    request.headers_mut().insert("x-request-id", "r-1".parse().expect("a value"));
    assert_eq!(place.send(request).await.header("x-request-id"), "r-1");
    let mut anonymous = place.route(4, &server);
    anonymous.row_id.clear();
    place.switch(anonymous).await;
    let mut request = post("/endpoints/flights/invocations", r#"{"inputs": {"temp": [1, 2], "hour": [3, 4]}}"#);
    request.headers_mut().insert("x-request-id", "r-2".parse().expect("a value"));
    assert_eq!(place.send(request).await.status, 200);

    let files = place.gateway.close_segments(&name("default"), &name("flights")).await.expect("closed");
    let table = |at: usize| read_table(&files[at], None, None, &TableLimits::default()).expect("a table");
    let text = |values: &[&str]| Values::Text(values.iter().map(|value| Some((*value).to_owned())).collect());
    let named = Table::new(vec![
        ("row_id".to_owned(), text(&["2013-03-01T10:00:00Z/10"])),
        ("request_id".to_owned(), text(&["r-1"])),
        ("at".to_owned(), Values::Time(vec![Some(1_000_000)])),
        ("model_version".to_owned(), Values::Int(vec![Some(3)])),
        ("hour".to_owned(), Values::Int(vec![Some(10)])),
        ("day".to_owned(), Values::Time(vec![Some(1_362_132_000_000_000)])),
        ("prediction".to_owned(), Values::Number(vec![13.0])),
    ]);
    assert_eq!(table(0), named.expect("a table"));
    assert_eq!(table(1).column("row_id"), Some(&text(&["r-2/0", "r-2/1"])));
    assert_eq!(table(1).column("prediction"), Some(&Values::Number(vec![4.5, 6.5])));
    assert_eq!(table(1).column("temp"), None, "redacted");
    assert_eq!((files.len(), place.stats().log.written), (2, 3));

    // Another process finds them, though nothing serves there yet.
    place.gateway.stop().await;
    let next = Place::within(place.folder);
    assert_eq!(next.gateway.close_segments(&name("default"), &name("flights")).await.expect("closed"), files);
    assert!(next.gateway.close_segments(&name("default"), &name("other")).await.expect("closed").is_empty());
}

#[tokio::test]
async fn what_is_not_a_prediction_is_told_too() {
    let place = Place::new();
    let server = place.server(1.0);
    place.switch(place.route(3, &server)).await;
    for (path, expected) in [
        ("ping", "\n"),
        ("v2", r#"{"extensions":["binary_tensor_data"],"name":"windlass","version":"0.1.0"}"#),
        ("v2/health/live", r#"{"live":true}"#),
        ("v2/health/ready", r#"{"ready":true}"#),
        ("v2/models/flights/ready", r#"{"name":"flights","ready":true}"#),
        (
            "v2/models/flights/versions/3",
            r#"{"inputs":[],"name":"flights","outputs":[],"platform":"p","versions":["3"]}"#,
        ),
    ] {
        let answer = place.send(get(&format!("/endpoints/flights/{path}"))).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, expected), "{path}");
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
    let metrics = place.send(get("/endpoints/flights/metrics")).await;
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(metrics.body.contains("windlass_endpoint_model_version{project=\"default\",endpoint=\"flights\"} 3\n"));
    assert_eq!(metrics.body, place.gateway.metrics(None));
}
