//! One version of a model: the verdicts with their evidence, where it came from, where it served.

use axum::extract::Path;
use maud::{Markup, html};
use windlass_kinds::record::{
    Comparison, EndpointRevision, Evidence, FileEntry, ModelVersion, PipelineRun, Servability, Verdict,
};
use windlass_store::{StoreError, Tx};

use super::{
    component::{Tone, badge, bytes, count, digest, empty, facts, instant, maybe_instant, nothing, number, table},
    error::PageError,
    layout::{Page, Part, section},
    links::{self, Links},
    loop_graph::verdict_badge,
    viewer::Viewer,
};

/// What is known of a version.
struct Known {
    version: ModelVersion,
    aliases: Vec<String>,
    verdicts: Vec<Verdict>,
    made_by: Option<PipelineRun>,
    served: Vec<EndpointRevision>,
}

async fn read(
    tx: &mut Tx,
    project: &windlass_kinds::Name,
    model: &str,
    number: u32,
) -> Result<Option<Known>, StoreError> {
    let Some(version) = tx.model_version_get(project, model, number).await? else { return Ok(None) };
    let registered = tx.registered_model_get(project, model).await?;
    let aliases = registered.into_iter().flat_map(|model| model.aliases);
    let aliases = aliases.filter(|(_, points_at)| *points_at == number).map(|(alias, _)| alias).collect();
    let mut verdicts = tx.verdicts_of(project, model).await?;
    verdicts.retain(|verdict| verdict.version == number);
    verdicts.reverse();
    let mut made_by = None;
    if let Some(run) = &version.run
        && let Some(attempt) = tx.attempt_of_tracking_run(run).await?
    {
        made_by = tx.pipeline_run_get(&attempt.run).await?;
    }
    let mut served = Vec::new();
    for endpoint in tx.revisions_current(Some(project), Some(windlass_kinds::Kind::Endpoint)).await? {
        served.extend(tx.endpoint_revisions(project, &endpoint.name).await?);
    }
    served.retain(|revision| revision.model == model && revision.version == number);
    Ok(Some(Known { version, aliases, verdicts, made_by, served }))
}

pub(super) async fn show(
    viewer: Viewer,
    Path((_, model, number)): Path<(String, String, u32)>,
) -> Result<Markup, PageError> {
    let (project, wanted) = (viewer.project.clone(), model.clone());
    let control = &viewer.state.control;
    let known = control
        .store()
        .read(move |tx| {
            let (project, model) = (project.clone(), wanted.clone());
            Box::pin(async move { read(tx, &project, &model, number).await })
        })
        .await?;
    let known = known.ok_or_else(|| PageError::not_found(format!("version {number} of model {model}")))?;
    let files = match &known.version.manifest {
        Some(manifest) => windlass_oci::model::files(control.blobs().as_ref(), manifest).await?,
        None => Vec::new(),
    };
    let links = &viewer.links;
    let Known { version, aliases, verdicts, made_by, served } = known;
    let body = html! {
        @if !version.description.is_empty() { p.lead { (version.description) } }
        @if verdicts.is_empty() { (section("verdict", "Verdict", empty("Not judged: no gate asked for it."))) }
        @for (place, verdict) in verdicts.iter().enumerate() {
            (section(&format!("verdict-{place}"), &format!("Verdict for {}", verdict.alias), evidence(verdict, links)))
        }
        (section("lineage", "Where it came from", lineage(&version, made_by.as_ref(), verdicts.first(), links)))
        @if !served.is_empty() { (section("served", "Where it served", servings(&served, links))) }
        @if !files.is_empty() { (section("files", "Files", file_table(&files))) }
        p { a href=(links.ledger_of(&format!("model {model}@{number}"))) { "Ledger entries of this version" } }
    };
    let aside = html! {
        @for alias in &aliases { (badge(Tone::Good, alias)) " " }
        @if version.pending.is_some() { (badge(Tone::Busy, "its step is not over")) }
    };
    let page = Page::new(Part::Models, format!("{model} version {number}"))
        .under("Models", links.models())
        .under(model.as_str(), links.model(&model))
        .beside(aside);
    Ok(page.show(&viewer, body))
}

fn evidence(verdict: &Verdict, links: &Links) -> Markup {
    let Verdict { rules, evidence, judged_at, gate, .. } = verdict;
    let rules = rules.iter().map(|rule| {
        let (tone, word) = if rule.passed { (Tone::Good, "holds") } else { (Tone::Bad, "does not hold") };
        vec![html! { (rule.name) }, badge(tone, word), html! { (rule.text) }]
    });
    html! {
        p { (verdict_badge(verdict)) " " (instant(*judged_at)) span.quiet { " by the gate " } (digest(gate)) }
        (table("Rules", &["rule", "", "numbers"], rules.collect()))
        (measures(evidence, links))
        @for comparison in &evidence.comparisons { (interval(comparison)) }
        (facts(vec![
            ("rows", html! { @match &evidence.rows {
                Some(rows) => { (count(rows.rows)) " in " (count(rows.clusters)) " clusters, " (digest(&rows.digest)) }
                None => { (nothing()) }
            } }),
            ("servable", html! { @match &evidence.servable {
                Some(Servability::Served { max_difference, rows }) => { "loaded and answered " (count(*rows)) " rows; at most " (number(*max_difference)) " from the training framework's answers" }
                Some(Servability::Not { reason }) => { (badge(Tone::Bad, "not servable")) " " (reason) }
                None => { "not asked" }
            } }),
            ("data", html! { @for data in &evidence.datasets {
                a href=(links.dataset_version(data.name.as_str(), data.version)) { (data.name) " " (data.version) }
                @if !data.accepted { " " (badge(Tone::Bad, "rejected")) } " "
            } }),
        ]))
        @if !evidence.problems.is_empty() { ul { @for problem in &evidence.problems { li { (problem) } } } }
    }
}

