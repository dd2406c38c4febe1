//! Which addresses a user's URL may not lead to.
//!
//! Whoever can name a URL could otherwise have the server fetch from itself, from its neighbours, or from the metadata
//! service of its cloud, which hands out credentials. Refused is what the IANA special-purpose registries (IPv4 and
//! IPv6, RFC 6890) do not call globally reachable, and the addresses within public ranges that clouds keep for their own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Azure's platform address ("WireServer"): public by its range, reachable from every machine there.
const AZURE_PLATFORM: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Returns why a user's URL may not lead to `address`, or `None` where it may.
pub fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => refusal_v6(address),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    if address == AZURE_PLATFORM {
        return Some("a cloud's own address");
    }
    match (a, b, c) {
        (0, _, _) => Some("this machine's own address"),
        (127, _, _) => Some("a loopback address"),
        (169, 254, _) => Some("a link-local address, where clouds keep their metadata"),
        (10, _, _) | (172, 16..=31, _) | (192, 168, _) => Some("a private address"),
        (100, 64..=127, _) => Some("a provider-internal address"),
        (192, 0, 0) | (198, 18..=19, _) | (192, 88, 99) => Some("a reserved address"),
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Some("a documentation address"),
        (224..=239, _, _) => Some("a multicast address"),
        (240..=255, _, _) => Some("a reserved address"),
        _ => None,
    }
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        refusal_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0) if g == 0 && h == 0 => Some("this machine's own address"),
        (0, 0, 0, 0, 0, 0) if g == 0 && h == 1 => Some("a loopback address"),
        // IPv4 in other clothes: compatible, mapped, translated (NAT64), 6to4.
        (0, 0, 0, 0, 0, 0 | 0xffff) | (0, 0, 0, 0, 0xffff, 0) | (0x64, 0xff9b, 0, 0, 0, 0) => embedded(g, h),
        (0x64, 0xff9b, 1, ..) => Some("a local translation address"),
        (0x2002, ..) => embedded(b, c),
        (0x100, 0, 0, 0, ..) => Some("a discard address"),
        // Teredo (2001::/32) and the rest of 2001::/23, whose few public corners nobody serves HTTP from.
        (0x2001, 0..=0x1ff, ..) => Some("a reserved address"),
        (0x2001, 0xdb8, ..) | (0x3fff, 0..=0xfff, ..) => Some("a documentation address"),
        (0x5f00, ..) => Some("a reserved address"),
        (0xfc00..=0xfdff, ..) => Some("a private address"),
        (0xfe80..=0xfebf, ..) => Some("a link-local address"),
        (0xfec0..=0xfeff, ..) => Some("a private address"),
        (0xff00..=0xffff, ..) => Some("a multicast address"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass() {
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.0.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "198.18.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2001::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(refusal(refused.parse().unwrap()).is_some(), "{refused}");
        }
        for allowed in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "169.253.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert_eq!(refusal(allowed.parse().unwrap()), None, "{allowed}");
        }
    }
}
