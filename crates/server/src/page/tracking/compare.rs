//! Several runs beside each other: in what they differ, their curves over each other, two columns against each other,
//! many columns side by side.

use maud::{Markup, html};
use windlass_kinds::{
    Micros, RunId,
    record::{MetricPoint, Run, RunData},
};
use windlass_store::{StoreError, Tx};

use super::{
    super::{
        chart::{Coordinate, Mark, Parallel, Plot, Scatter, class},
        component::{empty, instant, status_badge},
        error::PageError,
        layout::{Page, Part, section_of_tracking},
        links,
        viewer::Viewer,
    },
    column::{self, Column, shortened},
    curves::{Drawn, series},
    query::Pairs,
    run_table::name_of,
};

/// How many runs are put beside each other.
pub(super) const RUNS: usize = 50;
/// In how many points each curve is read.
const POINTS: u32 = 200;
/// How many metrics are drawn.
const CURVES: usize = 8;
/// How many columns stand side by side where nobody has chosen.
const SIDE_BY_SIDE: usize = 7;
/// The most columns side by side.
const SIDE_BY_SIDE_MOST: usize = 12;

/// The runs, with what they hold and their curves: a metric, and the points of each run that has it.
struct Compared {
    runs: Vec<(Run, RunData)>,
    curves: Vec<(String, OfRuns)>,
}

/// The points of a metric by the places of the runs that have it.
type OfRuns = Vec<(usize, Vec<MetricPoint>)>;

async fn read(tx: &mut Tx, project: &windlass_kinds::Name, ids: &[RunId], named: &str) -> Result<Compared, StoreError> {
    let mut runs = Vec::new();
    for id in ids {
        // What is not there, or in another project, is left out like a run that was deleted since.
        if let Some(run) = tx.run_get(id).await?.filter(|run| run.project == *project) {
            let data = tx.run_data(id).await?;
            runs.push((run, data));
        }
    }
    let mut keys: Vec<String> = Vec::new();
    for column in column::known(runs.iter().map(|(_, data)| data)) {
        if let Column::Metric(key) = column
            && key.to_lowercase().contains(&named.to_lowercase())
        {
            keys.push(key);
        }
    }
    let mut curves = Vec::new();
    for key in keys {
        if curves.len() == CURVES {
            break;
        }
        let mut of_runs = Vec::new();
        for (place, (run, data)) in runs.iter().enumerate() {
            if data.metrics.iter().any(|point| point.key == key) {
                of_runs.push((place, tx.metric_outline(project, &run.id, &key, POINTS).await?));
            }
        }
        if of_runs.iter().any(|(_, points)| points.len() > 1) {
            curves.push((key, of_runs));
        }
    }
    Ok(Compared { runs, curves })
}

pub(in super::super) async fn show(viewer: Viewer, pairs: Pairs) -> Result<Markup, PageError> {
    let mut ids: Vec<RunId> = Vec::new();
    for id in pairs.all("runs").flat_map(|text| text.split(',')).map(str::trim).filter(|id| !id.is_empty()) {
        let id = RunId::new(id);
        if ids.len() < RUNS && !ids.contains(&id) {
            ids.push(id);
        }
    }
    let (project, named) = (viewer.project.clone(), pairs.get("metrics").unwrap_or_default().to_owned());
    let compared = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, ids, named) = (project.clone(), ids.clone(), named.clone());
            Box::pin(async move { read(tx, &project, &ids, &named).await })
        })
        .await?;
    let path = viewer.links.compare();
    let page = Page::new(Part::Experiments, "Runs compared").under("Experiments", viewer.links.experiments());
    if compared.runs.is_empty() {
        let body = empty("Mark runs in the table of an experiment to see them beside each other.");
        return Ok(page.show(&viewer, body));
    }
    let columns = column::known(compared.runs.iter().map(|(_, data)| data));
    let body = html! {
        (section_of_tracking("differences", "What they have", differences(&compared.runs, &columns, &pairs, &path)))
        (curve_controls(&pairs, &path))
        (section_of_tracking("metrics", "Curves", curves(&compared, &pairs)))
        (column_controls(&columns, &compared.runs, &pairs, &path))
        (section_of_tracking("columns", "Columns against each other", html! {
            (scatter(&compared.runs, &columns, &pairs))
            (parallel(&compared.runs, &columns, &pairs))
        }))
    };
    Ok(page.show(&viewer, body))
}

/// Which columns belong to a part of the table.
type Wanted = fn(&Column) -> bool;

