//! The experiments of a project.

use maud::{Markup, html};
use windlass_kinds::{
    Micros,
    filter::{Attribute, Comparison, Field, Filter, Operator, Search, Value},
    record::Experiment,
};

use super::{
    super::{
        component::{empty, instant, nothing, table},
        error::PageError,
        layout::{Page, Part, section_of_tracking},
        viewer::Viewer,
    },
    column::{INTERNAL, shortened},
    paging::{self, Paging, turns},
    query::Pairs,
};

/// The tag in which clients keep the description of an experiment or a run.
pub(super) const NOTE: &str = "mlflow.note.content";

pub(in super::super) async fn list(viewer: Viewer, pairs: Pairs) -> Result<Markup, PageError> {
    let wanted = pairs.get("name").unwrap_or_default().to_owned();
    let paging = Paging::of(&pairs);
    let search = Search { filter: named(&wanted), start: paging.start(), limit: paging::ROWS, ..Search::default() };
    let project = viewer.project.clone();
    let found = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, search) = (project.clone(), search.clone());
            Box::pin(async move { tx.experiments_page(&project, &search).await })
        })
        .await?;
    let (experiments, more) = (found.items, found.next.is_some());
    let path = viewer.links.experiments();
    let body = html! {
        form.filter method="get" action=(path) role="search" {
            label for="name" { "Name" }
            input #name name="name" value=(wanted) autocomplete="off";
            button type="submit" { "Show" }
            @if !wanted.is_empty() { a href=(path) { "All experiments" } }
        }
        (section_of_tracking("experiments", "All of the project", html! {
            @if experiments.is_empty() { (empty("No such experiment.")) } @else { (experiment_table(&viewer, &experiments)) }
            (turns(&path, &pairs, paging, experiments.len(), more))
        }))
    };
    Ok(Page::new(Part::Experiments, "Experiments").show(&viewer, body))
}

/// Returns what finds the experiments whose name holds a text, in any case.
fn named(text: &str) -> Filter {
    if text.is_empty() {
        return Filter::new();
    }
    vec![Comparison {
        field: Field::Attribute(Attribute::Name),
        operator: Operator::ILike,
        value: Value::Text(format!("%{text}%")),
    }]
}

fn experiment_table(viewer: &Viewer, experiments: &[Experiment]) -> Markup {
    let rows = experiments.iter().map(|experiment| {
        let note = experiment.tags.iter().find(|(key, _)| key == NOTE).map(|(_, note)| shortened(note));
        let tags = experiment.tags.iter().filter(|(key, _)| !key.starts_with(INTERNAL));
        let tags: Vec<String> = tags.map(|(key, value)| shortened(&format!("{key}={value}"))).collect();
        vec![
            html! { a href=(viewer.links.experiment(experiment.id.as_str())) { (experiment.name) } },
            html! { (experiment.id) },
            instant(Micros::from_millis(experiment.created_ms)),
            instant(Micros::from_millis(experiment.updated_ms)),
            html! { @if tags.is_empty() { (nothing()) } @else { (tags.join(" ")) } },
            html! { @match note { Some(note) => { (note) } None => { (nothing()) } } },
        ]
    });
    table("Experiments", &["experiment", "id", "made", "changed", "tags", "about"], rows.collect())
}