fn measures(evidence: &Evidence, links: &Links) -> Markup {
    let other = evidence.champion;
    let rows = evidence.measures.iter().map(|(name, value)| {
        let theirs = evidence.champion_measures.get(name);
        vec![
            html! { (name) },
            html! { (number(*value)) },
            html! { @match theirs { Some(theirs) => { (number(*theirs)) } None => { (nothing()) } } },
        ]
    });
    html! {
        @if !evidence.measures.is_empty() {
            (table("Measures", &["measure", "this version", "the champion then"], rows.collect()))
            @if let Some(version) = other { p.quiet { "The champion then: " a href=(links.version(&evidence.model, version)) { "version " (version) } } }
        }
    }
}

/// Draws the interval of a comparison around zero: right of it this version is better.
fn interval(comparison: &Comparison) -> Markup {
    let Comparison { measure, than, than_version, confidence, resamples, seed, difference, low, high } = comparison;
    let reach = [low.abs(), high.abs(), difference.abs()].into_iter().fold(0.0, f64::max).max(1e-9) * 1.15;
    let x = |value: f64| super::chart::px(180.0 + (value / reach).clamp(-1.0, 1.0) * 170.0);
    let tone = if *low > 0.0 {
        "good"
    } else if *high < 0.0 {
        "bad"
    } else {
        "calm"
    };
    let other = than_version.map_or_else(|| than.clone(), |version| format!("{than} (version {version})"));
    let words = format!(
        "{measure} against {other}: {} better, {} % interval {} to {}",
        number(*difference),
        number(confidence * 100.0),
        number(*low),
        number(*high)
    );
    html! {
        figure.chart {
            figcaption { (words) }
            svg.interval viewBox="0 0 360 40" width="360" height="40" role="img" aria-label=(words) {
                line.grid x1="180" x2="180" y1="2" y2="28" {}
                line class={"range " (tone)} x1=(x(*low)) x2=(x(*high)) y1="15" y2="15" {}
                circle class={"point " (tone)} cx=(x(*difference)) cy="15" r="4.5" {}
                text.tick x="180" y="38" text-anchor="middle" { "0" }
                text.tick x="10" y="38" { "worse" }
                text.tick x="350" y="38" text-anchor="end" { "better" }
            }
            p.quiet { (count(u64::from(*resamples))) " resamples, seed " code { (seed.chars().take(16).collect::<String>()) } }
        }
    }
}

fn lineage(version: &ModelVersion, made_by: Option<&PipelineRun>, verdict: Option<&Verdict>, links: &Links) -> Markup {
    let data = html! {
        @match (made_by, verdict) {
            (Some(run), _) => { @for (name, frozen) in &run.datasets { a href=(links.dataset_version(name.as_str(), frozen.version)) { (name) " " (frozen.version) } " " } }
            (None, Some(verdict)) => { @for data in &verdict.evidence.datasets { (data.name) " " (data.version) " " } }
            (None, None) => { (nothing()) }
        }
    };
    let tags = html! {
        @if version.tags.is_empty() { (nothing()) }
        @for (key, value) in &version.tags { code { (key) "=" (value) } " " }
    };
    facts(vec![
        (
            "made by",
            html! { @match made_by {
                Some(run) => { a href=(links.run(&run.display_name())) { (run.display_name()) } ", because of " (run.cause.text) }
                None => { (nothing()) }
            } },
        ),
        (
            "tracking run",
            html! { @match &version.run { Some(run) => { a href=(links::tracking(run)) { (run) } } None => { (nothing()) } } },
        ),
        ("data", data),
        ("made", instant(version.created_at)),
        (
            "content",
            html! { @match &version.manifest { Some(manifest) => { (digest(manifest)) " " (bytes(version.size)) } None => { (nothing()) } } },
        ),
        ("source", html! { code { (version.source) } }),
        ("tags", tags),
    ])
}

fn servings(served: &[EndpointRevision], links: &Links) -> Markup {
    let rows = served.iter().map(|revision| {
        vec![
            html! { a href=(links.endpoint(revision.endpoint.as_str())) { (revision.endpoint) } },
            super::endpoint::state_badge(revision.state),
            maybe_instant(revision.ready_at),
            maybe_instant(revision.retired_at),
            html! { (revision.reason) },
        ]
    });
    table("Where it served", &["endpoint", "state", "from", "until", "reason"], rows.collect())
}

fn file_table(files: &[FileEntry]) -> Markup {
    let rows = files.iter().map(|file| vec![html! { (file.path) }, html! { (bytes(file.size)) }, digest(&file.digest)]);
    table("Files", &["file", "size", "digest"], rows.collect())
}
