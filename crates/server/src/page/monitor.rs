//! One monitor: its series against their thresholds, its windows, and what each crossing started.

use axum::extract::Path;
use maud::{Markup, html};
use windlass_kinds::{
    Kind,
    manifest::{MonitorSpec, Spec, TriggerSource, Watch, WindowSpec},
    record::{Observation, PipelineRun},
};

use super::{
    chart::{Bound, Line, Point},
    component::{Tone, badge, count, empty, facts, instant, number, table},
    error::PageError,
    layout::{Page, Part, section},
    links::Links,
    loop_graph::{Facts, MonitorSeries, observation_tone, read},
    viewer::Viewer,
};

pub(super) async fn show(viewer: Viewer, Path((_, name)): Path<(String, String)>) -> Result<Markup, PageError> {
    let project = viewer.project.clone();
    let facts = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let project = project.clone();
            Box::pin(async move { read(tx, &project).await })
        })
        .await?;
    let Some(Spec::Monitor(spec)) = facts.spec(Kind::Monitor, &name) else {
        return Err(PageError::not_found(format!("monitor {name}")));
    };
    let windows: Vec<&Observation> = facts.observations.iter().filter(|seen| seen.monitor.as_str() == name).collect();
    let links = &viewer.links;
    let aside = match windows.last().map(|last| observation_tone(last)) {
        None => badge(Tone::Calm, "no window yet"),
        Some(tone @ Tone::Bad) => badge(tone, "crossed"),
        Some(tone @ Tone::Warn) => badge(tone, "warns"),
        Some(tone @ Tone::Good) => badge(tone, "within"),
        Some(tone @ (Tone::Calm | Tone::Busy)) => badge(tone, "unknown"),
    };
    let body = body(&facts, &name, spec, &windows, links);
    Ok(Page::new(Part::Loop, name.as_str()).under("The loop", links.home()).beside(aside).show(&viewer, body))
}

/// Renders the page's content.
pub(super) fn body(facts: &Facts, name: &str, spec: &MonitorSpec, windows: &[&Observation], links: &Links) -> Markup {
    let started = started(facts, name, windows);
    html! {
        @if !spec.description.is_empty() { p.lead { (spec.description) } }
        (section("about", "About", about(spec, links)))
        (section("series", "Over its windows", html! {
            @if windows.is_empty() { (empty("No window is full yet.")) } @else {
                @for (place, series) in MonitorSeries::all(facts, spec, windows).into_iter().enumerate() {
                    (chart(series, windows, &started, links).figure(&format!("numbers-{place}")))
                }
            }
        }))
        (section("windows", "Windows, newest first", table_of(windows, &started, links)))
    }
}

fn about(spec: &MonitorSpec, links: &Links) -> Markup {
    let MonitorSpec { description: _, endpoint, watch, window, min_rows, thresholds } = spec;
    let watched = match watch {
        Watch::Quality { measures } => {
            let measures: Vec<String> = measures.iter().map(ToString::to_string).collect();
            format!("{} against labels", measures.join(", "))
        }
        Watch::Drift { measure, columns } if columns.is_empty() => format!("{measure} of every input"),
        Watch::Drift { measure, columns } => format!("{measure} of {}", columns.join(", ")),
        Watch::Prometheus { query } => format!("what Prometheus answers to {query}"),
    };
    let window = match window {
        WindowSpec::Version(dataset) => {
            html! { "one for each accepted version of " a href=(links.dataset(dataset.as_str())) { (dataset) } }
        }
        WindowSpec::Rows(rows) => html! { (count(*rows)) " rows" },
        WindowSpec::Time { column, every } => html! { (every) " of " code { (column) } },
        WindowSpec::Every(every) => html! { "asked every " (every) },
    };
    let bounds = html! {
        @if thresholds.is_empty() { "none" }
        ul.plain {
            @for threshold in thresholds {
                li {
                    @if threshold.absolute { "|" (threshold.measure) "|" } @else { (threshold.measure) }
                    @if let Some(above) = threshold.above { " above " (above) }
                    @if let Some(below) = threshold.below { " below " (below) }
                    @if threshold.of_test { " × the version's own test score" }
                    @if threshold.n > 1 { ", in " (threshold.k) " of " (threshold.n) " windows" }
                    @if threshold.warn { " " (badge(Tone::Warn, "only shown")) }
                }
            }
        }
    };
    facts(vec![
        ("watches", html! { a href=(links.endpoint(endpoint.as_str())) { (endpoint) } }),
        ("measures", html! { (watched) }),
        ("a window", window),
        ("unknown below", html! { (count(*min_rows)) " rows" }),
        ("thresholds", bounds),
    ])
}

