//! The traces of one experiment, newest first: filtered, in pieces, live.

use axum::extract::Path;
use maud::{Markup, html};
use windlass_kinds::{
    ExperimentId, Micros,
    filter::{Page as Found, Search},
    record::{Trace, TraceState},
};

use super::{
    super::{
        chart::short,
        component::{Tone, badge, empty, instant, nothing, table},
        error::PageError,
        layout::{Page, Part, section_of_tracking},
        viewer::Viewer,
    },
    column::shortened,
    filter,
    paging::{self, Paging, turns},
    query::Pairs,
};
use crate::mlflow::FilterEntity;

pub(in super::super) async fn list(
    viewer: Viewer,
    Path((_, id)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Markup, PageError> {
    let text = pairs.get("filter").unwrap_or_default().trim().to_owned();
    let paging = Paging::of(&pairs);
    let parsed = filter::parse(FilterEntity::Trace, &text);
    let search = parsed.as_ref().ok().map(|filter| Search {
        filter: filter.clone(),
        start: paging.start(),
        limit: paging::ROWS,
        ..Search::default()
    });
    let (project, wanted) = (viewer.project.clone(), ExperimentId::new(id.clone()));
    let (experiment, found) = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, id, search) = (project.clone(), wanted.clone(), search.clone());
            Box::pin(async move {
                let experiment = tx.experiment_get(&project, &id).await?;
                let found = match &search {
                    Some(search) => tx.traces_search(&project, &[id], search).await?,
                    None => Found { items: Vec::new(), next: None },
                };
                Ok((experiment, found))
            })
        })
        .await?;
    let experiment = experiment.ok_or_else(|| PageError::not_found(format!("experiment {id}")))?;
    let (traces, more) = (found.items, found.next.is_some());
    let path = viewer.links.traces(&id);
    let body = html! {
        form.filter method="get" action=(path) role="search" {
            label for="filter" { "Filter" }
            input.wide #filter name="filter" value=(text) autocomplete="off" spellcheck="false"
                placeholder="trace.status = 'ERROR' AND trace.execution_time_ms > 1000";
            button type="submit" { "Apply" }
            @if !text.is_empty() { a href=(path) { "Reset" } }
        }
        @if let Err(fault) = &parsed { (fault.show(&text)) }
        (section_of_tracking("traces", "Traces", html! {
            @if parsed.is_err() {
                (empty("None are shown for a filter that cannot be read."))
            } @else if traces.is_empty() { (empty(if text.is_empty() { "No trace yet." } else { "No such trace." })) } @else { (trace_table(&viewer, &traces)) }
            (turns(&path, &pairs, paging, traces.len(), more))
        }))
    };
    let page = Page::new(Part::Experiments, format!("Traces of {}", experiment.name))
        .under("Experiments", viewer.links.experiments())
        .under(experiment.name, viewer.links.experiment(&id));
    Ok(page.show(&viewer, body))
}

/// A trace's state in one word.
pub(super) fn trace_badge(state: TraceState) -> Markup {
    match state {
        TraceState::StateUnspecified => badge(Tone::Calm, "unknown"),
        TraceState::Ok => badge(Tone::Good, "ok"),
        TraceState::Error => badge(Tone::Bad, "error"),
        TraceState::InProgress => badge(Tone::Busy, "going on"),
    }
}

fn trace_table(viewer: &Viewer, traces: &[Trace]) -> Markup {
    let maybe = |text: Option<&str>| html! { @match text { Some(text) => { span.cell { (shortened(text)) } } None => { (nothing()) } } };
    let rows = traces.iter().map(|trace| {
        vec![
            html! { a href=(viewer.links.trace(trace.id.as_str())) { bdi { (shortened(trace.name.as_deref().unwrap_or(trace.id.as_str()))) } } },
            trace_badge(trace.state),
            instant(Micros::from_millis(trace.at_ms)),
            html! { @match trace.took_ms { Some(took) => { (short(took as f64 / 1000.0)) } None => { (nothing()) } } },
            html! { @match trace.tokens.total { Some(tokens) => { (tokens) } None => { (nothing()) } } },
            html! {
                @for said in trace.assessments.iter().filter(|said| said.valid).take(6) { (shortened(&said.name)) "=" (shortened(&said.value)) " " }
            },
            maybe(trace.request.as_deref()),
            maybe(trace.response.as_deref()),
        ]
    });
    table("Traces", &["trace", "state", "began", "took", "tokens", "said of it", "asked", "answered"], rows.collect())
}
