//! The page from outside: who gets in, what it shows, and that nothing in it is taken for markup.

use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use crate::{
    page_story::{EVIL, lay},
    support::{TestServer, name, token},
};

/// Every page over the story, with something that it must say.
const PAGES: [(&str, &str); 23] = [
    ("/", "What happened"),
    ("/projects/default", "The loop"),
    ("/projects/default/runs", "train-3"),
    ("/projects/default/runs/train-2", "monitor flights-quality over arrivals version 4"),
    ("/projects/default/runs/train-1/steps/train", "parameter.seed"),
    ("/projects/default/pipelines/train", "each crossing seen by"),
    ("/projects/default/datasets/flights", "max &lt;= 2000"),
    ("/projects/default/datasets/flights/versions/6", "2713 (row 4021)"),
    ("/projects/default/datasets/arrivals/versions/1", "train-1"),
    ("/projects/default/models/flights", "The gate of champion"),
    ("/projects/default/models/flights/versions/4", "promoted to champion"),
    ("/projects/default/models/flights/versions/2", "promoted to champion"),
    ("/projects/default/models/flights/versions/5", "95 % interval −0.32 to 0.55"),
    ("/projects/default/endpoints/flights", "Who served when"),
    ("/projects/default/endpoints/flights", "half within about 1.2 ms, 99 of 100 within 34 ms"),
    ("/projects/default/monitors/flights-quality", "above 1.1 × the test score"),
    ("/projects/default/monitors/flights-drift", "only shown"),
    ("/projects/default/experiments", "train"),
    ("/projects/default/experiments/1", "loss"),
    ("/projects/default/ledger", "Dataset/arrivals"),
    ("/projects/default/ledger?subject=Model/flights@1", "Model/flights@1"),
    ("/projects/default/ledger/1", "Flights as they leave"),
    ("/tracking/RUN", "loss"),
];