/// Returns whether runs differ in a column.
fn differs(runs: &[(Run, RunData)], column: &Column) -> bool {
    let value = |(run, data): &(Run, RunData)| match column {
        // As shown, two values may look the same.
        Column::Metric(key) => data.metrics.iter().find(|point| point.key == *key).map(|point| point.value.to_string()),
        _ => column.text(run, data),
    };
    let first = runs.first().map(value);
    runs.iter().any(|run| Some(value(run)) != first)
}

/// Renders a value; a metric in which runs differ in full, so that the difference is seen.
fn cell(column: &Column, run: &Run, data: &RunData, differs: bool) -> Markup {
    match (column, column.number(run, data)) {
        (Column::Metric(_), Some(value)) if differs => html! { (value) },
        _ => column.cell(run, data),
    }
}

fn differences(runs: &[(Run, RunData)], columns: &[Column], pairs: &Pairs, path: &str) -> Markup {
    let all = pairs.get("only") != Some("differences");
    let other = if all { Some("differences") } else { None };
    let kinds: [(&str, Wanted); 3] = [
        ("params", |column| matches!(column, Column::Param(_))),
        ("metrics", |column| matches!(column, Column::Metric(_))),
        ("tags", |column| matches!(column, Column::Tag(_))),
    ];
    let row = |column: &Column| {
        let differs = differs(runs, column);
        html! {
            @if differs || all {
                tr.differs[differs] {
                    th scope="row" { bdi { (shortened(column.title())) } @if differs && runs.len() > 1 { " " span.differ { "differs" } } }
                    @for (run, data) in runs { td { (cell(column, run, data, differs)) } }
                }
            }
        }
    };
    html! {
        @if runs.len() > 1 {
            p { a href=(pairs.with("only", other).behind(path)) { @if all { "Only what differs" } @else { "Everything" } } }
        }
        div.scroll role="region" aria-label="What the runs have" tabindex="0" {
            table.compared {
                thead { tr {
                    th scope="col" { "" span.hidden { "what" } }
                    @for (place, (run, _)) in runs.iter().enumerate() {
                        th scope="col" { span class={"curve " (class(place))} { a href=(links::tracking(&run.id)) { bdi { (shortened(name_of(run))) } } } }
                    }
                } }
                tbody {
                    tr { th scope="row" { "status" } @for (run, _) in runs { td { (status_badge(run.status)) } } }
                    tr { th scope="row" { "began" } @for (run, _) in runs { td { (instant(Micros::from_millis(run.start_ms))) } } }
                }
                @for (name, wanted) in kinds {
                    @if columns.iter().any(wanted) {
                        tbody {
                            tr.group { th scope="rowgroup" colspan=(runs.len() + 1) { (name) } }
                            @for column in columns.iter().filter(|column| wanted(column)) { (row(column)) }
                        }
                    }
                }
            }
        }
    }
}

fn curve_controls(pairs: &Pairs, path: &str) -> Markup {
    let rest = pairs.without(&["metrics", "axis", "scale", "smooth"]);
    html! {
        form.filter method="get" action={(path) "#metrics"} {
            (rest.hidden())
            label for="metrics-named" { "Metrics named" }
            input #metrics-named name="metrics" value=(pairs.get("metrics").unwrap_or_default()) autocomplete="off";
            (Drawn::of(pairs).fields())
            button type="submit" { "Draw" }
        }
    }
}

fn curves(compared: &Compared, pairs: &Pairs) -> Markup {
    let drawn = Drawn::of(pairs);
    // Over the time of day runs of different days would be far apart; that is what was asked for, then.
    let plot = |(key, of_runs): &(String, OfRuns)| {
        let series = of_runs.iter().map(|(place, points)| {
            let run = &compared.runs[*place].0;
            series(shortened(name_of(run)), *place, points, run.start_ms, drawn.axis)
        });
        let Drawn { axis, log, smoothing } = drawn;
        Plot { name: key.clone(), axis, log, smoothing, series: series.collect() }
    };
    html! {
        @if compared.curves.is_empty() { (empty("No metric of these has more than one point.")) }
        div.charts { @for (place, curve) in compared.curves.iter().enumerate() {
            (plot(curve).figure(&format!("numbers-{place}")))
        } }
    }
}

/// Returns the columns that can be drawn: those that differ first.
fn drawable(runs: &[(Run, RunData)], columns: &[Column]) -> Vec<Column> {
    let fits = |column: &&Column| match column {
        Column::Metric(_) => runs.iter().any(|(run, data)| column.number(run, data).is_some()),
        Column::Param(_) | Column::Tag(_) => runs.iter().any(|(run, data)| column.text(run, data).is_some()),
        Column::Status | Column::Began | Column::Took | Column::User => false,
    };
    let mut fitting: Vec<Column> = columns.iter().filter(fits).cloned().collect();
    fitting.sort_by_key(|column| !differs(runs, column));
    fitting
}

