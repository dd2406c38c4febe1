//! The native API: who reaches into which project, and what is never changed once published.

use axum::http::StatusCode;
use serde_json::{Value, json};
use windlass_api::{ApplyRequest, WantedManifest};
use windlass_kinds::manifest::{self, NothingKnown, Resolved, Source};

use crate::support::{TestServer, name, token};

/// Returns the body that plans or applies manifests.
pub(crate) fn request(text: &str) -> Value {
    let source = Source::from_bytes("test.yaml".to_owned(), text.as_bytes().to_vec()).expect("text");
    let outcome = manifest::read(&[source], &NothingKnown);
    assert!(outcome.findings.is_empty(), "{:?}", outcome.findings);
    let manifests = outcome.manifests.into_iter();
    let manifests =
        manifests.map(|parsed| WantedManifest { manifest: parsed.manifest, resolved: Resolved::default() }).collect();
    serde_json::to_value(ApplyRequest { manifests, fingerprint: None }).expect("a request")
}

/// Returns the body that applies a model of a project.
fn model(project: &str) -> Value {
    request(&format!(
        "apiVersion: windlass.dev/v1alpha1\nkind: Model\nmetadata: {{name: m, project: {project}}}\nspec: {{}}\n"
    ))
}

#[tokio::test]
async fn a_token_of_one_project_reaches_into_no_other() {
    let server = TestServer::new().await;
    let everywhere = server.admin("everywhere", None).await;
    let (status, _) = server.ask(&everywhere, "POST", "/api/v1/apply", model("team")).await;
    assert_eq!(status, StatusCode::OK);
    let made = |project: Value| json!({"name": "n", "project": project, "role": "admin"});
    for (method, path, body, expected) in [
        ("POST", "/api/v1/plan", model("default"), 200),
        ("POST", "/api/v1/plan", model("team"), 403),
        ("POST", "/api/v1/apply", model("team"), 403),
        ("GET", "/api/v1/objects/model/m", Value::Null, 404),
        ("GET", "/api/v1/export", Value::Null, 403),
        ("POST", "/api/v1/tokens", made(Value::Null), 403),
        ("POST", "/api/v1/tokens", made(json!("team")), 403),
        ("POST", "/api/v1/tokens", made(json!("default")), 201),
        ("DELETE", "/api/v1/tokens/everywhere", Value::Null, 404),
        ("DELETE", "/api/v1/tokens/viewer", Value::Null, 200),
    ] {
        let (status, answer) = server.ask(&token("admin"), method, path, body.clone()).await;
        assert_eq!(status.as_u16(), expected, "{method} {path} {body}: {answer}");
    }
    let (status, _) = server.ask_in("team", &token("admin"), "GET", "/api/v1/objects", Value::Null).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (_, tokens) = server.ask(&token("admin"), "GET", "/api/v1/tokens", Value::Null).await;
    let names: Vec<&str> = tokens.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(!names.contains(&"everywhere") && names.contains(&"admin"), "{names:?}");
}

#[tokio::test]
async fn a_token_of_all_projects_names_the_one_it_means() {
    let server = TestServer::new().await;
    let everywhere = server.admin("everywhere", None).await;
    for project in ["default", "team"] {
        let (status, answer) = server.ask(&everywhere, "POST", "/api/v1/apply", model(project)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let (_, all) = server.ask(&everywhere, "GET", "/api/v1/objects", Value::Null).await;
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    let (_, one) = server.ask_in("team", &everywhere, "GET", "/api/v1/objects", Value::Null).await;
    assert_eq!(one.as_array().map(Vec::len), Some(1));
    let (_, read) = server.ask_in("team", &everywhere, "GET", "/api/v1/objects/model/m", Value::Null).await;
    assert_eq!(read["project"], json!(name("team")));
    let (status, _) = server.ask_in("No Name", &everywhere, "GET", "/api/v1/objects", Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn projects_are_for_admins() {
    let server = TestServer::new().await;
    let project = request(
        "apiVersion: windlass.dev/v1alpha1\nkind: Project\nmetadata: {name: default}\nspec: {members: {a: viewer}}\n",
    );
    for (role, expected) in [("maintainer", 403), ("admin", 200)] {
        let (status, answer) = server.ask(&token(role), "POST", "/api/v1/apply", project.clone()).await;
        assert_eq!(status.as_u16(), expected, "{role}: {answer}");
    }
    let (status, _) = server.ask(&token("maintainer"), "DELETE", "/api/v1/objects/project/default", Value::Null).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_published_template_never_changes() {
    let server = TestServer::new().await;
    let template = |version: u32, value: &str| {
        request(&format!(
            "apiVersion: windlass.dev/v1alpha1\nkind: JobTemplate\nmetadata: {{name: t}}\n\
             spec: {{version: {version}, defaults: {{env: {{A: {value}}}}}}}\n"
        ))
    };
    let steps = [
        (Some((1, "one")), 200),
        (Some((2, "two")), 200),
        // Its content stays free to come back as it was, never as another.
        (Some((1, "other")), 409),
        (Some((1, "one")), 200),
        (Some((2, "other")), 409),
        (None, 200),
        (Some((2, "other")), 409),
        (Some((3, "three")), 200),
    ];
    for (step, expected) in steps {
        let (status, answer) = match step {
            Some((version, value)) => {
                server.ask(&token("maintainer"), "POST", "/api/v1/apply", template(version, value)).await
            }
            None => server.ask(&token("maintainer"), "DELETE", "/api/v1/objects/jobtemplate/t", Value::Null).await,
        };
        assert_eq!(status.as_u16(), expected, "{step:?}: {answer}");
    }
}

#[tokio::test]
async fn a_project_that_does_not_exist_is_a_mistake() {
    let server = TestServer::new().await;
    let everywhere = server.admin("everywhere", None).await;
    let (status, answer) = server.ask(&everywhere, "POST", "/api/v1/apply", model("team")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    for path in ["/api/v1/objects", "/api/v1/runs"] {
        let (status, answer) = server.ask_in("taem", &everywhere, "GET", path, Value::Null).await;
        assert_eq!((status, &answer["message"]), (StatusCode::NOT_FOUND, &json!("there is no project taem")), "{path}");
        assert!(answer["hint"].as_str().is_some_and(|hint| hint.contains("team")), "{answer}");
        let (status, _) = server.ask_in("team", &everywhere, "GET", path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{path}");
    }
}
