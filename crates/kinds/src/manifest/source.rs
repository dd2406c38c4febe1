//! Texts to parse, and the limits set before anything is parsed.

use crate::{Finding, Position, Severity};

/// The largest text that is parsed, in bytes. A manifest is written by people; what is larger is refused unread.
pub const SOURCE_MAX: usize = 1 << 20;

/// One text with manifests in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file as the user named it; `-` for standard input.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Joins a name and a text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// Makes a source of bytes, which must be UTF-8.
    ///
    /// # Errors
    /// A finding at the first byte that is not UTF-8, or about the size where there are more than [`SOURCE_MAX`]
    /// bytes.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Finding> {
        let name = name.into();
        if bytes.len() > SOURCE_MAX {
            return Err(too_large(&name));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => {
                let end = error.utf8_error().valid_up_to();
                let bytes = error.into_bytes();
                let before = String::from_utf8_lossy(&bytes[..end]);
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
                let message = if wide {
                    "this file is UTF-16, not UTF-8".to_owned()
                } else {
                    format!("byte {:#04x} is not UTF-8", bytes[end])
                };
                Err(Finding {
                    severity: Severity::Error,
                    file: name,
                    position: Some(position(line, column)),
                    field: String::new(),
                    message,
                    hint: Some("save the file as UTF-8".to_owned()),
                })
            }
        }
    }
}

/// Returns the finding about a text that is too large. How large is not said: no more than the limit was read of it.
pub(super) fn too_large(name: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        file: name.to_owned(),
        position: None,
        field: String::new(),
        message: "this file has more than 1 MiB, the most that a manifest may have".to_owned(),
        hint: Some("a manifest names data by its uri and never holds it".to_owned()),
    }
}

/// Makes a position of two counts from 1, saturating.
pub(super) fn position(line: usize, column: usize) -> Position {
    let count = |n| u32::try_from(n).unwrap_or(u32::MAX);
    Position { line: count(line), column: count(column) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_bytes_are_placed() {
        let finding = Source::from_bytes("a.yaml", b"kind: x\n\xc3\xa9\xff".to_vec()).unwrap_err();
        assert_eq!(finding.to_string(), "a.yaml:2:2: byte 0xff is not UTF-8 (save the file as UTF-8)");
        let finding = Source::from_bytes("a.yaml", b"\xff\xfea\0".to_vec()).unwrap_err();
        assert_eq!(finding.to_string(), "a.yaml:1:1: this file is UTF-16, not UTF-8 (save the file as UTF-8)");
        let finding = Source::from_bytes("a.yaml", vec![b'a'; 50_000_000]).unwrap_err();
        assert!(finding.message.starts_with("this file has more than 1 MiB"), "{finding}");
        assert!(Source::from_bytes("a.yaml", "é".into()).is_ok());
    }
}
