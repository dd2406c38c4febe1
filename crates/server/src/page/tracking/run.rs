//! One tracking run: how its metrics went, what it was given, what it made. Where the unmodified client's links lead.

use axum::{
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use windlass_kinds::{
    LoggedModelId, Micros, Name, RunId,
    record::{MetricPoint, Run},
};

use super::{
    super::{
        component::{empty, instant, number, status_badge, table},
        error::PageError,
        layout::{Page, Part, section_of_tracking},
        links::{self, Links},
        viewer::Viewer,
    },
    artifact::{self, Choice},
    curves::Wanted,
    query::Pairs,
    run_about::{about, children, inputs, pairs as pair_table},
    run_data::{self, Known},
    run_table::name_of,
};
use crate::principal::Principal;

pub(in super::super) async fn show(
    mut viewer: Viewer,
    axum::Extension(principal): axum::Extension<Principal>,
    Path(id): Path<String>,
    pairs: Pairs,
) -> Result<Response, PageError> {
    if id.starts_with("m-") {
        return logged_model(&viewer, id).await;
    }
    let run = find(&viewer, &principal, id).await?;
    viewer.links = Links::new(&run.project);
    viewer.project = run.project.clone();
    let wanted = Wanted::of(&pairs);
    let store = viewer.state.control.store().clone();
    let known = store
        .read(move |tx| {
            let (run, wanted) = (run.clone(), wanted.clone());
            Box::pin(async move { run_data::read(tx, run, &wanted).await })
        })
        .await?;
    let blobs = viewer.state.control.blobs();
    let shown = artifact::show(blobs, &known, &Choice::of(&pairs), &pairs).await?;
    let log = artifact::log(blobs, &known).await?;
    let page = Page::new(Part::Experiments, name_of(&known.run))
        .under("Experiments", viewer.links.experiments())
        .under(known.experiment.as_str(), viewer.links.experiment(known.run.experiment.as_str()))
        .beside(status_badge(known.run.status));
    let body = body(&known, &viewer.links, &pairs, &shown, log);
    Ok(page.show(&viewer, body).into_response())
}

/// Returns a run that the viewer may see; one of a project that the viewer does not see is not there.
pub(super) async fn find(viewer: &Viewer, principal: &Principal, id: String) -> Result<Run, PageError> {
    let wanted = RunId::new(id.clone());
    let found = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let id = wanted.clone();
            Box::pin(async move { tx.run_get(&id).await })
        })
        .await?;
    let run = found.filter(|run| principal.sees(&run.project).is_ok());
    run.ok_or_else(|| PageError::not_found(format!("run {id}")))
}

/// Leads from a logged model to the run that made it.
async fn logged_model(viewer: &Viewer, id: String) -> Result<Response, PageError> {
    let (project, wanted): (Name, LoggedModelId) = (viewer.project.clone(), LoggedModelId::new(id.clone()));
    let found = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, id) = (project.clone(), wanted.clone());
            Box::pin(async move { tx.logged_model_get(&project, &id).await })
        })
        .await?;
    let run = found.and_then(|model| model.source_run);
    let run = run.ok_or_else(|| PageError::not_found(format!("run that made the model {id}")))?;
    Ok(Redirect::to(&links::tracking(&run)).into_response())
}

fn body(known: &Known, links: &Links, pairs: &Pairs, files: &Markup, log: Option<Markup>) -> Markup {
    let Known { run, data, curves, .. } = known;
    let path = links::tracking(&run.id);
    html! {
        (section_of_tracking("about", "About", about(known, links)))
        @if data.metrics.is_empty() {
            (section_of_tracking("metrics", "Metrics", empty("None were logged.")))
        } @else {
            (curves.controls(&path, pairs))
            (section_of_tracking("metrics", "Metrics", html! {
                (curves.show(&path, pairs))
                details #last { summary { "The last value of each" } (metric_table(&data.metrics)) }
            }))
        }
        (section_of_tracking("params", "Params", pair_table("Params", &data.params)))
        (section_of_tracking("tags", "Tags", pair_table("Tags", &data.tags)))
        (inputs(known, links))
        @if !known.children.is_empty() { (section_of_tracking("children", "Runs below this one", children(known, links))) }
        (section_of_tracking("artifacts", "Artifacts", files.clone()))
        @if let Some(log) = log { (section_of_tracking("log", "Log", log)) }
        p { a href=(links.ledger_of(&format!("run {}", run.id))) { "Ledger entries of this run" } }
    }
}

fn metric_table(metrics: &[MetricPoint]) -> Markup {
    let rows = metrics.iter().map(|point| {
        vec![
            html! { (point.key) },
            html! { (number(point.value)) },
            html! { (point.step) },
            instant(Micros::from_millis(point.timestamp_ms)),
        ]
    });
    table("Metrics", &["metric", "last value", "step", "logged"], rows.collect())
}
