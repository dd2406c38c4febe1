//! `cargo xtask bench`: what is promised about speed, measured, beside the peer in the same run.
//!
//! Processor time rather than time on the wall where that is what is promised, because it is what a busy machine does
//! not change. Each line says what was measured, what is promised, and whether it holds.

mod drift;
mod proc;
mod serving;
mod start;
mod steps;
mod tracking;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell;

/// A measurement: its name, and what runs it.
type Measurement = (&'static str, fn(&Bench) -> Result<Vec<Line>>);

const MEASUREMENTS: [Measurement; 5] = [
    ("start", start::run),
    ("steps", steps::run),
    ("tracking", tracking::run),
    ("drift", drift::run),
    ("serving", serving::run),
];

/// Runs the measurements named, or all.
pub(crate) fn run(what: &[&str]) -> Result<()> {
    if let Some(unknown) = what.iter().find(|name| MEASUREMENTS.iter().all(|(known, _)| known != *name)) {
        let known = MEASUREMENTS.map(|(name, _)| name).join(", ");
        bail!("there is no measurement `{unknown}`; there are {known}");
    }
    let bench = Bench::new()?;
    let mut missed = 0;
    for (name, measure) in MEASUREMENTS.iter().filter(|(name, _)| what.is_empty() || what.contains(name)) {
        println!("== {name}");
        for line in measure(&bench)? {
            missed += usize::from(!line.holds);
            let mark = if line.holds { "ok    " } else { "MISSED" };
            println!("{mark} {:<44} {:>14}   promised {}", line.what, line.measured, line.promised);
        }
    }
    ensure!(missed == 0, "{missed} promises were missed");
    Ok(())
}

/// One result.
struct Line {
    what: String,
    measured: String,
    promised: String,
    holds: bool,
}

impl Line {
    /// Returns a line for a value that must stay below a limit.
    fn below(what: &str, value: f64, limit: f64, unit: &str) -> Self {
        Self {
            what: what.to_owned(),
            measured: format!("{value:.2} {unit}"),
            promised: format!("< {limit} {unit}"),
            holds: value < limit,
        }
    }

    /// Returns a line for a count that must reach a limit.
    fn at_least(what: &str, value: f64, limit: f64) -> Self {
        Self {
            what: what.to_owned(),
            measured: format!("{value:.0}"),
            promised: format!(">= {limit}"),
            holds: value >= limit,
        }
    }

    /// Returns a line for a ratio that must reach a limit.
    fn times(what: &str, ratio: f64, limit: f64) -> Self {
        Self {
            what: what.to_owned(),
            measured: format!("{ratio:.1} x"),
            promised: format!(">= {limit} x"),
            holds: ratio >= limit,
        }
    }
}

/// The binary, and a folder to work in.
struct Bench {
    binary: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn new() -> Result<Self> {
        let named = std::env::var_os("WINDLASS_BIN").map(PathBuf::from);
        let binary = named.unwrap_or_else(|| shell::root().join("target/release/windlass"));
        ensure!(binary.exists(), "there is no {}; cargo build --release", binary.display());
        Ok(Self { binary: fs::canonicalize(binary)?, folder: shell::root().join("target/bench") })
    }

    /// Returns an empty folder of this name.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Returns `windlass up` in a folder, quiet, on a port of its own.
    fn up(&self, folder: &Path) -> Result<Command> {
        let log = fs::File::create(folder.join("up.log"))?;
        let mut command = Command::new(&self.binary);
        command.args(["up", "--listen", "127.0.0.1:0"]).current_dir(folder);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }

    /// Returns the Python of an environment under `target/` with these packages, built where it is not there.
    fn python(&self, name: &str, packages: &[&str]) -> Result<PathBuf> {
        let environment = shell::root().join("target").join(name);
        let python = environment.join("bin/python");
        let stamp = environment.join("packages");
        if !fs::read_to_string(&stamp).is_ok_and(|built| built == packages.join(" ")) {
            println!("building {}", environment.display());
            shell::show(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            shell::show(Command::new(&python).args(pip).args(packages))?;
            fs::write(stamp, packages.join(" "))?;
        }
        Ok(python)
    }
}

/// A server that is killed when nobody looks any more.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    /// Starts `command` and waits until `folder` tells an address that answers.
    fn start(mut command: Command, data: &Path) -> Result<Self> {
        let file = data.join("server.json");
        let child = command.spawn().context("failed to start the server")?;
        let mut serving = Self { child, address: String::new() };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            if let Some(address) = address(&file, serving.child.id())
                && answers(&address)
            {
                serving.address = address;
                return Ok(serving);
            }
            if let Some(status) = serving.child.try_wait()? {
                bail!("the server ended with {status}");
            }
            shell::pause(Duration::from_millis(1));
        }
        bail!("the server did not answer within a minute")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // A measurement is over: nothing of the server is wanted any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A peer that leads a process group, with the processes that it starts and that would outlive it.
struct Peer(Serving);

impl Drop for Peer {
    fn drop(&mut self) {
        let group = format!("kill -9 -{} 2>/dev/null; true", self.0.child.id());
        // As for our own server: nothing of it is wanted any more.
        let _ = shell::read(Command::new("sh").args(["-c", &group]));
    }
}

/// Returns the address that a running server has written down, if it is this one's.
fn address(file: &Path, pid: u32) -> Option<String> {
    let written: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    (written["pid"].as_u64() == Some(u64::from(pid))).then(|| written["address"].as_str().map(str::to_owned))?
}

/// Returns whether an address answers `/health`.
fn answers(address: &str) -> bool {
    answers_at(address, "/health")
}

/// Returns whether an address answers a path.
fn answers_at(address: &str, path: &str) -> bool {
    use std::io::{Read as _, Write as _};
    let attempt = || {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<bool, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    attempt().unwrap_or(false)
}
