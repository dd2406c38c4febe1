//! The key that checkpoints are signed with, and the signed checkpoint itself.
//!
//! A checkpoint is a C2SP tlog-checkpoint: a signed note of origin, size and root. The origin is the key's name, which
//! follows from the public key, so that no two ledgers share one.

use std::path::Path;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::SigningKey;
use signed_note::{
    Note, Signer as _, StandardSigner, StandardVerifier, VerifierList, key_id, new_ed25519_verifier_key,
};
use tlog_tiles::{Checkpoint, Hash};
use windlass_kinds::Digest;

use super::{
    LedgerError,
    files::{self, PUBLIC_KEY},
};

/// The algorithm byte of Ed25519 in note keys (C2SP signed-note).
const ED25519: u8 = 1;

/// A key pair for signing.
pub(super) struct LedgerKey {
    signer: StandardSigner,
}

impl LedgerKey {
    /// Reads the key from `secret`, made now where there is none, and lays its public half in the ledger's folder.
    pub(super) fn open(secret: &Path, ledger: &Path) -> Result<Self, LedgerError> {
        let text = match files::read(secret)? {
            Some(bytes) => String::from_utf8_lossy(&bytes).trim_end().to_owned(),
            None => {
                let text = generate().map_err(|error| LedgerError::Key {
                    path: secret.to_owned(),
                    what: format!("no random bytes for a new one: {error}"),
                })?;
                files::write(secret, format!("{text}\n").as_bytes(), 0o600)?;
                text
            }
        };
        let wrong = |what: String| LedgerError::Key { path: secret.to_owned(), what };
        let signer = StandardSigner::new(&text).map_err(|error| wrong(error.to_string()))?;
        // The form was checked above: the last part, which may hold a plus itself, is the algorithm byte and the seed.
        let seed = text.splitn(5, '+').nth(4).and_then(|part| BASE64_STANDARD.decode(part).ok()).unwrap_or_default();
        let seed: [u8; 32] =
            seed.get(1..).and_then(|seed| seed.try_into().ok()).ok_or_else(|| wrong("its seed is cut".to_owned()))?;
        let public = new_ed25519_verifier_key(signer.name(), &SigningKey::from_bytes(&seed).verifying_key());
        let public = format!("{public}\n").into_bytes();
        let path = ledger.join(PUBLIC_KEY);
        if files::read(&path)?.as_ref() != Some(&public) {
            files::write(&path, &public, 0o644)?;
        }
        Ok(Self { signer })
    }

    /// Returns a signed checkpoint.
    pub(super) fn sign(&self, size: u64, root: Hash) -> Vec<u8> {
        let checkpoint = Checkpoint::new(self.signer.name(), size, root, "").expect("the origin is not empty");
        let mut note = Note::new(&checkpoint.to_bytes(), &[]).expect("a checkpoint is a note's text");
        note.add_sigs(&[&self.signer]).expect("the key's name was checked when it was read");
        note.to_bytes()
    }
}

/// Returns a fresh secret key in the written form of signed-note.
fn generate() -> Result<String, getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let key = SigningKey::from_bytes(&seed);
    let public = [&[ED25519], key.verifying_key().as_bytes().as_slice()].concat();
    let name = format!("windlass.dev/ledger/{}", Digest::sha256(&public).short());
    let secret = BASE64_STANDARD.encode([&[ED25519], seed.as_slice()].concat());
    Ok(format!("PRIVATE+KEY+{name}+{:08x}+{secret}", key_id(&name, &public)))
}

/// Reads the public key in the ledger's folder; `None` where there is none.
pub(super) fn public_key(ledger: &Path) -> Result<Option<StandardVerifier>, LedgerError> {
    let path = ledger.join(PUBLIC_KEY);
    let Some(bytes) = files::read(&path)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let verifier = StandardVerifier::new(text.strip_suffix('\n').unwrap_or(&text));
    verifier.map(Some).map_err(|error| LedgerError::Key { path, what: error.to_string() })
}

/// Reads a signed checkpoint; says what is wrong where its form or signature is.
pub(super) fn open_checkpoint(bytes: &[u8], key: &StandardVerifier) -> Result<Checkpoint, String> {
    let note = Note::from_bytes(bytes).map_err(|error| format!("it is not a signed note: {error}"))?;
    let known = VerifierList::new(vec![Box::new(key.clone())]);
    note.verify(&known).map_err(|error| format!("its signature does not hold: {error}"))?;
    Checkpoint::from_bytes(note.text()).map_err(|_| "its text is not a checkpoint".to_owned())
}
