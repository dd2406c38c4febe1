//! The loop: how a project stands, drawn and told. The page people keep open.

use maud::{Markup, html};
use windlass_kinds::{
    Kind, Name,
    manifest::Spec,
    record::{EndpointState, Observation, TriggerState},
};

use super::{
    chart::sparkline,
    component::{Tone, badge, empty, instant, number},
    error::PageError,
    layout::{Page, Part, section},
    links::Links,
    loop_graph::{Facts, MonitorSeries, drawing, happened, lay_out, observation_tone, read, tell, verdict_badge},
    viewer::Viewer,
};

/// How many rows are told here; the lists have the rest.
const ROWS: usize = 40;

pub(super) async fn show(viewer: Viewer) -> Result<Markup, PageError> {
    let project = viewer.project.clone();
    let (facts, triggers) = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let project = project.clone();
            Box::pin(async move { Ok((read(tx, &project).await?, tx.trigger_states(&project).await?)) })
        })
        .await?;
    let busy = viewer.state.control.busy_reasons().await?;
    let title = viewer.project.to_string();
    let page = Page::new(Part::Loop, title).beside(if busy.is_empty() {
        badge(Tone::Good, "idle")
    } else {
        badge(Tone::Busy, "working")
    });
    Ok(page.show(&viewer, body(&facts, &triggers, &busy, &viewer.links)))
}

/// Renders the page's content.
pub(super) fn body(facts: &Facts, triggers: &[(Name, Name, TriggerState)], busy: &[String], links: &Links) -> Markup {
    let rows = happened(facts, links);
    html! {
        (section("now", "Now", now(facts, triggers, busy, links)))
        (section("loop", "The loop", drawing(&lay_out(facts, links))))
        (section("happened", "What happened", html! {
            @if rows.is_empty() {
                (empty("Nothing yet."))
            } @else {
                (tell(&rows[..rows.len().min(ROWS)]))
                @if rows.len() > ROWS { p { a href=(links.runs()) { "All runs" } " · " a href=(links.ledger()) { "The ledger" } } }
            }
        }))
        (section("objects", "Objects", objects(facts, links)))
    }
}

/// What serves, what watches, and what waits.
fn now(facts: &Facts, triggers: &[(Name, Name, TriggerState)], busy: &[String], links: &Links) -> Markup {
    let waits: Vec<(String, String, Tone)> = triggers.iter().filter_map(waiting).collect();
    html! {
        ul.cards {
            @for endpoint in facts.named(Kind::Endpoint) { li { (endpoint_card(facts, endpoint.name.as_str(), links)) } }
            @for monitor in facts.named(Kind::Monitor) {
                @if let Spec::Monitor(spec) = &monitor.manifest.spec {
                    @let windows: Vec<&Observation> = facts.observations.iter().filter(|seen| seen.monitor == monitor.name).collect();
                    @let series = MonitorSeries::all(facts, spec, &windows).into_iter().next();
                    li { (monitor_card(monitor.name.as_str(), windows.last().copied(), series.as_ref(), links)) }
                }
            }
            @for model in &facts.models { li { (model_card(facts, &model.name, links)) } }
            @for dataset in facts.named(Kind::Dataset) { li { (data_card(facts, dataset.name.as_str(), links)) } }
        }
        @if !busy.is_empty() || !waits.is_empty() {
            ul.reasons aria-label="What goes on and what waits" {
                @for reason in busy { li { (badge(Tone::Busy, "going on")) " " (reason) } }
                @for (path, text, tone) in waits.iter().map(|(pipeline, text, tone)| (links.pipeline(pipeline), text, *tone)) {
                    li { (badge(tone, if tone == Tone::Bad { "stopped" } else { "waits" })) " " a href=(path) { (text) } }
                }
            }
        }
    }
}

/// Returns pipeline and words of a trigger that waits, or whose breaker is open.
fn waiting((pipeline, trigger, state): &(Name, Name, TriggerState)) -> Option<(String, String, Tone)> {
    if let Some(open) = &state.open {
        return Some((pipeline.to_string(), format!("{pipeline}/{trigger}: {open}"), Tone::Bad));
    }
    let held = state.held.as_ref()?;
    let text = format!("{pipeline}/{trigger}: {} ({})", held.reason, held.facts.text);
    Some((pipeline.to_string(), text, Tone::Warn))
}

fn card(kind: &str, path: &str, name: &str, state: Markup, text: Markup) -> Markup {
    html! {
        article.card {
            h3 { span.quiet { (kind) " " } a href=(path) { (name) } }
            p.state { (state) }
            p { (text) }
        }
    }
}

