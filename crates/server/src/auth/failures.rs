//! How often somebody may come with a wrong token.
//!
//! Each peer address and each name given beside a token has a number of failures that it may have at once, which comes
//! back with time. Beyond it, tokens are not even looked up. Tokens that were good lately are never held up, so that
//! whoever works behind the same address as an attacker goes on working; another good token waits for a moment.
//! Memory is bounded, and time comes in as an argument. A second server counts for itself.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Mutex,
    time::{Duration, Instant},
};

/// How many failures a peer address may have at once, and how many come back in a second.
const PEER: Limit = Limit { at_once: 50.0, a_second: 1.0 };
/// The same for a name: one user's typing mistakes, not a program's tries.
const NAME: Limit = Limit { at_once: 10.0, a_second: 0.2 };
/// How many addresses and names are remembered.
const SOURCES: usize = 10_000;
/// How many good tokens are remembered.
const GOOD: usize = 10_000;
/// How long a token counts as good lately.
const LATELY: Duration = Duration::from_secs(60 * 60);
/// The most of a name that is told apart, in bytes.
const NAME_LENGTH: usize = 64;

/// The SHA-256 of a token.
type Hash = [u8; 32];

struct Limit {
    at_once: f64,
    a_second: f64,
}

/// Where a token came from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct From<'a> {
    /// The address at the other end of the connection, where it is known.
    pub(super) peer: Option<IpAddr>,
    /// The name given beside the token, where one was.
    pub(super) name: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    Peer(IpAddr),
    Name(String),
}

/// Failures that have not come back yet, as of an instant.
struct Failures {
    count: f64,
    at: Instant,
}

/// Counts failures by source, and knows the tokens that were good lately.
#[derive(Default)]
pub(crate) struct FailedLogins(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    failures: HashMap<Source, Failures>,
    good: HashMap<Hash, Instant>,
}

impl FailedLogins {
    /// Returns how long to wait before this token is looked up; `None` where it may be now.
    pub(super) fn wait(&self, token: &Hash, from: From<'_>, now: Instant) -> Option<Duration> {
        let kept = self.0.lock().expect("not poisoned");
        if kept.good.get(token).is_some_and(|at| now.duration_since(*at) < LATELY) {
            return None;
        }
        let waits = from.sources().filter_map(|source| {
            let limit = source.limit();
            let over = kept.failures.get(&source)?.left(&limit, now) - (limit.at_once - 1.0);
            (over > 0.0).then(|| Duration::from_secs_f64(over / limit.a_second))
        });
        waits.max()
    }

    /// Notes that a token was good.
    pub(super) fn succeeded(&self, token: Hash, now: Instant) {
        let mut kept = self.0.lock().expect("not poisoned");
        if kept.good.len() >= GOOD {
            kept.good.clear();
        }
        kept.good.insert(token, now);
    }

    /// Notes that a token was wrong.
    pub(super) fn failed(&self, token: &Hash, from: From<'_>, now: Instant) {
        let mut kept = self.0.lock().expect("not poisoned");
        kept.good.remove(token);
        for source in from.sources() {
            if kept.failures.len() >= SOURCES {
                make_room(&mut kept.failures, now);
            }
            let limit = source.limit();
            let failures = kept.failures.entry(source).or_insert(Failures { count: 0.0, at: now });
            *failures = Failures { count: failures.left(&limit, now) + 1.0, at: now };
        }
    }
}

/// Forgets what came back; where that is nothing, half of the rest: being let try again is the lesser harm.
fn make_room(failures: &mut HashMap<Source, Failures>, now: Instant) {
    failures.retain(|source, failures| failures.left(&source.limit(), now) > 0.0);
    if failures.len() >= SOURCES {
        let mut is_kept = false;
        failures.retain(|_, _| {
            is_kept = !is_kept;
            is_kept
        });
    }
}

impl Failures {
    fn left(&self, limit: &Limit, now: Instant) -> f64 {
        let back = now.saturating_duration_since(self.at).as_secs_f64() * limit.a_second;
        (self.count - back).max(0.0)
    }
}

