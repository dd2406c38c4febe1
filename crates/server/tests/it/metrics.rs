//! `GET /metrics`: what Prometheus scrapes, by the format's own grammar, and who may.

use std::collections::BTreeSet;

use axum::http::StatusCode;

use crate::{
    page_story::lay,
    support::{TestServer, token},
};

#[tokio::test]
async fn the_loop_is_told_as_series() {
    let server = TestServer::new().await;
    lay(&server).await;
    let (status, headers, text) =
        server.look("/metrics", &[("authorization", &format!("Bearer {}", token("viewer")))]).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "windlass_build_info{version=\"0.1.0\",database=\"sqlite\"} 1",
        "windlass_pipeline_runs{project=\"default\",state=\"succeeded\"} 4",
        "windlass_monitor_windows_total{project=\"default\",monitor=\"flights-quality\"} 10",
        "windlass_monitor_breached_windows_total{project=\"default\",monitor=\"flights-quality\"} 3",
        "windlass_monitor_breached{project=\"default\",monitor=\"flights-quality\"} 0",
        "windlass_monitor_threshold{project=\"default\",monitor=\"flights-drift\",measure=\"psi\",side=\"above\",windows=\"1 of 1\",warn=\"true\"} 0.25",
        "windlass_monitor_threshold{project=\"default\",monitor=\"flights-quality\",measure=\"|bias|\",side=\"above\",windows=\"1 of 1\",warn=\"false\"} 5",
    ] {
        assert!(text.lines().any(|written| written == line), "{line}\nin\n{text}");
    }
    assert!(text.contains("windlass_endpoint_rows_total{project=\"default\"} 99000\n"), "{text}");
    for start in [
        "windlass_monitor_value{",
        "windlass_monitor_threshold{project=\"default\",monitor=\"flights-quality\",measure=\"mae\"",
    ] {
        assert!(text.lines().any(|written| written.starts_with(start)), "{start}\nin\n{text}");
    }
    // A token of one project learns nothing of the whole server.
    assert!(!text.contains("windlass_inbox_pending"), "{text}");
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let series: BTreeSet<&str> = samples.iter().filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect();
    assert_eq!(series.len(), samples.len(), "a series stands there twice:\n{text}");
}

#[tokio::test]
async fn whoever_has_no_token_learns_nothing() {
    let server = TestServer::new().await;
    for (headers, expected) in [
        (vec![], StatusCode::UNAUTHORIZED),
        (vec![("authorization", "Bearer wl_wrong")], StatusCode::UNAUTHORIZED),
        (vec![("authorization", "Bearer wl_viewer"), ("x-windlass-project", "other")], StatusCode::FORBIDDEN),
    ] {
        let (status, _, text) = server.look("/metrics", &headers).await;
        assert_eq!(status, expected, "{headers:?}: {text}");
        assert!(!text.contains("windlass_"), "{text}");
    }
}
