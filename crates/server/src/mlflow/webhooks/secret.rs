//! Secrets of webhooks, sealed before they are stored and opened only to sign.
//!
//! Sealed with ChaCha20-Poly1305 under a key that never lies in the database. The webhook's id is authenticated along,
//! so that a sealed secret opens nowhere but in its own row. What is sealed begins with its nonce, which is random.

use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};

/// Seals and opens secrets.
pub(super) struct Safe(LessSafeKey);

/// Why a secret cannot be opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("its secret cannot be opened: it was sealed under another key, or changed since; set it anew")]
pub(super) struct Unopened;

impl Safe {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has the cipher's length")))
    }

    /// Seals the secret of a webhook; `nonce` must be random.
    pub(super) fn seal(&self, webhook: &str, secret: &str, nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        let mut sealed = secret.as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(webhook), &mut sealed)
            .expect("a secret is shorter than the cipher's limit");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens the secret of a webhook.
    pub(super) fn open(&self, webhook: &str, sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(Unopened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unopened)?;
        let mut bytes = sealed.to_vec();
        let length = self.0.open_in_place(nonce, Aad::from(webhook), &mut bytes).map_err(|_| Unopened)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// Returns the HMAC-SHA256 of a text.
pub(super) fn signature(secret: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_open_only_where_they_were_sealed() {
        let safe = Safe::new(&[7; 32]);
        let sealed = safe.seal("w1", "hush", [1; NONCE_LEN]);
        assert!(!sealed.windows(4).any(|window| window == b"hush"));
        assert_eq!(safe.open("w1", &sealed).unwrap(), b"hush");
        assert_ne!(safe.seal("w1", "hush", [2; NONCE_LEN]), sealed);
        let mut changed = sealed.clone();
        changed[NONCE_LEN] ^= 1;
        for (safe, webhook, bytes) in [
            (&safe, "w2", sealed.as_slice()),
            (&safe, "w1", &changed),
            (&safe, "w1", &sealed[..5]),
            (&Safe::new(&[8; 32]), "w1", &sealed),
        ] {
            assert_eq!(safe.open(webhook, bytes), Err(Unopened));
        }
    }

    /// The second test of RFC 4231.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let signed = signature(b"Jefe", "what do ya want for nothing?");
        assert_eq!(hex::encode(signed), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
