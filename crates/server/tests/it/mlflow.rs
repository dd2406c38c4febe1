//! The dialect, request by request. Statuses, codes and messages were recorded from MLflow 3.17.2, except where this
//! server is meant to differ.

use std::net::SocketAddr;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use windlass_testkit::store_tests;

use crate::support::{NOW, TestServer, token};

const API: &str = "/api/2.0/mlflow/";

async fn post(server: &TestServer, path: &str, body: Value) -> Value {
    let (status, answer) = server.ask(&token("maintainer"), "POST", &format!("{API}{path}"), body).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}

async fn get(server: &TestServer, path: &str) -> Value {
    let (status, answer) = server.ask(&token("maintainer"), "GET", &format!("{API}{path}"), Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}

async fn begin(server: &TestServer) -> (String, String) {
    let experiment = post(server, "experiments/create", json!({"name": "e"})).await["experiment_id"].clone();
    let run =
        post(server, "runs/create", json!({"experiment_id": experiment, "start_time": "5", "run_name": "one"})).await;
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (text(&experiment), text(&run["run"]["info"]["run_id"]))
}

/// Asks and compares status, code and a part of the message.
async fn refused(server: &TestServer, method: &str, path: &str, body: Value, expected: (u16, &str, &str)) {
    let path = if path.starts_with('/') { path.to_owned() } else { format!("{API}{path}") };
    let (status, answer) = server.ask(&token("maintainer"), method, &path, body.clone()).await;
    let shown = format!("{method} {path} {body}: {status} {answer}");
    assert_eq!(status.as_u16(), expected.0, "{shown}");
    assert_eq!(answer["error_code"], expected.1, "{shown}");
    assert!(answer["message"].as_str().is_some_and(|message| message.contains(expected.2)), "{shown}");
}

const BAD: &str = "INVALID_PARAMETER_VALUE";
const GONE: &str = "RESOURCE_DOES_NOT_EXIST";

/// Sends a request over a connection of its own; returns the status line, and the body after the headers.
async fn over_a_connection(address: SocketAddr, path: &str, header: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nConnection: close\r\n{header}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("a request goes out");
    stream.write_all(body.as_bytes()).await.expect("a body goes out");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

store_tests! {
    async fn the_short_way_answers_as_the_long_one(store) {
        let server = TestServer::over(store).await;
        let address = server.listen().await;
        let (_, run) = begin(&server).await;
        let host = format!("Host: {address}");
        let json = "Content-Type: application/json";
        let known = format!("{host}\r\n{json}\r\nAuthorization: Bearer {}", token("maintainer"));
        let viewer = format!("{host}\r\n{json}\r\nAuthorization: Bearer {}", token("viewer"));
        let text = known.replace("application/json", "text/plain");
        let untold = known.replace(&format!("{json}\r\n"), "");
        let elsewhere = known.replace(&host, "Host: elsewhere.example");
        let point = json!({"run_id": run, "key": "loss", "value": 0.5, "timestamp": 1, "step": 1}).to_string();
        let list = json!({"run_id": run, "metrics": [{"key": "a", "value": 1, "timestamp": 1, "step": 0}]}).to_string();
        let nowhere = point.replace(&run, "none");
        let large = format!("{{\"run_id\": \"{}\"}}", "x".repeat(1_000_001));
        for (route, header, body, status) in [
            ("log-metric", &known, point.as_str(), "200 OK"),
            ("log-batch", &known, list.as_str(), "200 OK"),
            ("log-batch", &known, large.as_str(), "400 Bad Request"),
            ("log-metric", &known, nowhere.as_str(), "404 Not Found"),
            ("log-metric", &known, "{", "400 Bad Request"),
            ("log-metric", &known, "", "400 Bad Request"),
            ("log-metric", &text, point.as_str(), "400 Bad Request"),
            ("log-metric", &untold, point.as_str(), "400 Bad Request"),
            ("log-metric", &viewer, point.as_str(), "403 Forbidden"),
            ("log-metric", &host, point.as_str(), "401 Unauthorized"),
            ("log-metric", &elsewhere, point.as_str(), "403 Forbidden"),
        ] {
            let short = over_a_connection(address, &format!("/api/2.0/mlflow/runs/{route}"), header, body).await;
            let long = over_a_connection(address, &format!("/ajax-api/2.0/mlflow/runs/{route}"), header, body).await;
            assert_eq!(short.0, format!("HTTP/1.1 {status}"), "{route} {header}: {}", short.1);
            assert_eq!(short.0, long.0, "{route} {header}");
            // A refusal at the door speaks the dialect of the path, which is the same for both.
            assert_eq!(short.1, long.1, "{route} {header}");
        }
        let history = get(&server, &format!("metrics/get-history?run_id={run}&metric_key=loss")).await;
        assert_eq!(history["metrics"].as_array().map(Vec::len), Some(1), "{history}");
    }

    async fn mistakes_are_told_as_mlflow_tells_them(store) {
        let server = TestServer::over(store).await;
        let (experiment, run) = begin(&server).await;
        post(&server, "registered-models/create", json!({"name": "m"})).await;
        post(&server, "runs/log-parameter", json!({"run_id": run, "key": "p", "value": "1"})).await;
        let source = format!("runs:/{run}/model");
        post(&server, "model-versions/create", json!({"name": "m", "source": source, "run_id": run})).await;
        let e = experiment.as_str();
        let r = run.as_str();
        let cases = [
            (
                "experiments/create",
                json!({}),
                (
                    400,
                    BAD,
                    "Missing value for required parameter 'name'. See the API docs for more information about request parameters.",
                ),
            ),
            ("experiments/create", json!({"name": ""}), (400, BAD, "Missing value for required parameter 'name'.")),
            (
                "experiments/create",
                json!({"name": 123}),
                (
                    400,
                    BAD,
                    "Invalid value 123 for parameter 'name' supplied:  Hint: Value was of type 'int'. See the API docs",
                ),
            ),
            (
                "experiments/create",
                json!({"name": "x".repeat(501)}),
                (400, BAD, "'name' exceeds the maximum length of 500 characters"),
            ),
            (
                "experiments/create",
                json!({"name": "e"}),
                (400, "RESOURCE_ALREADY_EXISTS", "Experiment(name=e) already exists."),
            ),
            (
                "experiments/create",
                json!({"name": "w", "tags": "x"}),
                (400, BAD, "Invalid value \"x\" for parameter 'tags' supplied:  Hint: Value was of type 'str'."),
            ),
            (
                "experiments/create",
                json!({"name": "w", "artifact_location": "/tmp/x#y"}),
                (400, BAD, "'artifact_location' URL can't include fragments or params."),
            ),
            ("experiments/create", json!({"name": "a\u{0}b"}), (400, BAD, "NUL")),
            (
                "experiments/update",
                json!({"experiment_id": e}),
                (400, BAD, "Missing value for required parameter 'new_name'."),
            ),
            (
                "experiments/update",
                json!({"experiment_id": "99999", "new_name": "x"}),
                (404, GONE, "No Experiment with id=99999 exists"),
            ),
            (
                "experiments/delete",
                json!({"experiment_id": "99999"}),
                (404, GONE, "No Experiment with id=99999 exists"),
            ),
            (
                "experiments/delete-experiment-tag",
                json!({"experiment_id": e, "key": "nope"}),
                (404, GONE, "No tag with name: nope in experiment with id"),
            ),
            ("runs/create", json!({"experiment_id": "9999"}), (404, GONE, "No Experiment with id=9999 exists")),
            (
                "runs/create",
                json!({"experiment_id": 3}),
                (400, BAD, "Invalid value 3 for parameter 'experiment_id' supplied:  Hint: Value was of type 'int'."),
            ),
            (
                "runs/create",
                json!({"experiment_id": e, "start_time": "abc"}),
                (400, BAD, "Invalid value \"abc\" for parameter 'start_time' supplied:"),
            ),
            (
                "runs/create",
                json!({"experiment_id": e, "run_name": "n", "tags": [{"key": "mlflow.runName", "value": "o"}]}),
                (
                    400,
                    BAD,
                    "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='n', mlflow.runName='o').",
                ),
            ),
            ("runs/log-metric", json!({}), (400, BAD, "Missing value for required parameter 'run_id'.")),
            ("runs/log-metric", json!({"run_id": r}), (400, BAD, "Missing value for required parameter 'key'.")),
            (
                "runs/log-metric",
                json!({"run_id": r, "key": "m"}),
                (400, BAD, "Missing value for required parameter 'value'."),
            ),
            (
                "runs/log-metric",
                json!({"run_id": r, "key": "m", "value": 1}),
                (400, BAD, "Missing value for required parameter 'timestamp'."),
            ),
            (
                "runs/log-metric",
                json!({"run_id": r, "key": "m", "value": "abc", "timestamp": 1}),
                (400, BAD, "Invalid value \"abc\" for parameter 'value' supplied:"),
            ),
            (
                "runs/log-metric",
                json!({"run_id": r, "key": "m", "value": null, "timestamp": 1}),
                (400, BAD, "Missing value for required parameter 'value'."),
            ),
            (
                "runs/log-metric",
                json!({"run_id": r, "key": "m", "value": 1, "timestamp": 1, "step": "x"}),
                (400, BAD, "Invalid value \"x\" for parameter 'step' supplied:"),
            ),
            (
                "runs/log-metric",
                json!({"run_id": r, "key": "../x", "value": 1, "timestamp": 1}),
                (
                    400,
                    BAD,
                    "Invalid value \"../x\" for parameter 'name' supplied: Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to '../x'",
                ),
            ),
            (
                "runs/log-metric",
                json!({"run_id": r, "key": "x".repeat(251), "value": 1, "timestamp": 1}),
                (400, BAD, "'Metric name' exceeds the maximum length of 250 characters"),
            ),
            (
                "runs/log-metric",
                json!({"run_id": r, "key": "a#b$", "value": 1, "timestamp": 1}),
                (
                    400,
                    BAD,
                    "Invalid value \"a#b$\" for parameter 'name' supplied: Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).",
                ),
            ),
            (
                "runs/log-metric",
                json!({"run_id": r, "key": "a", "value": 1, "timestamp": -1}),
                (
                    400,
                    BAD,
                    "Invalid value -1 for parameter 'timestamp' supplied: metric 'a' (value=1.0). Timestamp must be a nonnegative long (64-bit integer) ",
                ),
            ),
            (
                "runs/log-metric",
                json!({"run_id": "nope", "key": "a", "value": 1, "timestamp": 1}),
                (404, GONE, "Run with id=nope not found"),
            ),
            (
                "runs/log-parameter",
                json!({"run_id": r, "key": "p", "value": "2"}),
                (
                    400,
                    BAD,
                    &format!(
                        "Changing param values is not allowed. Param with key='p' was already logged with value='1' for run ID='{r}'. Attempted logging new value '2'."
                    ),
                ),
            ),
            (
                "runs/log-parameter",
                json!({"run_id": r, "key": "p", "value": 5}),
                (400, BAD, "Invalid value 5 for parameter 'value' supplied:"),
            ),
            (
                "runs/log-parameter",
                json!({"run_id": r, "key": "a//b", "value": "x"}),
                (400, BAD, "This name would resolve to 'a/b'"),
            ),
            (
                "runs/set-tag",
                json!({"run_id": r, "value": "t"}),
                (400, BAD, "Missing value for required parameter 'key'."),
            ),
            (
                "runs/delete-tag",
                json!({"run_id": r, "key": "none"}),
                (404, GONE, "No tag with name: none in run with id"),
            ),
            ("runs/log-batch", json!({}), (400, BAD, "Missing value for required parameter 'run_id'.")),
            (
                "runs/log-batch",
                json!({"run_id": r, "metrics": [{"key": "m", "value": 1}]}),
                (400, BAD, "Missing value for required parameter 'metrics[0].timestamp'."),
            ),
            (
                "runs/log-batch",
                json!({"run_id": r, "metrics": vec![json!({"key": "m", "value": 1, "timestamp": 1}); 1001]}),
                (
                    400,
                    BAD,
                    "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics across multiple requests and try again.",
                ),
            ),
            (
                "runs/log-batch",
                json!({"run_id": r, "params": vec![json!({"key": "k", "value": "1"}); 101]}),
                (400, BAD, "A batch logging request can contain at most 100 params. Got 101 params."),
            ),
            (
                "runs/log-batch",
                json!({"run_id": r, "params": [{"key": "d", "value": "1"}, {"key": "d", "value": "2"}]}),
                (
                    400,
                    BAD,
                    "Duplicate parameter keys have been submitted: ['d']. Please ensure the request contains only one param value per param key.",
                ),
            ),
            (
                "runs/log-batch",
                json!({"run_id": r, "params": [{"key": "p", "value": "9"}]}),
                (
                    400,
                    BAD,
                    "Changing param values is not allowed. Params were already logged='[{'key': 'p', 'old_value': '1', 'new_value': '9'}]' for run ID=",
                ),
            ),
            ("runs/log-batch", json!({"run_id": r, "metrics": [5]}), (400, BAD, "Invalid value 5 for parameter 'metrics[0]' supplied:")),
            ("runs/update", json!({"run_id": "nope", "status": "FINISHED"}), (404, GONE, "Run with id=nope not found")),
            (
                "runs/search",
                json!({"experiment_ids": [e], "max_results": 0}),
                (400, BAD, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
            ),
            (
                "runs/search",
                json!({"experiment_ids": [e], "max_results": 50001}),
                (400, BAD, "Invalid value 50001 for parameter 'max_results' supplied"),
            ),
            (
                "runs/search",
                json!({"experiment_ids": e}),
                (400, BAD, "for parameter 'experiment_ids' supplied:  Hint: Value was of type 'str'."),
            ),
            (
                "runs/search",
                json!({"experiment_ids": [e], "filter": "metrics.a >"}),
                (400, BAD, "Invalid clause(s) in filter string: 'metrics.a', '>'"),
            ),
            (
                "runs/search",
                json!({"experiment_ids": [e], "order_by": ["metrics.m FOO"]}),
                (400, BAD, "Invalid ordering key in order_by clause 'metrics.m FOO'."),
            ),
            (
                "runs/search",
                json!({"experiment_ids": [e], "page_token": "zzz"}),
                (400, BAD, "Invalid page token, could not base64-decode"),
            ),
            ("runs/delete", json!({"run_id": "nope"}), (404, GONE, "Run with id=nope not found")),
            (
                "registered-models/create",
                json!({"name": "m"}),
                (400, "RESOURCE_ALREADY_EXISTS", "Registered Model (name=m) already exists."),
            ),
            (
                "registered-models/create",
                json!({"name": "a/b"}),
                (400, BAD, "Invalid model name 'a/b'. Names cannot contain '/' or ':'."),
            ),
            (
                "registered-models/rename",
                json!({"name": "nope", "new_name": "y"}),
                (404, GONE, "Registered Model with name=nope not found"),
            ),
            (
                "registered-models/set-tag",
                json!({"name": "nope", "key": "k", "value": "v"}),
                (404, GONE, "Registered Model with name=nope not found"),
            ),
            (
                "registered-models/alias",
                json!({"name": "m", "alias": "a", "version": "99"}),
                (404, GONE, "Model Version (name=m, version=99) not found"),
            ),
            (
                "registered-models/alias",
                json!({"name": "m", "alias": "v1", "version": "1"}),
                (400, BAD, "Version alias name 'v1' is reserved."),
            ),
            (
                "registered-models/alias",
                json!({"name": "m", "alias": "latest", "version": "1"}),
                (400, BAD, "'latest' alias name (case insensitive) is reserved."),
            ),
            (
                "registered-models/alias",
                json!({"name": "m", "alias": "a b", "version": "1"}),
                (
                    400,
                    BAD,
                    "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-).",
                ),
            ),
            (
                "registered-models/alias",
                json!({"name": "m", "alias": "x".repeat(256), "version": "1"}),
                (400, BAD, "'Registered model alias name' exceeds the maximum length of 255 characters"),
            ),
            (
                "registered-models/alias",
                json!({"name": "m", "alias": "q", "version": 1}),
                (400, BAD, "Invalid value 1 for parameter 'version' supplied:"),
            ),
            (
                "model-versions/create",
                json!({"name": "m"}),
                (400, BAD, "Missing value for required parameter 'source'."),
            ),
            (
                "model-versions/create",
                json!({"name": "nope", "source": "s3://x/y"}),
                (404, GONE, "Registered Model with name=nope not found"),
            ),
            (
                "model-versions/create",
                json!({"name": "m", "source": "/etc/passwd"}),
                (
                    400,
                    BAD,
                    "Invalid model version source: '/etc/passwd'. To use a local path as a model version source, the run_id request parameter has to be specified",
                ),
            ),
            (
                "model-versions/create",
                json!({"name": "m", "source": "mlflow-artifacts:/x/../y"}),
                (
                    400,
                    BAD,
                    "If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references present.",
                ),
            ),
            (
                "model-versions/create",
                json!({"name": "m", "source": "mlflow-artifacts:/x", "run_id": r}),
                (
                    400,
                    BAD,
                    "Invalid model version source: 'mlflow-artifacts:/x'. The run_id request parameter must identify the resource that contains the source.",
                ),
            ),
            (
                "model-versions/create",
                json!({"name": "m", "source": "models:/m-nope"}),
                (400, BAD, "The model_id request parameter must identify the resource that contains the source."),
            ),
            (
                "model-versions/set-tag",
                json!({"name": "m", "version": "99", "key": "k", "value": "v"}),
                (404, GONE, "Model Version (name=m, version=99) not found"),
            ),
            (
                "logged-models",
                json!({"experiment_id": e, "name": "a/b"}),
                (
                    400,
                    BAD,
                    "Invalid model name ('a/b') provided. Model name must be a non-empty string and cannot contain the following characters: ('/', ':', '.', '%', '\"', \"'\")",
                ),
            ),
            (
                "logged-models",
                json!({"experiment_id": "99999", "name": "m"}),
                (404, GONE, "No Experiment with id=99999 exists"),
            ),
            ("logged-models/search", json!({}), (400, BAD, "Missing value for required parameter 'experiment_ids'.")),
            (
                "logged-models/search",
                json!({"experiment_ids": [e], "order_by": [{"field_name": "bogus"}]}),
                (400, BAD, "Invalid order by field name: bogus"),
            ),
            (
                "runs/outputs",
                json!({"run_id": "nope", "models": [{"model_id": "m-x", "step": 0}]}),
                (404, GONE, "Run with id=nope not found"),
            ),
            ("runs/log-model", json!({"run_id": r}), (400, BAD, "Missing value for required parameter 'model_json'.")),
            ("nope/nope", json!({}), (404, "ENDPOINT_NOT_FOUND", "/api/2.0/mlflow/nope/nope")),
            ("/ajax-api/3.0/mlflow/gateway/secrets/create", json!({}), (501, "NOT_IMPLEMENTED", "the AI gateway")),
        ];
        for (path, body, expected) in cases {
            refused(&server, "POST", path, body, expected).await;
        }
        let looks = [
            ("experiments/get", (400, BAD, "Missing value for required parameter 'experiment_id'.")),
            ("experiments/get?experiment_id=99999", (404, GONE, "No Experiment with id=99999 exists")),
            (
                "experiments/get?experiment_id=abc",
                (400, BAD, "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."),
            ),
            ("experiments/get-by-name?experiment_name=nope", (404, GONE, "Could not find experiment with name 'nope'")),
            (
                "experiments/search?max_results=abc",
                (
                    400,
                    BAD,
                    "Invalid value \"abc\" for parameter 'max_results' supplied:  Hint: Value was of type 'str'.",
                ),
            ),
            (
                "experiments/search?max_results=100000",
                (400, BAD, "Invalid value 100000 for parameter 'max_results' supplied. It must be at most 50000"),
            ),
            ("runs/get", (400, BAD, "Missing value for required parameter 'run_id'.")),
            ("runs/get?run_id=nope", (404, GONE, "Run with id=nope not found")),
            ("artifacts/list?run_id=nope", (404, GONE, "Run with id=nope not found")),
            ("registered-models/get?name=nope", (404, GONE, "Registered Model with name=nope not found")),
            ("registered-models/alias?name=m&alias=a", (400, BAD, "Registered model alias a not found.")),
            ("model-versions/get?name=nope&version=1", (404, GONE, "Model Version (name=nope, version=1) not found")),
            ("model-versions/get?name=nope&version=x", (400, BAD, "Parameter 'version' must be an integer, got 'x'.")),
            ("model-versions/search?filter=foo", (400, BAD, "Invalid clause(s) in filter string: foo")),
            ("logged-models/m-nope", (404, GONE, "Logged model with ID 'm-nope' not found.")),
            (
                "metrics/get-history-bulk-interval?metric_key=m",
                (400, BAD, "Missing value for required parameter 'run_ids'."),
            ),
            ("runs/create", (405, "BAD_REQUEST", "not allowed")),
        ];
        for (path, expected) in looks {
            refused(&server, "GET", path, Value::Null, expected).await;
        }
        // A deleted run takes nothing until it is restored.
        post(&server, "runs/delete", json!({"run_id": r})).await;
        let deleted = format!("The run {r} must be in the 'active' state. Current state is deleted.");
        let metric = json!({"run_id": r, "key": "m", "value": 1, "timestamp": 1});
        refused(&server, "POST", "runs/log-metric", metric.clone(), (400, BAD, &deleted)).await;
        post(&server, "runs/restore", json!({"run_id": r})).await;
        post(&server, "runs/log-metric", metric).await;
    }

    async fn bodies_are_judged_before_they_are_believed(store) {
        let server = TestServer::over(store).await;
        let maintainer = token("maintainer");
        let create = format!("{API}experiments/create");
        for (body, status) in [
            (b"{\"name\"".to_vec(), 400),
            (b"[1]".to_vec(), 400),
            (format!("{{\"name\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000)).into_bytes(), 400),
            (vec![b' '; 17 << 20], 413),
        ] {
            let (found, answer) = server.send(&maintainer, "POST", &create, body).await;
            let answer: Value = serde_json::from_slice(&answer).expect("MLflow's error body");
            assert_eq!((found.as_u16(), answer["error_code"].as_str()), (status, Some(BAD)), "{answer}");
        }
    }

    async fn a_run_holds_what_was_logged(store) {
        let server = TestServer::over(store).await;
        let (experiment, run) = begin(&server).await;
        for (value, timestamp, step) in
            [(json!("NaN"), json!(1), json!(0)), (json!("5"), json!("7"), json!("6")), (json!(1), json!(9), json!(2))]
        {
            post(
                &server,
                "runs/log-metric",
                json!({"run_uuid": run, "key": "m", "value": value, "timestamp": timestamp, "step": step}),
            )
            .await;
        }
        post(
            &server,
            "runs/log-batch",
            json!({
                "run_id": run,
                "metrics": [{"key": "inf", "value": "-Infinity", "timestamp": 1}],
                "params": [{"key": "p", "value": "q"}],
                "tags": [{"key": "mlflow.runName", "value": "renamed"}, {"key": "t", "value": "u"}],
            }),
        )
        .await;
        post(
            &server,
            "runs/log-inputs",
            json!({"run_id": run, "datasets": [{
                "tags": [{"key": "mlflow.data.context", "value": "training"}],
                "dataset": {"name": "d", "digest": "x", "source_type": "local", "source": "{}"},
            }]}),
        )
        .await;
        let updated = post(&server, "runs/update", json!({"run_id": run, "status": "FINISHED", "end_time": 99})).await;
        assert_eq!(
            (&updated["run_info"]["status"], &updated["run_info"]["end_time"]),
            (&json!("FINISHED"), &json!(99))
        );
        let found = get(&server, &format!("runs/get?run_id={run}")).await["run"].clone();
        assert_eq!(
            found,
            json!({
                "info": {
                    "run_uuid": run, "experiment_id": experiment, "run_name": "renamed", "user_id": "", "status": "FINISHED",
                    "start_time": 5, "end_time": 99, "artifact_uri": format!("mlflow-artifacts:/{experiment}/{run}/artifacts"),
                    "lifecycle_stage": "active", "run_id": run,
                },
                "data": {
                    "metrics": [
                        {"key": "inf", "value": "-Infinity", "timestamp": 1, "step": 0},
                        {"key": "m", "value": 5.0, "timestamp": 7, "step": 6},
                    ],
                    "params": [{"key": "p", "value": "q"}],
                    "tags": [{"key": "mlflow.runName", "value": "renamed"}, {"key": "t", "value": "u"}],
                },
                "inputs": {"dataset_inputs": [{
                    "tags": [{"key": "mlflow.data.context", "value": "training"}],
                    "dataset": {"name": "d", "digest": "x", "source_type": "local", "source": "{}"},
                }]},
                "outputs": {},
            })
        );
        let history = get(&server, &format!("metrics/get-history?run_id={run}&metric_key=m&max_results=1")).await;
        assert_eq!(history["metrics"][0]["value"], "NaN");
        let token = history["next_page_token"].as_str().expect("a next page");
        let rest = get(&server, &format!("metrics/get-history?run_id={run}&metric_key=m&page_token={token}")).await;
        assert_eq!(rest["metrics"].as_array().map(Vec::len), Some(2));
        let chart =
            get(&server, &format!("metrics/get-history-bulk-interval?run_ids={run}&metric_key=m&max_results=2")).await;
        assert_eq!(chart["metrics"].as_array().map(Vec::len), Some(2), "two steps of three, its last among them");
        let search = json!({"experiment_ids": [experiment], "filter": "tags.`mlflow.runName` LIKE 'ren%' AND dataset.context = 'training'"});
        let (_, found) =
            server.ask(&crate::support::token("viewer"), "POST", "/ajax-api/2.0/mlflow/runs/search", search).await;
        assert_eq!(found["runs"].as_array().map(Vec::len), Some(1));
    }

    async fn artifacts_go_in_and_out_and_nowhere_else(store) {
        let server = TestServer::over(store).await;
        let (experiment, run) = begin(&server).await;
        let maintainer = token("maintainer");
        let files = "/api/2.0/mlflow-artifacts/artifacts";
        let root = format!("{experiment}/{run}/artifacts");
        for (path, bytes) in [("d/t.txt", "hello"), ("d/u%20v/w", "x"), ("j.json", "{}")] {
            let (status, answer) =
                server.send(&maintainer, "PUT", &format!("{files}/{root}/{path}"), bytes.into()).await;
            assert_eq!((status, answer), (StatusCode::OK, Vec::new()));
        }
        let (status, bytes) = server.send(&maintainer, "GET", &format!("{files}/{root}/d/t.txt"), Vec::new()).await;
        assert_eq!((status, bytes.as_slice()), (StatusCode::OK, &b"hello"[..]));
        let listed = get(&server, &format!("artifacts/list?run_id={run}")).await;
        assert_eq!(
            listed,
            json!({
                "root_uri": format!("mlflow-artifacts:/{root}"),
                "files": [{"path": "d", "is_dir": true}, {"path": "j.json", "is_dir": false, "file_size": 2}],
            })
        );
        let listed = get(&server, &format!("artifacts/list?run_id={run}&path=d")).await;
        assert_eq!(
            listed["files"],
            json!([{"path": "d/t.txt", "is_dir": false, "file_size": 5}, {"path": "d/u v", "is_dir": true}])
        );
        let (_, listed) = server.ask(&maintainer, "GET", &format!("{files}?path={root}/d"), Value::Null).await;
        assert_eq!(
            listed,
            json!({"files": [{"path": "t.txt", "is_dir": false, "file_size": 5}, {"path": "u v", "is_dir": true}]})
        );
        let (status, _) =
            server.send(&maintainer, "GET", &format!("/get-artifact?run_id={run}&path=d/t.txt"), Vec::new()).await;
        assert_eq!(status, StatusCode::OK);
        for bad in ["x/../y", "..%2fy", "%2e%2e/y", "a%5cb", "C:/x", "/etc", "a%00b", "./x", "a/./b", "x/%252e%252e/y"]
        {
            for method in ["PUT", "GET", "DELETE"] {
                let path = format!("{files}/{bad}");
                refused(
                    &server,
                    method,
                    &path,
                    if method == "PUT" { json!("hi") } else { Value::Null },
                    (400, BAD, "Invalid path"),
                )
                .await;
            }
        }
        for bad in ["..", "/etc", "a%5cb", "a%00b"] {
            refused(
                &server,
                "GET",
                &format!("artifacts/list?run_id={run}&path={bad}"),
                Value::Null,
                (400, BAD, "Invalid path"),
            )
            .await;
            refused(&server, "GET", &format!("{files}?path={bad}"), Value::Null, (400, BAD, "Invalid path")).await;
            refused(
                &server,
                "GET",
                &format!("/get-artifact?run_id={run}&path={bad}"),
                Value::Null,
                (400, BAD, "Invalid path"),
            )
            .await;
        }
        refused(
            &server,
            "PUT",
            &format!("{files}/nope/none"),
            json!("hi"),
            (404, GONE, "No run, logged model or trace owns the path"),
        )
        .await;
        refused(&server, "GET", &format!("{files}/{root}/none"), Value::Null, (404, GONE, "No such artifact:")).await;
        let (status, _) = server.send(&maintainer, "DELETE", &format!("{files}/{root}/d"), Vec::new()).await;
        assert_eq!(status, StatusCode::OK);
        let (status, _) = server.send(&maintainer, "DELETE", &format!("{files}/{root}/d"), Vec::new()).await;
        assert_eq!(status, 200, "what is gone may be deleted again");
    }

    async fn roles_are_held(store) {
        let server = TestServer::over(store).await;
        let (_, run) = begin(&server).await;
        let metric = json!({"run_id": run, "key": "m", "value": 1, "timestamp": 1});
        post(&server, "registered-models/create", json!({"name": "m"})).await;
        let cases = [
            ("", "GET", "runs/get?run_id=x", Value::Null, 401),
            ("viewer", "GET", "registered-models/search", Value::Null, 200),
            ("viewer", "POST", "runs/log-metric", metric.clone(), 403),
            ("viewer", "POST", "experiments/create", json!({"name": "x"}), 403),
            ("contributor", "POST", "runs/log-metric", metric, 200),
            ("contributor", "POST", "registered-models/alias", json!({"name": "m", "alias": "a", "version": "1"}), 403),
            ("contributor", "POST", "runs/delete", json!({"run_id": run}), 403),
            ("contributor", "DELETE", "registered-models/delete", json!({"name": "m"}), 403),
            ("maintainer", "DELETE", "registered-models/delete", json!({"name": "m"}), 200),
        ];
        for (role, method, path, body, expected) in cases {
            let given = if role.is_empty() { String::new() } else { token(role) };
            let (status, answer) = server.ask(&given, method, &format!("{API}{path}"), body).await;
            assert_eq!(status.as_u16(), expected, "{role} {path}: {answer}");
            if expected >= 400 {
                let code = if expected == 401 { "UNAUTHENTICATED" } else { "PERMISSION_DENIED" };
                assert_eq!(answer["error_code"], code);
            }
        }
    }

    async fn the_code_of_a_step_writes_to_its_own_runs_and_registers_provisional_versions(store) {
        let server = TestServer::over(store).await;
        let (experiment, other) = begin(&server).await;
        let (first, _) = server.attempt(1).await;
        let (step, attempt) = server.attempt(2).await;
        let own = attempt.tracking_run.to_string();
        let metric = |run: &str| json!({"run_id": run, "key": "m", "value": 1, "timestamp": 1});
        let api = |path: &str| format!("{API}{path}");
        let (status, _) = server.ask(&step, "POST", &api("runs/log-metric"), metric(&own)).await;
        assert_eq!(status, StatusCode::OK);
        let (status, answer) = server.ask(&step, "POST", &api("runs/log-metric"), metric(&other)).await;
        assert_eq!((status, &answer["error_code"]), (StatusCode::FORBIDDEN, &json!("PERMISSION_DENIED")));
        // A run that it makes beside its own is its own too.
        let (_, child) = server.ask(&step, "POST", &api("runs/create"), json!({"experiment_id": experiment})).await;
        let child = child["run"]["info"]["run_id"].as_str().expect("a run").to_owned();
        let (status, _) = server.ask(&step, "POST", &api("runs/log-metric"), metric(&child)).await;
        assert_eq!(status, StatusCode::OK);

        let (_, info) = server.ask(&step, "GET", &api(&format!("runs/get?run_id={own}")), Value::Null).await;
        let root = info["run"]["info"]["artifact_uri"]
            .as_str()
            .expect("a uri")
            .trim_start_matches("mlflow-artifacts:/")
            .to_owned();
        for (path, bytes) in [("model/MLmodel", "flavors: {}"), ("model/model.onnx", "weights")] {
            let path = format!("/api/2.0/mlflow-artifacts/artifacts/{root}/{path}");
            assert_eq!(server.send(&step, "PUT", &path, bytes.into()).await.0, StatusCode::OK);
        }
        post(&server, "registered-models/create", json!({"name": "m"})).await;
        let create = json!({"name": "m", "source": format!("runs:/{own}/model"), "run_id": own});
        // The attempt before died after one registration; this one takes its number over.
        let elsewhere = json!({"name": "m", "source": "s3://bucket/model"});
        let (_, version) = server.ask(&first, "POST", &api("model-versions/create"), elsewhere).await;
        assert_eq!(version["model_version"]["version"], "1");
        for number in ["1", "2"] {
            let (_, version) = server.ask(&step, "POST", &api("model-versions/create"), create.clone()).await;
            assert_eq!(version["model_version"]["version"], number, "{version}");
        }
        let search = api("model-versions/search?filter=name%3D%27m%27");
        let (_, seen) = server.ask(&step, "GET", &search, Value::Null).await;
        assert_eq!(seen["model_versions"].as_array().map(Vec::len), Some(2));
        assert_eq!(get(&server, "model-versions/search").await, json!({}), "provisional versions are nobody else's");
        let alias = json!({"name": "m", "alias": "best", "version": "1"});
        refused(&server, "POST", "registered-models/alias", alias.clone(), (409, "RESOURCE_CONFLICT", "provisional"))
            .await;
        let committed = server
            .store
            .write(move |tx| {
                let attempt = attempt.clone();
                Box::pin(async move {
                    let committed = tx.model_versions_commit(&attempt.step_run, NOW).await?;
                    tx.run_finish(&attempt.tracking_run, windlass_kinds::record::RunStatus::Finished, NOW.millis())
                        .await?;
                    Ok(committed)
                })
            })
            .await
            .expect("a commit");
        assert!(committed.len() == 2 && committed.iter().all(|version| version.manifest.is_some() && version.size > 0));
        post(&server, "registered-models/alias", alias).await;
        let found = get(&server, "registered-models/get?name=m").await;
        assert_eq!(found["registered_model"]["aliases"], json!([{"alias": "best", "version": "1"}]));
        assert_eq!(found["registered_model"]["latest_versions"][0]["version"], "2");
        let uri = get(&server, "model-versions/get-download-uri?name=m&version=1").await;
        assert_eq!(uri["artifact_uri"], format!("runs:/{own}/model"));
        let path = "/model-versions/get-artifact?name=m&version=1&path=MLmodel";
        assert_eq!(server.send(&token("viewer"), "GET", path, Vec::new()).await.1, b"flavors: {}");
        let sealed = "It is sealed: the pipeline attempt it belongs to has ended.";
        refused(&server, "POST", "runs/log-metric", metric(&own), (400, BAD, sealed)).await;
        refused(&server, "POST", "runs/log-metric", metric(&child), (400, BAD, sealed)).await;
        let path = format!("/api/2.0/mlflow-artifacts/artifacts/{root}/late");
        refused(&server, "PUT", &path, json!("late"), (400, BAD, sealed)).await;
    }
}
