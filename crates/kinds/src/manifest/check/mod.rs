//! Cross references: what one manifest says about another, and what the steps of a pipeline say about each other.
//!
//! The checks see all manifests given together and, through [`Known`], what the server already has. They stay silent
//! about what could not be read, which has its own finding already.

mod cycle;
mod steps;

use std::collections::BTreeMap;

use super::{JobTemplateSpec, Parsed, PipelineSpec, Spec, TemplateRef, TriggerSource, nearest::did_you_mean};
use crate::{Finding, Kind, Name, ObjectRef, Severity};

/// What exists besides the manifests at hand.
pub trait Known {
    /// Tells whether a project has an object.
    fn has(&self, project: &Name, object: &ObjectRef) -> bool;

    /// Returns a published version of a template.
    fn template(&self, project: &Name, template: &TemplateRef) -> Option<JobTemplateSpec>;

    /// Returns the names of a project's objects of a kind, for remedies.
    fn names(&self, project: &Name, kind: Kind) -> Vec<Name> {
        let (_, _) = (project, kind);
        Vec::new()
    }
}

/// Nothing exists besides the manifests at hand.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingKnown;

impl Known for NothingKnown {
    fn has(&self, _: &Name, _: &ObjectRef) -> bool {
        false
    }

    fn template(&self, _: &Name, _: &TemplateRef) -> Option<JobTemplateSpec> {
        None
    }
}

/// Returns the mistakes between manifests.
pub fn check(parsed: &[Parsed], known: &dyn Known) -> Vec<Finding> {
    check_all(&parsed.iter().collect::<Vec<_>>(), known)
}

/// Returns the mistakes between manifests that lie in several places.
pub(super) fn check_all(parsed: &[&Parsed], known: &dyn Known) -> Vec<Finding> {
    let mut findings = Vec::new();
    let world = World::new(parsed, known, &mut findings);
    for parsed in parsed {
        match &parsed.manifest.spec {
            Spec::Pipeline(spec) => pipeline(parsed, spec, &world, &mut findings),
            Spec::JobTemplate(spec) => template(parsed, spec, known, &mut findings),
            Spec::Project(_) | Spec::Environment(_) | Spec::Dataset(_) | Spec::Model(_) => {}
        }
    }
    findings
}

/// Everything a reference may name.
struct World<'a> {
    objects: BTreeMap<(&'a Name, ObjectRef), &'a Parsed>,
    known: &'a dyn Known,
}

impl<'a> World<'a> {
    /// Gathers the objects, reporting those that stand twice.
    fn new(parsed: &[&'a Parsed], known: &'a dyn Known, findings: &mut Vec<Finding>) -> Self {
        let mut objects: BTreeMap<(&Name, ObjectRef), &Parsed> = BTreeMap::new();
        for &one in parsed {
            let key = (&one.manifest.project, one.manifest.object());
            let Some(first) = objects.get(&key) else {
                objects.insert(key, one);
                continue;
            };
            let place = first.spans.value("metadata.name");
            let message = format!("{} stands here a second time", one.manifest.object());
            let template = one.manifest.kind() == Kind::JobTemplate;
            let remedy = if template {
                "apply one version of a template at a time; earlier ones stay published"
            } else {
                "keep one of the two"
            };
            let hint = format!("the first is at {}:{}:{}; {remedy}", first.file, place.line, place.column);
            findings.push(one.finding(Severity::Error, "metadata.name", message, Some(hint)));
        }
        Self { objects, known }
    }

    fn get(&self, project: &Name, object: &ObjectRef) -> Option<&'a Parsed> {
        // The key borrows from the manifests, so a borrowed lookup walks the few objects of that project.
        self.objects.iter().find(|((owner, other), _)| *owner == project && other == object).map(|(_, parsed)| *parsed)
    }

    fn has(&self, project: &Name, object: &ObjectRef) -> bool {
        self.get(project, object).is_some() || self.known.has(project, object)
    }

    /// Returns the names of a kind in a project.
    fn names(&self, project: &Name, kind: Kind) -> Vec<Name> {
        let here = self.objects.keys().filter(|(owner, object)| *owner == project && object.kind == kind);
        let mut names: Vec<Name> = here.map(|(_, object)| object.name.clone()).collect();
        names.extend(self.known.names(project, kind));
        names
    }
}

