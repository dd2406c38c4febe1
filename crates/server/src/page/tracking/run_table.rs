//! The table of runs itself: headings that order, a mark for each run to compare, groups.

use maud::{Markup, html};
use windlass_kinds::record::{Run, RunData};

use super::{
    super::{component::plural, links},
    column::{Column, shortened},
    query::Pairs,
    view::View,
};

/// The tag by which a client names the run above a run.
const PARENT: &str = "mlflow.parentRunId";

/// What a table is made of.
pub(super) struct Table<'a> {
    /// The runs in their order; those of a group stand together.
    pub(super) runs: &'a [(Run, RunData)],
    /// What is shown of each.
    pub(super) columns: &'a [Column],
    /// How it was asked for.
    pub(super) view: &'a View,
    /// The query of its URL.
    pub(super) pairs: &'a Pairs,
    /// The path of its URL.
    pub(super) path: &'a str,
}

/// Returns what a run is called.
pub(super) fn name_of(run: &Run) -> &str {
    if run.name.trim().is_empty() { run.id.as_str() } else { &run.name }
}

/// Renders the table.
pub(super) fn table(table: &Table<'_>) -> Markup {
    html! {
        div.scroll role="region" aria-label="Runs" tabindex="0" {
            table.runs {
                thead { tr {
                    th scope="col" { span.hidden { "marked to compare" } }
                    th scope="col" { "run" }
                    @for column in table.columns { (heading(table, column)) }
                } }
                @for group in groups(table) { tbody {
                    @if let Some(by) = &table.view.group {
                        tr.group { th scope="rowgroup" colspan=(table.columns.len() + 2) {
                            (by.word()) " = " (group.value.as_deref().map_or_else(|| "not there".to_owned(), shortened))
                            span.quiet { " · " (plural(group.runs.len(), "run")) " here" }
                        } }
                    }
                    @for (run, data) in group.runs { (row(run, data, table.columns)) }
                } }
            }
        }
    }
}

fn heading(table: &Table<'_>, column: &Column) -> Markup {
    let sorted = table.view.sort.as_ref().filter(|(by, _)| by == column);
    let (said, arrow) = match sorted {
        Some((_, true)) => (Some("ascending"), " ▲"),
        Some((_, false)) => (Some("descending"), " ▼"),
        None => (None, ""),
    };
    html! {
        th scope="col" aria-sort=[said] {
            @if column.field().is_some() {
                a href=(table.view.sorted_by(column, table.pairs).behind(table.path)) title=(column.word()) {
                    (column.title()) span aria-hidden="true" { (arrow) }
                }
            } @else { (column.title()) }
        }
    }
}

struct Group<'a> {
    value: Option<String>,
    runs: &'a [(Run, RunData)],
}

/// Cuts the runs where the value changes that they are grouped by; all in one where they are not.
fn groups<'a>(table: &Table<'a>) -> Vec<Group<'a>> {
    let Some(by) = &table.view.group else { return vec![Group { value: None, runs: table.runs }] };
    let value = |(run, data): &(Run, RunData)| by.text(run, data);
    let pieces = table.runs.chunk_by(|one, other| value(one) == value(other));
    pieces.map(|runs| Group { value: runs.first().and_then(value), runs }).collect()
}

fn row(run: &Run, data: &RunData, columns: &[Column]) -> Markup {
    let name = name_of(run);
    html! {
        tr {
            td { input type="checkbox" name="runs" value=(run.id) aria-label={"Compare " (name)}; }
            td {
                @if data.tags.iter().any(|(key, _)| key == PARENT) { span.quiet title="below another run" { "↳ " } }
                a href=(links::tracking(&run.id)) { bdi { (shortened(name)) } }
            }
            @for column in columns { td { (column.cell(run, data)) } }
        }
    }
}
