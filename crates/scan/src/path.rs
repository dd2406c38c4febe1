//! Paths from outside, checked to name something inside a folder and nothing else.
//!
//! The written form is that of [`windlass_kinds::record::FileEntry`]: relative, with `/` between the parts. The check
//! is lexical and knows no file system; symbolic links are the reader's to refuse.

/// The longest path, in bytes; the limit of Linux.
const PATH_MAX: usize = 4096;

/// The longest part of a path, in bytes; the limit of most file systems.
const PART_MAX: usize = 255;

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path `{path}` {problem}; write a relative path with `/`, such as `model/weights.bin`")]
pub struct PathError {
    /// The path, with control characters escaped and cut to a length fit for a log.
    pub path: String,
    /// What is wrong, as the rest of a sentence.
    pub problem: &'static str,
}

/// Checks that `path` is relative and stays inside its folder on every system.
///
/// Refused are: an empty path, a leading `/`, a drive letter, an empty part or one that is `.` or `..`, a backslash,
/// NUL and other control characters, and lengths that no file system takes. Callers decode percent encoding first, or
/// use [`check_encoded_path`].
pub fn check_relative_path(path: &str) -> Result<(), PathError> {
    match problem_of(path) {
        None => Ok(()),
        Some(problem) => Err(error(path, problem)),
    }
}

/// Checks a path that was percent-decoded once: as [`check_relative_path`], and no `%2e`, `%2f`, `%5c`, `%00` or `%25`
/// is left in it.
///
/// What is still encoded after decoding was encoded twice, which only an attempt to get past a check does.
pub fn check_encoded_path(path: &str) -> Result<(), PathError> {
    check_relative_path(path)?;
    let lower = path.to_ascii_lowercase();
    if ["%2e", "%2f", "%5c", "%00", "%25"].iter().any(|code| lower.contains(code)) {
        return Err(error(path, "hides a dot, slash, backslash, NUL or percent sign behind percent encoding"));
    }
    Ok(())
}

fn error(path: &str, problem: &'static str) -> PathError {
    PathError { path: path.chars().take(120).flat_map(escape).collect(), problem }
}

/// Control characters must not reach a terminal or a log as they are.
fn escape(character: char) -> impl Iterator<Item = char> {
    let text = if character.is_control() { character.escape_default().to_string() } else { character.to_string() };
    text.chars().collect::<Vec<_>>().into_iter()
}

fn problem_of(path: &str) -> Option<&'static str> {
    let bytes = path.as_bytes();
    if bytes.is_empty() {
        return Some("is empty");
    }
    if bytes.len() > PATH_MAX {
        return Some("is longer than 4096 bytes");
    }
    if bytes.contains(&0) {
        return Some("contains NUL");
    }
    if path.chars().any(char::is_control) {
        return Some("contains a control character");
    }
    if bytes.contains(&b'\\') {
        return Some("contains a backslash");
    }
    if bytes[0] == b'/' {
        return Some("is absolute");
    }
    if bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' {
        return Some("starts with a drive letter");
    }
    path.split('/').find_map(|part| match part {
        "" => Some("has an empty part"),
        "." => Some("has a part `.`"),
        ".." => Some("leaves its folder by `..`"),
        part if part.len() > PART_MAX => Some("has a part longer than 255 bytes"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for good in ["a", "a/b.txt", "..a/b..", "...", "a b/ü", "2013-01.parquet", "ab:c", "ab:/c", "100%", "%zz"] {
            assert_eq!(check_relative_path(good), Ok(()), "{good}");
            assert_eq!(check_encoded_path(good), Ok(()), "{good}");
        }
        let long = "a/".repeat(3000);
        let part = "a".repeat(256);
        for (bad, problem) in [
            ("", "is empty"),
            ("/etc/passwd", "is absolute"),
            ("//x", "is absolute"),
            ("..", "leaves its folder by `..`"),
            ("a/../b", "leaves its folder by `..`"),
            ("a/..", "leaves its folder by `..`"),
            (".", "has a part `.`"),
            ("a/./b", "has a part `.`"),
            ("a//b", "has an empty part"),
            ("a/", "has an empty part"),
            ("a\\..\\b", "contains a backslash"),
            ("a\0b", "contains NUL"),
            ("a\nb", "contains a control character"),
            ("a\u{85}b", "contains a control character"),
            ("C:/x", "starts with a drive letter"),
            ("c:", "starts with a drive letter"),
            (long.as_str(), "is longer than 4096 bytes"),
            (part.as_str(), "has a part longer than 255 bytes"),
        ] {
            assert_eq!(check_relative_path(bad).unwrap_err().problem, problem, "{bad:?}");
        }
    }

    #[test]
    fn leftover_encoding_is_refused_and_shown_escaped() {
        for bad in ["%2e%2e/x", "a/%2E./b", "a%2fb", "a%5Cb", "a%00", "%252e"] {
            assert!(check_encoded_path(bad).is_err(), "{bad}");
            assert!(check_relative_path(bad).is_ok(), "{bad}");
        }
        let text = check_relative_path("a\u{1b}[31m\0").unwrap_err().to_string();
        assert!(!text.contains('\u{1b}') && !text.contains('\0'), "{text}");
    }
}
