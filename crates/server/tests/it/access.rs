//! Who gets what: every route that there is, asked by everybody; users and their projects; failed logins; streams.

use std::{collections::BTreeMap, path::PathBuf};

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use windlass_kinds::manifest::Role;

use crate::{
    native::request,
    support::{Kept, TestServer, token},
    wire::{self, until},
};

const HERE: &str = "x-windlass-project";

/// The columns of the snapshot; each asks about the project `default`.
const CALLERS: [(&str, &str); 5] = [
    ("none", ""),
    ("viewer", "viewer"),
    ("stranger", "stranger"),
    ("contributor", "contributor"),
    ("maintainer", "maintainer"),
];

/// Returns a path that a route answers.
fn filled(route: &str) -> String {
    let pieces = route.split('/').map(|piece| match piece {
        "{project}" => "default",
        "{kind}" => "model",
        _ if piece.starts_with("{*") => "x/y",
        _ if piece.starts_with('{') => "x",
        piece => piece,
    });
    pieces.collect::<Vec<_>>().join("/")
}

/// Shows an answer: who is not let in is refused with one of two statuses; what else comes is up to the handler.
fn shown(status: StatusCode) -> String {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => status.as_u16().to_string(),
        _ => "in".to_owned(),
    }
}

/// Every route with its methods, where a test can tell them apart.
async fn routes(server: &TestServer) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (path, methods) in server.routes().await {
        if methods.is_empty() {
            all.push(("POST".to_owned(), path));
            continue;
        }
        // `HEAD` is asked for wherever `GET` is.
        let methods = methods.into_iter().map(|method| method.to_string()).filter(|method| method != "HEAD");
        all.extend(methods.map(|method| (method, path.clone())));
    }
    all
}

#[tokio::test]
async fn every_route_is_for_whom_the_snapshot_says() {
    let server = TestServer::new().await;
    let admin = server.admin("root", None).await;
    server.keep(Kept { project: Some("other"), ..Kept::fixed("stranger", Role::Contributor) }).await;
    let (mut lines, mut unclassified) = (BTreeMap::new(), Vec::new());
    for (method, route) in routes(&server).await {
        let path = filled(&route);
        let mut line = format!("{method:<6} {route}:");
        for (column, caller) in CALLERS {
            let secret = if caller.is_empty() { String::new() } else { token(caller) };
            let status = server.status(&secret, &method, &path, &[(HERE, "default")]).await;
            line = format!("{line} {column} {}", shown(status));
        }
        // Signing in takes a code, which is good or not, whoever brings it.
        if route != "/sign-in" && shown(server.status(&admin, &method, &path, &[]).await) != "in" {
            unclassified.push(format!("{method} {route}"));
        }
        // The two prefixes of MLflow are one and the same.
        let key = (route.replacen("/ajax-api/", "/api/", 1), method);
        let line = line.replacen("/ajax-api/", "/api/", 1);
        let before = lines.insert(key, line.clone());
        assert!(before.is_none_or(|before| before == line), "both prefixes answer alike: {line}");
    }
    assert!(unclassified.is_empty(), "no line of `rules.rs` says what these need: {unclassified:#?}");
    let whole: String = lines.into_values().map(|line| format!("{line}\n")).collect();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/access.txt");
    if std::env::var_os("UPDATE_ACCESS").is_some() {
        std::fs::write(&path, &whole).expect("the snapshot is written");
    }
    let kept = std::fs::read_to_string(&path).expect("a snapshot");
    for (kept, line) in kept.lines().zip(whole.lines()) {
        assert_eq!(line, kept, "UPDATE_ACCESS=1 writes the snapshot anew, to be reviewed like code");
    }
    assert_eq!(whole.lines().count(), kept.lines().count(), "UPDATE_ACCESS=1 writes the snapshot anew");
}

