//! The one encoding that is hashed and signed.
//!
//! Canonical JSON: object keys sorted by their UTF-8 bytes, no white space, numbers as `serde_json` writes them
//! (shortest form that reads back the same), text unescaped but for what JSON demands. It follows RFC 8785 in spirit;
//! the one difference is the order of keys outside the Basic Multilingual Plane, which no key of ours uses. Keys with
//! `null` values are kept: a record says so itself where a missing field should not change its digest.

use serde::Serialize;

use crate::digest::Digest;

/// Returns the canonical bytes of `value`.
///
/// # Panics
/// When `value` cannot be JSON at all (a map with non-text keys), which is a mistake in our own types.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // serde_json's default map is a BTreeMap: going through Value sorts the keys of structs too.
    let value = serde_json::to_value(value).expect("records serialize to JSON");
    serde_json::to_vec(&value).expect("JSON values serialize")
}

/// Returns the SHA-256 digest of the canonical bytes of `value`.
pub fn digest<T: Serialize + ?Sized>(value: &T) -> Digest {
    Digest::sha256(to_bytes(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Unsorted {
        z: u8,
        a: Option<f64>,
    }

    #[test]
    fn keys_are_sorted_and_nulls_kept() {
        assert_eq!(to_bytes(&Unsorted { z: 1, a: None }), br#"{"a":null,"z":1}"#);
        assert_eq!(to_bytes(&Unsorted { z: 1, a: Some(0.1) }), br#"{"a":0.1,"z":1}"#);
    }
}
