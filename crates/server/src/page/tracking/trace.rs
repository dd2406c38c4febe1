//! One trace as a waterfall of its spans, with the one that is chosen in full.

use std::collections::{BTreeMap, HashSet};

use axum::extract::Path;
use maud::{Markup, html};
use windlass_kinds::{
    Micros, TraceId,
    record::{Assessment, Span, Trace},
};

use super::{
    super::{
        chart::{Work, short, waterfall},
        component::{Tone, badge, empty, facts, instant, nothing, number, table},
        error::PageError,
        layout::{Page, Part, section_of_tracking},
        links,
        viewer::Viewer,
    },
    column::shortened,
    query::Pairs,
    run_about::{pairs as pair_table, pretty},
    traces::trace_badge,
};

/// How many spans are drawn.
const DRAWN: usize = 500;
/// How much of what a span says is shown, in characters.
const SAID: usize = 64 << 10;
/// The note by which a client says in which run a trace came about.
const RUN: &str = "mlflow.sourceRun";

pub(in super::super) async fn show(
    viewer: Viewer,
    Path((_, id)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Markup, PageError> {
    let (project, wanted) = (viewer.project.clone(), TraceId::new(id.clone()));
    let read = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let (project, id) = (project.clone(), wanted.clone());
            Box::pin(async move {
                let Some(trace) = tx.trace_get(&project, &id).await? else { return Ok(None) };
                let experiment = tx.experiment_get(&project, &trace.experiment).await?;
                Ok(Some((trace, experiment, tx.trace_spans(&project, &id).await?)))
            })
        })
        .await?;
    let (trace, experiment, spans) = read.ok_or_else(|| PageError::not_found(format!("trace {id}")))?;
    let path = viewer.links.trace(&id);
    let chosen = pairs.get("span").and_then(|wanted| spans.iter().find(|span| span.id == wanted)).or(spans.first());
    let body = html! {
        (section_of_tracking("about", "About", about(&trace)))
        (section_of_tracking("spans", "Spans", html! {
            @if spans.is_empty() { (empty("No span of it has come.")) } @else {
                (waterfall("Spans over time", &rows(&spans, chosen, &path, &pairs)))
                @if spans.len() > DRAWN { p.quiet { "The first " (DRAWN) " of " (spans.len()) " spans." } }
            }
        }))
        @if let Some(span) = chosen { (section_of_tracking("span", "The chosen span", in_full(span))) }
        @if !trace.assessments.is_empty() {
            (section_of_tracking("said", "What was said of it", said(&trace.assessments)))
        }
        (section_of_tracking("tags", "Tags", pair_table("Tags", &trace.tags)))
        (section_of_tracking("metadata", "Notes for good", pair_table("Notes", &trace.metadata)))
    };
    let experiment_name = experiment.map_or_else(|| trace.experiment.to_string(), |experiment| experiment.name);
    let title = trace.name.clone().unwrap_or(id);
    let page = Page::new(Part::Experiments, shortened(&title))
        .under("Experiments", viewer.links.experiments())
        .under(experiment_name, viewer.links.experiment(trace.experiment.as_str()))
        .under("Traces", viewer.links.traces(trace.experiment.as_str()))
        .beside(trace_badge(trace.state));
    Ok(page.show(&viewer, body))
}

fn about(trace: &Trace) -> Markup {
    let run = trace.metadata.iter().find(|(key, _)| key == RUN).map(|(_, run)| run);
    let maybe = |value: Option<String>| html! { @match value { Some(value) => { (value) } None => { (nothing()) } } };
    let said = |text: Option<&String>| html! { @match text { Some(text) => { span.long { (text) } } None => { (nothing()) } } };
    facts(vec![
        ("trace", html! { code { (trace.id) } }),
        ("began", instant(Micros::from_millis(trace.at_ms))),
        ("took", maybe(trace.took_ms.map(|took| short(took as f64 / 1000.0)))),
        (
            "run",
            html! { @match run { Some(run) => { a href=(links::tracking(&windlass_kinds::RunId::new(run.clone()))) { code { (run) } } } None => { (nothing()) } } },
        ),
        ("session", maybe(trace.session.clone())),
        ("tokens", maybe(trace.tokens.total.map(|total| total.to_string()))),
        ("cost", maybe(trace.cost.total.map(|total| format!("{} US dollars", number(total))))),
        ("asked", said(trace.request.as_ref())),
        ("answered", said(trace.response.as_ref())),
    ])
}

/// Puts spans in the order of a tree, each behind the one around it; those of a circle or without their parent stand at
/// the outside. Returns each with how deep it lies.
fn in_order(spans: &[Span]) -> Vec<(&Span, usize)> {
    let known: HashSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    let mut below: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    let mut waiting: Vec<(&Span, usize)> = Vec::new();
    for span in spans {
        match span.parent.as_deref().filter(|parent| known.contains(parent)) {
            Some(parent) => below.entry(parent).or_default().push(span),
            None => waiting.push((span, 0)),
        }
    }
    waiting.reverse();
    let mut order = Vec::with_capacity(spans.len());
    let mut placed: HashSet<&str> = HashSet::new();
    let mut rest = spans.iter();
    loop {
        while let Some((span, depth)) = waiting.pop() {
            if placed.insert(&span.id) {
                order.push((span, depth));
                waiting.extend(below.get(span.id.as_str()).into_iter().flatten().rev().map(|span| (*span, depth + 1)));
            }
        }
        // Whatever is left is in a circle: it begins with its first.
        match rest.find(|span| !placed.contains(span.id.as_str())) {
            Some(span) => waiting.push((span, 0)),
            None => return order,
        }
    }
}

