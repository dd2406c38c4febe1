//! What a step costs beyond its own process, beside Prefect with a task that starts the same process.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Bench, Line, Serving, answers_at, proc};
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
    // Some file systems look at every file that was removed lately before they make another: what an earlier
    // measurement left goes after this one.
    let (last, aside) = (bench.folder.join("steps"), bench.folder.join("steps-before"));
    if last.exists() && !aside.exists() {
        fs::rename(&last, &aside)?;
    }
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
    let spent = proc::ended_children()?.saturating_sub(before);
    if aside.exists() {
        fs::remove_dir_all(aside)?;
    }
    let early = sizes.get(sizes.len() / 10).copied().unwrap_or(1.0);
    let late = sizes.iter().rev().take(5).copied().fold(0.0, f64::max);
    Ok((spent, late / early))
}

/// Returns the processor time of the peer's tasks: of the program that runs them, and of a server of its own that keeps
/// their states, until it has nothing more to do.
fn prefect(bench: &Bench) -> Result<Duration> {
    let python = bench.python("bench-prefect", &[PREFECT])?;
    let folder = bench.fresh("prefect")?;
    let server = prefect_server(&python, &folder)?;
    let id = server.child.id();
    let flow = |tasks: usize| -> Result<Duration> {
        let before = proc::tree_time(id)?;
        let mut command = prefect_command(&python, &folder);
        command.arg(shell::root().join("tests/bench/prefect_steps.py")).arg(tasks.to_string());
        command.env("PREFECT_API_URL", format!("http://{}/api", server.address));
        let own = time_of(|| shell::read(&mut command).map(drop))?;
        Ok(own + until_quiet(id)?.saturating_sub(before))
    };
    // Imports, the first flow's rows and the like are not what a task costs.
    flow(1)?;
    let few = flow(1)?;
    Ok(flow(PREFECT_TASKS + 1)?.saturating_sub(few))
}

fn prefect_command(python: &Path, folder: &Path) -> Command {
    let mut command = Command::new(python);
    command.current_dir(folder).env("PREFECT_HOME", folder).env("PREFECT_LOGGING_LEVEL", "ERROR");
    command.env("DO_NOT_TRACK", "1").env("PREFECT_SERVER_ANALYTICS_ENABLED", "false");
    command
}

fn prefect_server(python: &Path, folder: &Path) -> Result<Serving> {
    let address = "127.0.0.1:7072".to_owned();
    let log = fs::File::create(folder.join("server.log"))?;
    let mut command = prefect_command(python, folder);
    command.args(["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", "7072"]);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut serving = Serving { child: command.spawn()?, address };
    let begun = Instant::now();
    while !answers_at(&serving.address, "/api/health") {
        ensure!(serving.child.try_wait()?.is_none(), "the peer ended; see {}/server.log", folder.display());
        ensure!(begun.elapsed() < Duration::from_secs(120), "the peer does not answer");
        shell::pause(Duration::from_millis(100));
    }
    Ok(serving)
}

/// Returns the processor time of a server and what it started, once it takes less than a fifth of a processor.
fn until_quiet(id: u32) -> Result<Duration> {
    let mut last = proc::tree_time(id)?;
    for _ in 0..120 {
        shell::pause(Duration::from_secs(1));
        let now = proc::tree_time(id)?;
        if now.saturating_sub(last) < Duration::from_millis(200) {
            return Ok(now);
        }
        last = now;
    }
    bail!("the peer did not come to rest within two minutes")
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
