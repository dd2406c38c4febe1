//! What it costs to hold a million rows against a million others, and to join as many labels, beside Evidently.

use std::{fmt, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{Bench, Line};
use crate::{setup, shell};

/// Rows to join; the tables have as many.
const ROWS: &str = "1000000";

/// What both sides print.
#[derive(Deserialize)]
struct Answer {
    cost: Cost,
}

#[derive(Deserialize)]
struct Cost {
    /// On the wall, which a busy machine makes longer.
    seconds: f64,
    /// Of all processors together.
    processor: f64,
    megabytes: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s of processor, {:.2} s on the wall, {:.0} MB", self.processor, self.seconds, self.megabytes)
    }
}

/// Measures over files, as they are read in use.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let python = setup::environment().join("bin/python");
    ensure!(python.exists(), "there is no {}; cargo xtask test set-up", python.display());
    let folder = bench.fresh("drift")?;
    let files = ["reference.parquet", "window.parquet"].map(|name| folder.join(name));
    let script = |python: &Path, name: &str| {
        let mut command = Command::new(python);
        command.arg(shell::root().join("tests/bench").join(name)).args(&files);
        command
    };
    shell::read(&mut script(&python, "drift_data.py"))?;
    let build = ["build", "--release", "--quiet", "-p", "windlass-data", "--example", "drift"];
    shell::show(shell::cargo().args(build).current_dir(shell::root()))?;
    let own = || Command::new(shell::root().join("target/release/examples/drift"));
    let drift = cost(own().args(&files))?;
    let join = cost(own().args(["join", ROWS]))?;
    // Evidently does not work with pandas 3.
    let peer = bench.python("evidently", &["evidently==0.7.23", "pandas<3", "pyarrow"]);
    println!("drift: {drift}\njoin: {join}");
    match peer.and_then(|peer| cost(&mut script(&peer, "drift_evidently.py"))) {
        Ok(peer) => println!("drift by Evidently: {peer}"),
        Err(error) => println!("Evidently was not measured: {error:#}"),
    }
    Ok(vec![
        Line::below("drift of 1,000,000 x 11, processor", drift.processor, 2.0, "s"),
        Line::below("drift of 1,000,000 x 11, memory at most", drift.megabytes, 500.0, "MB"),
        Line::below("join of 1,000,000 labels, processor", join.processor, 2.0, "s"),
    ])
}

fn cost(command: &mut Command) -> Result<Cost> {
    let answer = shell::read(command)?;
    let answer: Answer = serde_json::from_str(answer.trim()).with_context(|| format!("no costs in {answer:?}"))?;
    Ok(answer.cost)
}
