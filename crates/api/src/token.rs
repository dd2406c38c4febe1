//! Tokens: how they are made, written and recognised. The store holds hashes only.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "wl_";

/// Returns a token made from 32 random bytes: `wl_` and 43 characters of base64url.
pub fn from_random(random: [u8; 32]) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// Returns the SHA-256 of a token, what the store keeps. A token has 256 bits of randomness: no salt is needed.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Compares two hashes in constant time.
pub fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.ct_eq(b).into()
}

/// Returns the token of an `Authorization` header: `Bearer TOKEN`, or `Basic` with the token as password, as clients
/// with `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD` send it.
pub fn of_header(value: &str) -> Option<String> {
    parts_of_header(value).map(|(_, token)| token)
}

/// As [`of_header`], with the name that `Basic` has beside the token. The name says nothing about who asks: a token
/// does that alone.
pub fn parts_of_header(value: &str) -> Option<(Option<String>, String)> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return (!rest.is_empty()).then(|| (None, rest.to_owned()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        let (name, password) = decoded.split_once(':')?;
        return (!password.is_empty()).then(|| (Some(name.to_owned()), password.to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_give_their_token() {
        let token = from_random([7; 32]);
        assert_eq!(token.len(), 46);
        assert_eq!(of_header(&format!("Bearer {token}")), Some(token.clone()));
        assert_eq!(of_header("basic YW5uOndsX3g="), Some("wl_x".to_owned()));
        assert_eq!(parts_of_header("Basic YW5uOndsX3g="), Some((Some("ann".to_owned()), "wl_x".to_owned())));
        for bad in ["", "Bearer", "Bearer ", "Basic !", "Basic YW5u", "Digest x"] {
            assert_eq!(of_header(bad), None, "{bad}");
        }
        assert!(same(&hash(&token), &hash(&token)));
        assert!(!same(&hash("a"), &hash("b")));
    }
}
