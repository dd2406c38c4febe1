//! One endpoint: who serves, who served before, and why it changed.

use axum::extract::Path;
use maud::{Markup, html};
use windlass_control::ServerCondition;
use windlass_kinds::{
    Kind, Name,
    manifest::{EndpointSpec, LabelsSpec, Spec},
    record::{EndpointRevision, EndpointState, Revision},
};

use super::{
    chart::{Bar, timeline},
    component::{Tone, badge, bytes, count, empty, facts, instant, maybe_instant, nothing, number, plural, table},
    error::PageError,
    layout::{Page, Part, section},
    links::Links,
    viewer::Viewer,
};
use crate::EndpointTraffic;

/// How many revisions are drawn and listed, the newest.
const LISTED: usize = 100;

/// A state of a revision in one word.
pub(super) fn state_badge(state: EndpointState) -> Markup {
    match state {
        EndpointState::Starting => badge(Tone::Busy, "starting"),
        EndpointState::Ready => badge(Tone::Good, "serves"),
        EndpointState::Failed => badge(Tone::Bad, "failed"),
        EndpointState::Retired => badge(Tone::Calm, "served"),
    }
}

pub(super) async fn show(viewer: Viewer, Path((_, name)): Path<(String, String)>) -> Result<Markup, PageError> {
    let name: Name = name.parse().map_err(|_| PageError::not_found("such endpoint"))?;
    let (project, endpoint) = (viewer.project.clone(), name.clone());
    let (revision, mut served, monitors) = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, endpoint) = (project.clone(), endpoint.clone());
            Box::pin(async move {
                let revision = tx.revision_current(&project, Kind::Endpoint, &endpoint).await?;
                let monitors = tx.revisions_current(Some(&project), Some(Kind::Monitor)).await?;
                Ok((revision, tx.endpoint_revisions(&project, &endpoint).await?, monitors))
            })
        })
        .await?;
    if revision.is_none() && served.is_empty() {
        return Err(PageError::not_found(format!("endpoint {name}")));
    }
    served.reverse();
    served.truncate(LISTED);
    let spec = match revision.as_ref().filter(|revision| !revision.deleted).map(|revision| &revision.manifest.spec) {
        Some(Spec::Endpoint(spec)) => Some(spec),
        Some(_) | None => None,
    };
    let links = &viewer.links;
    let condition = viewer.state.control.deployer().condition(&viewer.project, &name).await;
    let traffic = viewer.state.traffic.of(&viewer.project, &name);
    let body = html! {
        @match spec {
            Some(spec) => {
                @if !spec.description.is_empty() { p.lead { (spec.description) } }
                (section("about", "About", about(&name, spec, &monitors, links)))
            }
            None => { p.lead { "This endpoint was deleted." } }
        }
        (section("now", "How it fares", fares(condition.as_ref(), traffic.as_ref())))
        (section("served", "Who served when", html! {
            @if served.is_empty() { (empty("Nothing has been served yet: no version has the alias.")) } @else {
                (periods(&served, links, viewer.state.control.clock().now()))
                (revisions(&served, links))
            }
        }))
        p { a href=(links.ledger_of(&format!("Endpoint/{name}"))) { "Ledger entries of this endpoint" } }
    };
    let aside =
        served.first().map_or_else(|| badge(Tone::Calm, "nothing to serve yet"), |newest| state_badge(newest.state));
    Ok(Page::new(Part::Loop, name.as_str()).under("The loop", links.home()).beside(aside).show(&viewer, body))
}

fn about(name: &Name, spec: &EndpointSpec, monitors: &[Revision], links: &Links) -> Markup {
    let EndpointSpec { description: _, model, row_id, labels, log, limits } = spec;
    let watched = monitors.iter().filter(|monitor| match &monitor.manifest.spec {
        Spec::Monitor(spec) => spec.endpoint == *name,
        _ => false,
    });
    let monitors: Vec<&str> = watched.map(|monitor| monitor.name.as_str()).collect();
    facts(vec![
        ("serves", html! { a href=(links.model(&model.model)) { (model) } }),
        ("asked at", html! { code { "/endpoints/" (name) "/invocations" } }),
        ("a row is named by", html! { @if row_id.is_empty() { (nothing()) } @else { (row_id.join(", ")) } }),
        (
            "labels from",
            html! { @match labels {
                Some(LabelsSpec::Dataset { dataset, value }) => {
                    a href=(links.dataset(dataset.as_str())) { (dataset) } ", column " (value)
                }
                Some(LabelsSpec::Api) => { "whoever sends them to " code { "/api/v1/endpoints/" (name) "/labels" } }
                None => { (nothing()) }
            } },
        ),
        (
            "watched by",
            html! {
                @if monitors.is_empty() { (nothing()) }
                @for monitor in monitors { a href=(links.monitor(monitor)) { (monitor) } " " }
            },
        ),
        (
            "predictions kept",
            html! {
                @match log.retention { Some(length) => { "for " (length) } None => { "for ever" } }
                @if let Some(most) = log.max_size { ", at most " (bytes(most)) }
                @if !log.redact.is_empty() { ", without " (log.redact.join(", ")) }
            },
        ),
        (
            "a request",
            html! {
                "at most " (limits.timeout) ", " (bytes(limits.max_body)) ", " (count(u64::from(limits.max_rows))) " rows; "
                (limits.concurrency) " at once"
            },
        ),
    ])
}

