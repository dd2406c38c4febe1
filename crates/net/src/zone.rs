//! Whose URL it is, and what follows from that.
//!
//! A user's URL is checked at each hop: the scheme, an address written out, and every address its name stands for, at
//! the moment we connect, so that a name cannot change its mind in between. Through a proxy we see no addresses; then
//! the name is looked up here first, as far as this machine can.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use crate::{Allowed, NetError, address, url};

/// Whose URLs a client fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Written by whoever runs Windlass: anything goes.
    Operator,
    /// Written by a user: only public addresses.
    User,
}

/// What a resolver says where all addresses of a name are refused.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{address} is {why}")]
pub(crate) struct Forbidden {
    pub(crate) address: String,
    pub(crate) why: &'static str,
}

/// Looks names up, and for users' URLs leaves out what they may not lead to.
#[derive(Clone)]
pub(crate) struct PublicResolver {
    /// Hosts of configured proxies, which may well be private.
    proxies: Arc<BTreeSet<String>>,
    /// What is not refused though it is not public.
    allowed: Arc<Allowed>,
}

impl PublicResolver {
    pub(crate) fn new(allowed: Allowed) -> Self {
        let proxies = Arc::new(proxy_hosts(|name| std::env::var(name).ok()));
        Self { proxies, allowed: Arc::new(allowed) }
    }

    fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        if self.allowed.has_address(address) { None } else { address::refusal(address) }
    }

    /// Checks a URL and every address that its name stands for now.
    pub(crate) async fn judge(&self, target: &Url) -> Result<(), NetError> {
        self.check(target).await?;
        let host = target.host_str().unwrap_or_default();
        if url::literal(target).is_some() || self.allowed.has_host(host) {
            return Ok(());
        }
        let found = tokio::net::lookup_host((host, 0));
        let found = found.await.map_err(|source| NetError::Lookup { host: host.to_owned(), source })?;
        for found in found {
            if let Some(why) = self.refusal(found.ip()) {
                let host = format!("{host} ({})", found.ip());
                return Err(NetError::Refused { url: url::mask_url(target), host, why });
            }
        }
        Ok(())
    }

    /// Checks a URL before it is asked for.
    pub(crate) async fn check(&self, target: &Url) -> Result<(), NetError> {
        let refused = |host: String, why| NetError::Refused { url: url::mask_url(target), host, why };
        let host = target.host_str().unwrap_or_default().to_owned();
        if let Some(address) = url::literal(target) {
            return self.refusal(address).map_or(Ok(()), |why| Err(refused(host, why)));
        }
        if self.allowed.has_host(&host) {
            return Ok(());
        }
        if self.proxies.contains(&host) {
            return Err(refused(host, "a proxy of this machine"));
        }
        if !self.proxies.is_empty() {
            // The proxy looks the name up, not we: judge by what it stands for here. A name unknown here is its business.
            let addresses = tokio::net::lookup_host((host.as_str(), 0)).await.into_iter().flatten();
            for found in addresses {
                if let Some(why) = self.refusal(found.ip()) {
                    return Err(refused(format!("{host} ({})", found.ip()), why));
                }
            }
        }
        Ok(())
    }
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let known = self.proxies.contains(name.as_str()) || self.allowed.has_host(name.as_str());
        let guard = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !known {
                // One bad address spoils the name: whoever mixes them is up to something.
                for address in &found {
                    if let Some(why) = guard.refusal(address.ip()) {
                        return Err(Forbidden { address: address.ip().to_string(), why }.into());
                    }
                }
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn proxy_hosts(variable: impl Fn(&str) -> Option<String>) -> BTreeSet<String> {
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    names
        .iter()
        .flat_map(|name| [(*name).to_owned(), name.to_lowercase()])
        .filter_map(|name| variable(&name))
        .filter_map(|text| {
            let text = if text.contains("://") { text } else { format!("http://{text}") };
            Url::parse(&text).ok()?.host_str().map(str::to_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_known_by_host() {
        let hosts = proxy_hosts(|name| match name {
            "HTTP_PROXY" => Some("proxy.local:3128".to_owned()),
            "https_proxy" => Some("http://user:secret@other.local:1".to_owned()),
            _ => None,
        });
        assert_eq!(hosts, ["other.local".to_owned(), "proxy.local".to_owned()].into());
    }
}
