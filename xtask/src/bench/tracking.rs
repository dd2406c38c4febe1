//! What a metric costs the server, beside `mlflow server` with SQLite, by the same client.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{Bench, Line, Peer, Serving, answers, proc};
use crate::{setup, shell};

const CALLS: u32 = 2000;
const PEER_CALLS: u32 = 500;

/// Logs metrics one by one to both servers.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let python = setup::environment().join("bin/python");
    ensure!(python.exists(), "there is no {}; cargo xtask test set-up", python.display());
    let folder = bench.fresh("tracking")?;
    let data = folder.join(".windlass");
    let serving = Serving::start(bench.up(&folder)?, &data)?;
    let token = fs::read_to_string(data.join("token"))?;
    let own = cost(&python, &serving, CALLS, Some(token.trim()))?;
    drop(serving);
    let peer = cost(&python, &mlflow(&python, &bench.fresh("mlflow")?)?.0, PEER_CALLS, None)?;
    println!("log_metric: {own:.3} ms here, {peer:.3} ms by mlflow server");
    Ok(vec![Line::times("less processor per log_metric than mlflow", peer / own, 50.0)])
}

/// Returns the server's processor time for one call, in milliseconds.
fn cost(python: &Path, serving: &Serving, calls: u32, token: Option<&str>) -> Result<f64> {
    let client = |calls: u32| {
        let mut command = Command::new(python);
        command.arg(shell::root().join("tests/bench/log_metric.py")).arg(calls.to_string());
        command.env("MLFLOW_TRACKING_URI", format!("http://{}", serving.address));
        if let Some(token) = token {
            command.env("MLFLOW_TRACKING_TOKEN", token);
        }
        shell::read(&mut command)
    };
    client(10)?;
    let before = proc::tree_time(serving.child.id())?;
    client(calls)?;
    let spent = proc::tree_time(serving.child.id())?.saturating_sub(before);
    Ok(spent.as_secs_f64() * 1000.0 / f64::from(calls))
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