fn endpoint_card(facts: &Facts, name: &str, links: &Links) -> Markup {
    let revisions = || facts.served.iter().rev().filter(|revision| revision.endpoint.as_str() == name);
    let ready = revisions().find(|revision| revision.state == EndpointState::Ready);
    let newest = revisions().next();
    let state = match (ready, newest.map(|newest| newest.state)) {
        (_, Some(EndpointState::Failed)) => badge(Tone::Bad, "newest failed"),
        (_, Some(EndpointState::Starting)) => badge(Tone::Busy, "starting"),
        (Some(_), Some(EndpointState::Ready | EndpointState::Retired)) => badge(Tone::Good, "serves"),
        (None, _) | (_, None) => badge(Tone::Calm, "nothing to serve yet"),
    };
    let text = html! {
        @if let Some(ready) = ready {
            a href=(links.version(&ready.model, ready.version)) { (ready.model) " version " (ready.version) }
            @if let Some(at) = ready.ready_at { " since " (instant(at)) }
        } @else if let Some(newest) = newest { (newest.reason) }
    };
    card("endpoint", &links.endpoint(name), name, state, text)
}

fn monitor_card(name: &str, last: Option<&Observation>, series: Option<&MonitorSeries>, links: &Links) -> Markup {
    let state = match last.map(observation_tone) {
        None => badge(Tone::Calm, "no window yet"),
        Some(tone @ Tone::Bad) => badge(tone, "crossed"),
        Some(tone @ Tone::Warn) => badge(tone, "warns"),
        Some(tone @ Tone::Good) => badge(tone, "within"),
        Some(tone @ (Tone::Calm | Tone::Busy)) => badge(tone, "unknown"),
    };
    let text = html! {
        @if let Some(series) = series {
            @let value = series.values.last().copied().flatten();
            @let bound = series.bounds.last().copied().flatten();
            span.value {
                (series.name) " " @if let Some(value) = value { (number(value)) } @else { "unknown" }
                @if let Some(bound) = bound { span.quiet { " / " (number(bound)) } }
            }
            (sparkline(&series.values, bound))
        }
    };
    card("monitor", &links.monitor(name), name, state, text)
}

fn model_card(facts: &Facts, name: &str, links: &Links) -> Markup {
    let model = facts.models.iter().find(|model| model.name == name);
    let aliases: Vec<(&String, &u32)> = model.iter().flat_map(|model| &model.aliases).collect();
    let newest = facts.versions.iter().rev().find(|version| version.model == name);
    let verdict = newest.and_then(|version| facts.verdict(name, version.version));
    let state = html! {
        @if aliases.is_empty() { (badge(Tone::Calm, "no alias")) }
        @for (alias, version) in &aliases { a href=(links.version(name, **version)) { (badge(Tone::Good, &format!("{alias} v{version}"))) } " " }
    };
    let text = html! {
        @if let Some(newest) = newest {
            "newest " a href=(links.version(name, newest.version)) { "version " (newest.version) }
            @if let Some(verdict) = verdict { " " (verdict_badge(verdict)) }
        } @else { "no version yet" }
    };
    card("model", &links.model(name), name, state, text)
}

fn data_card(facts: &Facts, name: &str, links: &Links) -> Markup {
    let newest = facts.data.iter().rev().find(|version| version.dataset.as_str() == name);
    let state = match newest {
        Some(version) => super::component::data_badge(version.state),
        None => badge(Tone::Calm, "nothing seen yet"),
    };
    let text = html! {
        @if let Some(version) = newest {
            a href=(links.dataset_version(name, version.number)) { "version " (version.number) }
            " of " (instant(version.created_at))
        }
    };
    card("dataset", &links.dataset(name), name, state, text)
}

fn objects(facts: &Facts, links: &Links) -> Markup {
    if facts.objects.is_empty() {
        return empty("No manifest was applied yet: `windlass apply -f FOLDER`.");
    }
    let rows = facts.objects.iter().map(|revision| {
        let name = revision.name.as_str();
        let shown = match links.object(revision.kind, name) {
            Some(path) => html! { a href=(path) { (name) } },
            None => html! { (name) },
        };
        vec![
            html! { (revision.kind) },
            shown,
            html! { (revision.number) },
            instant(revision.created_at),
            html! { (revision.actor) },
        ]
    });
    super::component::table("Objects", &["kind", "name", "revision", "applied", "by"], rows.collect())
}
