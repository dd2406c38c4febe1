//! One pipeline: what starts it, and its runs.

use axum::extract::Path;
use maud::{Markup, html};
use windlass_kinds::{
    Kind, Name,
    manifest::{PipelineSpec, Spec, TriggerSource, TriggerSpec},
    record::TriggerState,
};
use windlass_store::RunQuery;

use super::{
    component::{Tone, badge, empty, maybe_instant, table},
    error::PageError,
    layout::{Page, Part, section},
    links::Links,
    run::run_table,
    viewer::Viewer,
};

/// How many runs are listed.
const LISTED: u32 = 200;

pub(super) async fn show(viewer: Viewer, Path((_, name)): Path<(String, String)>) -> Result<Markup, PageError> {
    let name: Name = name.parse().map_err(|_| PageError::not_found("such pipeline"))?;
    let (project, pipeline) = (viewer.project.clone(), name.clone());
    let (revision, runs, triggers) = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, pipeline) = (project.clone(), pipeline.clone());
            Box::pin(async move {
                let query = RunQuery { pipeline: Some(pipeline.clone()), active_only: false, limit: LISTED };
                let revision = tx.revision_current(&project, Kind::Pipeline, &pipeline).await?;
                let runs = tx.pipeline_runs(&project, &query).await?;
                Ok((revision, runs, tx.trigger_states(&project).await?))
            })
        })
        .await?;
    if revision.is_none() && runs.is_empty() {
        return Err(PageError::not_found(format!("pipeline {name}")));
    }
    let spec = match revision.as_ref().filter(|revision| !revision.deleted).map(|revision| &revision.manifest.spec) {
        Some(Spec::Pipeline(spec)) => Some(spec),
        Some(_) | None => None,
    };
    let states: Vec<(Name, TriggerState)> =
        triggers.into_iter().filter(|(owner, ..)| *owner == name).map(|(_, trigger, state)| (trigger, state)).collect();
    let links = &viewer.links;
    let body = html! {
        @if let Some(spec) = spec {
            @if !spec.description.is_empty() { p.lead { (spec.description) } }
            (section("triggers", "What starts it", trigger_table(spec, &states, links)))
        } @else { p.lead { "This pipeline was deleted; its runs stay." } }
        (section("runs", "Runs", run_table(&runs, links)))
        p { a href=(links.ledger()) { "The ledger" } }
    };
    Ok(Page::new(Part::Loop, name.as_str()).under("The loop", links.home()).show(&viewer, body))
}

fn trigger_table(spec: &PipelineSpec, states: &[(Name, TriggerState)], links: &Links) -> Markup {
    if spec.triggers.is_empty() {
        return empty("Nothing but a person: `windlass start`.");
    }
    let rows = spec.triggers.iter().map(|trigger| {
        let state = states.iter().find(|(name, _)| *name == trigger.name).map(|(_, state)| state);
        let fired = state.map_or(0, |state| state.fired);
        let last = state.and_then(|state| state.recent.last().copied());
        vec![
            html! { (trigger.name) },
            source(&trigger.source, links),
            html! { (conditions(trigger)) },
            html! { (fired) },
            maybe_instant(last),
            standing(state),
        ]
    });
    table("Triggers", &["trigger", "on", "if", "fired", "last", "stands"], rows.collect())
}

fn source(source: &TriggerSource, links: &Links) -> Markup {
    html! {
        @match source {
            TriggerSource::Dataset(name) => { "each version of " a href=(links.dataset(name.as_str())) { (name) } }
            TriggerSource::Monitor(name) => { "each crossing seen by " a href=(links.monitor(name.as_str())) { (name) } }
            TriggerSource::Idle { times } => { "idle" @if let Some(times) = times { ", " (times) " times" } }
            TriggerSource::Cron { cron, timezone, times: _ } => { code { (cron) } " " (timezone) }
        }
    }
}

fn conditions(trigger: &TriggerSpec) -> String {
    let mut parts: Vec<String> = trigger.condition.iter().cloned().collect();
    parts.extend(trigger.unless.as_ref().map(|unless| format!("{unless} points at nothing")));
    if !trigger.cool_down.0.is_zero() {
        parts.push(format!("{} after the last", trigger.cool_down));
    }
    parts.extend(trigger.max_per_day.map(|most| format!("at most {most} a day")));
    parts.join("; ")
}

fn standing(state: Option<&TriggerState>) -> Markup {
    html! {
        @match state.map(|state| (&state.open, &state.held)) {
            Some((Some(open), _)) => { (badge(Tone::Bad, "stopped")) " " (open) }
            Some((None, Some(held))) => { (badge(Tone::Warn, "waits")) " " (held.reason) }
            Some((None, None)) | None => { (badge(Tone::Good, "ready")) }
        }
    }
}
