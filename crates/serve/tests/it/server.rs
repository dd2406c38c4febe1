//! The model server as a process: this test program, started again with what to serve in its environment.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use windlass_data::table::{Table, Values, write_parquet};
use windlass_serve::model_server::{self, ProbeSettings, Settings};

use crate::{expected, folder, library, numbers, runner};

/// Tells the child what to do: the folder of a model, and a socket, or rows and where the outcome goes.
const CHILD: &str = "WINDLASS_TEST_MODEL_SERVER";

/// Not a test but the child of those below: without the variable it has nothing to do.
#[test]
fn child() {
    let Ok(words) = std::env::var(CHILD) else { return };
    let words: Vec<PathBuf> = words.split(':').map(PathBuf::from).collect();
    let runner = runner(library().unwrap());
    match &words[..] {
        [model, socket] => {
            let (model, socket) = (model.clone(), socket.clone());
            let (name, version) = ("flights".to_owned(), "3".to_owned());
            let (body_max, rows_max) = (10_000, 40);
            drop(model_server::run(Settings { model, runner, socket, name, version, body_max, rows_max }));
        }
        [model, rows, out] => {
            let (model, rows, out) = (model.clone(), rows.clone(), out.clone());
            model_server::probe(ProbeSettings { model, runner, rows, out }).unwrap();
        }
        _ => panic!("{words:?}"),
    }
}

