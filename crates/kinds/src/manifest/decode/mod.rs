//! From a spanned document to a manifest: one typed decoder a kind.
//!
//! A decoder goes on after a mistake, with a stand-in for what it could not read, so that all mistakes come at once.
//! A manifest with stand-ins never leaves the parser; only the checks of cross references look at it.

mod closing;
mod dataset;
mod endpoint;
mod model;
mod monitor;
mod pipeline;
mod settings;
mod simple;
mod step;
mod trigger;

use std::{collections::BTreeMap, sync::Arc};

use super::{
    API_VERSION, Manifest, Parsed, Spec, StepDefaults, clean,
    fields::{At, Fields, map, name, text, written},
    nearest::{did_you_mean, either},
    report::Report,
    show,
    spans::Spans,
    tree::Node,
};
use crate::{Kind, Name};

/// The kinds this release reads.
const KINDS: [&str; 8] =
    ["Project", "Environment", "JobTemplate", "Dataset", "Model", "Pipeline", "Endpoint", "Monitor"];

/// The project of a manifest that names none.
pub(super) fn default_project() -> Name {
    placeholder("default")
}

/// Returns a name that is known to be one.
fn placeholder(text: &str) -> Name {
    text.parse().expect("built-in names are names")
}

/// Decodes one document; tells whether it came out whole. Nothing comes of a document that does not even say what
/// it is.
pub(super) fn document(root: &Arc<Node>, file: &str, source: usize, report: &mut Report) -> Option<(Parsed, bool)> {
    report.take_gaps();
    let at = At { path: String::new(), node: root };
    let mut fields = Fields::open(&at, report)?;
    if !api_version(&mut fields, report) {
        return None;
    }
    let kind = kind(&mut fields, report)?;
    let metadata = fields.require("metadata", "write `metadata: {name: …}`", report);
    let metadata = metadata.and_then(|at| metadata_of(&at, kind, report));
    let body = fields.get("spec");
    let mut defaults = StepDefaults::default();
    let spec = match kind {
        Kind::Project => simple::project(body, report).map(Spec::Project),
        Kind::Model => model::model(body, report).map(Spec::Model),
        Kind::Environment => simple::environment(body, report).map(Spec::Environment),
        Kind::JobTemplate => {
            required(body, &at, report).and_then(|at| simple::template(&at, report)).map(Spec::JobTemplate)
        }
        Kind::Dataset => required(body, &at, report).and_then(|at| dataset::dataset(&at, report)).map(Spec::Dataset),
        Kind::Pipeline => required(body, &at, report)
            .and_then(|at| pipeline::pipeline(&at, &mut defaults, report))
            .map(Spec::Pipeline),
        Kind::Endpoint => {
            required(body, &at, report).and_then(|at| endpoint::endpoint(&at, report)).map(Spec::Endpoint)
        }
        Kind::Monitor => required(body, &at, report).and_then(|at| monitor::monitor(&at, report)).map(Spec::Monitor),
        Kind::Index | Kind::Policy => None,
    };
    fields.finish(report);
    let gaps = report.take_gaps();
    let whole = gaps.is_empty();
    let Metadata { name, project, labels, annotations } = metadata?;
    let manifest = Manifest { name: name?, project, labels, annotations, spec: spec? };
    let (position, spans) = (root.position, Spans::of(root));
    Some((Parsed { manifest, source, file: file.to_owned(), position, spans, defaults, gaps }, whole))
}

/// Returns the body, or reports that it is missing.
fn required<'a>(body: Option<At<'a>>, at: &At<'_>, report: &mut Report) -> Option<At<'a>> {
    if body.is_none() {
        report.error(at.node.position, "spec", "`spec` is missing", "say under `spec` what should be".to_owned());
    }
    body
}

/// Reads the API version; tells whether the rest is worth reading.
fn api_version(fields: &mut Fields<'_>, report: &mut Report) -> bool {
    let hint = format!("begin with `apiVersion: {API_VERSION}`");
    let Some(at) = fields.require("apiVersion", &hint, report) else { return true };
    let Some(version) = text(&at, report) else { return true };
    if version == API_VERSION {
        return true;
    }
    match version.split_once('/') {
        Some(("windlass.dev", given)) if is_version(given) => {
            let message = format!("`{}` was made for a newer Windlass; this one reads v1alpha1", show(&version));
            at.error(report, message, "use a newer windlass, or the fields of v1alpha1".to_owned());
            false
        }
        Some((group, _)) if group != "windlass.dev" && did_you_mean(group, ["windlass.dev"]).is_none() => {
            at.error(report, format!("`{}` is no version of Windlass's manifests", show(&version)), hint);
            false
        }
        _ => {
            at.error(
                report,
                format!("there is no API version `{}`", show(&version)),
                format!("did you mean `{API_VERSION}`?"),
            );
            true
        }
    }
}

/// Tells whether a text is a version as Kubernetes writes them: `v2`, `v1beta3`.
fn is_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('v') else { return false };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = rest.split("alpha").flat_map(|part| part.split("beta")).collect();
    parts.len() <= 2 && parts.into_iter().all(number)
}

fn kind(fields: &mut Fields<'_>, report: &mut Report) -> Option<Kind> {
    let hint = format!("write `kind: ` and {}", either(KINDS));
    let at = fields.require("kind", &hint, report)?;
    let written = text(&at, report)?;
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == written) else {
        let hint = did_you_mean(&written, KINDS).unwrap_or_else(|| format!("the kinds are {}", either(KINDS)));
        at.error(report, format!("there is no kind `{}`", show(&written)), hint);
        return None;
    };
    if matches!(kind, Kind::Index | Kind::Policy) {
        at.error(
            report,
            format!("the kind `{kind}` comes with a later release"),
            format!("this one reads {}", either(KINDS)),
        );
        return None;
    }
    Some(kind)
}

struct Metadata {
    name: Option<Name>,
    project: Name,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

fn metadata_of(at: &At<'_>, kind: Kind, report: &mut Report) -> Option<Metadata> {
    let mut fields = Fields::open(at, report)?;
    let own = fields.require("name", "give the object a name: lower-case letters, digits and inner hyphens", report);
    let own = own.and_then(|at| name(&at, report));
    let given = fields.get("project").and_then(|at| Some((name(&at, report)?, at)));
    let project = match (kind, &own, given) {
        // A project holds itself, so that everything of a project is found under its name.
        (Kind::Project, Some(own), Some((given, at))) if given != *own => {
            at.error(
                report,
                format!("the project `{own}` cannot lie in the project `{given}`"),
                "leave `project` out".to_owned(),
            );
            own.clone()
        }
        (Kind::Project, Some(own), _) => own.clone(),
        (_, _, Some((given, _))) => given,
        (_, _, None) => default_project(),
    };
    let labels = fields.get("labels").and_then(|at| text_map(&at, report)).unwrap_or_default();
    let annotations = fields.get("annotations").and_then(|at| text_map(&at, report)).unwrap_or_default();
    fields.finish(report);
    Some(Metadata { name: own, project, labels, annotations })
}

/// Reads a mapping of free keys to text.
fn text_map(at: &At<'_>, report: &mut Report) -> Option<BTreeMap<String, String>> {
    map(at, report, free_key, written)
}

/// Accepts any key that can be shown.
fn free_key(key: &str) -> Result<String, String> {
    match key {
        "" => Err("a key must not be empty".to_owned()),
        key if key.chars().any(char::is_control) => Err(format!("the key `{}` has control characters", show(key))),
        key => Ok(key.to_owned()),
    }
}
