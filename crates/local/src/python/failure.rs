//! Failures in the words of whoever failed, and what to do about them.

use windlass_kinds::record::PrepareFailure;

/// The longest reason we pass on, in characters: a resolver explains itself at length.
const LONGEST: usize = 4000;

/// What speaks of the network rather than of the request: trying again can help.
const PASSING: &[&str] = &[
    "error sending request",
    "dns error",
    "connection refused",
    "connection reset",
    "connection closed",
    "timed out",
    "timeout",
    "are you offline",
    "network was disabled",
    "temporary failure in name resolution",
    "429 too many requests",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway timeout",
    "error decoding response body",
];

/// Returns a failure that trying again cannot help.
pub(super) fn lasting(reason: impl Into<String>) -> PrepareFailure {
    PrepareFailure { reason: cap(&reason.into()), retryable: false }
}

/// Returns a failure that may pass by itself.
pub(super) fn passing(reason: impl Into<String>) -> PrepareFailure {
    PrepareFailure { reason: cap(&reason.into()), retryable: true }
}

/// Returns a failure for something the system refused.
pub(super) fn system(attempt: &str, error: &std::io::Error) -> PrepareFailure {
    lasting(format!("failed to {attempt}: {error}"))
}

/// Returns what uv said as a failure of what we `attempt`ed, with what to do.
pub(super) fn of_uv(attempt: &str, said: &str) -> PrepareFailure {
    let said = said.trim();
    let lower = said.to_lowercase();
    let is_passing = PASSING.iter().any(|words| lower.contains(words)) && !lower.contains("invalid peer certificate");
    let hint = if lower.contains("invalid peer certificate") || lower.contains("certificates will be trusted") {
        Some(
            "the index's certificate is not trusted here: point SSL_CERT_FILE at a bundle that has its authority, \
             or set `cert` in pip.conf",
        )
    } else if lower.contains("no space left on device") {
        Some("the disk is full: free some space, then retry")
    } else if is_passing {
        Some(
            "the package index could not be reached; it is tried again. Behind a proxy set HTTPS_PROXY; for another \
             index set `index-url` in pip.conf or UV_DEFAULT_INDEX",
        )
    } else if lower.contains("401 unauthorized") || lower.contains("403 forbidden") {
        Some("the package index wants other credentials: look at `index-url` in pip.conf or at UV_DEFAULT_INDEX")
    } else if lower.contains("no solution found") || lower.contains("not found in the package registry") {
        Some("change the requirements so that they can hold together; names and versions are those of the index")
    } else if lower.contains("hash mismatch") {
        Some("the index now serves other bytes than those that were locked: find out why before trusting it")
    } else if lower.contains("failed to build") {
        Some("a package has no wheel for this Python and could not be built: choose another version of it or of Python")
    } else {
        None
    };
    let hint = hint.map_or_else(String::new, |hint| format!("\nwhat to do: {hint}"));
    // What uv said is capped first, so that what to do about it is always there.
    let reason = format!("failed to {attempt}:\n{}{hint}", cap(said));
    PrepareFailure { reason, retryable: is_passing }
}

fn cap(text: &str) -> String {
    let count = text.chars().count();
    if count <= LONGEST {
        return text.to_owned();
    }
    // Causes stand at both ends.
    let half = LONGEST / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(count - half).collect();
    format!("{head}\n[… {} characters left out …]\n{tail}", count - 2 * half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passing_troubles_are_tried_again() {
        for (said, retryable) in [
            (
                "error: No solution found when resolving dependencies\n  cause: there is no version of numpy==99.9",
                false,
            ),
            ("error: Failed to fetch: https://x/\n  cause: error sending request for url\n  cause: dns error", true),
            (
                "error: Failed to fetch\n  cause: error sending request\n  cause: invalid peer certificate: UnknownIssuer",
                false,
            ),
            ("hint: Packages were unavailable because the network was disabled.", true),
            ("error: Couldn't parse requirement in `a.txt` at position 0", false),
            ("HTTP status server error (503 Service Unavailable)", true),
            ("Hash mismatch for `six==1.17.0`", false),
        ] {
            assert_eq!(of_uv("resolve", said).retryable, retryable, "{said}");
        }
    }

    #[test]
    fn a_long_story_keeps_both_ends_and_the_remedy() {
        let failure = of_uv("resolve", &format!("begin {} No space left on device", "x".repeat(20_000)));
        assert!(failure.reason.chars().count() < LONGEST + 300);
        assert!(failure.reason.contains("begin") && failure.reason.ends_with("then retry"), "{}", failure.reason);
    }
}