fn column_controls(columns: &[Column], runs: &[(Run, RunData)], pairs: &Pairs, path: &str) -> Markup {
    let drawable = drawable(runs, columns);
    let (x, y) = axes(runs, columns, pairs);
    let chosen = side_by_side(runs, &drawable, pairs);
    let options = |chosen: Option<&Column>| {
        html! {
            @for column in &drawable { option value=(column.word()) selected[chosen == Some(column)] { (shortened(&column.word())) } }
        }
    };
    let rest = pairs.without(&["x", "y", "columns"]);
    html! {
        form.filter method="get" action={(path) "#columns"} {
            (rest.hidden())
            label for="x" { "Across" } select #x name="x" { (options(x.as_ref())) }
            label for="y" { "Upwards" } select #y name="y" { (options(y.as_ref())) }
            button type="submit" { "Draw" }
            details #side-by-side {
                summary { "Columns side by side" }
                fieldset.choices {
                    legend { "What stands side by side" }
                    @for column in &drawable {
                        label { input type="checkbox" name="columns" value=(column.word()) checked[chosen.contains(column)]; " " (shortened(&column.word())) }
                    }
                }
            }
        }
    }
}

/// Returns the two columns that are drawn against each other: those chosen, or a param and a metric that differ.
fn axes(runs: &[(Run, RunData)], columns: &[Column], pairs: &Pairs) -> (Option<Column>, Option<Column>) {
    let drawable = drawable(runs, columns);
    let first = |wanted: fn(&Column) -> bool| drawable.iter().find(|column| wanted(column)).cloned();
    let chosen = |name: &str| pairs.get(name).and_then(Column::parse).filter(|column| drawable.contains(column));
    let metric = || first(|column| matches!(column, Column::Metric(_)));
    let x = chosen("x").or_else(|| first(|column| matches!(column, Column::Param(_)))).or_else(metric);
    (x, chosen("y").or_else(metric))
}

fn side_by_side(runs: &[(Run, RunData)], drawable: &[Column], pairs: &Pairs) -> Vec<Column> {
    let chosen: Vec<Column> =
        pairs.all("columns").filter_map(Column::parse).filter(|column| drawable.contains(column)).collect();
    if !chosen.is_empty() {
        return chosen.into_iter().take(SIDE_BY_SIDE_MOST).collect();
    }
    let differing = drawable.iter().filter(|column| differs(runs, column)).count();
    // Tags are remarks, often long ones: they stand there where somebody wants them.
    let some =
        drawable.iter().filter(|column| !matches!(column, Column::Tag(_)) && (differing < 2 || differs(runs, column)));
    let mut some: Vec<Column> = some.take(SIDE_BY_SIDE).cloned().collect();
    // Params to the left, metrics to the right: from what was given to what came of it.
    some.sort_by_key(|column| matches!(column, Column::Metric(_)));
    some
}

fn marks(runs: &[(Run, RunData)]) -> impl Iterator<Item = (usize, &(Run, RunData), String)> {
    runs.iter().enumerate().map(|(place, run)| (place, run, shortened(name_of(&run.0))))
}

fn coordinate(column: &Column, run: &Run, data: &RunData) -> Option<Coordinate> {
    match column.number(run, data) {
        Some(number) => Some(Coordinate::Number(number)),
        None => column.text(run, data).map(|text| Coordinate::Word(shortened(&text))),
    }
}

fn scatter(runs: &[(Run, RunData)], columns: &[Column], pairs: &Pairs) -> Markup {
    let (Some(x), Some(y)) = axes(runs, columns, pairs) else { return empty("There are no columns to draw.") };
    let points = marks(runs).filter_map(|(colour, (run, data), name)| {
        let (x, y) = (coordinate(&x, run, data)?, coordinate(&y, run, data)?);
        Some(Mark { name, path: links::tracking(&run.id), colour, values: vec![Some(x), Some(y)] })
    });
    Scatter { x: x.word(), y: y.word(), marks: points.collect() }.figure()
}

fn parallel(runs: &[(Run, RunData)], columns: &[Column], pairs: &Pairs) -> Markup {
    let chosen = side_by_side(runs, &drawable(runs, columns), pairs);
    if chosen.len() < 2 {
        return html! {};
    }
    let lines = marks(runs).map(|(colour, (run, data), name)| {
        let values = chosen.iter().map(|column| coordinate(column, run, data)).collect();
        Mark { name, path: links::tracking(&run.id), colour, values }
    });
    Parallel { columns: chosen.iter().map(Column::word).collect(), lines: lines.collect() }.figure()
}
