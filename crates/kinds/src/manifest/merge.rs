//! Defaults: what a step gets from its template and its pipeline.
//!
//! Step over template over pipeline. Environment variables merge by name; every other setting is taken whole from the
//! first that has it. Afterwards nothing is left open: retries and resources have their built-in values, and what is
//! still missing (Python, a time-out) means none. Merging twice changes nothing.

use std::collections::BTreeMap;

use super::{
    JobTemplateSpec, Known, ParseOutcome, Parsed, Resources, RetrySpec, Source, Spec, StepDefaults, TemplateRef,
    check::check_all, parse,
};
use crate::{Finding, Name};

/// Parses all sources, checks them against each other and against what is known, and merges settings into those
/// without an error.
pub fn read(sources: &[Source], known: &dyn Known) -> ParseOutcome {
    let mut outcome = parse(sources);
    let all: Vec<&Parsed> = outcome.manifests.iter().chain(&outcome.broken).collect();
    let order = |parsed: &&Parsed| (parsed.source, parsed.position);
    let mut all = all;
    all.sort_by_key(order);
    let mut found = check_all(&all, known);
    outcome.findings.append(&mut found);
    let mut rank: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, source) in sources.iter().enumerate() {
        rank.entry(&source.name).or_insert(index);
    }
    // A stable sort: findings at one place stay in the order they were found.
    outcome.findings.sort_by_key(|finding: &Finding| {
        let place = finding.position.map_or((u32::MAX, 0), |place| (place.line, place.column));
        (rank.get(finding.file.as_str()).copied(), place)
    });
    merge_settings(&mut outcome.manifests, known);
    outcome
}

/// Merges the settings of templates and pipelines into the steps of all pipelines.
pub fn merge_settings(parsed: &mut [Parsed], known: &dyn Known) {
    let templates: BTreeMap<(Name, Name, u32), StepDefaults> = parsed.iter().filter_map(published).collect();
    for one in parsed {
        let Parsed { manifest, defaults, .. } = one;
        let Spec::Pipeline(pipeline) = &mut manifest.spec else { continue };
        for step in &mut pipeline.steps {
            let template = step.template.as_ref().and_then(|wanted| {
                let TemplateRef { name, version } = wanted;
                let here = templates.get(&(manifest.project.clone(), name.clone(), *version)).cloned();
                here.or_else(|| {
                    let JobTemplateSpec { version: _, description: _, defaults } =
                        known.template(&manifest.project, wanted)?;
                    Some(defaults)
                })
            });
            let own = std::mem::take(&mut step.settings);
            step.settings = closed(over(own, over(template.unwrap_or_default(), defaults.clone())));
        }
    }
}

/// Returns the key and the settings of a template.
fn published(parsed: &Parsed) -> Option<((Name, Name, u32), StepDefaults)> {
    let Spec::JobTemplate(template) = &parsed.manifest.spec else { return None };
    let key = (parsed.manifest.project.clone(), parsed.manifest.name.clone(), template.version);
    Some((key, template.defaults.clone()))
}

/// Returns `upper` with what it lacks taken from `lower`.
fn over(upper: StepDefaults, lower: StepDefaults) -> StepDefaults {
    // No `..`: a new setting must be merged here or this stops compiling.
    let StepDefaults { python, env, retries, timeout, resources } = upper;
    let mut merged = lower.env;
    merged.extend(env);
    StepDefaults {
        python: python.or(lower.python),
        env: merged,
        retries: retries.or(lower.retries),
        timeout: timeout.or(lower.timeout),
        resources: resources.or(lower.resources),
    }
}

/// Returns settings with the built-in values where nobody said anything.
fn closed(settings: StepDefaults) -> StepDefaults {
    let usual = StepDefaults {
        python: None,
        env: BTreeMap::new(),
        retries: Some(RetrySpec::default()),
        timeout: None,
        resources: Some(Resources::default()),
    };
    over(settings, usual)
}
