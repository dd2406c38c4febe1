//! `windlass why`: why a step ran, came from the cache, or waits.

use std::process::ExitCode;

use windlass_api::encode;
use windlass_control::Why;

use crate::{
    args::{Global, WhyArgs},
    connect::{connect, failure},
    failure::Failure,
    view::{self, took},
};

pub(crate) async fn run(global: &Global, args: WhyArgs) -> Result<ExitCode, Failure> {
    let (run, step) = args.target.split_once('/').ok_or_else(|| {
        Failure::user(format!("`{}` does not name a step", args.target))
            .hint("write RUN/STEP, such as train-3/features")
    })?;
    let path = format!("/api/v1/runs/{}/steps/{}/why", encode(run), encode(step));
    let why: Why = connect(global)?.get(&path).await.map_err(failure)?;
    view::show(global.output, &why, || print(&why));
    Ok(ExitCode::SUCCESS)
}

fn print(why: &Why) {
    let state = serde_json::to_value(why.state).ok().and_then(|value| value.as_str().map(str::to_owned));
    crate::view::out!("{}: {}, {}", why.title, state.unwrap_or_default(), why.reason);
    crate::view::out!("cause of the run: {}", why.cause);
    if let Some(other) = &why.compared_with {
        if why.differences.is_empty() {
            crate::view::out!("every part of its key is the same as in {other}:");
            for (name, value) in &why.key {
                crate::view::out!("  = {name}: {value}");
            }
        } else {
            crate::view::out!("compared with {other}, its key differs in:");
            for difference in &why.differences {
                crate::view::out!("  ~ {difference}");
            }
            crate::view::out!("and is the same in {} parts", why.key.len().saturating_sub(why.differences.len()));
        }
    } else if !why.key.is_empty() {
        crate::view::out!("nothing earlier to compare with; its key is made of:");
        for (name, value) in &why.key {
            crate::view::out!("  {name}: {value}");
        }
    }
    for attempt in &why.attempts {
        let usage = attempt.usage.map_or_else(String::new, |usage| {
            format!(
                ", {} CPU, {} memory at most",
                view::seconds(usage.cpu_micros as f64 / 1e6),
                view::bytes(usage.peak_memory)
            )
        });
        crate::view::out!(
            "attempt {}: {:?} {} {}{usage}",
            attempt.number,
            attempt.state,
            took(Some(attempt.started_at), attempt.ended_at),
            attempt.reason
        );
    }
}
