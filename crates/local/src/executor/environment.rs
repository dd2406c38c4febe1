//! The environment of a step: minimal, and all of it said here.
//!
//! From weakest to strongest: the variables of [`PASSED_ON`] as the server has them; a few defaults; what the manifest
//! says; the step contract. So a manifest may set `OMP_NUM_THREADS`, and nothing can break the contract. Nothing else
//! of the server's environment reaches a step: no cloud credentials, no tokens, no editor settings.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;
use windlass_control::Job;

use crate::layout::AttemptFolder;

/// Variables of the server that steps see: who and where the user is, language and time zone, how the network and
/// package indexes are reached, and where accelerators are.
pub const PASSED_ON: &[&str] = &[
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "LD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
];

/// Beginnings of further variables that steps see: the settings of pip and uv.
const PASSED_ON_PREFIXES: &[&str] = &["PIP_", "UV_"];

/// Where programs are looked for when the server has no path itself.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns those of `host` that steps see.
pub(super) fn passed_on(host: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    host.into_iter()
        .filter(|(name, _)| {
            PASSED_ON.contains(&name.as_str()) || PASSED_ON_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        })
        .collect()
}

/// Returns all variables of a step.
pub(super) fn environment(
    host: &BTreeMap<String, String>,
    job: &Job,
    folder: &AttemptFolder,
    checkpoints: &Path,
    python: Option<&Path>,
) -> BTreeMap<String, String> {
    // No `..`: what a job says must be used here or this stops compiling.
    let Job {
        attempt,
        step_run: _,
        project: _,
        title: _,
        command: _,
        python: _,
        env,
        code: _,
        inputs: _,
        outputs: _,
        writes: _,
        parameters,
        timeout: _,
        resources,
        tracking,
    } = job;
    let mut variables = host.clone();
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    set("PYTHONUNBUFFERED", "1".to_owned());
    set("OMP_NUM_THREADS", format!("{}", resources.cpu.ceil().max(1.0)));
    for (name, value) in env {
        set(name, value.clone());
    }
    for (name, value) in parameters {
        set(&parameter_variable(name), parameter_text(value));
    }
    for (name, path) in [
        ("WINDLASS_INPUTS", folder.inputs()),
        ("WINDLASS_OUTPUTS", folder.outputs()),
        ("WINDLASS_WRITES", folder.writes()),
        ("WINDLASS_PARAMS", folder.parameters()),
        ("WINDLASS_CHECKPOINTS", checkpoints.to_owned()),
    ] {
        set(name, path.display().to_string());
    }
    set("WINDLASS_ATTEMPT", attempt.to_string());
    set("MLFLOW_TRACKING_URI", tracking.uri.clone());
    set("MLFLOW_TRACKING_TOKEN", tracking.token.clone());
    set("MLFLOW_RUN_ID", tracking.run.to_string());
    set("MLFLOW_EXPERIMENT_ID", tracking.experiment.to_string());

    let path = variables.get("PATH").filter(|path| !path.is_empty()).map_or(DEFAULT_PATH, String::as_str).to_owned();
    match python {
        None => variables.insert("PATH".to_owned(), path),
        Some(python) => {
            variables.insert("VIRTUAL_ENV".to_owned(), python.display().to_string());
            variables.insert("PATH".to_owned(), format!("{}:{path}", python.join("bin").display()))
        }
    };
    reach_ourselves(&mut variables);
    variables
}

