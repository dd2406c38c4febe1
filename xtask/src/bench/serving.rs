//! What a prediction of one row costs, beside `mlflow models serve` and beside FastAPI with the same ONNX file.

mod load;

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use self::load::Seen;
use super::{Bench, Line, Peer, Serving, answers_at, proc};
use crate::{setup, shell};

const CLIENTS: usize = 8;
const WARM_UP: Duration = Duration::from_secs(1);
const TIME: Duration = Duration::from_secs(5);

/// What the peer is made of that a team would write itself; onnxruntime is the one of the example.
const FASTAPI: [&str; 4] = ["fastapi==0.165.0", "uvicorn[standard]==0.54.0", "onnxruntime==1.23.2", "numpy==2.3.5"];

const MANIFESTS: &str = "\
apiVersion: windlass.dev/v1alpha1
kind: Model
metadata: {name: delays}
spec: {description: Trees}
---
apiVersion: windlass.dev/v1alpha1
kind: Endpoint
metadata: {name: delays}
spec: {model: delays@champion}
";

/// What was measured of one server and one protocol.
struct Measured {
    seen: Seen,
    /// Processor time a request in microseconds, of the server and of all processes that it started.
    all: f64,
    /// The server's own part of it.
    own: f64,
}

/// Measures the gateway by both protocols, then the peers.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let python = setup::environment().join("bin/python");
    ensure!(python.exists(), "there is no {}; cargo xtask test set-up", python.display());
    let folder = bench.fresh("serving")?;
    fs::create_dir(folder.join("manifests"))?;
    fs::write(folder.join("manifests/serving.yaml"), MANIFESTS)?;
    let data = folder.join(".windlass");
    let mut command = bench.up(&folder)?;
    command.arg("manifests");
    let serving = Serving::start(command, &data)?;
    let token = fs::read_to_string(data.join("token"))?.trim().to_owned();
    let mut script = Command::new(&python);
    script.arg(shell::root().join("tests/bench/serving_model.py")).arg(&folder);
    script.env("MLFLOW_TRACKING_URI", format!("http://{}", serving.address)).env("MLFLOW_TRACKING_TOKEN", &token);
    shell::read(&mut script)?;
    let bodies = ["invocations", "infer"].map(|name| fs::read_to_string(folder.join(format!("{name}.json"))));
    let [invocations, infer] = bodies;
    let (invocations, infer) = (invocations?, infer?);

    let path = "/endpoints/delays/invocations";
    let request = request(&serving.address, path, &token, &invocations);
    until_answered(&serving, &request)?;
    let own = measure("windlass, /invocations", &serving, &request)?;
    let request = self::request(&serving.address, "/endpoints/delays/v2/models/delays/infer", &token, &infer);
    let own_oip = measure("windlass, v2 infer", &serving, &request)?;
    drop(serving);

    let fastapi = bench.python("bench-fastapi", &FASTAPI)?;
    let mut command = Command::new(fastapi);
    command.arg(shell::root().join("tests/bench/serving_fastapi.py")).arg(folder.join("model.onnx")).arg("7074");
    let fastapi = peer("FastAPI, uvicorn", command, "127.0.0.1:7074", &folder, &invocations)?;
    let mut command = Command::new(&python);
    command.args(["-m", "mlflow", "models", "serve", "--env-manager", "local", "--port", "7073", "-m"]);
    command.arg(folder.join("model"));
    // It starts the `uvicorn` that it finds.
    let path = format!("{}:{}", setup::environment().join("bin").display(), std::env::var("PATH").unwrap_or_default());
    command.env("PATH", path);
    let mlflow = peer("mlflow models serve", command, "127.0.0.1:7073", &folder, &invocations)?;

    let better = fastapi.all.min(mlflow.all);
    let slower = own.all.max(own_oip.all);
    Ok(vec![
        Line::times("less processor a request than the better peer", better / slower, 10.0),
        Line::below("the gateway's own part of a request", own.own.max(own_oip.own), 100.0, "µs"),
        Line::at_least("requests a second", own.seen.rate().min(own_oip.seen.rate()), 5000.0),
        Line::below("p99 beside that of the better peer", ratio(&own, &[&fastapi, &mlflow]), 1.0, "x"),
    ])
}

/// Returns the 99th percentile of one over the least of others.
fn ratio(own: &Measured, peers: &[&Measured]) -> f64 {
    let least = peers.iter().map(|peer| peer.seen.quantile(0.99)).fold(f64::INFINITY, f64::min);
    own.seen.quantile(0.99) / least
}

fn request(address: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: \
         application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends requests until one is answered: a model server may just be starting.
fn until_answered(serving: &Serving, request: &[u8]) -> Result<()> {
    let begun = Instant::now();
    loop {
        match load::send(&serving.address, request, 1, Duration::from_millis(1)) {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() > Duration::from_secs(180) => return Err(error).context("not served"),
            Err(_) => shell::pause(Duration::from_millis(100)),
        }
    }
}

fn measure(name: &str, serving: &Serving, request: &[u8]) -> Result<Measured> {
    load::send(&serving.address, request, CLIENTS, WARM_UP)?;
    let id = serving.child.id();
    let (all, own) = (proc::tree_time(id)?, proc::own_time(id)?);
    let seen = load::send(&serving.address, request, CLIENTS, TIME)?;
    let (all, own) = (proc::tree_time(id)?.saturating_sub(all), proc::own_time(id)?.saturating_sub(own));
    let each = |time: Duration| time.as_secs_f64() * 1e6 / seen.requests() as f64;
    let (all, own) = (each(all), each(own));
    println!(
        "{name:<24} {:>7.0} requests/s, processor {all:>6.0} µs a request ({own:.0} µs of the server's own process), \
         p50 {:.2} ms, p99 {:.2} ms",
        seen.rate(),
        seen.quantile(0.5),
        seen.quantile(0.99)
    );
    Ok(Measured { seen, all, own })
}

/// Measures a server that takes the same body.
fn peer(name: &str, mut command: Command, address: &str, folder: &Path, body: &str) -> Result<Measured> {
    let log = fs::File::create(folder.join("peer.log"))?;
    command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut peer = Peer(Serving { child: command.process_group(0).spawn()?, address: address.to_owned() });
    let begun = Instant::now();
    while !answers_at(address, "/ping") {
        ensure!(peer.0.child.try_wait()?.is_none(), "{name} ended; see {}/peer.log", folder.display());
        ensure!(begun.elapsed() < Duration::from_secs(180), "{name} does not answer");
        shell::pause(Duration::from_millis(100));
    }
    measure(name, &peer.0, &request(address, "/invocations", "none", body))
}
