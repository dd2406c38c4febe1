//! Exceptions that whoever runs Windlass makes for users' URLs.
//!
//! A user's URL leads to public addresses only ([`crate::refusal`]). Where a receiver stands in the team's own network,
//! the operator names its host or its network, and nothing else opens up.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Hosts and networks that users' URLs may lead to though they are not public.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    hosts: BTreeSet<String>,
    networks: Vec<Network>,
}

/// One host or network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exception {
    /// A host by its name, as it stands in URLs.
    Host(String),
    /// Every address of a network.
    Network(Network),
}

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// Why a text names no host and no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no host and no network; write hooks.example.org, 10.1.2.3 or 10.0.0.0/8")]
pub struct ExceptionError(String);

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                first.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                first.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Exception {
    type Err = ExceptionError;

    fn from_str(text: &str) -> Result<Self, ExceptionError> {
        let error = || ExceptionError(text.chars().take(100).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| error())?)),
            None => (text, None),
        };
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        let most = match bare.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => Ipv4Addr::BITS,
            Ok(IpAddr::V6(_)) => Ipv6Addr::BITS,
            Err(_) if bits.is_none() && is_host(text) => return Ok(Self::Host(text.to_ascii_lowercase())),
            Err(_) => return Err(error()),
        };
        let most = u8::try_from(most).unwrap_or(u8::MAX);
        let bits = bits.unwrap_or(most);
        match bare.parse() {
            Ok(first) if bits <= most => Ok(Self::Network(Network { first, bits })),
            _ => Err(error()),
        }
    }
}

/// Returns whether a text can be the name of a host. What consists of digits and dots alone would be read as an address.
fn is_host(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(plain)
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

impl Allowed {
    /// Returns whether a host, as it stands in a URL, was named.
    pub fn has_host(&self, host: &str) -> bool {
        self.hosts.contains(host.to_ascii_lowercase().as_str())
    }

    /// Returns whether an address is of a network that was named.
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }
}

impl FromIterator<Exception> for Allowed {
    fn from_iter<I: IntoIterator<Item = Exception>>(exceptions: I) -> Self {
        let mut allowed = Self::default();
        for exception in exceptions {
            match exception {
                Exception::Host(host) => {
                    allowed.hosts.insert(host);
                }
                Exception::Network(network) => allowed.networks.push(network),
            }
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_hosts_and_networks() {
        let texts = ["Hooks.example.org", "10.0.0.0/8", "127.0.0.1", "[fd00::]/8", "0.0.0.0/0"];
        let parse = |text: &str| text.parse::<Exception>();
        let allowed: Allowed = texts[..4].iter().map(|text| parse(text).unwrap()).collect();
        for (address, expected) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("fd12::1", true),
            ("fe80::1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(allowed.has_address(address.parse().unwrap()), expected, "{address}");
        }
        assert!(allowed.has_host("hooks.EXAMPLE.org") && !allowed.has_host("example.org"));
        let all: Allowed = [parse("0.0.0.0/0").unwrap()].into_iter().collect();
        assert!(all.has_address([8, 8, 8, 8].into()));
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in ["", "10.0.0.0/33", "10.0.0.0/x", "host/8", "::1/129", "a b", "http://host", "10.0.0", "123"] {
            assert!(bad.parse::<Exception>().is_err(), "{bad}");
        }
    }
}
