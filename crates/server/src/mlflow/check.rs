//! The limits and rules for names and values, in MLflow's words.

use super::{
    error::{Error, Result},
    request::{float, quoted, repr},
};

/// The most metrics in one batch.
pub(super) const METRICS_MAX: usize = 1000;
/// The most params in one batch, and the most tags.
pub(super) const PAIRS_MAX: usize = 100;
/// The most of all together.
pub(super) const ENTITIES_MAX: usize = 1000;
/// The longest key of a metric, param or tag, in characters.
const KEY_MAX: usize = 250;
/// The longest value of a param, in characters; longer ones are cut.
const PARAM_MAX: usize = 6000;
/// The longest value of a run's tag, in characters; longer ones are cut.
const TAG_MAX: usize = 8000;
/// The longest value of an experiment's tag, in characters.
const EXPERIMENT_TAG_MAX: usize = 20_000;
/// The longest value of a tag in the registry, in characters.
const REGISTRY_TAG_MAX: usize = 100_000;
/// The longest alias, in characters.
const ALIAS_MAX: usize = 255;
/// The longest name of an experiment, a model or a dataset, in characters.
const NAME_MAX: usize = 500;

/// Refuses text of more than `most` characters.
pub(super) fn length(what: &str, text: &str, most: usize) -> Result<()> {
    if text.len() <= most || text.chars().count() <= most {
        return Ok(());
    }
    Err(Error::invalid(format!("'{what}' exceeds the maximum length of {most} characters")))
}

/// Returns text without what exceeds `most` characters.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most
        && let Some((end, _)) = text.char_indices().nth(most)
    {
        text.truncate(end);
    }
    text
}

/// Refuses a NUL, which PostgreSQL cannot hold.
pub(super) fn nul(what: &str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::invalid(format!("'{what}' must not contain a NUL character")));
    }
    Ok(())
}

/// Refuses keys that could not be file names or carry other characters than MLflow allows.
pub(super) fn key(parameter: &str, text: &str) -> Result<()> {
    let allowed = |character: char| character.is_alphanumeric() || "_-. :/".contains(character);
    // Where MLflow's pattern ends, a line may end too.
    if !text.strip_suffix('\n').unwrap_or(text).chars().all(allowed) {
        return Err(Error::invalid(format!(
            "Invalid value {} for parameter '{parameter}' supplied: Names may only contain alphanumerics, underscores \
             (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).",
            quoted(text)
        )));
    }
    file(parameter, text)
}

/// Refuses names that a file system would take for others.
fn file(parameter: &str, text: &str) -> Result<()> {
    let resolved = resolved(text);
    if resolved != text || resolved == "." || resolved.starts_with("..") || resolved.starts_with('/') {
        return Err(Error::invalid(format!(
            "Invalid value {} for parameter '{parameter}' supplied: Names may be treated as files in certain cases, and \
             must not resolve to other names when treated as such. This name would resolve to {}",
            quoted(text),
            repr(&resolved)
        )));
    }
    Ok(())
}

/// Returns what a file system would make of a name.
fn resolved(text: &str) -> String {
    // POSIX lets two slashes at the beginning mean something of their own.
    let root = match text.len() - text.trim_start_matches('/').len() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if !root.is_empty() => {}
            part => parts.push(part),
        }
    }
    let whole = format!("{root}{}", parts.join("/"));
    if whole.is_empty() { ".".to_owned() } else { whole }
}

/// Checks a metric point; `at` says where it stands: `metrics[0].`, or nothing.
pub(super) fn metric(at: impl FnOnce() -> String, name: &str, value: f64, timestamp: i64) -> Result<()> {
    if is_plain(name) && timestamp >= 0 {
        return length("Metric name", name, KEY_MAX);
    }
    let at = at();
    key(&format!("{at}name"), name)?;
    if timestamp < 0 {
        return Err(Error::invalid(format!(
            "Invalid value {timestamp} for parameter '{at}timestamp' supplied: metric '{name}' (value={}). Timestamp \
             must be a nonnegative long (64-bit integer) ",
            float(value)
        )));
    }
    length("Metric name", name, KEY_MAX)
}

/// Returns whether a key is one of those that nearly all are: it needs no closer look.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Checks a param and returns its value as it is kept.
pub(super) fn param(at: &str, name: &str, value: String) -> Result<String> {
    key(&format!("{at}key"), name)?;
    length("Param key", name, KEY_MAX)?;
    nul("Param value", &value)?;
    Ok(cut(value, PARAM_MAX))
}

/// Checks a run's tag and returns its value as it is kept.
pub(super) fn tag(at: &str, name: &str, value: String) -> Result<String> {
    key(&format!("{at}key"), name)?;
    length(&format!("{at}key"), name, KEY_MAX)?;
    nul("Tag value", &value)?;
    Ok(cut(value, TAG_MAX))
}

