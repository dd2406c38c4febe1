//! Runs the command: its output goes to the terminal as it comes, and to the log.

use std::{
    io::{self, PipeReader, Read as _, Write},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use windlass_kinds::record::RunStatus;

use super::{TrackOptions, TrackedRun};
use crate::{executor, step::LogWriter};

/// The most bytes of log that are kept on the run.
const LOG_LIMIT: u64 = 8 << 20;

/// A line that is longer is written in parts.
const LINE_LIMIT: usize = 64 << 10;

/// How long output is read on after the command ended, where something else holds its pipes.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a tracked command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    status: ExitStatus,
    is_interrupted: bool,
}

impl Ended {
    /// Returns the exit code as a shell gives it: the command's own, or 128 and the signal's number.
    pub fn code(self) -> u8 {
        let code = self.status.code().or(self.status.signal().map(|signal| 128 + signal)).unwrap_or(1);
        u8::try_from(code).unwrap_or(u8::MAX)
    }

    /// Returns how the run ended: `Killed` where the user or the system asked for it.
    pub fn status(self) -> RunStatus {
        match (self.status.success(), self.is_interrupted) {
            (true, _) => RunStatus::Finished,
            (false, true) => RunStatus::Killed,
            (false, false) => RunStatus::Failed,
        }
    }
}

/// A command that runs.
pub(super) struct Running {
    child: Child,
    readers: Vec<oneshot::Receiver<()>>,
    log: Arc<Mutex<LogWriter>>,
}

/// Starts the command in the user's environment, with the tracking variables besides.
pub(super) fn start(options: &TrackOptions, run: &TrackedRun, log: &Path) -> io::Result<Running> {
    let (program, arguments) = options.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let log = LogWriter::open(log, LOG_LIMIT, std::slice::from_ref(&options.token))?;
    let log = Arc::new(Mutex::new(log));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(&options.directory)
        .envs(&options.variables)
        .env("MLFLOW_TRACKING_URI", &options.uri)
        .env("MLFLOW_TRACKING_TOKEN", &options.token)
        .env("MLFLOW_RUN_ID", run.run.as_str())
        .env("MLFLOW_EXPERIMENT_ID", run.experiment.as_str());
    if std::env::var_os("PYTHONUNBUFFERED").is_none() {
        command.env("PYTHONUNBUFFERED", "1");
    }
    let mut variables =
        std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?))).collect();
    executor::environment::reach_ourselves(&mut variables);
    for name in ["NO_PROXY", "no_proxy"] {
        if let Some(hosts) = variables.get(name) {
            command.env(name, hosts);
        }
    }
    let (output, stdout) = io::pipe()?;
    let (complaints, stderr) = io::pipe()?;
    let child = command.stdout(stdout).stderr(stderr).spawn()?;
    // It holds our copies of the pipes; the end of output shows only once they are gone.
    drop(command);
    let readers =
        vec![pass_on(output, io::stdout(), Arc::clone(&log)), pass_on(complaints, io::stderr(), Arc::clone(&log))];
    Ok(Running { child, readers, log })
}

impl Running {
    /// Returns how the command ended, once it has and its output is read. Ctrl-C reaches the command by the terminal,
    /// so we only outlive it; `SIGTERM` is passed on.
    pub(super) async fn wait(&mut self) -> Ended {
        let mut interrupts = signal(SignalKind::interrupt()).ok();
        let mut terminations = signal(SignalKind::terminate()).ok();
        let mut is_interrupted = false;
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status,
                () = received(&mut interrupts) => is_interrupted = true,
                () = received(&mut terminations) => {
                    is_interrupted = true;
                    if let Some(pid) = pid {
                        // It fails only where the command just ended.
                        let _ = kill_process(pid, Signal::TERM);
                    }
                }
            }
        };
        for reader in &mut self.readers {
            // Where it does not end, something that the command left behind holds the pipe.
            let _ = tokio::time::timeout(PATIENCE, reader).await;
        }
        self.log.lock().unwrap_or_else(PoisonError::into_inner).finish();
        Ended { status: status.unwrap_or_else(|_| ExitStatus::from_raw(1 << 8)), is_interrupted }
    }
}

async fn received(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Copies output to where the user looks, as it comes, and to the log, by whole lines, until its end. On a thread of
/// its own, because a terminal may block.
fn pass_on(
    mut output: PipeReader,
    mut terminal: impl Write + Send + 'static,
    log: Arc<Mutex<LogWriter>>,
) -> oneshot::Receiver<()> {
    let (done, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let write = |bytes: &[u8]| log.lock().unwrap_or_else(PoisonError::into_inner).write(bytes);
        let mut buffer = vec![0; 32 << 10];
        let mut line = Vec::new();
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            let piece = &buffer[..count];
            // Nobody may be looking any more; the log goes on.
            let _ = terminal.write_all(piece).and_then(|()| terminal.flush());
            line.extend_from_slice(piece);
            let end = line.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map(|at| at + 1);
            // The two outputs share the log: parts of their lines must not mix.
            if let Some(end) = end.or((line.len() >= LINE_LIMIT).then_some(line.len())) {
                write(&line[..end]);
                line.drain(..end);
            }
        }
        write(&line);
        let _ = done.send(());
    });
    receiver
}
