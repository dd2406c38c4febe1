//! Takes secrets out of a stream, also where one lies across two pieces.
//!
//! The end of a piece is held back only while it could be the beginning of a secret, so that a log stays live.

use memchr::memmem::Finder;

/// What stands in the place of a secret.
const MASK: &[u8] = b"***";

/// Texts shorter than this are not taken for secrets: they would make every log unreadable.
const SHORTEST: usize = 6;

/// The state of one stream.
pub(super) struct Mask {
    secrets: Vec<Finder<'static>>,
    held: Vec<u8>,
}

impl Mask {
    /// Starts a stream from which `secrets` are taken out.
    pub(super) fn new(secrets: &[String]) -> Self {
        let mut secrets: Vec<_> = secrets.iter().filter(|secret| secret.len() >= SHORTEST).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let secrets = secrets.into_iter().map(|secret| Finder::new(secret.as_bytes()).into_owned()).collect();
        Self { secrets, held: Vec::new() }
    }

    /// Takes the next piece and appends to `out` what is known to be free of secrets.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(piece);
        let mut from = 0;
        while let Some((at, length)) = self.first_from(from) {
            out.extend_from_slice(&self.held[from..at]);
            out.extend_from_slice(MASK);
            from = at + length;
        }
        let keep = self.open_end(from);
        out.extend_from_slice(&self.held[from..keep]);
        self.held.drain(..keep);
    }

    /// Ends the stream: what was held back is no secret after all.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    /// Returns place and length of the first secret at or after `from`; of two at one place the longer.
    fn first_from(&self, from: usize) -> Option<(usize, usize)> {
        let found = self
            .secrets
            .iter()
            .filter_map(|secret| secret.find(&self.held[from..]).map(|at| (from + at, secret.needle().len())));
        found.min_by_key(|&(at, length)| (at, std::cmp::Reverse(length)))
    }

    /// Returns where the longest end begins that is the beginning of a secret.
    fn open_end(&self, from: usize) -> usize {
        let rest = &self.held[from..];
        let open = self.secrets.iter().map(|secret| {
            let needle = secret.needle();
            (1..needle.len()).rev().find(|&length| rest.ends_with(&needle[..length])).unwrap_or(0)
        });
        self.held.len() - open.max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secrets: &[&str], pieces: &[&str], expected: &str) {
        let secrets: Vec<_> = secrets.iter().map(ToString::to_string).collect();
        let mut mask = Mask::new(&secrets);
        let mut out = Vec::new();
        for piece in pieces {
            mask.push(piece.as_bytes(), &mut out);
        }
        mask.finish(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{pieces:?}");
    }

    #[test]
    fn secrets_go_wherever_the_pieces_break() {
        check(&["secret-1"], &["a secret-1 b"], "a *** b");
        check(&["secret-1"], &["a sec", "ret", "-1", " b"], "a *** b");
        check(&["secret-1"], &["secret-1secret-1"], "******");
        check(&["secret-1"], &["sec", "onds"], "seconds");
        check(&["secret-1"], &["secret-"], "secret-");
        check(&["secret-1", "secret-1-long"], &["secret-1-long"], "***");
        check(&["secret-1", "another"], &["another secret-1"], "*** ***");
        check(&["ab"], &["ab"], "ab");
        check(&[], &["ab"], "ab");
    }

    #[test]
    fn only_a_possible_secret_is_held_back() {
        let mut mask = Mask::new(&["secret-1".to_owned()]);
        let mut out = Vec::new();
        mask.push(b"progress: 5 %\n", &mut out);
        assert_eq!(out, b"progress: 5 %\n");
        mask.push(b"is", &mut out);
        assert_eq!(out, b"progress: 5 %\ni");
    }
}
