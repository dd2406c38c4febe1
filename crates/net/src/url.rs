//! URLs as we take and show them.

use std::net::IpAddr;

use reqwest::Url;

use crate::NetError;

/// Returns a URL as it may be shown: user, password and query values, where secrets live, as `***`.
///
/// Text that is no URL comes back with whatever stands between `//` and `@` masked.
pub fn mask(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.has_host() => mask_url(&url),
        Ok(_) | Err(_) => mask_text(text),
    }
}

pub(crate) fn mask_url(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs without a host, which have no user either.
    if !url.username().is_empty() || url.password().is_some() {
        let _ = url.set_username("***");
        let _ = url.set_password(None);
    }
    let Some(query) = url.query() else { return url.to_string() };
    let shown: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{name}=***"),
            None => pair.to_owned(),
        })
        .collect();
    url.set_query(Some(&shown.join("&")));
    url.to_string()
}

fn mask_text(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("//") else { return text.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}//***{}", &rest[at..]),
        None => text.to_owned(),
    }
}

/// Parses a URL that we can fetch.
pub(crate) fn parse(text: &str) -> Result<Url, NetError> {
    let bad = |problem| NetError::Url { url: mask(text), problem };
    let url = Url::parse(text).map_err(|_| bad("it is not a URL; write https://host/path"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        "http" | "https" => Err(bad("it has no host")),
        _ => Err(bad("only http and https can be fetched")),
    }
}

/// Returns the address where the host is written as one.
pub(crate) fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Returns whether a URL speaks of this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match literal(url) {
        Some(address) => address.is_loopback(),
        None => url.host_str() == Some("localhost"),
    }
}

/// Returns whether credentials for one URL may go to the other.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host_str() == b.host_str() && a.port_or_known_default() == b.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked() {
        for (given, shown) in [
            ("https://host/a?b", "https://host/a?b"),
            ("https://user:secret@host/a", "https://***@host/a"),
            ("https://token@host/", "https://***@host/"),
            ("https://host/a?sig=secret&x=1", "https://host/a?sig=***&x=***"),
            ("https://u:p@ho st/a", "https://***@ho st/a"),
            ("no url at all", "no url at all"),
        ] {
            assert_eq!(mask(given), shown);
        }
    }

    #[test]
    fn only_http_is_fetched() {
        for bad in ["", "host/path", "file:///etc/passwd", "ftp://host", "gopher://h", "data:,x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(is_loopback(&parse("http://[::1]:7070/x").unwrap()));
        assert!(is_loopback(&parse("http://localhost").unwrap()));
        // The parser knows every way to write an address.
        assert_eq!(literal(&parse("http://0x7f.1/").unwrap()), Some([127, 0, 0, 1].into()));
        assert_eq!(literal(&parse("http://2130706433/").unwrap()), Some([127, 0, 0, 1].into()));
    }
}
