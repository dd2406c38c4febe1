//! Experiments and their tracking runs.

use axum::extract::Path;
use maud::{Markup, html};
use windlass_kinds::{
    ExperimentId,
    filter::Search,
    record::{Run, RunData, RunStatus},
};

use super::{
    component::{Tone, badge, empty, instant, nothing, number, table, took},
    error::PageError,
    layout::{Page, Part, section},
    links,
    viewer::Viewer,
};

/// How many experiments or runs are listed.
const LISTED: u32 = 300;
/// How many metrics of a run are shown in the list.
const METRICS: usize = 6;

pub(super) async fn list(viewer: Viewer) -> Result<Markup, PageError> {
    let project = viewer.project.clone();
    let experiments = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, search) = (project.clone(), Search { limit: LISTED, ..Search::default() });
            Box::pin(async move { tx.experiments_search(&project, &search).await })
        })
        .await?;
    let rows = experiments.iter().map(|experiment| {
        vec![
            html! { a href=(viewer.links.experiment(experiment.id.as_str())) { (experiment.name) } },
            instant(windlass_kinds::Micros::from_millis(experiment.updated_ms)),
        ]
    });
    let body =
        section("experiments", "All of the project", table("Experiments", &["experiment", "changed"], rows.collect()));
    Ok(Page::new(Part::Experiments, "Experiments").show(&viewer, body))
}

pub(super) async fn show(viewer: Viewer, Path((_, id)): Path<(String, String)>) -> Result<Markup, PageError> {
    let (project, wanted) = (viewer.project.clone(), ExperimentId::new(id.clone()));
    let (experiment, runs) = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, id) = (project.clone(), wanted.clone());
            Box::pin(async move {
                let search = Search { limit: LISTED, ..Search::default() };
                let experiment = tx.experiment_get(&project, &id).await?;
                Ok((experiment, tx.runs_search(&project, &[id], &search).await?))
            })
        })
        .await?;
    let experiment = experiment.ok_or_else(|| PageError::not_found(format!("experiment {id}")))?;
    let body = section("runs", "Runs", if runs.is_empty() { empty("No run yet.") } else { run_table(&runs) });
    let page = Page::new(Part::Experiments, experiment.name).under("Experiments", viewer.links.experiments());
    Ok(page.show(&viewer, body))
}

fn run_table(runs: &[(Run, RunData)]) -> Markup {
    let rows = runs.iter().map(|(run, data)| {
        let metrics = data.metrics.iter().take(METRICS).map(|point| format!("{} {}", point.key, number(point.value)));
        let start = windlass_kinds::Micros::from_millis(run.start_ms);
        vec![
            html! { a href=(links::tracking(&run.id)) { @if run.name.is_empty() { (run.id) } @else { (run.name) } } },
            status_badge(run.status),
            instant(start),
            html! { (took(Some(start), run.end_ms.map(windlass_kinds::Micros::from_millis))) },
            html! { @if data.metrics.is_empty() { (nothing()) } @else { (metrics.collect::<Vec<_>>().join(", ")) } },
            html! { (run.user) },
        ]
    });
    table("Runs", &["run", "status", "began", "took", "metrics", "user"], rows.collect())
}

/// A tracking run's status in one word.
pub(super) fn status_badge(status: RunStatus) -> Markup {
    match status {
        RunStatus::Running => badge(Tone::Busy, "running"),
        RunStatus::Scheduled => badge(Tone::Calm, "scheduled"),
        RunStatus::Finished => badge(Tone::Good, "finished"),
        RunStatus::Failed => badge(Tone::Bad, "failed"),
        RunStatus::Killed => badge(Tone::Calm, "killed"),
    }
}
