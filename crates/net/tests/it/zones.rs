//! Users' URLs lead to public addresses only, by whatever road.

use std::{process::Command, time::Duration};

use windlass_net::{Client, NetError, Settings, Zone};

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
