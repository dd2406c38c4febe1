//! The kinds with little to say: Project, Environment, JobTemplate.

use std::collections::BTreeMap;

use super::{
    super::{
        EnvironmentSpec, JobTemplateSpec, Place, ProjectSpec, Role,
        fields::{At, Fields, map, span, text, whole, word},
        report::Report,
    },
    free_key, settings,
};

const ROLES: [(&str, Role); 4] = [
    ("viewer", Role::Viewer),
    ("contributor", Role::Contributor),
    ("maintainer", Role::Maintainer),
    ("admin", Role::Admin),
];

/// Reads an optional description.
pub(super) fn description(fields: &mut Fields<'_>, report: &mut Report) -> String {
    fields.get("description").and_then(|at| text(&at, report)).unwrap_or_default()
}

pub(super) fn project(body: Option<At<'_>>, report: &mut Report) -> Option<ProjectSpec> {
    let Some(at) = body else { return Some(ProjectSpec::default()) };
    let mut fields = Fields::open(&at, report)?;
    let description = description(&mut fields, report);
    let members =
        fields.get("members").and_then(|at| map(&at, report, free_key, |at, report| word(at, &ROLES, report)));
    let retention = fields.get("retention").and_then(|at| Fields::open(&at, report)).and_then(|mut inner| {
        let deleted = inner.get("deleted").and_then(|at| span(&at, report));
        inner.finish(report);
        deleted
    });
    fields.finish(report);
    Some(ProjectSpec { description, members: members.unwrap_or_else(BTreeMap::new), retention })
}

pub(super) fn environment(body: Option<At<'_>>, report: &mut Report) -> Option<EnvironmentSpec> {
    let Some(at) = body else { return Some(EnvironmentSpec { place: Place::Local, max_parallel: None }) };
    let mut fields = Fields::open(&at, report)?;
    if let Some(at) = fields.get("type") {
        place(&at, report);
    }
    let max_parallel = fields.get("maxParallel").and_then(|at| whole(&at, 1, report));
    fields.finish(report);
    Some(EnvironmentSpec { place: Place::Local, max_parallel })
}

/// Reads the type of an environment; this release has one, and knows the names of the others.
fn place(at: &At<'_>, report: &mut Report) -> Option<Place> {
    match text(at, report)?.to_ascii_lowercase().as_str() {
        known @ ("kubernetes" | "aks") => {
            at.error(
                report,
                format!("environments of type `{known}` come with a later release"),
                "write `local`".to_owned(),
            );
            None
        }
        _ => word(at, &[("local", Place::Local)], report),
    }
}

pub(super) fn template(at: &At<'_>, report: &mut Report) -> Option<JobTemplateSpec> {
    let mut fields = Fields::open(at, report)?;
    let version = fields.require("version", "number the versions of a template from 1", report);
    let version = version.and_then(|at| whole(&at, 1, report)).unwrap_or(1);
    let description = description(&mut fields, report);
    let defaults = match fields.get("defaults").and_then(|at| Fields::open(&at, report)) {
        Some(mut inner) => {
            let mut defaults = settings::settings(&mut inner, report);
            if let Some(python) = defaults.python.as_mut()
                && python.requirements.take().is_some()
            {
                let path = format!("{}.python.requirements", inner.at().path);
                let message = "a template cannot name a file: the steps that use it may lie in other folders";
                let position = inner.get("python").map_or(at.node.position, |at| at.node.position);
                report.error(
                    position,
                    &path,
                    message,
                    "list the `packages`, or name the file in the pipeline".to_owned(),
                );
            }
            inner.finish(report);
            defaults
        }
        None => super::StepDefaults::default(),
    };
    fields.finish(report);
    Some(JobTemplateSpec { version, description, defaults })
}
