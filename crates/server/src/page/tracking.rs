//! One tracking run: metrics over their steps, params, tags, artifacts. Where the unmodified client's links lead.
//!
//! Artifacts are listed and not served here: what somebody uploaded must never run as a page of ours.

use axum::{
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use windlass_kinds::{
    LoggedModelId, Micros, Name, RunId,
    record::{Artifact, Attempt, MetricPoint, ModelVersion, PipelineRun, Run, RunData, StepRun},
};
use windlass_store::{StoreError, Tx};

use super::{
    chart::{Line, Point},
    component::{bytes, empty, facts, instant, nothing, number, table, took},
    error::PageError,
    experiment::status_badge,
    layout::{Page, Part, section},
    links::{self, Links},
    viewer::Viewer,
};
use crate::principal::Principal;

/// How many points of a metric are read; of more, the first.
const POINTS: u32 = 10_000;
/// How many metrics are drawn; all are listed.
const DRAWN: usize = 24;

struct Known {
    run: Run,
    data: RunData,
    histories: Vec<(String, Vec<MetricPoint>)>,
    artifacts: Vec<Artifact>,
    step: Option<(PipelineRun, StepRun, Attempt)>,
    versions: Vec<ModelVersion>,
}

async fn read(tx: &mut Tx, run: Run) -> Result<Known, StoreError> {
    let project = run.project.clone();
    let data = tx.run_data(&run.id).await?;
    let mut histories = Vec::new();
    for point in data.metrics.iter().take(DRAWN) {
        let points = tx.metric_history(&project, &run.id, &point.key, 0, POINTS).await?;
        if points.len() > 1 {
            histories.push((point.key.clone(), points));
        }
    }
    let root = crate::mlflow::run_root(&run.experiment, &run.id);
    let artifacts = tx.artifact_list(&project, &root).await?;
    let mut step = None;
    if let Some(attempt) = tx.attempt_of_tracking_run(&run.id).await?
        && let Some(step_run) = tx.step_run_get(&attempt.step_run).await?
        && let Some(pipeline_run) = tx.pipeline_run_get(&attempt.run).await?
    {
        step = Some((pipeline_run, step_run, attempt));
    }
    let mut versions = Vec::new();
    for model in tx.registered_models(&project).await? {
        let all = tx.model_versions_of(&project, &model.name).await?;
        versions.extend(all.into_iter().filter(|version| version.run.as_ref() == Some(&run.id)));
    }
    Ok(Known { run, data, histories, artifacts, step, versions })
}

pub(super) async fn show(
    mut viewer: Viewer,
    axum::Extension(principal): axum::Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    if id.starts_with("m-") {
        return logged_model(&viewer, id).await;
    }
    let wanted = RunId::new(id.clone());
    let store = viewer.state.control.store().clone();
    let found = store
        .read(move |tx| {
            let id = wanted.clone();
            Box::pin(async move { tx.run_get(&id).await })
        })
        .await?;
    // A run of a project that the viewer does not see is not there.
    let run = found.filter(|run| principal.sees(&run.project).is_ok());
    let run = run.ok_or_else(|| PageError::not_found(format!("run {id}")))?;
    viewer.links = Links::new(&run.project);
    viewer.project = run.project.clone();
    let known = store
        .read(move |tx| {
            let run = run.clone();
            Box::pin(async move { read(tx, run).await })
        })
        .await?;
    let experiment = viewer.links.experiment(known.run.experiment.as_str());
    let title = if known.run.name.is_empty() { id } else { known.run.name.clone() };
    let page = Page::new(Part::Experiments, title)
        .under("Experiments", viewer.links.experiments())
        .under(format!("experiment {}", known.run.experiment), experiment)
        .beside(status_badge(known.run.status));
    let body = body(&known, &viewer.links);
    Ok(page.show(&viewer, body).into_response())
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

fn body(known: &Known, links: &Links) -> Markup {
    let Known { run, data, histories, artifacts, step, versions } = known;
    html! {
        (section("about", "About", about(run, step.as_ref(), versions, links)))
        (section("metrics", "Metrics", html! {
            @if data.metrics.is_empty() { (empty("None were logged.")) } @else {
                div.charts { @for (place, (key, points)) in histories.iter().enumerate() { (chart(key, points).figure(&format!("numbers-{place}"))) } }
                (metric_table(&data.metrics))
            }
        }))
        (section("params", "Params", pairs("Params", &data.params)))
        (section("tags", "Tags", pairs("Tags", &data.tags)))
        (section("artifacts", "Artifacts", html! {
            @if artifacts.is_empty() { (empty("None were uploaded.")) } @else { (artifact_table(run, artifacts)) }
        }))
        p { a href=(links.ledger_of(&format!("run {}", run.id))) { "Ledger entries of this run" } }
    }
}

fn about(
    run: &Run,
    step: Option<&(PipelineRun, StepRun, Attempt)>,
    versions: &[ModelVersion],
    links: &Links,
) -> Markup {
    let start = Micros::from_millis(run.start_ms);
    facts(vec![
        ("run", html! { code { (run.id) } }),
        (
            "made by",
            html! { @match step {
                Some((pipeline_run, step, attempt)) => {
                    a href=(links.step(&pipeline_run.display_name(), &step.display_name())) { (pipeline_run.display_name()) "/" (step.display_name()) }
                    " attempt " (attempt.number)
                }
                None => { (run.user) }
            } },
        ),
        ("began", instant(start)),
        ("took", html! { (took(Some(start), run.end_ms.map(Micros::from_millis))) }),
        (
            "registered",
            html! {
                @if versions.is_empty() { (nothing()) }
                @for version in versions { a href=(links.version(&version.model, version.version)) { (version.model) " version " (version.version) } " " }
            },
        ),
    ])
}

fn chart(key: &str, points: &[MetricPoint]) -> Line {
    let points = points.iter().map(|point| Point {
        name: point.step.to_string(),
        value: point.value.is_finite().then_some(point.value),
        note: format!("step {}: {}", point.step, number(point.value)),
        path: None,
        tone: None,
    });
    Line { name: key.to_owned(), axis: "step", points: points.collect(), bounds: Vec::new() }
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

fn pairs(name: &str, pairs: &[(String, String)]) -> Markup {
    if pairs.is_empty() {
        return empty("None.");
    }
    let rows = pairs.iter().map(|(key, value)| vec![html! { (key) }, html! { span.long { (value) } }]);
    table(name, &["name", "value"], rows.collect())
}

fn artifact_table(run: &Run, artifacts: &[Artifact]) -> Markup {
    let root = format!("{}/", crate::mlflow::run_root(&run.experiment, &run.id));
    let rows = artifacts.iter().map(|artifact| {
        let path = artifact.path.strip_prefix(&root).unwrap_or(&artifact.path);
        vec![html! { (path) }, html! { (bytes(artifact.size)) }, super::component::digest(&artifact.digest)]
    });
    table("Artifacts", &["path", "size", "digest"], rows.collect())
}
