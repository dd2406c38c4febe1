//! Users' URLs lead to public addresses only, by whatever road.

use std::{process::Command, time::Duration};

use windlass_net::{Allowed, Client, NetError, Settings, Zone};

use crate::server::{Server, answer};

fn users_client() -> Client {
    Client::new(Settings { backoff: Duration::from_millis(1), ..Settings::new(Zone::User) })
}

#[tokio::test]
async fn users_do_not_reach_this_machine() {
    let server = Server::answering([answer("200 OK", "", "secret")]).await;
    let port = server.port();
    for host in
        ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "0x7f.1", "2130706433", "localhost", "169.254.169.254"]
    {
        let error = users_client().get(&format!("http://{host}:{port}/")).send().await.unwrap_err();
        assert!(matches!(error, NetError::Refused { .. }), "{host}: {error:?}");
        assert!(!error.is_transient());
    }
    assert!(server.asked().is_empty());
}

/// Names of proxies come from the environment, which a test cannot change for itself: it runs once more with one.
#[tokio::test]
async fn a_redirect_is_checked_as_the_first_url_was() {
    const CHILD: &str = "WINDLASS_TEST_BEHIND_PROXY";
    if std::env::var_os(CHILD).is_some() {
        let error = users_client().get("http://public.invalid/").send().await.unwrap_err();
        assert!(matches!(&error, NetError::Refused { host, .. } if host == "169.254.169.254"), "{error:?}");
        return;
    }
    let proxy =
        Server::answering([answer("302 Found", "location: http://169.254.169.254/latest/meta-data\r\n", "")]).await;
    let child = tokio::task::spawn_blocking({
        let url = proxy.url("");
        move || {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "zones::a_redirect_is_checked_as_the_first_url_was"])
                .env(CHILD, "1")
                .env("http_proxy", &url)
                .env_remove("no_proxy")
                .env_remove("NO_PROXY")
                .output()
                .unwrap()
        }
    });
    let output = child.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(proxy.asked().len(), 1);
    assert!(proxy.asked()[0].starts_with("GET http://public.invalid/"), "{:?}", proxy.asked());
}

/// A client of users' URLs to whom the operator allowed something.
fn allowed_client(exceptions: &[&str]) -> Client {
    let allowed: Allowed = exceptions.iter().map(|text| text.parse().expect("an exception")).collect();
    Client::new(Settings { backoff: Duration::from_millis(1), allowed, ..Settings::new(Zone::User) })
}

#[tokio::test]
async fn an_operator_opens_single_ways() {
    let server = Server::answering([answer("200 OK", "", "by address"), answer("200 OK", "", "by name")]).await;
    let port = server.port();
    let by_address = allowed_client(&["127.0.0.0/8"]);
    let text = by_address.get(&format!("http://127.0.0.1:{port}/")).send().await.unwrap().text_capped(100).await;
    assert_eq!(text.unwrap(), "by address");
    let by_name = allowed_client(&["localhost"]);
    let text = by_name.get(&format!("http://localhost:{port}/")).send().await.unwrap().text_capped(100).await;
    assert_eq!(text.unwrap(), "by name");
    // The name was allowed, not the address behind it.
    for (client, host) in [(&by_name, "127.0.0.1"), (&by_address, "169.254.169.254"), (&by_address, "[::1]")] {
        let url = format!("http://{host}:{port}/");
        assert!(matches!(client.get(&url).send().await, Err(NetError::Refused { .. })), "{host}");
        assert!(matches!(client.judge(&url).await, Err(NetError::Refused { .. })), "{host}");
    }
    assert!(by_name.judge("https://localhost/x").await.is_ok());
    assert!(matches!(users_client().judge("https://localhost/x").await, Err(NetError::Refused { .. })));
    assert!(matches!(users_client().judge("https://nobody.invalid/x").await, Err(NetError::Lookup { .. })));
    assert!(matches!(users_client().judge("ftp://x").await, Err(NetError::Url { .. })));
}

#[tokio::test]
async fn a_changing_request_follows_only_where_it_is_told_to() {
    let to = |status, location: &str| answer(status, &format!("location: {location}\r\n"), "");
    let server = Server::answering([
        to("307 Temporary Redirect", "/there"),
        answer("200 OK", "", "moved"),
        to("308 Permanent Redirect", "http://169.254.169.254/"),
        to("302 Found", "/there"),
        to("307 Temporary Redirect", "/there"),
    ])
    .await;
    let client = allowed_client(&["127.0.0.1"]);
    let post = || client.post(&server.url("/here")).body("words");
    assert_eq!(post().follow_changing().send().await.unwrap().text_capped(100).await.unwrap(), "moved");
    assert!(
        server.asked()[1].starts_with("POST /there") && server.asked()[1].ends_with("words"),
        "{:?}",
        server.asked()
    );
    assert!(matches!(post().follow_changing().send().await, Err(NetError::Refused { .. })));
    // What would turn the request into a GET is an answer like any other.
    assert_eq!(post().follow_changing().send().await.unwrap().status(), 302);
    assert_eq!(post().send().await.unwrap().status(), 307);
}
