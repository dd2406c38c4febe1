//! Ids and names that nobody chose: the one place of the dialect that asks for randomness.

use axum::http::StatusCode;

use super::error::{Error, Result};

const FIRST: [&str; 32] = [
    "amber", "brave", "brisk", "calm", "clever", "crisp", "dapper", "eager", "fair", "fleet", "gentle", "glad", "keen",
    "kind", "lively", "lucky", "mellow", "merry", "mild", "nimble", "noble", "patient", "plucky", "proud", "quick",
    "quiet", "sharp", "steady", "sunny", "swift", "warm", "wise",
];
const SECOND: [&str; 32] = [
    "badger", "bear", "bee", "crane", "crow", "deer", "dove", "eagle", "elk", "falcon", "finch", "fox", "goat",
    "goose", "hare", "hawk", "heron", "horse", "ibex", "jay", "lark", "lynx", "mole", "otter", "owl", "raven", "robin",
    "seal", "stork", "swan", "wolf", "wren",
];

pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!("no randomness: {error}");
        Error::of_status(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; its log says why")
    })?;
    Ok(bytes)
}

/// Returns 32 random hexadecimal digits.
pub(super) fn id() -> Result<String> {
    Ok(hex::encode(random::<16>()?))
}

/// Returns a random UUID (version 4, RFC 9562).
pub(super) fn uuid() -> Result<String> {
    let mut bytes = random::<16>()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

/// Returns a name for a run that was given none, such as `brisk-otter-217`.
pub(super) fn run_name() -> Result<String> {
    let [first, second, high, low] = random()?;
    let number = u16::from_be_bytes([high, low]) % 1000;
    Ok(format!("{}-{}-{number}", FIRST[usize::from(first) % 32], SECOND[usize::from(second) % 32]))
}