fn rows(spans: &[Span], chosen: Option<&Span>, path: &str, pairs: &Pairs) -> Vec<Work> {
    let first = spans.iter().map(|span| span.start_ns).min().unwrap_or(0);
    let since = |at: i64, from: i64| (i128::from(at) - i128::from(from)) as f64 / 1e9;
    let work = |(span, depth): (&Span, usize)| Work {
        name: match &span.kind {
            Some(kind) if kind != "UNKNOWN" => format!("{} ({})", span.name, kind.to_lowercase()),
            Some(_) | None => span.name.clone(),
        },
        depth,
        path: format!("{}#span", pairs.with("span", Some(&span.id)).behind(path)),
        tone: tone(&span.status),
        from: since(span.start_ns, first),
        took: span.end_ns.map(|end| since(end, span.start_ns)),
        chosen: chosen.is_some_and(|chosen| chosen.id == span.id),
    };
    in_order(spans).into_iter().take(DRAWN).map(work).collect()
}

fn tone(status: &str) -> Tone {
    match status {
        "OK" => Tone::Good,
        "ERROR" => Tone::Bad,
        _ => Tone::Calm,
    }
}

/// Renders one span: what it was given, what it answered, everything else that was noted.
fn in_full(span: &Span) -> Markup {
    let content: serde_json::Value = serde_json::from_str(&span.content).unwrap_or_default();
    let attributes = content.get("attributes").and_then(serde_json::Value::as_object);
    let said = |key: &str| attributes.and_then(|all| all.get(key)).map(plain);
    let others = attributes
        .into_iter()
        .flatten()
        .filter(|(key, _)| !["mlflow.spanInputs", "mlflow.spanOutputs"].contains(&key.as_str()));
    let others: Vec<Vec<Markup>> =
        others.map(|(key, value)| vec![html! { (key) }, html! { span.long { (shortened(&plain(value))) } }]).collect();
    let events = content.get("events").filter(|events| events.as_array().is_some_and(|events| !events.is_empty()));
    html! {
        p #span {
            strong { bdi { (span.name) } } " " (badge(tone(&span.status), &span.status.to_lowercase())) " "
            code.quiet { (span.id) }
            @if let Some(model) = &span.model { " " span.quiet { "model " (model) } }
        }
        @for (title, key) in [("Inputs", "mlflow.spanInputs"), ("Outputs", "mlflow.spanOutputs")] {
            @if let Some(text) = said(key) { h3 { (title) } (block(title, &text)) }
        }
        @if let Some(events) = events { h3 { "Events" } (block("Events", &events.to_string())) }
        @if !others.is_empty() { (table("Attributes", &["attribute", "value"], others)) }
    }
}

/// Returns a value as its text: attributes are JSON within JSON.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn block(name: &str, text: &str) -> Markup {
    let pretty = pretty(text);
    let shown = match pretty.char_indices().nth(SAID) {
        Some((end, _)) => format!("{}…", &pretty[..end]),
        None => pretty,
    };
    html! { pre.log tabindex="0" role="region" aria-label=(name) { (shown) } }
}

fn said(assessments: &[Assessment]) -> Markup {
    let rows = assessments.iter().map(|said| {
        vec![
            html! { (said.name) @if !said.valid { " " (badge(Tone::Calm, "replaced")) } },
            html! { (said.kind.as_str()) },
            html! { (shortened(&said.value)) },
            html! { (said.source_type.to_lowercase()) @if let Some(source) = &said.source_id { " " (source) } },
            html! { @match &said.rationale { Some(reason) => { (reason) } None => { (nothing()) } } },
        ]
    });
    table("What was said of it", &["name", "kind", "value", "by", "because"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: &str, parent: Option<&str>) -> Span {
        Span {
            id: id.to_owned(),
            parent: parent.map(str::to_owned),
            name: id.to_owned(),
            kind: None,
            status: "OK".to_owned(),
            start_ns: 0,
            end_ns: None,
            tokens: Default::default(),
            cost: Default::default(),
            model: None,
            provider: None,
            content: r#"{"attributes": {"mlflow.spanInputs": "{\"q\": \"<b>\"}", "n": 3}, "events": []}"#.to_owned(),
        }
    }

    #[test]
    fn spans_stand_behind_the_one_around_them() {
        for (spans, expected) in [
            (vec![("r", None), ("b", Some("r")), ("a", Some("r")), ("c", Some("b"))], "r0 b1 c2 a1"),
            (vec![("x", Some("gone")), ("r", None)], "x0 r0"),
            (vec![("a", Some("b")), ("b", Some("a")), ("s", Some("s"))], "a0 b1 s0"),
            (vec![], ""),
        ] {
            let spans: Vec<Span> = spans.into_iter().map(|(id, parent)| span(id, parent)).collect();
            let shown: Vec<String> =
                in_order(&spans).into_iter().map(|(span, depth)| format!("{}{depth}", span.id)).collect();
            assert_eq!(shown.join(" "), expected);
        }
    }

    #[test]
    fn a_span_is_told_in_full() {
        let text = in_full(&span("s", None)).into_string();
        for piece in ["&quot;q&quot;: &quot;&lt;b&gt;&quot;", "<td>n</td>", "Inputs"] {
            assert!(text.contains(piece), "{piece} in {text}");
        }
        assert!(!text.contains("Outputs") && !text.contains("Events"));
        assert!(in_full(&Span { content: "no JSON".to_owned(), ..span("s", None) }).into_string().contains("<strong>"));
    }
}
