//! Cross references: what one manifest says about another, and what the steps of a pipeline say about each other.
//!
//! The checks see all manifests given together and, through [`Known`], what the server already has. They stay silent
//! about what could not be read, which has its own finding already.

mod closing;
mod cycle;
mod steps;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    JobTemplateSpec, Parsed, PipelineSpec, Spec, TemplateRef, TriggerSource,
    nearest::{did_you_mean, nearest},
    report::{FINDINGS_MAX, not_shown},
};
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
    let mut findings = Findings::default();
    let world = World::new(parsed, known, &mut findings);
    for parsed in parsed {
        findings.begin(parsed);
        match &parsed.manifest.spec {
            Spec::Pipeline(spec) => pipeline(parsed, spec, &world, &mut findings),
            Spec::JobTemplate(spec) => template(parsed, spec, known, &mut findings),
            Spec::Model(spec) => closing::model(parsed, spec, &mut findings),
            Spec::Endpoint(spec) => closing::endpoint(parsed, spec, &world, &mut findings),
            Spec::Monitor(spec) => closing::monitor(parsed, spec, &world, &mut findings),
            Spec::Project(_) | Spec::Environment(_) | Spec::Dataset(_) => {}
        }
    }
    findings.finish()
}

/// The findings of a check. Of each manifest the first [`FINDINGS_MAX`] are kept and the rest counted, so that neither
/// the answer nor the search for remedies grows with a hostile file.
#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
    /// The file of the current manifest.
    file: String,
    /// How many findings there were before the current manifest.
    before: usize,
    hidden: usize,
}

impl Findings {
    /// Turns to another manifest.
    fn begin(&mut self, parsed: &Parsed) {
        self.close();
        self.file.clone_from(&parsed.file);
        self.before = self.list.len();
    }

    /// Adds what `make` gives; where there is no room, counts it unmade.
    fn add(&mut self, make: impl FnOnce() -> Finding) {
        if self.list.len() - self.before < FINDINGS_MAX {
            self.list.push(make());
        } else {
            self.hidden += 1;
        }
    }

    fn finish(mut self) -> Vec<Finding> {
        self.close();
        self.list
    }

    /// Says how many findings of the current manifest are not shown.
    fn close(&mut self) {
        if self.hidden > 0 {
            self.list.push(not_shown(&self.file, std::mem::take(&mut self.hidden)));
        }
    }
}

/// Everything a reference may name.
struct World<'a> {
    objects: BTreeMap<(&'a Name, ObjectRef), &'a Parsed>,
    known: &'a dyn Known,
}

