//! The runs of one experiment as a table: filtered, ordered, grouped, in pieces, live; all of it said by the URL.

use axum::extract::Path;
use maud::{Markup, html};
use windlass_kinds::{
    ExperimentId,
    filter::{Page as Found, Search},
    record::{Run, RunData},
};

use super::{
    super::{
        component::empty,
        error::PageError,
        layout::{Page, Part, section_of_tracking},
        viewer::Viewer,
    },
    column::{self, Column},
    experiments::NOTE,
    filter,
    paging::{self, Paging, turns},
    query::Pairs,
    run_table::{Table, table},
    view::View,
};
use crate::mlflow::FilterEntity;

pub(in super::super) async fn show(
    viewer: Viewer,
    Path((_, id)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Markup, PageError> {
    let (view, paging) = (View::of(&pairs), Paging::of(&pairs));
    let parsed = filter::parse(FilterEntity::Run, &view.filter);
    let search = parsed.as_ref().ok().map(|filter| Search {
        filter: filter.clone(),
        order: view.order(),
        lifecycle: view.lifecycle(),
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
                let runs = match &search {
                    Some(search) => tx.runs_page(&project, &[id], search).await?,
                    None => Found { items: Vec::new(), next: None },
                };
                Ok((experiment, runs))
            })
        })
        .await?;
    let experiment = experiment.ok_or_else(|| PageError::not_found(format!("experiment {id}")))?;
    let (runs, more) = (found.items, found.next.is_some());
    let known = known(&runs, &view);
    let shown = view.shown(&known);
    let path = viewer.links.experiment(&id);
    let note = experiment.tags.iter().find(|(key, _)| key == NOTE).map(|(_, note)| note.as_str());
    let body = html! {
        @if let Some(note) = note { p.lead { (note) } }
        p { a href=(viewer.links.traces(&id)) { "Traces of this experiment" } }
        (controls(&path, &pairs, &view, &known, &shown))
        @if let Err(fault) = &parsed { (fault.show(&view.filter)) }
        (section_of_tracking("runs", if view.deleted { "Deleted runs" } else { "Runs" }, html! {
            @if parsed.is_err() {
                (empty("None are shown for a filter that cannot be read."))
            } @else if runs.is_empty() {
                (empty(if view.filter.is_empty() && !view.deleted { "No run yet." } else { "No such run." }))
            } @else {
                form method="get" action=(viewer.links.compare()) {
                    (table(&Table { runs: &runs, columns: &shown, view: &view, pairs: &pairs, path: &path }))
                    p.actions { button type="submit" { "Compare those marked" } }
                }
            }
            (turns(&path, &pairs, paging, runs.len(), more))
        }))
    };
    let page = Page::new(Part::Experiments, experiment.name).under("Experiments", viewer.links.experiments());
    Ok(page.show(&viewer, body))
}

/// Returns every column that can be shown: what these runs have, and what the URL names besides.
fn known(runs: &[(Run, RunData)], view: &View) -> Vec<Column> {
    let mut known = column::known(runs.iter().map(|(_, data)| data));
    let named = view.columns.iter().flatten().chain(&view.group).chain(view.sort.iter().map(|(column, _)| column));
    for column in named {
        let keyed = matches!(column, Column::Metric(_) | Column::Param(_) | Column::Tag(_));
        if keyed && !known.contains(column) {
            known.push(column.clone());
        }
    }
    known.sort();
    known
}

fn controls(path: &str, pairs: &Pairs, view: &View, known: &[Column], shown: &[Column]) -> Markup {
    // The form says filter, columns and group itself; the order stays, and the list begins again.
    let rest = pairs.without(&["filter", "columns", "group", "show", "page"]);
    html! {
        form.filter method="get" action=(path) role="search" {
            (rest.hidden())
            label for="filter" { "Filter" }
            input.wide #filter name="filter" value=(view.filter) autocomplete="off" spellcheck="false"
                placeholder="metrics.loss < 0.5 AND params.model = 'small'";
            label for="group" { "Group by" }
            select #group name="group" {
                option value="" { "nothing" }
                @for column in known.iter().filter(|column| matches!(column, Column::Param(_) | Column::Tag(_))) {
                    option value=(column.word()) selected[view.group.as_ref() == Some(column)] { (column.word()) }
                }
            }
            label for="show" { "Show" }
            select #show name="show" {
                option value="" { "active runs" }
                option value="deleted" selected[view.deleted] { "deleted runs" }
            }
            button type="submit" { "Apply" }
            @if !pairs.without(&[]).behind("").is_empty() { a href=(path) { "Reset" } }
            details #columns {
                summary { "Columns" }
                // Nothing marked is a choice too.
                input type="hidden" name="columns" value="" disabled[view.columns.is_none()];
                fieldset.choices {
                    legend { "What the table shows" }
                    @for column in [Column::Status, Column::Began, Column::Took, Column::User].iter().chain(known) {
                        label { input type="checkbox" name="columns" value=(column.word()) checked[shown.contains(column)]; " " (column.word()) }
                    }
                }
            }
        }
    }
}
