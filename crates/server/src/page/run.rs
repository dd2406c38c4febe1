//! Pipeline runs: the list, and one run with its steps over time.

use axum::extract::Path;
use maud::{Markup, html};
use windlass_kinds::record::{ModelVersion, PipelineRun, StepRun, Verdict};
use windlass_store::RunQuery;

use super::{
    chart::{Bar, timeline},
    component::{
        Tone, bytes, digest, empty, facts, instant, maybe_instant, nothing, run_badge, step_badge, step_word, table,
        took,
    },
    error::PageError,
    layout::{Page, Part, section},
    links::Links,
    loop_graph::verdict_badge,
    viewer::Viewer,
};

/// How many runs are listed.
const LISTED: u32 = 300;

pub(super) async fn list(viewer: Viewer) -> Result<Markup, PageError> {
    let project = viewer.project.clone();
    let runs = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, query) = (project.clone(), RunQuery { limit: LISTED, ..RunQuery::default() });
            Box::pin(async move { tx.pipeline_runs(&project, &query).await })
        })
        .await?;
    let body = section("runs", "All pipelines", run_table(&runs, &viewer.links));
    Ok(Page::new(Part::Runs, "Runs").show(&viewer, body))
}

/// Renders runs as a table.
pub(super) fn run_table(runs: &[PipelineRun], links: &Links) -> Markup {
    if runs.is_empty() {
        return empty("No run yet. A trigger starts one, or `windlass start PIPELINE`.");
    }
    let rows = runs.iter().map(|run| {
        let name = run.display_name();
        vec![
            html! { a href=(links.run(&name)) { (name) } },
            run_badge(run.state),
            instant(run.created_at),
            html! { (took(run.started_at, run.ended_at)) },
            html! { (run.cause.text) },
            html! { (run.reason) },
        ]
    });
    table("Runs", &["run", "state", "created", "took", "because of", "reason"], rows.collect())
}

pub(super) async fn show(viewer: Viewer, Path((_, name)): Path<(String, String)>) -> Result<Markup, PageError> {
    let control = &viewer.state.control;
    let run = control.find_run(&viewer.project, &name).await?;
    let (project, id) = (viewer.project.clone(), run.id.clone());
    let (steps, versions, verdicts) = control
        .store()
        .read(move |tx| {
            let (project, id) = (project.clone(), id.clone());
            Box::pin(async move {
                let versions = tx.model_versions_of_run(&project, &id).await?;
                let mut verdicts = Vec::new();
                let mut models: Vec<&str> = versions.iter().map(|version| version.model.as_str()).collect();
                models.dedup();
                for model in models {
                    verdicts.extend(tx.verdicts_of(&project, model).await?);
                }
                verdicts.retain(|verdict| verdict.run.as_ref() == Some(&id));
                Ok((tx.step_runs(&id).await?, versions, verdicts))
            })
        })
        .await?;
    let links = &viewer.links;
    let body = html! {
        (section("about", "About", about(&run, links)))
        (section("steps", "Steps", html! {
            @if steps.is_empty() { (empty("No step yet: the run waits for its turn.")) } @else {
                (timeline("Steps over time", &bars(&run, &steps, links), run.started_at.unwrap_or(run.created_at), control.clock().now()))
                (step_table(&run, &steps, links))
            }
        }))
        @if !versions.is_empty() { (section("versions", "Model versions", version_table(&versions, &verdicts, links))) }
        p { a href=(links.ledger_of(&format!("run {}", run.display_name()))) { "Ledger entries of this run" } }
    };
    let page = Page::new(Part::Runs, run.display_name())
        .under("Runs", links.runs())
        .under(run.pipeline.as_str(), links.pipeline(run.pipeline.as_str()))
        .beside(run_badge(run.state));
    Ok(page.show(&viewer, body))
}

fn about(run: &PipelineRun, links: &Links) -> Markup {
    let data = html! {
        @if run.datasets.is_empty() { (nothing()) }
        @for (dataset, frozen) in &run.datasets {
            a href=(links.dataset_version(dataset.as_str(), frozen.version)) { (dataset) " " (frozen.version) } " "
        }
    };
    let parameters = html! {
        @if run.parameters.is_empty() { (nothing()) }
        @for (name, value) in &run.parameters { code { (name) "=" (value.to_string()) } " " }
    };
    let because = html! {
        (run.cause.text) @if let Some(trigger) = &run.cause.trigger { span.quiet { " (trigger " (trigger) ")" } }
    };
    facts(vec![
        ("because of", because),
        (
            "stands",
            html! { (windlass_control::state_word(run.state)) @if !run.reason.is_empty() { ": " (run.reason) } },
        ),
        ("created", instant(run.created_at)),
        ("began", maybe_instant(run.started_at)),
        ("took", html! { (took(run.started_at, run.ended_at)) }),
        ("data, frozen", data),
        ("parameters", parameters),
        (
            "pipeline",
            html! { a href=(links.pipeline(run.pipeline.as_str())) { (run.pipeline) } " revision " (run.revision) },
        ),
    ])
}

fn bars(run: &PipelineRun, steps: &[StepRun], links: &Links) -> Vec<Bar> {
    let bars = steps.iter().map(|step| {
        let name = step.display_name();
        let word = step_word(step.state);
        let note = if step.reason.is_empty() { word.to_owned() } else { format!("{word}: {}", step.reason) };
        let from = step.started_at;
        let path = links.step(&run.display_name(), &name);
        Bar { name, path, tone: Tone::of_step(step.state), from, to: step.ended_at, note }
    });
    bars.collect()
}

fn step_table(run: &PipelineRun, steps: &[StepRun], links: &Links) -> Markup {
    let rows = steps.iter().map(|step| {
        let name = step.display_name();
        let outputs = html! {
            @for (output, made) in &step.outputs { span title=(made.tree) { (output) " " span.quiet { (bytes(made.size)) } } " " }
        };
        vec![
            html! { a href=(links.step(&run.display_name(), &name)) { (name) } },
            step_badge(step.state),
            html! { (took(step.started_at, step.ended_at)) },
            html! { (step.attempts) },
            outputs,
            html! { (step.reason) },
        ]
    });
    table("Steps", &["step", "state", "took", "attempts", "outputs", "reason"], rows.collect())
}

/// Renders versions with what was judged of them.
pub(super) fn version_table(versions: &[ModelVersion], verdicts: &[Verdict], links: &Links) -> Markup {
    let rows = versions.iter().map(|version| {
        let verdict = verdicts.iter().rev().find(|it| it.model == version.model && it.version == version.version);
        let measures = verdict.into_iter().flat_map(|verdict| &verdict.evidence.measures);
        let measures: Vec<String> =
            measures.map(|(name, value)| format!("{name} {}", super::component::number(*value))).collect();
        let tags: Vec<String> = version.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        vec![
            html! { a href=(links.version(&version.model, version.version)) { (version.model) " version " (version.version) } },
            html! { @match verdict { Some(verdict) => { (verdict_badge(verdict)) } None => { (nothing()) } } },
            html! { (measures.join(", ")) },
            instant(version.created_at),
            html! { (bytes(version.size)) },
            html! { @match &version.manifest { Some(manifest) => { (digest(manifest)) } None => { (nothing()) } } },
            html! { (tags.join(" ")) },
        ]
    });
    table("Versions", &["version", "verdict", "measures", "made", "size", "content", "tags"], rows.collect())
}
