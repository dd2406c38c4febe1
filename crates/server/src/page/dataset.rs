//! One dataset with its versions, and one version with its files and what failed.

use axum::extract::Path;
use maud::{Markup, html};
use windlass_kinds::{
    Kind, Name,
    manifest::Spec,
    record::{DatasetVersion, PipelineRun},
};
use windlass_store::RunQuery;

use super::{
    component::{bytes, count, data_badge, digest, empty, facts, instant, nothing, plural, table},
    error::PageError,
    layout::{Page, Part, section},
    links::Links,
    loop_graph::what_changed,
    run::run_table,
    viewer::Viewer,
};

/// How many files of a version are listed.
const FILES: usize = 1000;
/// How many runs are looked through for those that saw a version.
const RUNS: u32 = 1000;

fn parse(name: &str) -> Result<Name, PageError> {
    name.parse().map_err(|_| PageError::not_found("such dataset"))
}

pub(super) async fn show(viewer: Viewer, Path((_, name)): Path<(String, String)>) -> Result<Markup, PageError> {
    let name = parse(&name)?;
    let (project, dataset) = (viewer.project.clone(), name.clone());
    let (revision, mut versions) = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, dataset) = (project.clone(), dataset.clone());
            Box::pin(async move {
                let revision = tx.revision_current(&project, Kind::Dataset, &dataset).await?;
                Ok((revision, tx.dataset_versions(&project, &dataset).await?))
            })
        })
        .await?;
    if revision.is_none() && versions.is_empty() {
        return Err(PageError::not_found(format!("dataset {name}")));
    }
    versions.reverse();
    let links = &viewer.links;
    let about = match revision.as_ref().map(|revision| &revision.manifest.spec) {
        Some(Spec::Dataset(spec)) => html! {
            @if !spec.description.is_empty() { p.lead { (spec.description) } }
            (facts(vec![("where", html! { code { (spec.uri) } })]))
        },
        Some(_) | None => html! {},
    };
    let body = html! { (about) (section("versions", "Versions", version_table(&versions, links))) };
    Ok(Page::new(Part::Loop, name.as_str()).under("The loop", links.home()).show(&viewer, body))
}

fn version_table(versions: &[DatasetVersion], links: &Links) -> Markup {
    if versions.is_empty() {
        return empty("Nothing was seen there yet.");
    }
    let rows = versions.iter().map(|version| {
        vec![
            html! { a href=(links.dataset_version(version.dataset.as_str(), version.number)) { "version " (version.number) } },
            data_badge(version.state),
            instant(version.created_at),
            html! { (count(version.files.len() as u64)) },
            html! { @match version.rows { Some(rows) => { (count(rows)) } None => { (nothing()) } } },
            html! { (what_changed(version)) },
        ]
    });
    table("Versions", &["version", "state", "seen", "files", "rows", "what changed"], rows.collect())
}

pub(super) async fn version(
    viewer: Viewer,
    Path((_, name, number)): Path<(String, String, u32)>,
) -> Result<Markup, PageError> {
    let name = parse(&name)?;
    let (project, dataset) = (viewer.project.clone(), name.clone());
    let (version, runs) = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, dataset) = (project.clone(), dataset.clone());
            Box::pin(async move {
                let query = RunQuery { limit: RUNS, ..RunQuery::default() };
                let version = tx.dataset_version_get(&project, &dataset, number).await?;
                Ok((version, tx.pipeline_runs(&project, &query).await?))
            })
        })
        .await?;
    let version = version.ok_or_else(|| PageError::not_found(format!("version {number} of dataset {name}")))?;
    let saw = |run: &PipelineRun| run.datasets.get(&name).is_some_and(|frozen| frozen.version == number);
    let runs: Vec<PipelineRun> = runs.into_iter().filter(saw).collect();
    let links = &viewer.links;
    let body = html! {
        (section("about", "About", facts(vec![
            ("what changed", html! { (what_changed(&version)) }),
            ("seen", instant(version.created_at)),
            ("files", html! { (plural(version.files.len(), "file")) }),
            ("rows", html! { @match version.rows { Some(rows) => { (count(rows)) } None => { (nothing()) } } }),
            ("digest", digest(&version.digest)),
        ])))
        @if !version.failures.is_empty() { (section("failures", "What failed", failures(&version))) }
        (section("runs", "Runs that saw it", run_table(&runs, links)))
        (section("files", "Files", files(&version)))
        p { a href=(links.ledger_of(&format!("Dataset/{name}@{number}"))) { "Ledger entries of this version" } }
    };
    let page = Page::new(Part::Loop, format!("{name} version {number}"))
        .under("The loop", links.home())
        .under(name.as_str(), links.dataset(name.as_str()))
        .beside(data_badge(version.state));
    Ok(page.show(&viewer, body))
}

fn failures(version: &DatasetVersion) -> Markup {
    let rows = version.failures.iter().map(|failure| {
        vec![
            html! { (failure.path) },
            html! { @match &failure.column { Some(column) => { (column) } None => { (nothing()) } } },
            html! { code { (failure.expectation) } },
            html! { (failure.observed) },
        ]
    });
    table("What failed", &["file", "column", "expected", "found"], rows.collect())
}

fn files(version: &DatasetVersion) -> Markup {
    let rows = version.files.iter().take(FILES).map(|file| {
        let word = if version.added.contains(&file.path) {
            "added"
        } else if version.changed.contains(&file.path) {
            "changed"
        } else {
            ""
        };
        vec![html! { (file.path) }, html! { (word) }, html! { (bytes(file.size)) }, digest(&file.digest)]
    });
    html! {
        (table("Files", &["file", "", "size", "digest"], rows.collect()))
        @if version.files.len() > FILES { p.quiet { "The first " (FILES) " of " (count(version.files.len() as u64)) "." } }
        @if !version.removed.is_empty() { p { "Removed: " (version.removed.join(", ")) } }
    }
}
