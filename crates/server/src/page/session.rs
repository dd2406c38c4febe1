//! One-time codes and the sessions they are exchanged for, in memory.
//!
//! A code is good for one exchange within [`CODE_LIFE`]; a session ends after [`SESSION_LIFE`], at a sign-out, with its
//! token, and with the process. Both are kept as SHA-256 hashes and compared in constant time, and each stands for a
//! token: what a session may do is asked of that token at every request, so that revoking it ends the session. This
//! module knows neither HTTP nor what a token allows.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use windlass_api::token;

/// How long a one-time code may be exchanged.
pub(super) const CODE_LIFE: Duration = Duration::from_secs(5 * 60);
/// How long a session lasts.
pub(super) const SESSION_LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// How many codes wait at once; the oldest gives way.
const CODES: usize = 32;
/// How many sessions last at once; the oldest gives way.
const SESSIONS: usize = 256;

/// The SHA-256 of a code, a session's secret or a token.
type Hash = [u8; 32];

/// Codes that wait and sessions that last.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    codes: Vec<Entry>,
    sessions: Vec<Entry>,
}

/// A code or a session: what it is recognised by, the token it stands for, and until when.
struct Entry {
    hash: Hash,
    token: Hash,
    until: Instant,
}

impl Sessions {
    /// Returns a new one-time code, made from random bytes, that stands for the token with this hash.
    pub(super) fn code(&self, token: Hash, random: [u8; 32], now: Instant) -> String {
        let mut kept = self.0.lock().expect("not poisoned");
        add(&mut kept.codes, CODES, token, random, now, CODE_LIFE)
    }

    /// Exchanges a code for the secret of a new session; `None` where the code is unknown, used or too old.
    pub(super) fn exchange(&self, code: &str, random: [u8; 32], now: Instant) -> Option<String> {
        let mut kept = self.0.lock().expect("not poisoned");
        let place = position(&mut kept.codes, code, now)?;
        let token = kept.codes.remove(place).token;
        Some(add(&mut kept.sessions, SESSIONS, token, random, now, SESSION_LIFE))
    }

    /// Returns the hash of the token that a session stands for.
    pub(super) fn token(&self, secret: &str, now: Instant) -> Option<Hash> {
        let mut kept = self.0.lock().expect("not poisoned");
        let place = position(&mut kept.sessions, secret, now)?;
        Some(kept.sessions[place].token)
    }

    /// Ends a session.
    pub(super) fn end(&self, secret: &str, now: Instant) {
        let mut kept = self.0.lock().expect("not poisoned");
        if let Some(place) = position(&mut kept.sessions, secret, now) {
            kept.sessions.remove(place);
        }
    }
}

fn add(entries: &mut Vec<Entry>, most: usize, token: Hash, random: [u8; 32], now: Instant, life: Duration) -> String {
    let secret = URL_SAFE_NO_PAD.encode(random);
    if entries.len() >= most {
        entries.remove(0);
    }
    entries.push(Entry { hash: token::hash(&secret), token, until: now + life });
    secret
}

/// Returns where the entry of a secret stands, after dropping what is over. Every entry is compared, whichever fits.
fn position(entries: &mut Vec<Entry>, secret: &str, now: Instant) -> Option<usize> {
    entries.retain(|entry| entry.until > now);
    let hash = token::hash(secret);
    let mut found = None;
    for (place, entry) in entries.iter().enumerate() {
        if token::same(&entry.hash, &hash) {
            found = Some(place);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Hash = [1; 32];

    #[test]
    fn a_code_is_good_once_and_not_for_long() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let code = sessions.code(TOKEN, [2; 32], now);
        let other = sessions.code(TOKEN, [3; 32], now);
        assert_eq!(sessions.exchange("", [4; 32], now), None);
        assert_eq!(sessions.exchange(&code, [4; 32], now + CODE_LIFE), None);
        let secret = sessions.exchange(&other, [4; 32], now);
        assert_eq!(secret, None, "asking too late drops what is over");
        let code = sessions.code(TOKEN, [5; 32], now);
        let secret = sessions.exchange(&code, [6; 32], now).expect("a session");
        assert_eq!(sessions.exchange(&code, [7; 32], now), None);
        assert_eq!(sessions.token(&secret, now), Some(TOKEN));
        assert_eq!(sessions.token(&code, now), None);
    }

    #[test]
    fn a_session_ends() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let sign_in = |random: u8| {
            let code = sessions.code(TOKEN, [random; 32], now);
            sessions.exchange(&code, [random + 100; 32], now).expect("a session")
        };
        let (one, other) = (sign_in(1), sign_in(2));
        sessions.end(&one, now);
        assert_eq!((sessions.token(&one, now), sessions.token(&other, now)), (None, Some(TOKEN)));
        assert_eq!(sessions.token(&other, now + SESSION_LIFE), None);
    }

    #[test]
    fn the_oldest_gives_way() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let codes: Vec<String> = (0..=CODES).map(|count| sessions.code(TOKEN, [count as u8; 32], now)).collect();
        assert_eq!(sessions.exchange(&codes[0], [200; 32], now), None);
        assert!(sessions.exchange(&codes[1], [201; 32], now).is_some());
    }
}
