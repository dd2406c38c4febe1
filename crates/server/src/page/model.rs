//! One registered model: its aliases, its versions and what was judged of them.

use axum::extract::Path;
use maud::{Markup, html};
use windlass_kinds::{
    Kind,
    manifest::{GateSpec, Spec},
    record::ModelVersion,
};

use super::{
    component::{Tone, badge, empty, table},
    error::PageError,
    layout::{Page, Part, section},
    run::version_table,
    viewer::Viewer,
};

pub(super) async fn show(viewer: Viewer, Path((_, name)): Path<(String, String)>) -> Result<Markup, PageError> {
    let (project, wanted) = (viewer.project.clone(), name.clone());
    let (model, mut versions, verdicts, revision) = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, name) = (project.clone(), wanted.clone());
            Box::pin(async move {
                let revision = match name.parse() {
                    Ok(name) => tx.revision_current(&project, Kind::Model, &name).await?,
                    Err(_) => None,
                };
                let model = tx.registered_model_get(&project, &name).await?;
                let versions = tx.model_versions_of(&project, &name).await?;
                Ok((model, versions, tx.verdicts_of(&project, &name).await?, revision))
            })
        })
        .await?;
    if model.is_none() && revision.is_none() {
        return Err(PageError::not_found(format!("model {name}")));
    }
    versions.reverse();
    let links = &viewer.links;
    let spec = match revision.as_ref().filter(|revision| !revision.deleted).map(|revision| &revision.manifest.spec) {
        Some(Spec::Model(spec)) => Some(spec),
        Some(_) | None => None,
    };
    let aliases = html! {
        @for (alias, version) in model.iter().flat_map(|model| &model.aliases) {
            a href=(links.version(&name, *version)) { (badge(Tone::Good, &format!("{alias} v{version}"))) } " "
        }
    };
    let description = model.as_ref().map_or("", |model| model.description.as_str());
    let body = html! {
        @if !description.is_empty() { p.lead { (description) } }
        (section("versions", "Versions", html! {
            @if versions.is_empty() { (empty("No version yet.")) } @else { (version_table(&versions, &verdicts, links)) }
            @if versions.len() > 1 { (comparison(&links.versions_compared(&name), &versions)) }
        }))
        @for gate in spec.iter().flat_map(|spec| &spec.gates) {
            (section(&format!("gate-{}", gate.alias), &format!("The gate of {}", gate.alias), gate_table(gate)))
        }
        p { a href=(links.ledger_of(&format!("model {name}"))) { "Ledger entries of this model" } }
    };
    Ok(Page::new(Part::Models, name.as_str()).under("Models", links.models()).beside(aliases).show(&viewer, body))
}

/// Renders the choice of two versions to put beside each other: the newest two unless somebody chooses.
fn comparison(path: &str, versions: &[ModelVersion]) -> Markup {
    let choice = |name: &str, chosen: usize| {
        html! {
            select id={"version-" (name)} name=(name) {
                @for (place, version) in versions.iter().enumerate() {
                    option value=(version.version) selected[place == chosen] { "version " (version.version) }
                }
            }
        }
    };
    html! {
        form.filter method="get" action=(path) {
            label for="version-one" { "Compare" } (choice("one", 1))
            label for="version-other" { "with" } (choice("other", 0))
            button type="submit" { "Compare" }
        }
    }
}

fn gate_table(gate: &GateSpec) -> Markup {
    let rows = gate.rules.iter().map(|rule| {
        let says = serde_json::to_string(&rule.rule).unwrap_or_default();
        vec![html! { (rule.name) }, html! { code { (says) } }]
    });
    html! {
        p { @if gate.automatic { "The best candidate of a run that keeps every rule takes the alias." } @else { "A person moves the alias; every rule must hold." } }
        (table("Rules", &["rule", "says"], rows.collect()))
    }
}