fn start(words: &[&Path]) -> Child {
    let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
    Command::new(std::env::current_exe().unwrap())
        .args(["server::child", "--exact", "--nocapture"])
        .env(CHILD, words.join(":"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Returns the line that a server says when it is ready or never will be.
fn first_line(child: &mut Child) -> Value {
    let mut output = BufReader::new(child.stdout.as_mut().unwrap());
    loop {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "the server said nothing");
        // The test harness says something first, on the same line too.
        if let Some(at) = line.find('{') {
            return serde_json::from_str(&line[at..]).unwrap();
        }
    }
}

/// Sends one request and returns the status and body of the answer.
fn ask(socket: &Path, head: &str, body: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    let length = body.len();
    // A server that refuses a body stops reading it.
    let _ = write!(stream, "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn a_server_answers_until_its_input_closes() {
    if library().is_none() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("s");
    let mut child = start(&[&folder("mixed"), &socket]);
    assert_eq!(first_line(&mut child), json!({"ready": true}));
    let one = json!({"inputs": {"carrier": ["AA"], "distance": [0.5], "stops": [2]}}).to_string();
    let json_type = "Content-Type: application/json";
    let invoke = format!("POST /invocations HTTP/1.1\r\n{json_type}\r\nX:");
    let (status, body) = ask(&socket, &invoke, &one);
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200, "{body}");
    assert!((answer["predictions"][0]["variable"].as_f64().unwrap() - 3.0).abs() < 0.01, "{body}");

    let tensor = |name: &str, datatype: &str, data: Value| json!({"name": name, "shape": [1, 1], "datatype": datatype, "data": [data]});
    let infer = json!({"id": "7", "inputs": [
        tensor("carrier", "BYTES", json!("AA")),
        tensor("distance", "FP32", json!(0.5)),
        tensor("stops", "INT64", json!(2)),
    ]});
    let (status, body) = ask(&socket, "POST /v2/models/flights/versions/3/infer", &infer.to_string());
    let inferred: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &inferred["id"], &inferred["model_version"]), (200, &json!("7"), &json!("3")), "{body}");
    assert_eq!(inferred["outputs"][0]["data"][0], answer["predictions"][0]["variable"]);

    let metadata = ask(&socket, "GET /v2/models/flights", "").1;
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["inputs"][2], json!({"name": "stops", "datatype": "INT64", "shape": [-1]}));
    assert_eq!(metadata["outputs"], json!([{"name": "variable", "datatype": "FP64", "shape": [-1]}]));
    let large = "x".repeat(20_000);
    for (head, body, status, text) in [
        ("GET /ping", "", 200, "\n"),
        ("GET /health", "", 200, "\n"),
        ("GET /v2", "", 200, "binary_tensor_data"),
        ("GET /v2/health/live", "", 200, r#"{"live":true}"#),
        ("GET /v2/health/ready", "", 200, r#"{"ready":true}"#),
        ("GET /v2/models/flights/ready", "", 200, r#"{"name":"flights","ready":true}"#),
        ("GET /v2/models/other", "", 404, "there is only the model `flights`, version `3`, here"),
        ("GET /v2/models/flights/versions/4/ready", "", 404, "there is only the model"),
        ("POST /v2/models/flights/versions/4/infer", "{}", 404, "there is only the model"),
        ("GET /v3", "", 404, "not found"),
        ("GET /invocations", "", 405, "method not allowed"),
        ("POST /v2/models/flights/infer", "{", 400, "the body is no JSON"),
        ("POST /v2/models/flights/infer", &large, 413, "more than 10000 bytes, the most in one request"),
        ("POST /invocations", &one, 415, "`Content-Type: ` is not served"),
    ] {
        let (given, answer) = ask(&socket, head, body);
        assert!(given == status && answer.contains(text), "{head}: {given} {answer}");
    }
    let rows = json!({"instances": vec![json!({"carrier": "AA", "distance": 1, "stops": 1}); 41]}).to_string();
    let (status, body) = ask(&socket, &invoke, &rows);
    assert_eq!((status, body.contains("more than 40 rows")), (413, true), "{body}");
    let gzip = "POST /v2/models/flights/infer HTTP/1.1\r\nContent-Encoding: gzip\r\nX:";
    assert_eq!(ask(&socket, gzip, "{}").0, 415);

    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!socket.exists());
}

#[test]
fn a_server_that_never_will_be_ready_says_so() {
    if library().is_none() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let mut child = start(&[&folder("unsigned"), &place.path().join("s")]);
    let said = first_line(&mut child);
    assert_eq!(said["ready"], json!(false));
    assert!(said["error"].as_str().unwrap().starts_with("not servable: the model has no signature"), "{said}");
    child.wait().unwrap();
}

#[test]
fn a_probe_leaves_its_outcome() {
    if library().is_none() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (rows, out) = (place.path().join("rows.parquet"), place.path().join("out.json"));
    let Expected { names, columns } = columns("regressor");
    let table = |skip: usize| {
        // Columns that the model does not take are beside those that it does.
        let mut all = vec![("day".to_owned(), Values::Text(vec![Some("2013-03-01".to_owned()); columns[0].len()]))];
        all.extend(names.iter().cloned().zip(columns.iter().cloned().map(Values::Number)).skip(skip));
        Table::new(all).unwrap()
    };
    for (model, skip, error) in [
        ("regressor", 0, None),
        ("regressor", 1, Some("column `x0` is missing")),
        (
            "unsigned",
            0,
            Some("the model has no signature; log it with `signature=infer_signature(inputs, predictions)`"),
        ),
    ] {
        write_parquet(fs::File::create(&rows).unwrap(), &table(skip)).unwrap();
        let mut child = start(&[&folder(model), &rows, &out]);
        let input = child.stdin.take();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
        drop(input);
        let outcome: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
        match error {
            Some(error) => assert_eq!(outcome, json!({"error": error})),
            None => {
                let wanted = numbers(&expected("regressor").answers["variable"], 0);
                let given = numbers(&outcome["predictions"], 0);
                assert_eq!(given, wanted);
            }
        }
    }
}

/// The rows of a model, column by column.
struct Expected {
    names: Vec<String>,
    columns: Vec<Vec<f64>>,
}

fn columns(model: &str) -> Expected {
    let rows = expected(model).rows;
    let names = rows["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
    let names: Vec<String> = names.collect();
    let rows = rows["data"].as_array().unwrap();
    let column = |at: usize| rows.iter().map(|row| row[at].as_f64().unwrap_or(f64::NAN)).collect();
    Expected { columns: (0..names.len()).map(column).collect(), names }
}
