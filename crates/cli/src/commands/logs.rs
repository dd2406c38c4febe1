//! `windlass logs`: the log of a step, or of all steps of a run.

use std::{io::Write, process::ExitCode, time::Duration};

use windlass_api::{Client, LogAnswer, RunDetail, encode};
use windlass_kinds::record::StepRun;

use crate::{
    args::{Global, LogsArgs},
    connect::{connect, failure},
    failure::Failure,
};

pub(crate) async fn run(global: &Global, args: LogsArgs) -> Result<ExitCode, Failure> {
    let LogsArgs { target, follow, attempt } = args;
    let client = connect(global)?;
    match target.split_once('/') {
        Some((run, step)) => print_step(&client, run, step, follow, attempt, "").await?,
        None if follow => follow_run(&client, &target).await?,
        None => {
            let detail: RunDetail = client.get(&format!("/api/v1/runs/{}", encode(&target))).await.map_err(failure)?;
            for step in &detail.steps {
                print_step(&client, &target, &step.display_name(), false, attempt, &prefix(step)).await?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn prefix(step: &StepRun) -> String {
    format!("{} | ", step.display_name())
}

/// Follows the steps of a run in the order they come, until the run is over.
async fn follow_run(client: &Client, run: &str) -> Result<(), Failure> {
    let mut printed: Vec<String> = Vec::new();
    loop {
        let detail: RunDetail = client.get(&format!("/api/v1/runs/{}", encode(run))).await.map_err(failure)?;
        let next = detail.steps.iter().find(|step| step.attempts > 0 && !printed.contains(&step.display_name()));
        match next {
            Some(step) => {
                let name = step.display_name();
                print_step(client, run, &name, true, None, &prefix(step)).await?;
                printed.push(name);
            }
            None if detail.run.state.is_final() => return Ok(()),
            None => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
}

async fn print_step(
    client: &Client,
    run: &str,
    step: &str,
    follow: bool,
    attempt: Option<u32>,
    prefix: &str,
) -> Result<(), Failure> {
    let mut offset = 0;
    let mut current = 0;
    let (run, step) = (encode(run), encode(step));
    let attempt = attempt.map_or_else(String::new, |attempt| format!("&attempt={attempt}"));
    loop {
        let path = format!("/api/v1/runs/{run}/steps/{step}/log?offset={offset}{attempt}");
        let answer: LogAnswer = client.get(&path).await.map_err(failure)?;
        if answer.attempt != current {
            // A new attempt begins its own log.
            if current != 0 {
                eprintln!("(attempt {})", answer.attempt);
                if offset != 0 {
                    (offset, current) = (0, answer.attempt);
                    continue;
                }
            }
            current = answer.attempt;
        }
        print_text(&answer.text, prefix);
        let more = !answer.text.is_empty();
        offset = answer.next;
        if !more && (answer.complete || !follow) {
            return Ok(());
        }
        if !more {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn print_text(text: &str, prefix: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that is gone (`| head`) is no failure of ours.
    let _ = if prefix.is_empty() {
        out.write_all(text.as_bytes())
    } else {
        text.lines().try_for_each(|line| writeln!(out, "{prefix}{line}"))
    };
    let _ = out.flush();
}