/// Returns for each window the run that its crossing started, if one did.
fn started<'a>(facts: &'a Facts, name: &str, windows: &[&Observation]) -> Vec<Option<&'a PipelineRun>> {
    let mut started: Vec<Option<&PipelineRun>> = vec![None; windows.len()];
    for run in &facts.runs {
        let Some(Spec::Pipeline(spec)) = facts.spec(Kind::Pipeline, run.pipeline.as_str()) else { continue };
        let trigger = spec.triggers.iter().find(|trigger| Some(&trigger.name) == run.cause.trigger.as_ref());
        let by_us = matches!(trigger.map(|trigger| &trigger.source), Some(TriggerSource::Monitor(monitor)) if monitor.as_str() == name);
        if !by_us {
            continue;
        }
        let window = windows.iter().rposition(|window| {
            window.observed_at <= run.created_at && window.breaches.iter().any(|breach| !breach.warn)
        });
        if let Some(window) = window {
            started[window] = Some(run);
        }
    }
    started
}

fn chart(series: MonitorSeries, windows: &[&Observation], started: &[Option<&PipelineRun>], links: &Links) -> Line {
    let MonitorSeries { measure, name, values, bounds, bound_name, warns } = series;
    let points = windows.iter().zip(values).zip(started).map(|((window, value), run)| {
        let crossed: Vec<&str> = window
            .breaches
            .iter()
            .filter(|breach| breach.measure == measure || breach.measure.starts_with(&format!("{measure}:")))
            .map(|breach| breach.text.as_str())
            .collect();
        let tone = match (crossed.is_empty(), warns) {
            (true, _) => None,
            (false, true) => Some(Tone::Warn),
            (false, false) => Some(Tone::Bad),
        };
        let told = value.map_or_else(|| "unknown".to_owned(), number);
        let mut note = format!("{}: {name} {told}", window.window);
        if !crossed.is_empty() {
            note = format!("{note}; {}", crossed.join("; "));
        }
        if let Some(run) = run.filter(|_| tone == Some(Tone::Bad)) {
            note = format!("{note}; started {}", run.display_name());
        }
        Point {
            name: window.sequence.to_string(),
            value,
            note,
            path: run.filter(|_| tone == Some(Tone::Bad)).map(|run| links.run(&run.display_name())),
            tone,
        }
    });
    let bound = Bound { name: bound_name.clone(), values: bounds, tone: if warns { Tone::Warn } else { Tone::Bad } };
    let bounds = if bound_name.is_empty() { Vec::new() } else { vec![bound] };
    let points = points.collect();
    Line { name, axis: "window", points, bounds }
}

fn table_of(windows: &[&Observation], started: &[Option<&PipelineRun>], links: &Links) -> Markup {
    let rows = windows.iter().zip(started).rev().map(|(window, run)| {
        let values = window
            .values
            .iter()
            .map(|(name, value)| format!("{name} {}", value.map_or_else(|| "unknown".to_owned(), number)));
        let crossed: Vec<&str> = window.breaches.iter().map(|breach| breach.text.as_str()).collect();
        let tone = observation_tone(window);
        let word = match tone {
            Tone::Bad => "crossed",
            Tone::Warn => "warned",
            Tone::Good => "within",
            Tone::Calm | Tone::Busy => "unknown",
        };
        vec![
            html! { (window.sequence) },
            html! { (window.window) },
            instant(window.observed_at),
            html! { @match window.version { Some(version) => { "version " (version) } None => {} } },
            html! { (count(window.rows)) },
            badge(tone, word),
            html! { (values.collect::<Vec<_>>().join(", ")) },
            html! { (crossed.join("; ")) (window.unknown.join("; ")) },
            html! { @if let Some(run) = run { a href=(links.run(&run.display_name())) { (run.display_name()) } } },
        ]
    });
    let columns = ["", "window", "seen", "served by", "rows", "", "values", "what was crossed or unknown", "started"];
    table("Windows", &columns, rows.collect())
}