#[tokio::test]
async fn no_route_answers_another_site_or_another_name() {
    let server = TestServer::new().await;
    let admin = server.admin("root", None).await;
    let routes = routes(&server).await;
    assert!(routes.len() > 100, "{}", routes.len());
    for (method, route) in routes {
        for headers in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost.evil.example"),
            ("host", "evil.example"),
            ("host", "localhost.evil.example:7070"),
        ] {
            for prefix in ["", "/projects/default"] {
                let path = format!("{prefix}{}", filled(&route));
                let status = server.status(&admin, &method, &path, &[headers]).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} {headers:?}");
            }
        }
        if route != "/sign-in" {
            let status = server.status(&admin, &method, &filled(&route), &[("origin", "http://localhost")]).await;
            assert_ne!(status, StatusCode::FORBIDDEN, "{method} {route}");
        }
    }
}

/// Returns the body that applies a project with members, written as `{ann: viewer}`.
fn project(project: &str, members: &str) -> Value {
    request(&format!(
        "apiVersion: windlass.dev/v1alpha1\nkind: Project\nmetadata: {{name: {project}}}\n\
         spec: {{members: {members}}}\n"
    ))
}

fn model(project: &str) -> Value {
    request(&format!(
        "apiVersion: windlass.dev/v1alpha1\nkind: Model\nmetadata: {{name: m, project: {project}}}\nspec: {{}}\n"
    ))
}

const CREATE: &str = "/api/2.0/mlflow/experiments/create";
const SEARCH: &str = "/api/2.0/mlflow/experiments/search?max_results=5";

