//! `windlass model-server`: one model, held by a process of its own. Servers start it; people need not know it.

use std::process::ExitCode;

use windlass_serve::{
    model::{Runner, python::PythonSettings},
    model_server::{self, ProbeSettings, Settings},
};

use crate::{args::ModelServerArgs, failure::Failure};

/// The largest body: the gateway has its own limits, and what it sends on may be a few times as long.
const BODY_MAX: usize = 1 << 30;

/// The most rows in one request, for the same reason.
const ROWS_MAX: usize = 10_000_000;

pub(crate) fn run(args: ModelServerArgs) -> Result<ExitCode, Failure> {
    // No `..`: what a person writes must be used here or this stops compiling.
    let ModelServerArgs {
        model,
        runtime: program,
        scratch,
        processes,
        timeout,
        patience,
        threads,
        socket,
        name,
        version,
        probe: _,
        rows,
        out,
    } = args;
    let python = PythonSettings { scratch, processes, limit: timeout.0, patience: patience.0 };
    let runner = Runner { program, threads, python };
    match (socket, rows, out) {
        (Some(socket), _, _) => {
            let (body_max, rows_max) = (BODY_MAX, ROWS_MAX);
            model_server::run(Settings { model, runner, socket, name, version, body_max, rows_max })
                .map_err(|error| Failure::user_because("the model server ended", error))?;
        }
        (None, Some(rows), Some(out)) => {
            model_server::probe(ProbeSettings { model, runner, rows, out })
                .map_err(|error| Failure::ours("the probe has no outcome", error))?;
        }
        (None, _, _) => return Err(Failure::user("`--socket`, or `--probe` with `--rows` and `--out`, is missing")),
    }
    Ok(ExitCode::SUCCESS)
}
