//! Which texts are paths within a folder.

/// Returns whether `path` names something within a folder, whatever the folder: relative, `/` between components,
/// none of them empty, `.` or `..`, no NUL. Content comes from others too, so that this is asked on the way in and out.
pub(crate) fn is_within(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::is_within;

    #[test]
    fn only_plain_relative_paths_pass() {
        for good in ["a", "a/b", "a b/.c", "..a/b..", "a\\b"] {
            assert!(is_within(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\0b"] {
            assert!(!is_within(bad), "{bad}");
        }
    }
}
