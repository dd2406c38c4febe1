//! The limits and rules for names and values, in MLflow's words.

use super::error::{Error, Result};

/// The most metrics in one batch.
pub(super) const METRICS_MAX: usize = 1000;
/// The most params in one batch, and the most tags.
pub(super) const PAIRS_MAX: usize = 100;
/// The most of all together.
pub(super) const ENTITIES_MAX: usize = 1000;
/// The longest key of a metric, param or tag, in characters.
const KEY_MAX: usize = 250;
/// The longest value of a param, in characters.
const PARAM_MAX: usize = 6000;
/// The longest value of a run's tag, in characters.
const TAG_MAX: usize = 8000;
/// The longest value of an experiment's tag, in characters.
const EXPERIMENT_TAG_MAX: usize = 5000;
/// The longest value of a tag in the registry, in characters.
const REGISTRY_TAG_MAX: usize = 100_000;
/// The longest alias, in characters.
const ALIAS_MAX: usize = 255;
/// The longest name of an experiment, in characters.
const EXPERIMENT_MAX: usize = 500;

fn length(what: &str, text: &str, most: usize) -> Result<()> {
    if text.len() <= most || text.chars().count() <= most {
        return Ok(());
    }
    Err(Error::invalid(format!("'{what}' exceeds the maximum length of {most} characters")))
}

fn nul(what: &str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::invalid(format!("'{what}' must not contain a NUL character")));
    }
    Ok(())
}

/// Refuses keys that could not be file names or carry other characters than MLflow allows.
fn key(parameter: &str, what: &str, text: &str) -> Result<()> {
    let shown = || serde_json::Value::String(text.chars().take(KEY_MAX).collect()).to_string();
    let allowed = |character: char| character.is_alphanumeric() || "_-. :/".contains(character);
    if !text.chars().all(allowed) {
        return Err(Error::invalid(format!(
            "Invalid value {} for parameter '{parameter}' supplied: Names may only contain alphanumerics, underscores \
             (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).",
            shown()
        )));
    }
    let unique = !text.starts_with('/') && text.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !unique {
        return Err(Error::invalid(format!(
            "Invalid value {} for parameter '{parameter}' supplied: Names may be treated as files in certain cases, and \
             must not resolve to other names when treated as such. This name would resolve to '{}'",
            shown(),
            resolved(text)
        )));
    }
    length(what, text, KEY_MAX)
}

/// Returns what a file system would make of a name.
fn resolved(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (text.starts_with('/'), joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

pub(super) fn metric(name: &str, value: f64, timestamp: i64) -> Result<()> {
    key("name", "Metric name", name)?;
    if timestamp < 0 {
        return Err(Error::invalid(format!(
            "Invalid value {timestamp} for parameter 'timestamp' supplied: metric '{name}' (value={value:?}). Timestamp \
             must be a nonnegative long (64-bit integer) "
        )));
    }
    Ok(())
}

pub(super) fn param(name: &str, value: &str) -> Result<()> {
    key("key", "Param key", name)?;
    nul("Param value", value)?;
    length("Param value", value, PARAM_MAX)
}

pub(super) fn tag(name: &str, value: &str) -> Result<()> {
    key("key", "Tag key", name)?;
    nul("Tag value", value)?;
    length("Tag value", value, TAG_MAX)
}

pub(super) fn experiment_tag(name: &str, value: &str) -> Result<()> {
    key("key", "Tag key", name)?;
    nul("Tag value", value)?;
    length("Tag value", value, EXPERIMENT_TAG_MAX)
}

pub(super) fn registry_tag(name: &str, value: &str) -> Result<()> {
    key("key", "Tag key", name)?;
    nul("Tag value", value)?;
    length("Tag value", value, REGISTRY_TAG_MAX)
}

pub(super) fn experiment_name(name: &str) -> Result<()> {
    nul("name", name)?;
    length("name", name, EXPERIMENT_MAX)
}

pub(super) fn run_name(name: &str) -> Result<()> {
    nul("run_name", name)?;
    length("run_name", name, TAG_MAX)
}

pub(super) fn model_name(name: &str) -> Result<()> {
    nul("name", name)?;
    if name.contains(['/', ':']) {
        return Err(Error::invalid(format!("Invalid model name '{name}'. Names cannot contain '/' or ':'.")));
    }
    length("name", name, EXPERIMENT_MAX)
}

pub(super) fn logged_model_name(name: &str) -> Result<()> {
    if name.contains(['/', ':', '.', '%', '"', '\'', '\0']) {
        return Err(Error::invalid(format!(
            "Invalid model name ('{name}') provided. Model name must be a non-empty string and cannot contain the \
             following characters: ('/', ':', '.', '%', '\"', \"'\")"
        )));
    }
    length("name", name, EXPERIMENT_MAX)
}

pub(super) fn alias(alias: &str) -> Result<()> {
    let allowed = |character: char| character.is_alphanumeric() || character == '_' || character == '-';
    if !alias.chars().all(allowed) {
        return Err(Error::invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    length("Registered model alias name", alias, ALIAS_MAX)?;
    if alias.eq_ignore_ascii_case("latest") {
        return Err(Error::invalid("'latest' alias name (case insensitive) is reserved."));
    }
    let number = alias
        .strip_prefix(['v', 'V'])
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    if number {
        return Err(Error::invalid(format!("Version alias name '{alias}' is reserved.")));
    }
    Ok(())
}

/// Returns `max_results` within its limits.
pub(super) fn page_size(given: Option<i64>, default: u32, most: u32) -> Result<u32> {
    let Some(given) = given else { return Ok(default) };
    if given <= 0 {
        return Err(Error::invalid(format!(
            "Invalid value {given} for parameter 'max_results' supplied. It must be a positive integer"
        )));
    }
    u32::try_from(given).ok().filter(|given| *given <= most).ok_or_else(|| {
        Error::invalid(format!("Invalid value {given} for parameter 'max_results' supplied. It must be at most {most}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_names_that_files_could_have() {
        for good in ["m", "a/b", "val loss", "x.y-z_1", "ä:b"] {
            assert!(tag(good, "").is_ok(), "{good}");
        }
        for (bad, why) in [
            ("../x", "would resolve to '../x'"),
            ("/a", "would resolve to '/a'"),
            ("a//b", "would resolve to 'a/b'"),
            ("a#b", "may only contain"),
            ("a\0b", "may only contain"),
        ] {
            let error = format!("{:?}", tag(bad, "").unwrap_err());
            assert!(error.contains(why), "{bad}: {error}");
        }
        assert!(tag(&"x".repeat(251), "").is_err() && param("x", &"y".repeat(6001)).is_err());
    }

    #[test]
    fn aliases_are_no_numbers() {
        for good in ["champion", "5", "v", "vx1", "a-b_c"] {
            assert!(alias(good).is_ok(), "{good}");
        }
        for bad in ["v1", "V22", "latest", "Latest", "a b", "a/b", &"x".repeat(256)] {
            assert!(alias(bad).is_err(), "{bad}");
        }
    }
}