/// Signs in as a holder of a token; returns the session's cookie.
async fn sign_in(server: &TestServer, token: &str) -> String {
    let (status, answer) = server.ask(token, "POST", "/api/v1/sign-in", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let path = answer["path"].as_str().expect("a path").to_owned();
    let (status, headers, _) = server.look(&path, &[]).await;
    assert_eq!(status, StatusCode::OK);
    cookie(&headers)
}

fn cookie(headers: &HeaderMap) -> String {
    let text = headers[header::SET_COOKIE].to_str().expect("text");
    text.split(';').next().expect("a pair").to_owned()
}

#[tokio::test]
async fn a_link_is_good_once_and_its_session_opens_pages_alone() {
    let server = TestServer::new().await;
    let (_, answer) = server.ask(&token("viewer"), "POST", "/api/v1/sign-in", Value::Null).await;
    let path = answer["path"].as_str().expect("a path").to_owned();
    let (status, headers, body) = server.look(&format!("{path}&to=/projects/default/runs"), &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("url=/projects/default/runs"), "{body}");
    let set = headers[header::SET_COOKIE].to_str().expect("text");
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains("Secure"), "{set}");
    let cookie = cookie(&headers);
    assert_eq!(server.look(&path, &[]).await.0, StatusCode::FORBIDDEN, "used");
    for (path, headers, expected) in [
        ("/", vec![], 401),
        ("/", vec![("cookie", "windlass_session_=nonsense")], 401),
        ("/", vec![("cookie", cookie.as_str())], 200),
        ("/", vec![("cookie", cookie.as_str()), ("host", "evil.example")], 403),
        ("/", vec![("cookie", cookie.as_str()), ("origin", "https://evil.example")], 403),
        ("/", vec![("authorization", "Bearer wl_viewer")], 200),
        ("/", vec![("cookie", cookie.as_str()), ("authorization", "Bearer wl_nobody")], 401),
        ("/projects/team", vec![("cookie", cookie.as_str())], 403),
        ("/projects/default/runs/none-1", vec![("cookie", cookie.as_str())], 404),
        ("/projects/default/nowhere", vec![("cookie", cookie.as_str())], 404),
        ("/api/v1/objects", vec![("cookie", cookie.as_str())], 401),
        ("/api/2.0/mlflow/experiments/search", vec![("cookie", cookie.as_str())], 401),
    ] {
        let (status, answered, _) = server.look(path, &headers).await;
        assert_eq!(status.as_u16(), expected, "{path} {headers:?}");
        if expected == 200 || (expected == 401 && path == "/") {
            let policy = answered[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(answered[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(answered[header::CACHE_CONTROL], "no-store");
        }
    }
}

#[tokio::test]
async fn a_session_ends_with_its_token_and_at_a_sign_out() {
    let server = TestServer::new().await;
    let (stays, leaves) = (sign_in(&server, &token("viewer")).await, sign_in(&server, &token("contributor")).await);
    let (status, _) = server.ask(&token("admin"), "DELETE", "/api/v1/tokens/viewer", Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(server.look("/", &[("cookie", &stays)]).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(server.look("/", &[("cookie", &leaves)]).await.0, StatusCode::OK);
    let (status, ..) = server.ask_as("POST", "/sign-out", &[("cookie", &leaves)]).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(server.look("/", &[("cookie", &leaves)]).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_step_cannot_look_at_the_page() {
    let server = TestServer::new().await;
    let (secret, _) = server.attempt(1).await;
    let bearer = format!("Bearer {secret}");
    assert_eq!(server.look("/", &[("authorization", &bearer)]).await.0, StatusCode::FORBIDDEN);
    let (status, _) = server.ask(&secret, "POST", "/api/v1/sign-in", Value::Null).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn who_comes_from_another_sites_link_is_asked_again_from_here() {
    let server = TestServer::new().await;
    let path = "/projects/default/runs?x=1";
    let (_, _, body) = server.look(path, &[("sec-fetch-site", "cross-site")]).await;
    assert!(body.contains("url=/projects/default/runs?x=1"), "{body}");
    let (_, _, body) = server.look(path, &[("sec-fetch-site", "same-origin")]).await;
    assert!(!body.contains("http-equiv"), "{body}");
}

#[tokio::test]
async fn every_page_says_what_it_should_and_escapes_what_people_wrote() {
    let server = TestServer::new().await;
    lay(&server).await;
    let cookie = sign_in(&server, &token("viewer")).await;
    let run = server
        .store
        .read(|tx| Box::pin(async move { tx.model_version_get(&name("default"), "flights", 1).await }))
        .await
        .expect("a store")
        .and_then(|version| version.run)
        .expect("a run");
    for (path, piece) in PAGES {
        let path = path.replace("RUN", run.as_str());
        let (status, _, body) = server.look(&path, &[("cookie", &cookie)]).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert!(body.contains(piece), "`{piece}` in {path}:\n{body}");
        assert!(!body.contains(EVIL) && !body.contains("<script>"), "{path} holds markup that people wrote:\n{body}");
        assert!(!body.contains(" style=") && !body.contains(" onclick"), "{path} has inline style or script");
        assert_eq!(body.matches("<h1").count(), 1, "{path}");
        for landmark in ["<nav", "<main", "<footer", "lang=\"en\""] {
            assert!(body.contains(landmark), "{landmark} in {path}");
        }
    }
}

#[tokio::test]
async fn the_drawing_says_what_led_to_what() {
    let server = TestServer::new().await;
    lay(&server).await;
    let (_, _, body) = server.look("/", &[("authorization", "Bearer wl_viewer")]).await;
    for (piece, count) in [
        // Three crossings started a run each; the first run was started by data.
        ("class=\"edge started back\"", 3),
        // From data to the first run, from each run to two candidates, from the promoted ones to the endpoint.
        ("class=\"edge started\"", 1 + 4 * 2 + 2),
        ("class=\"box bar good\"", 1),
        ("class=\"box bar calm\"", 1),
        (" ▲<", 2),
        (" ✕<", 6),
    ] {
        assert_eq!(body.matches(piece).count(), count, "{piece}");
    }
}

#[tokio::test]
async fn every_link_of_a_page_leads_somewhere() {
    let server = TestServer::new().await;
    lay(&server).await;
    let cookie = sign_in(&server, &token("viewer")).await;
    let mut paths = vec!["/".to_owned()];
    let mut place = 0;
    while place < paths.len() {
        let path = paths[place].clone();
        place += 1;
        let (status, _, body) = server.look(&path, &[("cookie", &cookie)]).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        for link in body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let link = link.replace("&amp;", "&");
            if link.starts_with('/') && !link.contains("/ledger") && !paths.contains(&link) {
                paths.push(link);
            }
        }
    }
    assert!(paths.len() > 60, "{} pages", paths.len());
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_names_of_their_own() {
    let server = TestServer::new().await;
    let (_, _, body) = server.look("/sign-in", &[]).await;
    let asset = |ending: &str| {
        let found = body.split('"').find(|text| text.starts_with("/assets/") && text.ends_with(ending));
        found.expect("an asset").to_owned()
    };
    for (ending, media) in [(".css", "text/css"), (".js", "text/javascript"), (".svg", "image/svg+xml")] {
        let (status, headers, _) = server.look(&asset(ending), &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(headers[header::CONTENT_TYPE].to_str().expect("text").starts_with(media));
        assert!(headers[header::CACHE_CONTROL].to_str().expect("text").contains("immutable"));
    }
    assert_eq!(server.look("/assets/page.css", &[]).await.0, StatusCode::NOT_FOUND);
}
