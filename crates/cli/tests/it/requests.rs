//! Requests that are not as they should be: 401, 403, 413, 400; nothing is read, written, or logged in clear.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{ONCE, Place, Up, head, pipeline, shell, wait_for};

/// Sends bytes as they are and returns the status and what came with it.
fn send(address: &str, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // A server that refuses early may close before all was sent.
    let _ = stream.write_all(request);
    answer(&mut stream)
}

fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text)
}

/// A request with these headers beside `Host`.
fn ask(address: &str, method: &str, path: &str, headers: &[&str], body: &[u8]) -> (u16, String) {
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for header in headers {
        head.push_str(&format!("{header}\r\n"));
    }
    let mut request = (head + "\r\n").into_bytes();
    request.extend_from_slice(body);
    send(address, &request)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// What a request may not do, each with a path of either dialect.
const DOORS: &[(&str, &str)] = &[
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/objects"),
    ("POST", "/api/v1/apply"),
    ("POST", "/api/v1/plan"),
    ("DELETE", "/api/v1/objects/Model/m"),
    ("POST", "/api/v1/pipelines/p/start"),
    ("GET", "/api/v1/runs/p-1/steps/a/log"),
    ("GET", "/api/v1/export"),
    ("GET", "/api/v1/ledger"),
    ("POST", "/api/v1/tokens"),
    ("GET", "/api/v1/nothing"),
    ("POST", "/api/2.0/mlflow/experiments/create"),
    ("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0"),
    ("POST", "/api/2.0/mlflow/runs/search"),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts?path=1"),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/ab/artifacts/x"),
    ("GET", "/ajax-api/2.0/mlflow/runs/get?run_id=ab"),
    ("GET", "/get-artifact?path=x&run_uuid=ab"),
    ("GET", "/api/3.0/mlflow/traces"),
];

/// A server with a model, a run, and much to say about what it does.
fn place() -> Place {
    let step = shell("a", "echo $MLFLOW_TRACKING_TOKEN > $WINDLASS_OUTPUTS/token; echo out", "outputs: [token]");
    Place::of(&[("m.yaml", &(head("Model", "m") + "spec: {}\n")), ("p.yaml", &pipeline("p", ONCE, &[&step]))])
}

fn up(place: &Place) -> Up<'_> {
    let up = place.up(&[".", "-vvv"]);
    place.ended("p-1");
    up
}

