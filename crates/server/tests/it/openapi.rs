//! The description of the native API, held against the routes that there are.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::Value;

use crate::support::TestServer;

#[tokio::test]
async fn the_document_is_of_the_routes_and_of_all_of_them() {
    let server = TestServer::new().await;
    let admin = server.admin("root", None).await;
    let (status, document) = server.ask(&admin, "GET", "/api/v1/openapi.json", Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        // `HEAD` is answered wherever `GET` is.
        let methods = methods.as_object().unwrap().keys().filter(|method| *method != "head");
        described.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let mut served = BTreeSet::new();
    for (path, methods) in server.routes().await {
        // Sign-in is the page's, and not for programs.
        if path.starts_with("/api/v1/") && !path.contains("{*") && path != "/api/v1/sign-in" {
            let methods = methods.iter().map(|method| method.as_str()).filter(|method| *method != "HEAD");
            served.extend(methods.map(|method| format!("{method} {path}")));
        }
    }
    assert_eq!(described, served);
}