/// A server with two projects: ann maintains `one` and looks at `two`; bob is an admin of `two`.
async fn with_members() -> (TestServer, String) {
    let server = TestServer::new().await;
    let root = server.admin("root", None).await;
    for body in
        [project("one", "{ann: maintainer}"), project("two", "{ann: viewer, bob: admin}"), model("one"), model("two")]
    {
        let (status, answer) = server.ask(&root, "POST", "/api/v1/apply", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    for (text, user, most, only) in [
        ("ann", "ann", Role::Admin, None),
        ("ann-low", "ann", Role::Contributor, None),
        ("ann-two", "ann", Role::Admin, Some("two")),
        ("bob", "bob", Role::Admin, None),
        ("eve", "eve", Role::Admin, None),
    ] {
        server.keep(Kept { user: Some(user), project: only, ..Kept::fixed(text, most) }).await;
    }
    (server, root)
}

#[tokio::test]
async fn a_users_rights_follow_from_the_members_of_each_project() {
    let (server, _) = with_members().await;
    let experiment = |text: &str| json!({"name": text});
    let made = |project: Value| json!({"name": "n", "project": project, "role": "viewer", "replace": true});
    for (who, project, method, path, body, expected) in [
        ("ann", "one", "POST", "/api/v1/apply", model("one"), 200),
        ("ann", "one", "POST", "/api/v1/apply", model("two"), 403),
        ("ann", "two", "POST", "/api/v1/apply", model("one"), 403),
        ("ann", "two", "GET", "/api/v1/objects/model/m", Value::Null, 200),
        ("ann", "one", "POST", "/api/v1/tokens", made(json!("one")), 403),
        ("ann", "default", "GET", "/api/v1/objects", Value::Null, 403),
        // Which of two projects is meant must be said.
        ("ann", "", "GET", "/api/v1/objects", Value::Null, 403),
        ("ann", "one", "POST", CREATE, experiment("a"), 200),
        ("ann", "two", "POST", CREATE, experiment("b"), 403),
        ("ann", "two", "GET", SEARCH, Value::Null, 200),
        ("ann-low", "one", "POST", CREATE, experiment("c"), 200),
        ("ann-low", "one", "POST", "/api/v1/apply", model("one"), 403),
        ("ann-low", "two", "POST", CREATE, experiment("d"), 403),
        ("ann-two", "", "GET", "/api/v1/objects/model/m", Value::Null, 200),
        ("ann-two", "one", "GET", "/api/v1/objects", Value::Null, 403),
        ("bob", "", "POST", CREATE, experiment("e"), 200),
        ("bob", "", "POST", "/api/v1/tokens", made(json!("two")), 201),
        ("bob", "", "POST", "/api/v1/tokens", made(json!("one")), 403),
        ("bob", "", "POST", "/api/v1/tokens", made(Value::Null), 403),
        ("bob", "", "POST", "/api/v1/apply", project_of_bob(), 200),
        ("eve", "", "GET", "/api/v1/objects", Value::Null, 403),
        ("eve", "one", "GET", SEARCH, Value::Null, 403),
    ] {
        let (status, answer) = match project {
            "" => server.ask(&token(who), method, path, body).await,
            project => server.ask_in(project, &token(who), method, path, body).await,
        };
        assert_eq!(status.as_u16(), expected, "{who} {project} {method} {path}: {answer}");
    }
    for (path, expected) in
        [("/projects/one", 200), ("/projects/two", 200), ("/projects/default", 403), ("/projects/none", 403)]
    {
        let bearer = format!("Bearer {}", token("ann"));
        let (status, _, _) = server.look(path, &[("authorization", &bearer)]).await;
        assert_eq!(status.as_u16(), expected, "{path}");
    }
    let (_, ledger) = server.ask_in("one", &token("ann"), "GET", "/api/v1/ledger", Value::Null).await;
    assert!(ledger.to_string().contains("user:ann"), "{ledger}");
}

/// An admin of a project may say who else is in it.
fn project_of_bob() -> Value {
    project("two", "{ann: viewer, bob: admin, carl: viewer}")
}

#[tokio::test]
async fn a_member_who_is_let_go_has_no_rights_any_more() {
    let (server, root) = with_members().await;
    let ann = token("ann");
    let asked = || server.ask_in("one", &ann, "POST", "/api/v1/apply", model("one"));
    assert_eq!(asked().await.0, StatusCode::OK);
    for (members, expected) in [("{ann: viewer}", 403), ("{ann: admin}", 200), ("{}", 403)] {
        let (status, answer) = server.ask(&root, "POST", "/api/v1/apply", project("one", members)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(asked().await.0.as_u16(), expected, "{members}");
    }
}

#[tokio::test]
async fn a_path_names_the_project_of_a_client_that_knows_none() {
    let (server, root) = with_members().await;
    for (project, names) in [("one", ["a", "b"]), ("two", ["a", "c"])] {
        for text in names {
            let (status, answer) =
                server.ask(&root, "POST", &format!("/projects/{project}{CREATE}"), json!({"name": text})).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
        }
    }
    for (who, project, expected) in [
        ("root", "one", vec!["a", "b"]),
        ("root", "two", vec!["a", "c"]),
        ("root", "default", vec![]),
        ("ann", "two", vec!["a", "c"]),
        ("bob", "two", vec!["a", "c"]),
    ] {
        let (status, answer) =
            server.ask(&token(who), "GET", &format!("/projects/{project}{SEARCH}"), Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let found = answer["experiments"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<&str> = found.iter().filter_map(|one| one["name"].as_str()).collect();
        names.retain(|name| *name != "Default");
        names.sort_unstable();
        assert_eq!(names, expected, "{who} {project}");
    }
    for (who, project, expected, words) in [
        ("root", "tow", 404, "there is no project tow; did you mean `two`?"),
        ("root", "Two!", 400, "Two!"),
        ("bob", "one", 403, "user:bob is no member of project one"),
        ("viewer", "two", 403, "this token is not good for project two"),
        ("", "two", 401, "a token is needed"),
    ] {
        let secret = if who.is_empty() { String::new() } else { token(who) };
        let (status, answer) = server.ask(&secret, "GET", &format!("/projects/{project}{SEARCH}"), Value::Null).await;
        assert_eq!(status.as_u16(), expected, "{who} {project}: {answer}");
        let message = answer["message"].as_str().expect("a message");
        assert!(message.contains(words) && answer["error_code"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn tokens_have_names_that_are_in_use_once() {
    let server = TestServer::new().await;
    let root = server.admin("root", None).await;
    let path = "/api/v1/tokens";
    let steps = [
        (json!({"name": "ci", "role": "viewer"}), 201),
        (json!({"name": "ci", "role": "viewer"}), 409),
        (json!({"name": "ci", "role": "viewer", "project": "default"}), 201),
        (json!({"name": "ci", "role": "admin", "replace": true}), 201),
        (json!({"name": "short", "role": "viewer", "seconds": 0}), 400),
        (json!({"name": " ", "role": "viewer"}), 400),
        (json!({"name": "a\u{0}b", "role": "viewer"}), 400),
        (json!({"name": "n", "role": "viewer", "user": ""}), 400),
        (json!({"name": "n", "role": "owner"}), 400),
        (json!({"name": "x".repeat(101), "role": "viewer"}), 400),
    ];
    let mut secrets = Vec::new();
    for (body, expected) in steps {
        let (status, answer) = server.ask(&root, "POST", path, body.clone()).await;
        assert_eq!(status.as_u16(), expected, "{body}: {answer}");
        secrets.extend(answer["secret"].as_str().map(str::to_owned));
    }
    // The first was replaced by the third; the second is of another project.
    for (secret, expected) in secrets.iter().zip([401, 200, 200]) {
        let (status, _) = server.ask(secret, "GET", "/api/v1/objects", Value::Null).await;
        assert_eq!(status.as_u16(), expected);
    }
    let (_, tokens) = server.ask(&root, "GET", path, Value::Null).await;
    let id = tokens.as_array().and_then(|all| all.last()).and_then(|last| last["id"].as_str()).expect("an id");
    for _ in 0..2 {
        let (status, _) = server.ask(&root, "DELETE", &format!("{path}/{id}"), Value::Null).await;
        assert_eq!(status, StatusCode::OK, "revoking once more changes nothing");
    }
    assert!(!tokens.to_string().contains("secret"), "{tokens}");
}

#[tokio::test]
async fn wrong_tokens_are_held_up_and_good_ones_are_not() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let server = TestServer::new().await;
    let basic = |user: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let ask = async |header: String| {
        let (status, headers, _) = server.look(SEARCH, &[("authorization", &header)]).await;
        let wait = headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        (status.as_u16(), wait)
    };
    // The name is the asker's to choose; the token is the password.
    for user in ["viewer", "anything", ""] {
        assert_eq!(ask(basic(user, &token("viewer"))).await, (200, None), "{user}");
    }
    let mut answers = Vec::new();
    for number in 0..30 {
        answers.push(ask(basic("ann", &format!("wl_wrong{number}"))).await);
    }
    assert_eq!(answers[0], (401, None));
    let held_up =
        |(status, wait): &(u16, Option<u64>)| *status == 429 && wait.is_some_and(|wait| (1..=5).contains(&wait));
    assert!(answers.iter().any(held_up), "{answers:?}");
    // Known, under the name that is held up; not known yet, under no name; and then under that name too.
    assert_eq!(ask(basic("ann", &token("viewer"))).await, (200, None));
    assert_eq!(ask(format!("Bearer {}", token("contributor"))).await, (200, None));
    assert_eq!(ask(basic("ann", &token("contributor"))).await, (200, None));
}

#[tokio::test]
async fn an_address_with_too_many_wrong_tokens_is_held_up() {
    let server = TestServer::new().await;
    let address = server.listen().await;
    let (status, _) = wire::ask(address, &token("viewer"), SEARCH).await;
    assert_eq!(status, 200);
    let mut refused = 0;
    for number in 0..400 {
        let (status, _) = wire::ask(address, &format!("wl_wrong{number}"), SEARCH).await;
        assert!(matches!(status, 401 | 429), "{status}");
        refused += u32::from(status == 429);
    }
    assert!(refused > 0, "some of 400 at once are held up");
    let (status, _) = wire::ask(address, &token("viewer"), SEARCH).await;
    assert_eq!(status, 200, "a token that was good lately goes on");
    until("another good token gets its turn", || async {
        wire::ask(address, &token("contributor"), SEARCH).await.0 == 200
    })
    .await;
}

/// Reads until a text was read; returns all that came.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = String::new();
    let mut piece = [0; 4096];
    while !read.contains(text) {
        let count = stream.read(&mut piece).await.expect("an answer");
        assert!(count > 0, "it ended before `{text}`: {read}");
        read.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    read
}

/// Reads to the end, which may be a broken connection; returns how many bytes came.
async fn read_to_end(mut stream: TcpStream) -> usize {
    let mut piece = vec![0; 64 << 10];
    let mut total = 0;
    let reading = async {
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            total += count;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), reading).await.expect("it ends");
    total
}

#[tokio::test]
async fn an_answer_that_lasts_ends_with_its_token() {
    const SIZE: usize = 64 << 20;
    let server = TestServer::new().await;
    let root = server.admin("root", None).await;
    let address = server.listen().await;
    let (status, answer) = server.ask(&root, "POST", "/api/v1/apply", project("team", "{ann: contributor}")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let bytes = vec![7; SIZE];
    let blob = format!("/api/v1/blobs/{}", windlass_kinds::Digest::sha256(&bytes));
    let (status, _) = server.send(&root, "PUT", &blob, bytes).await;
    assert!(status.is_success(), "{status}");
    for (number, path) in ["/changes", &blob].into_iter().enumerate() {
        for how in ["here", "elsewhere"] {
            let text = format!("reader-{number}-{how}");
            server.keep(Kept::fixed(&text, Role::Viewer)).await;
            let mut stream = wire::begin(address, &token(&text), path).await;
            let head = read_until(&mut stream, "\r\n\r\n").await;
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            match how {
                "here" => {
                    let (status, _) = server.ask(&root, "DELETE", &format!("/api/v1/tokens/{text}"), Value::Null).await;
                    assert_eq!(status, StatusCode::OK);
                }
                _ => server.revoke_elsewhere(&text).await,
            }
            assert!(read_to_end(stream).await < SIZE, "{path} {how}");
        }
    }
    server.keep(Kept { user: Some("ann"), ..Kept::fixed("ann", Role::Admin) }).await;
    let mut stream = wire::begin(address, &token("ann"), "/changes").await;
    read_until(&mut stream, "200 OK").await;
    let (status, answer) = server.ask(&root, "POST", "/api/v1/apply", project("team", "{ann: viewer}")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    read_to_end(stream).await;
}

#[tokio::test]
async fn an_upload_ends_with_its_token() {
    let server = TestServer::new().await;
    let root = server.admin("root", None).await;
    let address = server.listen().await;
    server.keep(Kept::fixed("writer", Role::Contributor)).await;
    let blob = format!("/api/v1/blobs/{}", windlass_kinds::Digest::sha256([7; 1000]));
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "PUT {blob} HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer {}\r\n\r\n",
        token("writer")
    );
    stream.write_all(head.as_bytes()).await.expect("a request goes out");
    stream.write_all(b"3e8\r\n").await.expect("a piece begins");
    stream.write_all(&[7; 1000]).await.expect("a piece goes out");
    stream.write_all(b"\r\n").await.expect("a piece ends");
    until("it was let in", || async { server.was_used("writer").await }).await;
    server.revoke_elsewhere("writer").await;
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"), "{answer}");
    let (status, _) = server.send(&root, "GET", &blob, Vec::new()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
