//! What a step costs beyond its own process, beside Prefect with a task that starts the same process.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::{Bench, Line, proc};
use crate::shell;

const STEPS: usize = 1000;
const PREFECT: &str = "prefect==3.9.1";
const PREFECT_TASKS: usize = 200;

/// Runs many steps that do nothing, and as many tasks of the peer as are enough to tell.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let bare = time_of(|| (0..STEPS).try_for_each(|_| shell::show(&mut Command::new("true"))))?;
    let (own, memory) = windlass(bench)?;
    let overhead = milliseconds(own.saturating_sub(bare)) / STEPS as f64;
    let peer = prefect(bench)?;
    let peer_overhead = milliseconds(peer) / PREFECT_TASKS as f64 - milliseconds(bare) / STEPS as f64;
    Ok(vec![
        Line::below("processor per step beyond the process", overhead, 5.0, "ms"),
        Line::times(&format!("less than Prefect ({peer_overhead:.1} ms)"), peer_overhead / overhead, 10.0),
        Line::below("memory at the end over that at a tenth", memory, 1.3, "x"),
    ])
}

/// Returns the processor time of one run of many steps, and the memory at its end over that after a tenth.
fn windlass(bench: &Bench) -> Result<(Duration, f64)> {
    let folder = bench.fresh("steps")?;
    // Never cached, since all of them do the same.
    let values: Vec<String> = (0..STEPS).map(|value| value.to_string()).collect();
    let manifest = format!(
        "apiVersion: windlass.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: many}}\nspec:\n  triggers:\n    \
         - schedule: {{when: idle, times: 1}}\n  steps:\n    - name: nothing\n      command: [\"true\"]\n      \
         cache: false\n      foreach: {{value: [{}]}}\n",
        values.join(", ")
    );
    fs::create_dir(folder.join("manifests"))?;
    fs::write(folder.join("manifests/many.yaml"), manifest)?;
    let before = proc::ended_children()?;
    let mut command = bench.up(&folder)?;
    let mut child = command.args(["manifests", "--until-idle"]).spawn().context("failed to start")?;
    let begun = Instant::now();
    let mut sizes = Vec::new();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        ensure!(begun.elapsed() < Duration::from_secs(600), "{STEPS} steps did not end within ten minutes");
        sizes.extend(proc::resident(child.id()));
        shell::pause(Duration::from_millis(100));
    };
    ensure!(status.success(), "the run ended with {status}; see {}", folder.join("up.log").display());
    println!("{STEPS} steps took {:.1} s on the wall", begun.elapsed().as_secs_f64());
    let early = sizes.get(sizes.len() / 10).copied().unwrap_or(1.0);
    let late = sizes.iter().rev().take(5).copied().fold(0.0, f64::max);
    Ok((proc::ended_children()?.saturating_sub(before), late / early))
}

fn prefect(bench: &Bench) -> Result<Duration> {
    let python = bench.python("bench-prefect", &[PREFECT])?;
    let folder = bench.fresh("prefect")?;
    let script = shell::root().join("tests/bench/prefect_steps.py");
    let flow = |tasks: usize| {
        let mut command = Command::new(&python);
        command.arg(&script).arg(tasks.to_string()).current_dir(&folder).env("PREFECT_HOME", &folder);
        command.env("PREFECT_LOGGING_LEVEL", "ERROR").env("DO_NOT_TRACK", "1");
        time_of(|| shell::read(&mut command).map(drop))
    };
    // Import and start of its server are not what a task costs.
    let few = flow(1)?;
    Ok(flow(PREFECT_TASKS + 1)?.saturating_sub(few))
}

/// Returns the processor time of what a function starts and waits for.
fn time_of(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let before = proc::ended_children()?;
    work()?;
    Ok(proc::ended_children()?.saturating_sub(before))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
