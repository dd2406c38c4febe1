//! What happened, in rows: the same facts as the drawing, told.

use maud::{Markup, html};
use windlass_kinds::{
    Micros,
    record::{DatasetVersion, EndpointState, Observation, PipelineRunState, Verdict, VerdictOutcome},
};

use super::{
    super::{
        component::{Tone, badge, data_badge, instant, number, plural, run_badge, took},
        links::Links,
    },
    facts::Facts,
    series::observation_tone,
};

/// One row: when, what, how it stands, and why.
pub(in super::super) struct Row {
    at: Micros,
    what: Markup,
    state: Markup,
    why: String,
}

/// Returns what happened, newest first.
pub(in super::super) fn happened(facts: &Facts, links: &Links) -> Vec<Row> {
    let link = |path: String, text: String| html! { a href=(path) { (text) } };
    let mut rows = Vec::new();
    for version in &facts.data {
        let path = links.dataset_version(version.dataset.as_str(), version.number);
        rows.push(Row {
            at: version.created_at,
            what: link(path, format!("dataset {} version {}", version.dataset, version.number)),
            state: data_badge(version.state),
            why: what_changed(version),
        });
    }
    for run in &facts.runs {
        let name = run.display_name();
        let time = took(run.started_at, run.ended_at);
        let ended = match run.state {
            PipelineRunState::Succeeded if time.is_empty() => String::new(),
            PipelineRunState::Succeeded => format!("; took {time}"),
            PipelineRunState::Failed | PipelineRunState::Cancelled => format!("; {}", run.reason),
            PipelineRunState::Pending | PipelineRunState::Running => format!("; {}", run.reason),
        };
        rows.push(Row {
            at: run.created_at,
            what: link(links.run(&name), format!("run {name}")),
            state: run_badge(run.state),
            why: format!("because of {}{}", run.cause.text, ended.trim_end_matches("; ")),
        });
    }
    for verdict in &facts.verdicts {
        rows.push(Row {
            at: verdict.judged_at,
            what: link(
                links.version(&verdict.model, verdict.version),
                format!("model {} version {}", verdict.model, verdict.version),
            ),
            state: verdict_badge(verdict),
            why: verdict_line(verdict),
        });
    }
    for revision in &facts.served {
        let (at, state) = match revision.state {
            EndpointState::Starting => (revision.created_at, badge(Tone::Busy, "starting")),
            EndpointState::Ready => (revision.ready_at.unwrap_or(revision.created_at), badge(Tone::Good, "serves")),
            EndpointState::Failed => (revision.created_at, badge(Tone::Bad, "failed")),
            EndpointState::Retired => (revision.ready_at.unwrap_or(revision.created_at), badge(Tone::Calm, "served")),
        };
        rows.push(Row {
            at,
            what: link(links.endpoint(revision.endpoint.as_str()), format!("endpoint {}", revision.endpoint)),
            state,
            why: format!("{} version {}{}", revision.model, revision.version, reason(&revision.reason)),
        });
    }
    for seen in &facts.observations {
        let tone = observation_tone(seen);
        let word = match tone {
            Tone::Bad => "crossed",
            Tone::Warn => "warned",
            Tone::Calm | Tone::Busy => "unknown",
            Tone::Good => "within",
        };
        rows.push(Row {
            at: seen.observed_at,
            what: link(links.monitor(seen.monitor.as_str()), format!("monitor {}", seen.monitor)),
            state: badge(tone, word),
            why: observed(seen),
        });
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.at));
    rows
}

fn reason(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// Renders rows as a list.
pub(in super::super) fn tell(rows: &[Row]) -> Markup {
    html! {
        ol.story reversed {
            @for Row { at, what, state, why } in rows {
                li { (instant(*at)) span.what { (what) } span.state { (state) } span.why { (why) } }
            }
        }
    }
}

/// Says in one line what a dataset version changed.
pub(in super::super) fn what_changed(version: &DatasetVersion) -> String {
    let mut parts: Vec<String> = version.failures.iter().take(2).map(ToString::to_string).collect();
    if let Some(more) = version.failures.len().checked_sub(2).filter(|more| *more > 0) {
        parts.push(format!("and {}", plural(more, "more failure")));
    }
    for (word, paths) in [("added", &version.added), ("changed", &version.changed), ("removed", &version.removed)] {
        match paths.as_slice() {
            [] => {}
            [one] => parts.push(format!("{word} {one}")),
            many => parts.push(format!("{word} {}", plural(many.len(), "file"))),
        }
    }
    match version.omitted.as_slice() {
        [] => {}
        [one] => parts.push(format!("leaves out {} (rejected in version {})", one.path, one.rejected_in)),
        many => parts.push(format!("leaves out {}", plural(many.len(), "rejected file"))),
    }
    parts.join("; ")
}

/// A verdict in one word.
pub(in super::super) fn verdict_badge(verdict: &Verdict) -> Markup {
    match &verdict.outcome {
        VerdictOutcome::Promoted { .. } => badge(Tone::Good, &format!("promoted to {}", verdict.alias)),
        VerdictOutcome::Passed => badge(Tone::Calm, "passed"),
        VerdictOutcome::Refused => badge(Tone::Bad, "refused"),
    }
}

/// Says what decided: of a refusal the rules that did not hold, else all.
fn verdict_line(verdict: &Verdict) -> String {
    let decided = verdict.rules.iter().filter(|rule| verdict.passed || !rule.passed);
    let rules: Vec<String> = decided.map(|rule| format!("{}: {}", rule.name, rule.text)).collect();
    match &verdict.outcome {
        VerdictOutcome::Promoted { from: Some(from) } => format!("took over from version {from}; {}", rules.join("; ")),
        VerdictOutcome::Promoted { from: None } | VerdictOutcome::Passed | VerdictOutcome::Refused => rules.join("; "),
    }
}

/// Says what a window showed: what was crossed, else the values.
fn observed(seen: &Observation) -> String {
    let crossed: Vec<&str> = seen.breaches.iter().map(|breach| breach.text.as_str()).collect();
    let told = if !crossed.is_empty() {
        crossed.join("; ")
    } else {
        let values = seen.values.iter().filter_map(|(name, value)| Some(format!("{name} {}", number((*value)?))));
        let values: Vec<String> = values.take(4).collect();
        if values.is_empty() { seen.unknown.join("; ") } else { values.join(", ") }
    };
    let by = seen.version.map_or_else(String::new, |version| format!(", version {version}"));
    format!("{}{by}, {}: {told}", seen.window, plural(usize::try_from(seen.rows).unwrap_or(usize::MAX), "row"))
}
