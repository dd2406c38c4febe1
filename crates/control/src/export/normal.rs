//! Text without ids and times.

use std::collections::BTreeMap;

use windlass_kinds::Digest;
use windlass_oci::{BlobError, BlobStore, read_all, read_tree};

use super::value_digest;

/// The largest file that is looked into, in bytes; larger ones and binary ones count by their own digest.
const LOOKED_INTO: u64 = 1 << 20;

/// What ids are called.
#[derive(Debug, Default)]
pub(super) struct Names {
    ids: BTreeMap<String, String>,
    experiments: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn add(&mut self, id: &str, name: String) {
        self.ids.insert(id.to_owned(), name);
    }

    pub(super) fn experiment(&mut self, id: &str, name: &str) {
        self.experiments.insert(id.to_owned(), name.to_owned());
    }

    /// Returns the name of an id; an unknown one is a word.
    pub(super) fn of(&self, id: &str) -> String {
        self.ids.get(id).cloned().unwrap_or_else(|| "(unknown)".to_owned())
    }

    /// Returns the name of an experiment.
    pub(super) fn of_experiment(&self, id: &str) -> String {
        self.experiments.get(id).cloned().unwrap_or_else(|| "(unknown)".to_owned())
    }

    /// Returns text with ids replaced by names and instants by a word.
    pub(super) fn text(&self, text: &str) -> String {
        let text = self.replace_ids(text);
        let text = replace_times(&text);
        self.replace_roots(&text)
    }

    /// Replaces every run of 32 hexadecimal digits: a known id (with its `m-`, if any) by its name, another by a word.
    fn replace_ids(&self, text: &str) -> String {
        let bytes = text.as_bytes();
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while at < bytes.len() {
            let digits = bytes[at..].iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
            if digits == 32 {
                let id = &text[at..at + 32];
                let with_prefix = format!("m-{id}");
                if out.ends_with("m-") && self.ids.contains_key(&with_prefix) {
                    out.truncate(out.len() - 2);
                    out.push_str(&self.of(&with_prefix));
                } else {
                    out.push_str(&self.of(id));
                }
                at += 32;
            } else if digits > 0 {
                out.push_str(&text[at..at + digits]);
                at += digits;
            } else {
                let character = text[at..].chars().next().expect("not at the end");
                out.push(character);
                at += character.len_utf8();
            }
        }
        out
    }

    /// Replaces the experiment's number at the front of artifact paths and roots.
    fn replace_roots(&self, text: &str) -> String {
        let rest = text.strip_prefix("mlflow-artifacts:/").unwrap_or(text);
        let prefix = &text[..text.len() - rest.len()];
        match rest.split_once('/') {
            Some((number, path)) if self.experiments.contains_key(number) => {
                format!("{prefix}{}/{path}", self.experiments[number])
            }
            _ => text.to_owned(),
        }
    }

    /// Returns the digest of a file's bytes, ids and times left out where it is text.
    pub(super) async fn digest(&self, blobs: &dyn BlobStore, digest: &Digest, size: u64) -> Result<Digest, BlobError> {
        if size > LOOKED_INTO {
            return Ok(digest.clone());
        }
        let bytes = read_all(blobs, digest, LOOKED_INTO).await?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Digest::sha256(self.text(text))),
            Err(_) => Ok(digest.clone()),
        }
    }

    /// Returns the digest of a tree, each file taken by [`Names::digest`].
    pub(super) async fn tree_digest(&self, blobs: &dyn BlobStore, tree: &Digest) -> Result<Digest, BlobError> {
        let mut files = BTreeMap::new();
        for file in read_tree(blobs, tree).await?.files {
            files.insert(self.text(&file.path), self.digest(blobs, &file.digest, file.size).await?);
        }
        Ok(value_digest(&files))
    }
}

/// Replaces instants: `2026-11-24 09:30:00.123456`, with `T` or a blank, with or without a fraction; and numbers of 13
/// digits that are milliseconds of this century.
fn replace_times(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        if let Some(length) = instant_at(&bytes[at..]).or_else(|| millis_at(bytes, at)) {
            out.push_str("(time)");
            at += length;
        } else {
            let character = text[at..].chars().next().expect("not at the end");
            out.push(character);
            at += character.len_utf8();
        }
    }
    out
}

fn instant_at(bytes: &[u8]) -> Option<usize> {
    const SHAPE: &[u8] = b"dddd-dd-ddtdd:dd:dd";
    let fits = bytes.len() >= SHAPE.len()
        && SHAPE.iter().zip(bytes).all(|(shape, byte)| match shape {
            b'd' => byte.is_ascii_digit(),
            b't' => matches!(byte, b'T' | b' '),
            other => byte == other,
        });
    if !fits {
        return None;
    }
    let mut length = SHAPE.len();
    if bytes.get(length) == Some(&b'.') {
        length += 1 + bytes[length + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    }
    Some(length)
}

fn millis_at(bytes: &[u8], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_alphanumeric() || bytes[before] == b'.');
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let after = bytes.get(at + digits).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'.');
    (!before && !after && digits == 13 && matches!(bytes[at], b'1' | b'2')).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_times_become_words() {
        let id = "0123456789abcdef0123456789abcdef";
        let mut names = Names::default();
        names.add(id, "train-1/train#1".to_owned());
        names.add(&format!("m-{id}"), "the model".to_owned());
        names.experiment("3", "train");
        for (text, wanted) in [
            (format!("run_id: {id}"), "run_id: train-1/train#1"),
            (format!("models:/m-{id}"), "models:/the model"),
            ("x: ffffffffffffffffffffffffffffffff".to_owned(), "x: (unknown)"),
            (format!("{id}00"), "0123456789abcdef0123456789abcdef00"),
            ("at 2026-11-24 09:30:00.123456 sharp".to_owned(), "at (time) sharp"),
            ("2013-01-01".to_owned(), "2013-01-01"),
            ("t=1795512345678,".to_owned(), "t=(time),"),
            (format!("mlflow-artifacts:/3/{id}/artifacts"), "mlflow-artifacts:/train/train-1/train#1/artifacts"),
            ("é 7".to_owned(), "é 7"),
        ] {
            assert_eq!(names.text(&text), wanted, "{text}");
        }
    }
}
