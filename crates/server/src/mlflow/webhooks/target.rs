//! Which URLs a webhook may have, and what is said of the others.

use windlass_net::{Allowed, NetError};

/// The longest URL, in bytes.
const URL_MAX: usize = 2048;

/// Refuses a URL by its form: anything but https, apart from http to where the operator lets webhooks stand.
pub(super) fn form(url: &str, allowed: &Allowed) -> Result<(), String> {
    if url.trim().is_empty() {
        return Err(format!("Webhook URL cannot be empty or just whitespace: '{url}'"));
    }
    if url.len() > URL_MAX {
        return Err(format!("Webhook URL cannot be longer than {URL_MAX} bytes"));
    }
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    let parsed = axum::http::Uri::try_from(url).ok();
    let host = parsed.as_ref().and_then(|uri| uri.host()).unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
    let opened = allowed.has_host(host) || literal.is_ok_and(|address| allowed.has_address(address));
    if scheme != "https" && !(scheme == "http" && opened) {
        let word = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
        let scheme = if word { scheme.as_str() } else { "" };
        return Err(format!("Invalid webhook URL scheme: '{scheme}'. Allowed schemes are: https."));
    }
    if host.is_empty() {
        return Err(format!("Webhook URL must include a hostname: '{url}'"));
    }
    Ok(())
}

/// Returns what is said of a URL that leads nowhere, or to where users' URLs may not.
pub(super) fn refusal(url: &str, error: NetError) -> String {
    match error {
        NetError::Refused { url: _, host, why: _ } => {
            // A name comes with the address that it stands for in brackets.
            let (host, address) = match host.split_once(" (") {
                Some((name, address)) => (name, address.trim_end_matches(')')),
                None => (host.as_str(), host.as_str()),
            };
            format!("Webhook URL must not resolve to a non-public IP address. '{host}' resolves to {address}.")
        }
        NetError::Lookup { host, source } => format!("Cannot resolve Webhook URL hostname '{host}': {source}"),
        _ => format!("Invalid webhook URL '{}'", windlass_net::mask(url)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_host_and_address() {
        for (host, said) in [
            ("127.0.0.1", "'127.0.0.1' resolves to 127.0.0.1."),
            ("hooks.lan (10.0.0.1)", "'hooks.lan' resolves to 10.0.0.1."),
        ] {
            let error = NetError::Refused { url: String::new(), host: host.to_owned(), why: "private" };
            assert!(refusal("https://x", error).ends_with(said), "{host}");
        }
    }

    #[test]
    fn forms_are_judged() {
        let allowed: Allowed = ["hooks.lan", "10.0.0.0/8"].map(|text| text.parse().unwrap()).into_iter().collect();
        for good in ["https://example.org/x", "http://hooks.lan:8080/", "http://10.1.2.3/x", "HTTPS://x.org"] {
            assert_eq!(form(good, &allowed), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "cannot be empty"),
            ("  ", "cannot be empty"),
            ("http://example.org/x", "Invalid webhook URL scheme: 'http'. Allowed schemes are: https."),
            ("ftp://x", "Invalid webhook URL scheme: 'ftp'"),
            ("example.org/x", "Invalid webhook URL scheme: ''"),
            ("https://", "must include a hostname"),
            ("https:///x", "must include a hostname"),
        ] {
            let said = form(bad, &allowed).unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }
}
