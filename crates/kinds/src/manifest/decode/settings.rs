//! The settings that steps, templates and pipelines share: Python, variables, retries, time, resources.

use super::super::{
    PythonSpec, Resources, RetrySpec, StepDefaults,
    fields::{At, Fields, list, map, number, some_span, some_text, span, text, whole, written},
    report::Report,
    show, units,
};
use crate::Span;

/// The variables that Windlass sets in every step; a manifest's value would never arrive.
const RESERVED: [&str; 4] = ["MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"];

/// The most retries; beyond it somebody meant something else.
const RETRIES_MAX: u64 = 100_000;

/// Reads the shared fields among those of a step, a template's defaults or a pipeline.
pub(super) fn settings(fields: &mut Fields<'_>, report: &mut Report) -> StepDefaults {
    StepDefaults {
        python: fields.get("python").and_then(|at| python(&at, report)),
        env: fields.get("env").and_then(|at| map(&at, report, variable, written)).unwrap_or_default(),
        retries: fields.get("retries").and_then(|at| retries(&at, report)),
        timeout: fields.get("timeout").and_then(|at| some_span(&at, report)),
        resources: fields.get("resources").and_then(|at| resources(&at, report)),
    }
}

fn python(at: &At<'_>, report: &mut Report) -> Option<PythonSpec> {
    let mut fields = Fields::open(at, report)?;
    let version = fields.get("version").and_then(|at| python_version(&at, report));
    let requirements = fields.get("requirements").and_then(|at| file(&at, report));
    let packages = fields.get("packages").and_then(|at| list(&at, report, package)).unwrap_or_default();
    fields.finish(report);
    Some(PythonSpec { version, requirements, packages })
}

/// Reads an interpreter request as uv takes it: `3.11` or `>=3.10,<3.13`; never a path or an option.
fn python_version(at: &At<'_>, report: &mut Report) -> Option<String> {
    let version = written(at, report)?;
    let usual = |c: char| c.is_ascii_alphanumeric() || "<>=!~,.*+@ -".contains(c);
    if version.is_empty() || version.starts_with('-') || !version.chars().all(usual) {
        at.error(
            report,
            format!("`{}` is not a version of Python", show(&version)),
            "write 3.11 or \">=3.10\"".to_owned(),
        );
        return None;
    }
    Some(version)
}

/// Reads the path of a file beside the manifest.
fn file(at: &At<'_>, report: &mut Report) -> Option<String> {
    let path = some_text(at, report)?;
    if path.contains('\n') {
        let hint = "name the file; packages written in place go under `packages`, as a list";
        at.error(report, "this is the path of a file, not its text", hint.to_owned());
        return None;
    }
    Some(path)
}

/// Reads one requirement (PEP 508); options of pip have no place among packages.
fn package(at: &At<'_>, report: &mut Report) -> Option<String> {
    let package = some_text(at, report)?;
    if package.starts_with('-') || package.contains('\n') {
        let hint = "put options into the requirements file; write one package an entry";
        at.error(report, format!("`{}` is not a package", show(&package)), hint.to_owned());
        return None;
    }
    Some(package)
}

/// Accepts the name of an environment variable (POSIX.1-2017, section 8.1, in either case).
fn variable(key: &str) -> Result<String, String> {
    let first = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !first || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!("`{}` is not the name of a variable: letters, digits and `_` only", show(key)));
    }
    if key.starts_with("WINDLASS_") || RESERVED.contains(&key) {
        return Err(format!("`{key}` is set by Windlass itself; another value would never arrive"));
    }
    Ok(key.to_owned())
}

fn retries(at: &At<'_>, report: &mut Report) -> Option<RetrySpec> {
    let usual = RetrySpec::default();
    if matches!(at.node.tree, super::super::tree::Tree::Scalar(_)) {
        return limit(at, report).map(|limit| RetrySpec { limit, ..usual });
    }
    let mut fields = Fields::open(at, report)?;
    let most = fields.require("limit", "say how often to try again", report).and_then(|at| limit(&at, report));
    let backoff = fields.get("backoff").and_then(|at| span(&at, report));
    let longest = fields.get("maxBackoff").and_then(|at| Some((span(&at, report)?, at)));
    let backoff = backoff.unwrap_or(usual.backoff);
    let max_backoff = match longest {
        Some((longest, at)) if longest < backoff => {
            at.error(
                report,
                format!("`maxBackoff` is shorter than `backoff` ({backoff})"),
                format!("write {backoff} or more"),
            );
            backoff
        }
        Some((longest, _)) => longest,
        None => usual.max_backoff.max(backoff),
    };
    fields.finish(report);
    Some(RetrySpec { limit: most?, backoff, max_backoff })
}

fn limit(at: &At<'_>, report: &mut Report) -> Option<u32> {
    let limit: u32 = whole(at, 0, report)?;
    if u64::from(limit) > RETRIES_MAX {
        at.error(report, format!("{limit} retries are more than the {RETRIES_MAX} allowed"), None);
        return None;
    }
    Some(limit)
}

fn resources(at: &At<'_>, report: &mut Report) -> Option<Resources> {
    let mut fields = Fields::open(at, report)?;
    let usual = Resources::default();
    let cpu = fields.get("cpu").and_then(|at| cpu(&at, report)).unwrap_or(usual.cpu);
    let memory = fields.get("memory").and_then(|at| memory(&at, report));
    fields.finish(report);
    Some(Resources { cpu, memory })
}

fn cpu(at: &At<'_>, report: &mut Report) -> Option<f64> {
    if let super::super::tree::Tree::Scalar(scalar) = &at.node.tree
        && let Some(cpu) = units::millis_of_cpu(&scalar.text)
        && cpu > 0.0
    {
        return Some(cpu);
    }
    let cpu = number(at, report)?;
    if cpu <= 0.0 || cpu > 4096.0 {
        at.error(
            report,
            format!("`cpu: {cpu}` cannot be had"),
            "write a number of processors, such as 1 or 0.5".to_owned(),
        );
        return None;
    }
    Some(cpu)
}

fn memory(at: &At<'_>, report: &mut Report) -> Option<u64> {
    let written = written(at, report)?;
    match units::memory(&written) {
        Ok(bytes) => Some(bytes),
        Err((message, hint)) => {
            at.error(report, message, hint);
            None
        }
    }
}

/// Reads a field that holds a length of time, with a default.
pub(super) fn span_or(fields: &mut Fields<'_>, key: &'static str, usual: &str, report: &mut Report) -> Span {
    let given = fields.get(key).and_then(|at| span(&at, report));
    given.unwrap_or_else(|| usual.parse().expect("built-in spans are spans"))
}

/// Reads the code of a condition: any text that is not empty; what it means is for `plan` to say.
pub(super) fn expression(at: &At<'_>, report: &mut Report) -> Option<String> {
    if let super::super::tree::Tree::Scalar(scalar) = &at.node.tree
        && scalar.plain
        && matches!(scalar.text.as_str(), "true" | "false")
    {
        return Some(scalar.text.clone());
    }
    text(at, report).and_then(|_| some_text(at, report))
}
