//! Paths of artifacts, judged before anything is read or written.
//!
//! A path is kept as a key, never opened as a file here; it may become one on a client's disk, so it is judged as if it
//! were. A path that could mean another one after a further decoding is refused too.

use percent_encoding::percent_decode_str;
use windlass_kinds::{ExperimentId, LoggedModelId, RunId, TraceId};

use super::error::{Error, Result};

/// The longest path, in bytes.
const PATH_MAX: usize = 4096;
/// How often a path is decoded to find out what it could mean to somebody.
const DECODINGS: usize = 8;

fn invalid() -> Error {
    Error::invalid("Invalid path")
}

/// Returns the path that `raw`, as it stood in a URL, means.
pub(super) fn from_url(raw: &str) -> Result<String> {
    let path = percent_decode_str(raw).decode_utf8().map_err(|_| invalid())?;
    checked(&path)
}

/// Returns the path if it is relative and leads nowhere else: `a/b.txt`.
pub(super) fn checked(path: &str) -> Result<String> {
    if path.is_empty() || path.len() > PATH_MAX {
        return Err(invalid());
    }
    let mut meaning = path.to_owned();
    for _ in 0..DECODINGS {
        if !is_plain(&meaning) {
            return Err(invalid());
        }
        let next = percent_decode_str(&meaning).decode_utf8().map_err(|_| invalid())?.into_owned();
        if next == meaning {
            return Ok(path.to_owned());
        }
        meaning = next;
    }
    Err(invalid())
}

/// As [`checked`]; an empty path is the root.
pub(super) fn folder(path: Option<&str>) -> Result<String> {
    match path.map(|path| path.trim_end_matches('/')) {
        None | Some("") if path.is_none_or(str::is_empty) => Ok(String::new()),
        None | Some("") => Err(invalid()),
        Some(path) => checked(path),
    }
}

fn is_plain(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    !drive
        && !path.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"))
        && !path.chars().any(|character| matches!(character, '\\' | '#') || character.is_control())
        && !path.split('/').any(|part| matches!(part, "" | "." | ".."))
}

/// Whose artifacts a path is among.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Run(ExperimentId, RunId),
    Model(ExperimentId, LoggedModelId),
    Trace(ExperimentId, TraceId),
}

/// Returns whose artifacts a path is among: `1/<run>/artifacts/…`, `1/models/<model>/artifacts/…` or
/// `1/traces/<trace>/artifacts/…`.
pub(super) fn owner(path: &str) -> Result<Owner> {
    let parts: Vec<&str> = path.splitn(5, '/').collect();
    match parts.as_slice() {
        [experiment, "models", model, "artifacts", ..] => {
            Ok(Owner::Model(ExperimentId::new(*experiment), LoggedModelId::new(*model)))
        }
        [experiment, "traces", trace, "artifacts", ..] => {
            Ok(Owner::Trace(ExperimentId::new(*experiment), TraceId::new(*trace)))
        }
        [experiment, run, "artifacts", ..] => Ok(Owner::Run(ExperimentId::new(*experiment), RunId::new(*run))),
        _ => Err(Error::not_found(format!(
            "No run, logged model or trace owns the path '{path}': paths begin with <experiment>/<run>/artifacts/, \
             <experiment>/models/<model>/artifacts/ or <experiment>/traces/<trace>/artifacts/"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for bad in [
            "",
            "/etc",
            "a/../b",
            "..",
            "%2e%2e/y",
            "..%2fy",
            "x%252e%252e/y",
            "x/%252e%252e/y",
            "a%5cb",
            "a\\b",
            "C:/x",
            "c%3a/x",
            "a%00b",
            "a\0b",
            "./x",
            "a/./b",
            "a//b",
            "a/",
            "%ff",
            "a%0ab",
            "%2fetc",
            "a#b",
            "file:x",
        ] {
            let refused = from_url(bad).is_err();
            // A part that merely contains dots is a name like any other.
            assert_eq!(refused, bad != "x%252e%252e/y", "{bad}");
        }
        assert!(checked(&"x/".repeat(3000)).is_err());
    }

    #[test]
    fn ordinary_paths_pass() {
        for (raw, path) in [
            ("1/ab/artifacts/d/t.txt", "1/ab/artifacts/d/t.txt"),
            ("a%20b", "a b"),
            ("1/a%2fb", "1/a/b"),
            ("100%25", "100%"),
            ("%C3%A4.txt", "ä.txt"),
            ("..x/y..", "..x/y.."),
        ] {
            assert_eq!(from_url(raw).unwrap(), path, "{raw}");
        }
        assert_eq!(folder(None).unwrap(), "");
        assert_eq!(folder(Some("a/b/")).unwrap(), "a/b");
        assert!(folder(Some("/")).is_err() && folder(Some("..")).is_err());
    }

    #[test]
    fn owners_are_read_off_paths() {
        assert_eq!(owner("1/ab/artifacts/x/y").unwrap(), Owner::Run(ExperimentId::new("1"), RunId::new("ab")));
        let model = Owner::Model(ExperimentId::new("1"), LoggedModelId::new("m-1"));
        assert_eq!(owner("1/models/m-1/artifacts/MLmodel").unwrap(), model);
        let trace = Owner::Trace(ExperimentId::new("1"), TraceId::new("tr-1"));
        assert_eq!(owner("1/traces/tr-1/artifacts/traces.json").unwrap(), trace);
        for bad in ["x", "1/ab", "1/ab/other/x", "1/models/m-1", "1/traces/tr-1"] {
            assert!(owner(bad).is_err(), "{bad}");
        }
    }
}