pub(super) fn experiment_tag(name: &str, value: &str) -> Result<()> {
    registry_key(name)?;
    nul("value", value)?;
    length("value", value, EXPERIMENT_TAG_MAX)
}

pub(super) fn registry_tag(name: &str, value: &str) -> Result<()> {
    registry_key(name)?;
    nul("value", value)?;
    length("value", value, REGISTRY_TAG_MAX)
}

fn registry_key(name: &str) -> Result<()> {
    key("key", name)?;
    length("key", name, KEY_MAX)
}

/// Checks what MLflow lets pass, but no database of ours could hold everywhere.
pub(super) fn storable(pairs: &[(String, String)]) -> Result<()> {
    pairs.iter().try_for_each(|(key, value)| {
        nul("key", key)?;
        length("key", key, KEY_MAX)?;
        nul("value", value)
    })
}

pub(super) fn experiment_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid("Invalid experiment name: ''"));
    }
    nul("name", name)?;
    length("name", name, NAME_MAX)
}

pub(super) fn run_name(name: &str) -> Result<()> {
    nul("run_name", name)?;
    length("run_name", name, TAG_MAX)
}

pub(super) fn model_name(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::invalid("Missing value for required parameter 'name'."));
    }
    if name.contains(['/', ':']) {
        return Err(Error::invalid(format!("Invalid model name '{name}'. Names cannot contain '/' or ':'.")));
    }
    file("name", name)?;
    nul("name", name)?;
    length("name", name, NAME_MAX)
}

pub(super) fn logged_model_name(name: &str) -> Result<()> {
    if name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Err(Error::invalid(format!(
            "Invalid model name ({}) provided. Model name must be a non-empty string and cannot contain the following \
             characters: ('/', ':', '.', '%', '\"', \"'\")",
            repr(name)
        )));
    }
    nul("name", name)?;
    length("name", name, NAME_MAX)
}

/// Checks the name of an alias.
pub(super) fn alias(alias: &str) -> Result<()> {
    if alias.is_empty() {
        return Err(Error::invalid("Registered model alias name cannot be empty."));
    }
    let allowed = |character: char| character.is_alphanumeric() || character == '_' || character == '-';
    if !alias.strip_suffix('\n').unwrap_or(alias).chars().all(allowed) {
        return Err(Error::invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    length("Registered model alias name", alias, ALIAS_MAX)
}

/// Checks the name of an alias that is to be set: some mean something already.
pub(super) fn new_alias(name: &str) -> Result<()> {
    alias(name)?;
    if name.eq_ignore_ascii_case("latest") {
        return Err(Error::invalid("'latest' alias name (case insensitive) is reserved."));
    }
    let rest = name.strip_suffix('\n').unwrap_or(name).strip_prefix(['v', 'V']);
    if rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(char::is_numeric)) {
        return Err(Error::invalid(format!("Version alias name '{name}' is reserved.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_names_that_files_could_have() {
        for good in ["m", "a/b", "val loss", "x.y-z_1", "ä:b", "a..b"] {
            assert!(key("key", good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", "would resolve to '.'"),
            ("../x", "would resolve to '../x'"),
            ("..x", "would resolve to '..x'"),
            ("/a", "would resolve to '/a'"),
            ("//a", "would resolve to '//a'"),
            ("///a", "would resolve to '/a'"),
            ("a//b", "would resolve to 'a/b'"),
            ("a/..", "would resolve to '.'"),
            ("a#b", "may only contain"),
            ("a\0b", "may only contain"),
        ] {
            let error = format!("{:?}", key("key", bad).unwrap_err());
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn long_values_are_cut_and_long_keys_refused() {
        assert_eq!(param("", "x", "ä".repeat(6001)).unwrap(), "ä".repeat(6000));
        assert_eq!(tag("", "x", "y".repeat(8000)).unwrap().len(), 8000);
        let error = format!("{:?}", tag("tags[3].", &"x".repeat(251), String::new()).unwrap_err());
        assert!(error.contains("'tags[3].key' exceeds the maximum length of 250 characters"), "{error}");
        assert!(experiment_tag("x", &"y".repeat(20_001)).is_err());
    }

    #[test]
    fn aliases_are_no_numbers() {
        for good in ["champion", "5", "v", "vx1", "a-b_c"] {
            assert!(new_alias(good).is_ok(), "{good}");
        }
        for bad in ["", "v1", "V22", "latest", "Latest", "a b", "a/b", &"x".repeat(256)] {
            assert!(new_alias(bad).is_err(), "{bad}");
        }
    }
}