impl<'a> World<'a> {
    /// Gathers the objects, reporting those that stand twice.
    fn new(parsed: &[&'a Parsed], known: &'a dyn Known, findings: &mut Findings) -> Self {
        let mut objects: BTreeMap<(&Name, ObjectRef), &Parsed> = BTreeMap::new();
        for &one in parsed {
            let key = (&one.manifest.project, one.manifest.object());
            let Some(first) = objects.get(&key) else {
                objects.insert(key, one);
                continue;
            };
            findings.add(|| second(one, first));
        }
        Self { objects, known }
    }

    fn get(&self, project: &Name, object: &ObjectRef) -> Option<&'a Parsed> {
        self.objects.get(&(project, object.clone())).copied()
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

/// Describes an object that stands twice.
fn second(one: &Parsed, first: &Parsed) -> Finding {
    let place = first.spans.value("metadata.name");
    let remedy = if one.manifest.kind() == Kind::JobTemplate {
        "apply one version of a template at a time; earlier ones stay published"
    } else {
        "keep one of the two"
    };
    let message = format!("{} stands here a second time", one.manifest.object());
    let hint = format!("the first is at {}:{}:{}; {remedy}", first.file, place.line, place.column);
    one.finding(Severity::Error, "metadata.name", message, Some(hint))
}

/// Reports a reference to an object that does not exist.
fn reference(parsed: &Parsed, kind: Kind, name: &Name, field: &str, world: &World<'_>, findings: &mut Findings) {
    let project = &parsed.manifest.project;
    if world.has(project, &ObjectRef::new(kind, name.clone())) {
        return;
    }
    findings.add(|| {
        let names = world.names(project, kind);
        let hint = did_you_mean(name.as_str(), names.iter().map(Name::as_str))
            .unwrap_or_else(|| format!("add a manifest with `kind: {kind}` and `name: {name}`"));
        parsed.finding(Severity::Error, field, format!("there is no {kind} `{name}`"), Some(hint))
    });
}

fn pipeline(parsed: &Parsed, spec: &PipelineSpec, world: &World<'_>, findings: &mut Findings) {
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

fn triggers(parsed: &Parsed, spec: &PipelineSpec, world: &World<'_>, findings: &mut Findings) {
    let mut seen: BTreeMap<&Name, usize> = BTreeMap::new();
    for (index, trigger) in spec.triggers.iter().enumerate() {
        let field = format!("spec.triggers[{index}]");
        match &trigger.source {
            TriggerSource::Dataset(dataset) => {
                reference(parsed, Kind::Dataset, dataset, &format!("{field}.dataset"), world, findings);
            }
            TriggerSource::Monitor(monitor) => {
                reference(parsed, Kind::Monitor, monitor, &format!("{field}.monitor"), world, findings);
            }
            TriggerSource::Idle { .. } | TriggerSource::Cron { .. } => {}
        }
        if let Some(model) = &trigger.unless {
            closing::model_ref(parsed, model, &format!("{field}.unless"), world, findings);
        }
        if let Some(first) = seen.insert(&trigger.name, index) {
            findings.add(|| {
                let line = parsed.spans.value(&format!("spec.triggers[{first}]")).line;
                let message = format!("two triggers are called `{}`", trigger.name);
                let hint = format!("give each a `name` of its own; the other is in line {line}");
                parsed.finding(Severity::Error, &format!("{field}.name"), message, Some(hint))
            });
        }
        for parameter in misspelt(&trigger.parameters, &spec.parameters) {
            let hint = did_you_mean(parameter, spec.parameters.keys().map(String::as_str));
            let message = format!("the pipeline declares no parameter `{parameter}`");
            let field = format!("{field}.parameters.{parameter}");
            findings.add(|| parsed.finding(Severity::Warning, &field, message, hint));
        }
    }
}

/// Returns the parameters of a trigger that a pipeline does not declare but nearly does. A pipeline may well take
/// parameters that it does not declare.
fn misspelt<'a>(
    given: &'a BTreeMap<String, Value>,
    declared: &'a BTreeMap<String, Value>,
) -> impl Iterator<Item = &'a String> {
    // Comparing all with all must stay cheap; nobody misspells one of a thousand parameters.
    const DECLARED_MAX: usize = 100;
    let unknown = given.keys().filter(|parameter| declared.len() <= DECLARED_MAX && !declared.contains_key(*parameter));
    unknown.filter(|parameter| nearest(parameter, declared.keys().map(String::as_str)).is_some())
}

/// Reports a reference to a template, or a version of one, that does not exist.
fn used_template(parsed: &Parsed, wanted: &TemplateRef, field: &str, world: &World<'_>, findings: &mut Findings) {
    let project = &parsed.manifest.project;
    let object = ObjectRef::new(Kind::JobTemplate, wanted.name.clone());
    let here = world.get(project, &object);
    let version = here.and_then(|parsed| match &parsed.manifest.spec {
        Spec::JobTemplate(spec) => Some(spec.version),
        Spec::Project(_)
        | Spec::Environment(_)
        | Spec::Dataset(_)
        | Spec::Model(_)
        | Spec::Pipeline(_)
        | Spec::Endpoint(_)
        | Spec::Monitor(_) => None,
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
    findings.add(|| parsed.finding(Severity::Error, field, message, hint));
}

/// Reports a template that changes a version already published.
fn template(parsed: &Parsed, spec: &JobTemplateSpec, known: &dyn Known, findings: &mut Findings) {
    let name = &parsed.manifest.name;
    let this = TemplateRef { name: name.clone(), version: spec.version };
    let published = known.template(&parsed.manifest.project, &this);
    if published.is_some_and(|published| published.defaults != spec.defaults) {
        let message =
            format!("version {} of {} is published, and never changes", spec.version, parsed.manifest.object());
        let hint = format!("give the changed template `version: {}`", spec.version.saturating_add(1));
        findings.add(|| parsed.finding(Severity::Error, "spec.version", message, Some(hint)));
    }
}
