//! The pages of tracking from outside: what they show of what clients logged, and how files are sent.

use axum::http::{StatusCode, header};
use serde_json::{Value, json};

use crate::{
    page_story::EVIL,
    support::{TestServer, token},
};

const API: &str = "/api/2.0/mlflow";
/// The bytes of a picture, as far as anybody looks.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n rest";

/// Two runs in one experiment, the second below the first, and files of the first; their ids.
async fn laid(server: &TestServer) -> (String, String) {
    let ask = async |path: &str, body: Value| {
        let (status, answer) = server.ask(&token("contributor"), "POST", &format!("{API}/{path}"), body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    };
    let experiment = ask("experiments/create", json!({"name": EVIL})).await["experiment_id"].clone();
    assert_eq!(experiment, "1");
    let mut runs = Vec::new();
    for (place, name) in [EVIL, "second"].into_iter().enumerate() {
        let parent = json!([{"key": "mlflow.parentRunId", "value": runs.first()}]);
        let tags = if place == 0 { json!([{"key": "note", "value": EVIL}]) } else { parent };
        let run = json!({"experiment_id": experiment, "run_name": name, "start_time": 1000 * place, "tags": tags});
        let id = ask("runs/create", run).await["run"]["info"]["run_id"].as_str().expect("an id").to_owned();
        let metrics: Vec<Value> = (0..3)
            .map(
                |step| json!({"key": "loss", "value": 4 - step + place as i64, "step": step, "timestamp": 1000 * step}),
            )
            .collect();
        let params = json!([{"key": "size", "value": if place == 0 { "small" } else { "large" }}]);
        ask("runs/log-batch", json!({"run_id": id, "metrics": metrics, "params": params})).await;
        runs.push(id);
    }
    let lines: Vec<String> = (0..99_999).map(|line| format!("line {line}\n")).collect();
    let csv = format!("number,word\n{}", "1,\"a,b\"\n".repeat(60));
    for (path, bytes) in [
        ("page.html", &b"<script>alert(1)</script>"[..]),
        ("picture.png", PNG),
        ("no-picture.png", EVIL.as_bytes()),
        ("some/table.csv", csv.as_bytes()),
        ("windlass/log.txt", lines.concat().as_bytes()),
        ("data.bin", b"\0\x01\x02"),
    ] {
        let path = format!("/api/2.0/mlflow-artifacts/artifacts/1/{}/artifacts/{path}", runs[0]);
        let (status, _) = server.send(&token("contributor"), "PUT", &path, bytes.to_vec()).await;
        assert_eq!(status, StatusCode::OK);
    }
    (runs[0].clone(), runs[1].clone())
}

#[tokio::test]
async fn pages_of_tracking_say_what_they_should() {
    let server = TestServer::new().await;
    let (first, second) = laid(&server).await;
    let viewer = format!("Bearer {}", token("viewer"));
    let table = "/projects/default/experiments/1";
    let run = format!("/tracking/{first}");
    let compare = format!("/projects/default/compare?runs={first},{second}");
    for (path, piece) in [
        ("/projects/default/experiments?name=SCRIPT".to_owned(), "href=\"/projects/default/experiments/1\""),
        ("/projects/default/experiments?name=nothing".to_owned(), "No such experiment."),
        (table.to_owned(), "second"),
        (format!("{table}?filter=params.size%20%3D%20'large'"), ">second<"),
        (format!("{table}?filter=metrics.loss%20%3E%209"), "No such run."),
        (format!("{table}?filter=params.size%20%3D%20large"), "<mark>large</mark>"),
        (format!("{table}?filter={}", "%3Cb%3E".repeat(100)), "class=\"fault\""),
        (format!("{table}?sort=metrics.loss&order=descending"), "aria-sort=\"descending\""),
        (format!("{table}?group=params.size"), "params.size = large"),
        (format!("{table}?columns=params.size"), ">large<"),
        (format!("{table}?show=deleted"), "No such run."),
        (format!("{table}?page=2"), "No run yet."),
        (run.clone(), "loss over 3 points, from 4 at 0 to 2 at 2"),
        (format!("{run}?axis=relative&scale=log&smooth=90"), "series raw c0"),
        (format!("{run}?metrics=LO"), "loss over 3 points"),
        (format!("{run}?metrics=nothing"), "No such metric."),
        (run.clone(), "line 99998"),
        (run.clone(), "Runs below this one"),
        (format!("/tracking/{second}"), "<dt>below</dt>"),
        (format!("{run}?artifact=some/table.csv"), "The first 50 of 60 rows"),
        (format!("{run}?artifact=page.html"), "sandbox=\"allow-scripts\""),
        (format!("{run}?artifact=picture.png"), "<img class=\"artifact\""),
        (format!("{run}?artifact=no-picture.png"), "<pre class=\"log\""),
        (format!("{run}?artifact=windlass/log.txt"), "The first 256.0 KiB."),
        (format!("{run}?artifact=data.bin"), "It is no text"),
        (format!("{run}?artifact=../gone"), "This file is not there any more."),
        (compare.clone(), "metrics.loss against params.size, 2 runs"),
        (compare.clone(), "2 runs through 2 columns"),
        (compare, "differs"),
        ("/projects/default/compare".to_owned(), "Mark runs in the table"),
        ("/projects/default/compare?runs=nobody".to_owned(), "Mark runs in the table"),
        ("/projects/default/models".to_owned(), "No model yet"),
        (format!("{table}/traces"), "No trace yet."),
    ] {
        let (status, _, body) = server.look(&path, &[("authorization", &viewer)]).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert!(body.contains(piece), "`{piece}` in {path}:\n{body}");
        assert!(!body.contains(EVIL) && !body.contains("<script>"), "{path} holds markup that people wrote:\n{body}");
        assert!(!body.contains(" style=") && !body.contains(" onclick"), "{path} has inline style or script");
    }
    for path in [
        "/projects/default/experiments/9",
        "/projects/default/experiments/9/traces",
        "/projects/default/traces/tr-1",
        "/projects/default/models/m/compare",
        "/projects/default/models/m/compare?one=1&other=2",
        "/tracking/nobody",
        "/tracking/m-1",
    ] {
        assert_eq!(server.look(path, &[("authorization", &viewer)]).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn files_are_sent_so_that_nothing_in_them_runs_as_the_page() {
    let server = TestServer::new().await;
    let (run, _) = laid(&server).await;
    let viewer = format!("Bearer {}", token("viewer"));
    for (query, media, policy, disposition) in [
        (
            "path=page.html",
            "application/octet-stream",
            "sandbox; default-src 'none'",
            "attachment; filename*=UTF-8''page.html",
        ),
        ("path=page.html&as=image", "application/octet-stream", "sandbox; default-src 'none'", "attachment"),
        ("path=page.html&as=frame", "text/html", "sandbox allow-scripts; default-src 'none'", "inline"),
        ("path=picture.png&as=image", "image/png", "sandbox; default-src 'none'", "inline"),
        ("path=no-picture.png&as=image", "application/octet-stream", "sandbox; default-src 'none'", "attachment"),
        (
            "path=some/table.csv&as=download",
            "application/octet-stream",
            "sandbox;",
            "attachment; filename*=UTF-8''table.csv",
        ),
    ] {
        let path = format!("/tracking/{run}/file?{query}");
        let (status, headers, body) = server.look(&path, &[("authorization", &viewer)]).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        let said = |name: header::HeaderName| headers[name].to_str().expect("text").to_owned();
        assert!(said(header::CONTENT_TYPE).starts_with(media), "{path}: {headers:?}");
        assert!(said(header::CONTENT_SECURITY_POLICY).starts_with(policy), "{path}: {headers:?}");
        assert!(said(header::CONTENT_DISPOSITION).starts_with(disposition), "{path}: {headers:?}");
        assert_eq!(said(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(headers.get_all(header::CONTENT_SECURITY_POLICY).iter().count(), 1);
        assert!(!said(header::CONTENT_SECURITY_POLICY).contains("allow-same-origin"));
    }
    let other = format!("Bearer {}", server.admin("stranger", Some("team")).await);
    for (query, authorization, expected) in [
        ("path=gone.txt", Some(&viewer), 404),
        ("path=../../x", Some(&viewer), 404),
        ("", Some(&viewer), 404),
        ("path=page.html&model=m-1", Some(&viewer), 404),
        ("path=page.html", Some(&other), 404),
        ("path=page.html", None, 401),
    ] {
        let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let (status, answered, _) = server.look(&format!("/tracking/{run}/file?{query}"), &headers).await;
        assert_eq!(status.as_u16(), expected, "{query}");
        assert!(answered[header::CONTENT_SECURITY_POLICY].to_str().expect("text").starts_with("default-src 'none'"));
    }
}
