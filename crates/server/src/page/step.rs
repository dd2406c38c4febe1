//! One step of a run: why it ran, its attempts, its log.

use axum::extract::Path;
use maud::{Markup, html};
use windlass_control::{Control, Why};
use windlass_kinds::{
    AttemptId,
    record::{Attempt, AttemptState},
};

use super::{
    component::{Tone, badge, bytes, empty, facts, instant, nothing, seconds, step_badge, table, took},
    error::PageError,
    layout::{Page, Part, section},
    links,
    live::LogPlace,
    viewer::Viewer,
};

/// How much of a log's end a page holds, in bytes.
const TAIL: u64 = 128 << 10;
/// How much is read at once, in bytes.
const PIECE: usize = 64 << 10;

pub(super) async fn show(
    viewer: Viewer,
    Path((_, run, step)): Path<(String, String, String)>,
) -> Result<Markup, PageError> {
    let control = &viewer.state.control;
    let run = control.find_run(&viewer.project, &run).await?;
    let step = control.find_step(&run, &step).await?;
    let why = control.why(&run, &step).await?;
    let (run_name, name) = (run.display_name(), step.display_name());
    let path = viewer.links.step(&run_name, &name);
    let log = match &step.attempt {
        Some(attempt) => log(control, attempt, &path, !step.state.is_final()).await,
        None => empty("No attempt began yet."),
    };
    let body = html! {
        (section("why", "Why", reasons(&why)))
        (section("attempts", "Attempts", attempts(&why.attempts)))
        section aria-labelledby="log-title" { h2 #log-title { "Log" } (log) }
    };
    let page = Page::new(Part::Runs, name)
        .under("Runs", viewer.links.runs())
        .under(run_name.as_str(), viewer.links.run(&run_name))
        .beside(step_badge(step.state));
    Ok(page.show(&viewer, body))
}

fn reasons(why: &Why) -> Markup {
    let Why { title: _, state: _, reason, cause, key, compared_with, differences, attempts: _ } = why;
    let differs = |part: &str| differences.iter().find(|difference| difference.part == part);
    let rows = key.iter().map(|(part, value)| {
        let before = match differs(part) {
            Some(difference) => {
                html! { (badge(Tone::Warn, "other")) " " (difference.other.as_deref().unwrap_or("not there")) }
            }
            None => html! {},
        };
        vec![html! { (part) }, html! { code { (value) } }, before]
    });
    html! {
        (facts(vec![
            ("stands", html! { @if reason.is_empty() { (nothing()) } @else { (reason) } }),
            ("the run, because of", html! { (cause) }),
            ("compared with", html! { @match compared_with { Some(other) => { (other) } None => { (nothing()) } } }),
        ]))
        @if !key.is_empty() {
            details #key {
                summary { "What its result depends on" }
                (table("Parts of the cache key", &["part", "value", "in the one compared with"], rows.collect()))
            }
        }
    }
}

fn attempts(attempts: &[Attempt]) -> Markup {
    if attempts.is_empty() {
        return empty("None.");
    }
    let rows = attempts.iter().map(|attempt| {
        let (tone, word) = match attempt.state {
            AttemptState::Running => (Tone::Busy, "running"),
            AttemptState::Succeeded => (Tone::Good, "succeeded"),
            AttemptState::Failed => (Tone::Bad, "failed"),
            AttemptState::Lost => (Tone::Calm, "lost"),
            AttemptState::Interrupted => (Tone::Calm, "interrupted"),
            AttemptState::Cancelled => (Tone::Calm, "cancelled"),
        };
        let (cpu, memory) = attempt
            .usage
            .as_ref()
            .map_or_else(Default::default, |usage| (seconds(usage.cpu_micros as f64 / 1e6), bytes(usage.peak_memory)));
        vec![
            html! { (attempt.number) },
            badge(tone, word),
            instant(attempt.started_at),
            html! { (took(Some(attempt.started_at), attempt.ended_at)) },
            html! { (cpu) },
            html! { (memory) },
            html! { a href=(links::tracking(&attempt.tracking_run)) { "metrics" } },
            html! { (attempt.reason) },
        ]
    });
    let columns = ["attempt", "state", "began", "took", "processor time", "peak memory", "tracking", "reason"];
    table("Attempts", &columns, rows.collect())
}

/// Renders the end of the newest attempt's log; the script goes on from there where more may come.
async fn log(control: &Control, attempt: &AttemptId, path: &str, may_grow: bool) -> Markup {
    let Ok((text, next, is_cut)) = read_tail(control, attempt).await else {
        return empty("The log is not there any more.");
    };
    let place = LogPlace { attempt: attempt.clone(), offset: next };
    let source = format!("{path}/log?from={}", windlass_api::encode(&place.to_string()));
    html! {
        @if is_cut { p.quiet { "The end; " code { "windlass logs" } " has all of it." } }
        @if text.is_empty() && !may_grow { (empty("It wrote nothing.")) } @else {
            pre.log data-log=(source) data-follow=[may_grow.then_some("yes")] tabindex="0" role="region" aria-label="Log" { (text) }
        }
    }
}

/// Returns a log's end, where it ends, and whether something was left out before.
async fn read_tail(control: &Control, attempt: &AttemptId) -> std::io::Result<(String, u64, bool)> {
    // Beyond the end there is nothing but the news of where that is.
    let end = control.executor().log(attempt, u64::from(u32::MAX) << 20, 4).await?.next;
    let start = end.saturating_sub(TAIL);
    let (mut text, mut offset) = (String::new(), start);
    while text.len() < 2 * TAIL as usize {
        let chunk = control.executor().log(attempt, offset, PIECE).await?;
        if chunk.text.is_empty() {
            break;
        }
        text.push_str(&chunk.text);
        offset = chunk.next;
    }
    if start > 0 {
        // From the middle of a line nobody reads on.
        text = text.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned());
    }
    Ok((text, offset, start > 0))
}