/// Everything in the data folder that a request could change.
fn state(place: &Place) -> (String, Vec<PathBuf>) {
    let mut found = Vec::new();
    let mut folders = vec![place.data().join("blobs"), place.data().join("attempts")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    found.sort();
    (place.export(), found)
}

#[test]
fn without_a_token_or_with_a_wrong_one_nothing_opens() {
    let place = place();
    let up = up(&place);
    let before = state(&place);
    let unknown = bearer("wl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    // An attempt's token is over with its attempt.
    let old = bearer(&old_attempt_token(&place));
    let basic = "Authorization: Basic bWU6".to_owned();
    for (method, path) in DOORS {
        for headers in
            [vec![], vec![unknown.as_str()], vec![old.as_str()], vec![basic.as_str()], vec!["Authorization: Bearer"]]
        {
            let (status, text) = ask(&up.address, method, path, &headers, b"{}");
            assert_eq!(status, 401, "{method} {path} {headers:?}: {text}");
            assert!(text.contains("a token is needed"), "{text}");
        }
    }
    for path in ["/health", "/version"] {
        assert_eq!(ask(&up.address, "GET", path, &[], b"").0, 200, "{path}");
    }
    assert_eq!(state(&place), before);
}

fn old_attempt_token(place: &Place) -> String {
    let blobs = state(place).1;
    let found = blobs.iter().filter_map(|path| fs::read_to_string(path).ok()).find(|text| text.starts_with("wla_"));
    found.expect("the step kept its token").trim().to_owned()
}

#[test]
fn a_role_may_do_what_it_may_and_no_more() {
    let place = place();
    let up = up(&place);
    let viewer = bearer(place.run(&["token", "create", "eve", "--role", "viewer"]).fine().out.trim());
    let before = state(&place);
    for (method, path, body) in [
        ("POST", "/api/v1/apply", json!({"manifests": []})),
        ("DELETE", "/api/v1/objects/Model/m", Value::Null),
        ("POST", "/api/v1/pipelines/p/start", json!({"identity": "x"})),
        ("POST", "/api/v1/runs/p-1/cancel", Value::Null),
        ("POST", "/api/v1/runs/p-1/retry", Value::Null),
        ("POST", "/api/v1/tokens", json!({"name": "more", "role": "admin"})),
        ("GET", "/api/v1/tokens", Value::Null),
        ("PUT", &format!("/api/v1/blobs/sha256:{}", "0".repeat(64)), Value::Null),
        ("POST", "/api/2.0/mlflow/experiments/create", json!({"name": "x"})),
        ("POST", "/api/2.0/mlflow/runs/create", json!({"experiment_id": "0"})),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/ab/artifacts/x", Value::Null),
        ("POST", "/api/2.0/mlflow/registered-models/create", json!({"name": "x"})),
    ] {
        let (status, text) =
            ask(&up.address, method, path, &[&viewer, "Content-Type: application/json"], body.to_string().as_bytes());
        assert_eq!(status, 403, "{method} {path}: {text}");
    }
    for path in ["/api/v1/objects", "/api/v1/runs/p-1", "/api/2.0/mlflow/experiments/search?max_results=5"] {
        assert_eq!(ask(&up.address, "GET", path, &[&viewer], b"").0, 200, "{path}");
    }
    // The verbs say so, too.
    let secret = viewer.rsplit(' ').next().unwrap();
    place.run(&["--token", secret, "start", "p"]).says(1, &["token:eve may not do that", "a higher role"]);
    place.run(&["--token", "nonsense", "get"]).says(1, &["a token is needed"]);
    assert_eq!(state(&place), before);
    // A revoked token is over.
    place.run(&["token", "revoke", "eve"]).fine();
    wait_for("the end of a token", || {
        (ask(&up.address, "GET", "/api/v1/objects", &[&viewer], b"").0 == 401).then_some(())
    });
    assert_eq!(place.files_with(secret), Vec::<PathBuf>::new());
    assert!(!up.log().contains(secret));
}

#[test]
fn other_hosts_and_origins_are_refused() {
    let place = place();
    let up = up(&place);
    let token = bearer(&place.token());
    let port = up.address.rsplit(':').next().unwrap();
    for (method, path) in DOORS {
        for header in
            ["Host: evil.example", "Host: 10.0.0.1", "Host: 127.0.0.1.evil.example", "Host:", "Host: localhost.evil"]
        {
            let (status, text) = ask(&up.address, method, path, &[header, &token], b"{}");
            assert!(matches!(status, 403 | 400), "{method} {path} {header}: {text}");
        }
        for origin in ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost"] {
            let (status, text) = ask(&up.address, method, path, &[&format!("Origin: {origin}"), &token], b"{}");
            assert_eq!(status, 403, "{method} {path} {origin}: {text}");
        }
    }
    for header in [format!("Host: localhost:{port}"), format!("Host: [::1]:{port}"), "Host: LOCALHOST".to_owned()] {
        assert_eq!(ask(&up.address, "GET", "/api/v1/status", &[&header, &token], b"").0, 200, "{header}");
    }
    let own = format!("Origin: http://{}", up.address);
    assert_eq!(ask(&up.address, "GET", "/api/v1/status", &[&own, &token], b"").0, 200);
}

#[test]
fn a_refusal_leaves_the_connection_as_it_was() {
    let place = place();
    let up = up(&place);
    let mut stream = TcpStream::connect(&up.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // Far more than what lies in the buffers between us, so that none of it is read by chance.
    let body = vec![b'x'; 24 << 20];
    for _ in 0..2 {
        let head =
            format!("POST /api/v1/apply HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", up.address, body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        let mut answer = Vec::new();
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "the connection ended");
            answer.push(byte[0]);
        }
        let text = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 401 ") && !text.contains("connection: close"), "{text}");
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        stream.read_exact(&mut vec![0; length]).unwrap();
    }
}

#[test]
fn bodies_too_large_or_too_deep_are_refused_in_little_memory() {
    let place = place();
    let up = up(&place);
    let token = bearer(&place.token());
    let json = "Content-Type: application/json";
    let before = state(&place);
    let memory = peak_memory(&up);
    for path in [
        "/api/v1/apply",
        "/api/v1/plan",
        "/api/v1/tokens",
        "/api/2.0/mlflow/runs/log-batch",
        "/api/2.0/mlflow/runs/create",
    ] {
        // Said beforehand.
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {}\r\n{token}\r\n{json}\r\nConnection: close\r\n", up.address);
        let (status, text) = send(&up.address, format!("{head}Content-Length: 100000000\r\n\r\n{{").as_bytes());
        assert_eq!(status, 413, "{path}: {text}");
        // Not said, and sent in pieces.
        let mut stream = TcpStream::connect(&up.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).unwrap();
        let piece = [&b"100000\r\n"[..], &vec![b' '; 1 << 20], b"\r\n"].concat();
        for _ in 0..100 {
            if stream.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = stream.write_all(b"0\r\n\r\n");
        let (status, text) = answer(&mut stream);
        assert_eq!(status, 413, "{path}: {text}");
        // Ten thousand levels.
        for deep in [
            format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
            format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)),
        ] {
            let (status, text) = ask(&up.address, "POST", path, &[&token, json], deep.as_bytes());
            assert_eq!(status, 400, "{path}: {text}");
        }
        // MLflow's clients may leave out an empty body.
        for broken in [&b"{"[..], b"\xff\xfe", b"[1,2", b"3", b"nul"] {
            let (status, text) = ask(&up.address, "POST", path, &[&token, json], broken);
            assert_eq!(status, 400, "{path} {broken:?}: {text}");
        }
    }
    // A few bodies at once of at most 32 MiB each are in order; a hundred megabytes are not.
    let now = peak_memory(&up);
    assert!(now < memory + (100 << 10), "{memory} KiB, then {now} KiB");
    assert_eq!(state(&place), before);
}

