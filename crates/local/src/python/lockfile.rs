//! The lock: the text that an environment is built from, and whose digest stands for it.
//!
//! A first line names the interpreter; then come exact versions with hashes, as `uv pip compile` writes them. No paths,
//! no index, no time: the same answer has the same digest on every machine of a kind.

use std::{fs, io};

use windlass_kinds::Digest;

use super::store::{Folders, write_whole};

const FIRST_LINE: &str = "# python ";

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lock {
    text: String,
}

impl Lock {
    /// Makes a lock for an interpreter from what uv resolved.
    pub(super) fn new(identity: &str, resolved: &str) -> Self {
        Self { text: format!("{FIRST_LINE}{identity}\n{}\n", resolved.trim_end()) }
    }

    /// Reads a lock back, `None` where it is not there or was damaged.
    pub(super) fn read(folders: &Folders, digest: &Digest) -> io::Result<Option<Self>> {
        match fs::read_to_string(folders.lock(digest)) {
            Ok(text) => Ok(Some(Self { text }).filter(|lock| lock.digest() == *digest)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps the lock under its digest.
    pub(super) fn write(&self, folders: &Folders) -> io::Result<()> {
        write_whole(&folders.lock(&self.digest()), self.text.as_bytes())
    }

    /// Returns the digest that stands for the environment.
    pub(super) fn digest(&self) -> Digest {
        Digest::sha256(&self.text)
    }

    /// Returns the interpreter's identity.
    pub(super) fn identity(&self) -> &str {
        self.text.lines().next().and_then(|line| line.strip_prefix(FIRST_LINE)).unwrap_or_default()
    }

    /// Returns how many packages it has, and whether every one has a hash. What comes from a version-control system has
    /// none; then uv cannot be told to insist.
    pub(super) fn packages(&self) -> (usize, bool) {
        let entries = self.text.replace("\\\n", " ");
        let entries = entries.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '-']));
        entries.fold((0, true), |(count, hashed), entry| (count + 1, hashed && entry.contains("--hash=")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_hashes_are_counted() {
        for (text, expected) in [
            ("", (0, true)),
            (
                "six==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\nnumpy==2 \\\n    --hash=sha256:02\n",
                (2, true),
            ),
            ("six==1 \\\n    --hash=sha256:00\na @ git+https://h/a@b\n", (2, false)),
        ] {
            let lock = Lock::new("3.11.7 cpython linux-x86_64", text);
            assert_eq!(lock.packages(), expected, "{text}");
            assert_eq!(lock.identity(), "3.11.7 cpython linux-x86_64");
        }
    }
}
