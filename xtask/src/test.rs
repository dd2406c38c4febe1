//! `cargo xtask test`: everything that must hold, from formatting to the binary at work.
//!
//! Stages run in order, and all of them, so that one run tells all; each that fails says how to run it alone.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{arrows, crash, licences, setup, shell};

struct Stage {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STAGES: &[Stage] = &[
    Stage { name: "set-up", run: setup::run },
    Stage { name: "format", run: format },
    Stage { name: "lints", run: lints },
    Stage { name: "arrows", run: arrows::run },
    Stage { name: "licences", run: licences::run },
    Stage { name: "units", run: units },
    Stage { name: "release", run: release },
    Stage { name: "end-to-end", run: || end_to_end("not year") },
    Stage { name: "year", run: || end_to_end("year") },
    Stage { name: "crash", run: crashes },
];

/// Runs the stages named, or all.
pub(crate) fn run(names: &[&str]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| STAGES.iter().all(|stage| stage.name != **name)) {
        let known: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        bail!("there is no stage `{unknown}`; there are {}", known.join(", "));
    }
    let mut ended = Vec::new();
    for stage in STAGES.iter().filter(|stage| names.is_empty() || names.contains(&stage.name)) {
        println!("\n== {}", stage.name);
        let begun = Instant::now();
        let outcome = (stage.run)();
        if let Err(error) = &outcome {
            println!("{error:#}");
        }
        ended.push((stage.name, begun.elapsed(), outcome.is_ok()));
        if stage.name == "set-up" && outcome.is_err() {
            break;
        }
    }
    println!();
    for (name, time, fine) in &ended {
        println!("{} {name:<12} {}", if *fine { "ok    " } else { "FAILED" }, minutes(*time));
    }
    let failed: Vec<&str> = ended.iter().filter(|(_, _, fine)| !fine).map(|(name, _, _)| *name).collect();
    println!("{} passed, {} failed", ended.len() - failed.len(), failed.len());
    if failed.is_empty() {
        return Ok(());
    }
    let again: Vec<String> = failed.iter().map(|name| format!("  cargo xtask test {name}")).collect();
    bail!("to see one alone:\n{}", again.join("\n"));
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

fn format() -> Result<()> {
    shell::show(shell::cargo().args(["fmt", "--all", "--check"]))
}

fn lints() -> Result<()> {
    shell::show(shell::cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))
}

/// All tests of all crates. `CI` makes a test that would skip for want of something fail instead: the set-up saw to it.
fn units() -> Result<()> {
    shell::show(shell::cargo().args(["test", "--workspace", "--locked", "--quiet", "--no-fail-fast"]).env("CI", "1"))
}

fn crashes() -> Result<()> {
    crash::run(&["--kills", "10"])?;
    crash::run(&["writers", "--kills", "10"])
}

fn release() -> Result<()> {
    shell::show(shell::cargo().args(["build", "--release", "--locked"]))
}

/// The release binary at work, looked at through the unmodified client: the tests that a mark selects.
fn end_to_end(mark: &str) -> Result<()> {
    let root = shell::root();
    let binary = root.join("target/release/windlass");
    if !binary.exists() {
        bail!("there is no {}; cargo xtask test release", binary.display());
    }
    let python = setup::environment().join("bin/python");
    if !python.exists() {
        bail!("there is no {}; cargo xtask test set-up", python.display());
    }
    let mut pytest = Command::new(python);
    pytest.args(["-m", "pytest", "-q", "tests", "-m", mark]).current_dir(&root).env("WINDLASS_BIN", binary);
    shell::show(&mut pytest)
}