/// The most memory it ever held, in KiB (proc(5)).
fn peak_memory(up: &Up<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", up.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn artifact_paths_lead_nowhere_else() {
    let place = place();
    let up = up(&place);
    let token = bearer(&place.token());
    let json = "Content-Type: application/json";
    let post = |path: &str, body: Value| {
        let path = format!("/api/2.0/mlflow/{path}");
        let (status, text) = ask(&up.address, "POST", &path, &[&token, json], body.to_string().as_bytes());
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str::<Value>(text.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    };
    let experiment = post("experiments/create", json!({"name": "e"}))["experiment_id"].as_str().unwrap().to_owned();
    let run =
        post("runs/create", json!({"experiment_id": experiment}))["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    let root = format!("/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts");
    let (status, text) = ask(&up.address, "PUT", &format!("{root}/fine.txt"), &[&token], b"fine");
    assert_eq!(status, 200, "{text}");
    let before = state(&place);
    let bad = [
        "../x",
        "a/../../x",
        "%2e%2e/x",
        "%2E%2E%2fx",
        "..%2f..%2f..%2ftoken",
        "%252e%252e%252fx",
        "a%5c..%5cx",
        "a\\..\\x",
        "x%00.txt",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "a//b",
        "./x",
        "%0a",
    ];
    for path in bad {
        for method in ["PUT", "GET", "DELETE"] {
            let (status, text) = ask(&up.address, method, &format!("{root}/{path}"), &[&token], b"evil");
            assert!(matches!(status, 400 | 404), "{method} {path}: {status} {text}");
            assert!(method != "PUT" || status == 400, "{method} {path}: {status} {text}");
            assert!(!text.contains("root:") && !text.contains(&place.token()), "{text}");
        }
        let query = path.replace('%', "%25").replace('\\', "%5C");
        for list in [
            format!("/api/2.0/mlflow-artifacts/artifacts?path={query}"),
            format!("/api/2.0/mlflow/artifacts/list?run_id={run}&path={path}"),
            format!("/get-artifact?run_uuid={run}&path={path}"),
        ] {
            let (status, text) = ask(&up.address, "GET", &list, &[&token], b"");
            assert!(matches!(status, 400 | 404), "{list}: {status} {text}");
            assert!(!text.contains("root:") && !text.contains(&place.token()), "{text}");
        }
    }
    // A NUL as it is.
    let raw = format!("PUT {root}/a\0b HTTP/1.1\r\nHost: {}\r\n{token}\r\nContent-Length: 1\r\n\r\nx", up.address);
    assert_eq!(send(&up.address, raw.as_bytes()).0, 400);
    assert_eq!(state(&place), before);
    assert_eq!(ask(&up.address, "GET", &format!("{root}/fine.txt"), &[&token], b"").0, 200);
}

#[test]
fn content_is_what_its_digest_says_or_is_not_kept() {
    let place = place();
    let up = up(&place);
    let token = bearer(&place.token());
    let before = state(&place);
    let digest = format!("sha256:{}", "0".repeat(64));
    let (status, text) = ask(&up.address, "PUT", &format!("/api/v1/blobs/{digest}"), &[&token], b"other bytes");
    assert_eq!(status, 400, "{text}");
    for bad in ["sha256:..%2f..%2ftoken", "sha256:../../token", "md5:00", "x", "sha256:00", "sha256:%00"] {
        for method in ["PUT", "GET", "HEAD"] {
            let (status, text) = ask(&up.address, method, &format!("/api/v1/blobs/{bad}"), &[&token], b"x");
            assert!(matches!(status, 400 | 404), "{method} {bad}: {status} {text}");
        }
    }
    assert_eq!(state(&place), before);
}

#[test]
fn secrets_are_kept_and_logged_nowhere_in_clear() {
    let place = place();
    let up = up(&place);
    let local = place.token();
    for (method, path) in DOORS {
        ask(&up.address, method, path, &[&bearer(&local)], b"{\"broken\": ");
        ask(
            &up.address,
            method,
            &format!("{path}{}token={local}", if path.contains('?') { '&' } else { '?' }),
            &[],
            b"",
        );
    }
    assert_eq!(place.files_with(&local), Vec::<PathBuf>::new());
    assert!(!up.log().contains(&local), "{}", up.log());
    use std::os::unix::fs::PermissionsExt as _;
    for secret in ["token", "keys/attempts", "server.json"] {
        let mode = fs::metadata(place.data().join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{secret}");
    }
    assert_eq!(fs::metadata(place.data()).unwrap().permissions().mode() & 0o077, 0);
}

#[test]
fn a_request_that_never_ends_holds_nobody_up() {
    let place = place();
    let up = up(&place);
    let mut silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(&up.address).unwrap()).collect();
    for stream in &mut silent {
        stream.write_all(b"POST /api/v1/apply HTTP/1.1\r\nHost: localhost\r\nContent-Le").unwrap();
    }
    place.run(&["get"]).fine();
    assert_eq!(up.stop(rustix::process::Signal::INT), 0);
}