/// Reports a reference to an object that does not exist.
fn reference(parsed: &Parsed, kind: Kind, name: &Name, field: &str, world: &World<'_>, findings: &mut Vec<Finding>) {
    let project = &parsed.manifest.project;
    if world.has(project, &ObjectRef::new(kind, name.clone())) {
        return;
    }
    let names = world.names(project, kind);
    let hint = did_you_mean(name.as_str(), names.iter().map(Name::as_str))
        .unwrap_or_else(|| format!("add a manifest with `kind: {kind}` and `name: {name}`"));
    findings.push(parsed.finding(Severity::Error, field, format!("there is no {kind} `{name}`"), Some(hint)));
}

fn pipeline(parsed: &Parsed, spec: &PipelineSpec, world: &World<'_>, findings: &mut Vec<Finding>) {
    if spec.environment.as_str() != "local" {
        reference(parsed, Kind::Environment, &spec.environment, "spec.environment", world, findings);
    }
    triggers(parsed, spec, world, findings);
    for (index, step) in spec.steps.iter().enumerate() {
        if let Some(wanted) = &step.template {
            used_template(parsed, wanted, &format!("spec.steps[{index}].template"), world, findings);
        }
    }
    steps::check(parsed, spec, world, findings);
}

fn triggers(parsed: &Parsed, spec: &PipelineSpec, world: &World<'_>, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&Name, usize> = BTreeMap::new();
    for (index, trigger) in spec.triggers.iter().enumerate() {
        let field = format!("spec.triggers[{index}]");
        if let TriggerSource::Dataset(dataset) = &trigger.source {
            reference(parsed, Kind::Dataset, dataset, &format!("{field}.dataset"), world, findings);
        }
        if let Some(first) = seen.insert(&trigger.name, index) {
            let line = parsed.spans.value(&format!("spec.triggers[{first}]")).line;
            let message = format!("two triggers are called `{}`", trigger.name);
            let hint = format!("give each a `name` of its own; the other is in line {line}");
            findings.push(parsed.finding(Severity::Error, &format!("{field}.name"), message, Some(hint)));
        }
        for parameter in trigger.parameters.keys().filter(|parameter| !spec.parameters.contains_key(*parameter)) {
            let meant = did_you_mean(parameter, spec.parameters.keys().map(String::as_str));
            if let Some(hint) = meant {
                let message = format!("the pipeline declares no parameter `{parameter}`");
                findings.push(parsed.finding(
                    Severity::Warning,
                    &format!("{field}.parameters.{parameter}"),
                    message,
                    Some(hint),
                ));
            }
        }
    }
}

/// Reports a reference to a template, or a version of one, that does not exist.
fn used_template(parsed: &Parsed, wanted: &TemplateRef, field: &str, world: &World<'_>, findings: &mut Vec<Finding>) {
    let project = &parsed.manifest.project;
    let object = ObjectRef::new(Kind::JobTemplate, wanted.name.clone());
    let here = world.get(project, &object);
    let version = here.and_then(|parsed| match &parsed.manifest.spec {
        Spec::JobTemplate(spec) => Some(spec.version),
        Spec::Project(_) | Spec::Environment(_) | Spec::Dataset(_) | Spec::Model(_) | Spec::Pipeline(_) => None,
    });
    let unread = here.is_some_and(|parsed| parsed.has_gap("spec.version"));
    if version == Some(wanted.version) || unread || world.known.template(project, wanted).is_some() {
        return;
    }
    if !world.has(project, &object) {
        reference(parsed, Kind::JobTemplate, &wanted.name, field, world, findings);
        return;
    }
    let message = format!("the JobTemplate `{}` has no version {}", wanted.name, wanted.version);
    let hint = version.map(|version| format!("did you mean `{}@{version}`?", wanted.name));
    findings.push(parsed.finding(Severity::Error, field, message, hint));
}

/// Reports a template that changes a version already published.
fn template(parsed: &Parsed, spec: &JobTemplateSpec, known: &dyn Known, findings: &mut Vec<Finding>) {
    let name = &parsed.manifest.name;
    let this = TemplateRef { name: name.clone(), version: spec.version };
    let published = known.template(&parsed.manifest.project, &this);
    if published.is_some_and(|published| published.defaults != spec.defaults) {
        let message =
            format!("version {} of {} is published, and never changes", spec.version, parsed.manifest.object());
        let hint = format!("give the changed template `version: {}`", spec.version.saturating_add(1));
        findings.push(parsed.finding(Severity::Error, "spec.version", message, Some(hint)));
    }
}