/// Shows the model server and what was asked of the endpoint since this process began.
fn fares(condition: Option<&ServerCondition>, traffic: Option<&EndpointTraffic>) -> Markup {
    let mut shown = Vec::new();
    if let Some(ServerCondition { number: served, starting, trouble, restarts, memory }) = condition {
        let state = match (served, trouble.is_empty()) {
            (Some(_), true) => badge(Tone::Good, "runs"),
            (Some(_), false) => badge(Tone::Bad, "in trouble"),
            (None, _) => badge(Tone::Calm, "does not run"),
        };
        shown.push(("model server", html! { (state) @if !trouble.is_empty() { " " (trouble) } }));
        if let Some(starting) = starting {
            shown.push(("starting beside it", html! { (badge(Tone::Busy, "starting")) " " (starting) }));
        }
        shown.push(("started again", html! { (plural(*restarts as usize, "time")) }));
        shown.push(("memory", html! { (bytes(*memory)) }));
    }
    if let Some(traffic) = traffic {
        let EndpointTraffic { requests, refused, failed, in_flight, rows, median, p99, lost } = traffic;
        let asked = html! { (count(*requests)) ", of " (count(*rows)) " rows; " (count(*in_flight)) " being answered" };
        shown.push(("requests", asked));
        shown.push(("wrongly asked", html! { (count(*refused)) " (status 4xx)" }));
        let tone = if *failed > 0 { Tone::Bad } else { Tone::Good };
        shown.push(("not answered", html! { (badge(tone, &count(*failed))) " (status 5xx)" }));
        let about =
            |seconds: &Option<f64>| seconds.map_or_else(|| "–".to_owned(), |it| format!("{} ms", number(it * 1e3)));
        shown.push((
            "time to answer",
            html! { "half within about " (about(median)) ", 99 of 100 within " (about(p99)) },
        ));
        if *lost > 0 {
            shown.push(("not in the log", html! { (badge(Tone::Bad, &count(*lost))) " predictions" }));
        }
    }
    if shown.is_empty() { empty("It is not served by this process.") } else { facts(shown) }
}

fn periods(served: &[EndpointRevision], links: &Links, now: windlass_kinds::Micros) -> Markup {
    let bars: Vec<Bar> = served
        .iter()
        .rev()
        .map(|revision| Bar {
            name: format!("{} v{}", revision.model, revision.version),
            path: links.version(&revision.model, revision.version),
            tone: match revision.state {
                EndpointState::Starting => Tone::Busy,
                EndpointState::Ready => Tone::Good,
                EndpointState::Failed => Tone::Bad,
                EndpointState::Retired => Tone::Calm,
            },
            from: revision.ready_at,
            to: revision.retired_at,
            note: if revision.reason.is_empty() { "never answered".to_owned() } else { revision.reason.clone() },
        })
        .collect();
    let begin = served.iter().map(|revision| revision.created_at).min().unwrap_or(now);
    timeline("Who served when", &bars, begin, now)
}

fn revisions(served: &[EndpointRevision], links: &Links) -> Markup {
    let rows = served.iter().map(|revision| {
        vec![
            html! { (revision.number) },
            html! { a href=(links.version(&revision.model, revision.version)) { (revision.model) " version " (revision.version) } },
            state_badge(revision.state),
            instant(revision.created_at),
            maybe_instant(revision.ready_at),
            maybe_instant(revision.retired_at),
            html! { (revision.reason) },
        ]
    });
    table("Revisions", &["revision", "serves", "state", "wanted", "answers from", "until", "reason"], rows.collect())
}