/// Sees to it that a proxy is not asked for this machine, where the tracking server is.
pub(crate) fn reach_ourselves(variables: &mut BTreeMap<String, String>) {
    let has_proxy = variables
        .keys()
        .any(|name| matches!(name.to_ascii_lowercase().as_str(), "http_proxy" | "https_proxy" | "all_proxy"));
    if !has_proxy {
        return;
    }
    let given = ["no_proxy", "NO_PROXY"].iter().find_map(|name| variables.get(*name)).cloned().unwrap_or_default();
    let mut hosts: Vec<&str> = given.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    for host in ["127.0.0.1", "localhost", "::1"] {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let hosts = hosts.join(",");
    variables.insert("NO_PROXY".to_owned(), hosts.clone());
    variables.insert("no_proxy".to_owned(), hosts);
}

/// Returns the variable of a parameter: `WINDLASS_PARAM_` and its name in capitals, `_` for what a name cannot hold.
fn parameter_variable(name: &str) -> String {
    let name = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    "WINDLASS_PARAM_".chars().chain(name).collect()
}

/// Returns a parameter as a variable holds it: text as it is, anything else as JSON.
fn parameter_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Returns secrets that a step can see and its log must not show: its token, and passwords in the addresses of proxies
/// and package indexes.
pub(super) fn secrets(token: &str, variables: &BTreeMap<String, String>) -> Vec<String> {
    let mut secrets = vec![token.to_owned()];
    for (name, value) in variables {
        if name == "MLFLOW_TRACKING_TOKEN" {
            continue;
        }
        for word in value.split_ascii_whitespace() {
            let user = word.split_once("://").and_then(|(_, rest)| rest.split(['/', '?']).next()?.rsplit_once('@'));
            if let Some((user, _host)) = user {
                secrets.push(user.split_once(':').map_or(user, |(_, password)| password).to_owned());
            }
        }
    }
    secrets
}

/// Returns the absolute path of a step's program. A name with a slash is relative to the code, one without is looked
/// up on the path, which begins with the Python environment.
pub(super) fn program(name: &str, code: &Path, variables: &BTreeMap<String, String>) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt as _;
    if name.contains('/') {
        let path = code.join(name);
        return match path.try_exists() {
            Ok(true) => Ok(path),
            Ok(false) | Err(_) => Err(format!("the program `{name}` is not in the code of the pipeline")),
        };
    }
    let path = variables.get("PATH").map_or("", String::as_str);
    path.split(':')
        .map(Path::new)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| file.metadata().is_ok_and(|is| is.is_file() && is.permissions().mode() & 0o111 != 0))
        .ok_or_else(|| {
            let hint = match (variables.contains_key("VIRTUAL_ENV"), name) {
                (false, "python" | "pip") => {
                    format!("give the step a `python:` environment, or write `{name}3` if the machine's own is meant")
                }
                (false, _) => "install it, or write its path relative to the code, as in `./tool`".to_owned(),
                (true, _) => "add the package that brings it to the requirements, or install it".to_owned(),
            };
            format!("the program `{name}` was not found: {hint}")
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_what_is_listed_is_passed_on() {
        let host = map(&[("HOME", "/h"), ("AWS_SECRET_ACCESS_KEY", "s"), ("PIP_INDEX_URL", "i"), ("VIRTUAL_ENV", "v")]);
        assert_eq!(passed_on(host), map(&[("HOME", "/h"), ("PIP_INDEX_URL", "i")]));
    }

    #[test]
    fn parameters_become_variables() {
        assert_eq!(parameter_variable("learning-rate.x"), "WINDLASS_PARAM_LEARNING_RATE_X");
        for (value, text) in
            [(json!("a b"), "a b"), (json!(1.5), "1.5"), (json!(["a"]), "[\"a\"]"), (json!(null), "null")]
        {
            assert_eq!(parameter_text(&value), text);
        }
    }

    #[test]
    fn the_proxy_is_not_asked_for_ourselves() {
        let mut variables = map(&[("https_proxy", "http://p"), ("no_proxy", "a.example, localhost")]);
        reach_ourselves(&mut variables);
        assert_eq!(variables["NO_PROXY"], "a.example,localhost,127.0.0.1,::1");
        let mut none = map(&[]);
        reach_ourselves(&mut none);
        assert!(none.is_empty());
    }

    #[test]
    fn passwords_in_addresses_are_secrets() {
        let variables = map(&[("A", "https://user:hunter22@host/simple"), ("B", "http://token77@host"), ("C", "a@b")]);
        assert_eq!(secrets("t", &variables), ["t", "hunter22", "token77"]);
    }

    #[test]
    fn programs_are_found_or_explained() {
        let path = map(&[("PATH", "relative::/bin:/usr/bin")]);
        assert!(program("sh", Path::new("/"), &path).unwrap().ends_with("bin/sh"));
        assert_eq!(program("bin/sh", Path::new("/"), &path).unwrap(), Path::new("/bin/sh"));
        for (name, hint) in [("no-such", "as in `./tool`"), ("./no-such", "not in the code")] {
            let error = program(name, Path::new("/"), &path).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }
}
