//! The door's first look, before any token: `Host` and `Origin`.
//!
//! A page of another site can make a browser send requests here. It cannot set `Host` (so a name that was pointed at us
//! by its owner, DNS rebinding, is seen), and it cannot leave out `Origin`. Both are checked for every path.

use axum::http::{HeaderMap, StatusCode, Uri, header};

use crate::{AppState, error::ApiError};

/// Refuses a `Host` that is not ours (DNS rebinding) and an `Origin` that is another site's.
pub(super) fn check(state: &AppState, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
    let host = match (uri.host(), headers.get(header::HOST)) {
        (_, Some(value)) => value.to_str().unwrap_or(""),
        (Some(host), None) => host,
        (None, None) => "",
    };
    let name = host_name(host);
    let known = is_loopback_name(name) || state.settings.hosts.iter().any(|known| known.eq_ignore_ascii_case(name));
    if !known {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "host",
            format!("this server does not answer for host `{name}`"),
        )
        .hint("use the address it listens at, or start it with --host NAME"));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or("");
        let same = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
        if !same {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "origin",
                "requests from pages of another site are refused",
            ));
        }
    }
    Ok(())
}

/// Returns the name in a `Host` header: without port, without the brackets of an IPv6 address.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or("");
    }
    host.split(':').next().unwrap_or("")
}

fn is_loopback_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_lose_port_and_brackets() {
        for (host, name) in
            [("localhost:7070", "localhost"), ("[::1]:7070", "::1"), ("127.0.0.1", "127.0.0.1"), ("", "")]
        {
            assert_eq!(host_name(host), name);
        }
        assert!(is_loopback_name("LocalHost") && is_loopback_name("::1") && is_loopback_name("127.9.9.9"));
        assert!(!is_loopback_name("evil.example") && !is_loopback_name("10.0.0.1") && !is_loopback_name(""));
    }
}