impl Source {
    fn limit(&self) -> Limit {
        match self {
            Self::Peer(_) => PEER,
            Self::Name(_) => NAME,
        }
    }
}

impl From<'_> {
    fn sources(&self) -> impl Iterator<Item = Source> {
        let name = self.name.filter(|name| !name.is_empty()).map(|name| {
            let end = (0..=NAME_LENGTH.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
            Source::Name(name[..end].to_owned())
        });
        [self.peer.map(|peer| Source::Peer(network(peer))), name].into_iter().flatten()
    }
}

/// Returns what one customer of a network has for sure: an IPv4 address, or the first 64 bits of an IPv6 one (RFC 6177).
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(peer) => IpAddr::V4(peer),
        IpAddr::V6(peer) => IpAddr::V6(Ipv6Addr::from_bits(peer.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRONG: Hash = [1; 32];
    const GOOD_ONE: Hash = [2; 32];

    fn peer(text: &str) -> From<'static> {
        From { peer: Some(text.parse().expect("an address")), name: None }
    }

    fn fail(failures: &FailedLogins, from: From<'_>, times: usize, now: Instant) {
        (0..times).for_each(|_| failures.failed(&WRONG, from, now));
    }

    #[test]
    fn a_source_that_fails_too_often_waits() {
        let now = Instant::now();
        let named = |name| From { peer: None, name: Some(name) };
        for (from, times, asked, expected) in [
            (peer("10.0.0.1"), 49, peer("10.0.0.1"), None),
            (peer("10.0.0.1"), 50, peer("10.0.0.1"), Some(1)),
            (peer("10.0.0.1"), 50, peer("10.0.0.2"), None),
            (peer("10.0.0.1"), 50, peer("::ffff:10.0.0.1"), Some(1)),
            (peer("2001:db8::1"), 50, peer("2001:db8::2"), Some(1)),
            (peer("2001:db8::1"), 50, peer("2001:db8:0:1::1"), None),
            (named("ann"), 9, named("ann"), None),
            (named("ann"), 10, named("ann"), Some(5)),
            (named("ann"), 10, named("bob"), None),
            (named("ann"), 10, From { name: Some("ann"), ..peer("10.0.0.1") }, Some(5)),
            (named(""), 100, named(""), None),
        ] {
            let failures = FailedLogins::default();
            fail(&failures, from, times, now);
            let wait = failures.wait(&WRONG, asked, now);
            assert_eq!(wait, expected.map(Duration::from_secs), "{from:?} {times} {asked:?}");
            let later = now + Duration::from_secs(5);
            assert_eq!(failures.wait(&WRONG, asked, later), None, "it comes back");
        }
    }

    #[test]
    fn what_was_good_lately_is_not_held_up() {
        let (failures, from, now) = (FailedLogins::default(), peer("10.0.0.1"), Instant::now());
        failures.succeeded(GOOD_ONE, now);
        fail(&failures, from, 50, now);
        assert_eq!(failures.wait(&GOOD_ONE, from, now), None);
        let later = now + LATELY;
        fail(&failures, from, 50, later);
        assert!(failures.wait(&GOOD_ONE, from, later).is_some(), "lately ends");
        failures.succeeded(GOOD_ONE, later);
        failures.failed(&GOOD_ONE, from, later);
        assert!(failures.wait(&GOOD_ONE, from, later).is_some(), "it is good no more");
    }

    #[test]
    fn memory_is_bounded() {
        let (failures, now) = (FailedLogins::default(), Instant::now());
        for number in 0..30_000_u32 {
            let from = From { peer: Some(IpAddr::from(number.to_be_bytes())), name: None };
            failures.failed(&WRONG, from, now);
            let mut token = [0; 32];
            token[..4].copy_from_slice(&number.to_be_bytes());
            failures.succeeded(token, now);
        }
        let kept = failures.0.lock().expect("not poisoned");
        assert!(kept.failures.len() <= SOURCES && kept.good.len() <= GOOD);
        let long = "ä".repeat(1000);
        let names: Vec<Source> = From { peer: None, name: Some(&long) }.sources().collect();
        assert_eq!(names, [Source::Name("ä".repeat(32))]);
    }
}
