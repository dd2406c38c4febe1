//! What tracking costs the server, beside `mlflow server` with SQLite: the same calls to both, in one run.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Bench, Line, Peer, Serving, answers, proc};
use crate::{setup, shell};

/// How many runs there are to search.
const RUNS: u32 = 1000;

/// What is promised: how many times less processor a call takes than the peer's.
const PROMISED: [(&str, f64); 4] = [
    ("log_metric", 100.0),
    ("log_batch of 1,000 metrics", 100.0),
    ("search of 1,000 runs", 50.0),
    ("history of 3,300 points", 50.0),
];

/// Makes the same calls to both servers.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let python = setup::environment().join("bin/python");
    ensure!(python.exists(), "there is no {}; cargo xtask test set-up", python.display());
    let folder = bench.fresh("tracking")?;
    let data = folder.join(".windlass");
    let serving = Serving::start(bench.up(&folder)?, &data)?;
    let token = fs::read_to_string(data.join("token"))?;
    let own = costs(&python, &serving, Some(token.trim()))?;
    let memory = proc::resident(serving.child.id())?;
    drop(serving);
    let peer = costs(&python, &mlflow(&python, &bench.fresh("mlflow")?)?.0, None)?;
    println!("{:<30} {:>24} {:>30} {:>8}", "", "cpu here (p50, p99) ms", "mlflow server", "less by");
    let calls = own.as_object().context("no measurements")?;
    let mut lines = vec![Line::below("memory after all of it", memory, 80.0, "MB")];
    for (name, here) in calls {
        let number = |of: &Value, what: &str| of[what].as_f64().unwrap_or(f64::NAN);
        let shown =
            |of: &Value| format!("{:.3} ({:.1}, {:.1})", number(of, "cpu"), number(of, "p50"), number(of, "p99"));
        let ratio = number(&peer[name], "cpu") / number(here, "cpu");
        println!("{name:<30} {:>24} {:>30} {ratio:>6.0} x", shown(here), shown(&peer[name]));
        if let Some((_, promised)) = PROMISED.iter().find(|(known, _)| known == name) {
            lines.push(Line::times(&format!("less processor for {name}"), ratio, *promised));
        }
    }
    Ok(lines)
}

/// Returns what the calls cost a server, by their names.
fn costs(python: &Path, serving: &Serving, token: Option<&str>) -> Result<Value> {
    let mut command = Command::new(python);
    command.arg(shell::root().join("tests/bench/tracking.py"));
    command.args([serving.child.id().to_string(), RUNS.to_string()]);
    command.env("MLFLOW_TRACKING_URI", format!("http://{}", serving.address));
    if let Some(token) = token {
        command.env("MLFLOW_TRACKING_TOKEN", token);
    }
    serde_json::from_str(&shell::read(&mut command)?).context("the measurements are no JSON")
}

fn mlflow(python: &Path, folder: &Path) -> Result<Peer> {
    let address = "127.0.0.1:7071".to_owned();
    let log = fs::File::create(folder.join("server.log"))?;
    let mut command = Command::new(python);
    command.args(["-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", "7071"]);
    command.args(["--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "artifacts"]);
    command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.process_group(0);
    let mut peer = Peer(Serving { child: command.spawn()?, address });
    let begun = Instant::now();
    while !answers(&peer.0.address) {
        ensure!(peer.0.child.try_wait()?.is_none(), "mlflow server ended; see {}/server.log", folder.display());
        ensure!(begun.elapsed() < Duration::from_secs(120), "mlflow server does not answer");
        shell::pause(Duration::from_millis(100));
    }
    Ok(peer)
}
