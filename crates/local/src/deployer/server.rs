//! One model server: a child that holds one model and answers for it behind a unix socket.
//!
//! The child is ours alone: it ends when its standard input closes, so that none outlives this process, however that
//! ends. It sees no token and nothing else of our environment but where libraries are found. What it says on standard
//! error goes to a log; its last line explains a death.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::{fs::OpenOptionsExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use windlass_kinds::Span;
use windlass_net::SocketClient;

use crate::process;

/// Variables of this process that a model server sees: how its library finds others, and language and time zone.
const PASSED_ON: &[&str] = &["PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"];

/// The most of its first line that is read, in bytes.
const READY_CAP: u64 = 64 << 10;

/// The most of an answer to our own requests, in bytes.
const ANSWER_CAP: usize = 64 << 20;

/// How much of a log's end is looked at, in bytes.
const LAST_WORDS: u64 = 4096;

/// A log grown over this is begun anew.
const LOG_CAP: u64 = 16 << 20;

/// How many Python processes hold a model, where Python does: where one dies or is slow, the other answers.
const PROCESSES: &str = "2";

/// How long a server may take to end once its input closed.
const GRACE: Duration = Duration::from_secs(5);

/// What a model server is started with, and started again with.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    /// The program whose `model-server` it is.
    pub(super) binary: PathBuf,
    /// The model's folder.
    pub(super) model: PathBuf,
    /// What runs it: a library, or a Python interpreter.
    pub(super) program: PathBuf,
    /// How long it may take to load.
    pub(super) patience: Duration,
    /// How long a model in Python may take for one request.
    pub(super) limit: Duration,
    /// Where it complains.
    pub(super) log: PathBuf,
}

impl Launch {
    /// Returns the command that all uses of a model server begin with, and where in the log its words will begin. What a
    /// model in Python writes goes to `scratch`.
    pub(super) fn command(&self, scratch: &Path) -> io::Result<(Command, u64)> {
        // No `..`: what a server is started with must be used here or this stops compiling.
        let Self { binary, model, program, patience, limit, log } = self;
        let (log, from) = open_log(log)?;
        let mut command = Command::new(binary);
        command
            .arg("model-server")
            .arg("--model")
            .arg(model)
            .arg("--runtime")
            .arg(program)
            .arg("--scratch")
            .arg(scratch)
            .args(["--processes", PROCESSES, "--patience", &span(*patience), "--timeout", &span(*limit)])
            .env_clear()
            .envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .current_dir(model)
            .stdin(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        Ok((command, from))
    }
}

/// Returns a length of time as the command line takes it.
fn span(length: Duration) -> String {
    Span(length).to_string()
}

/// A model server that answers, or did a moment ago.
pub(super) struct ModelServer {
    child: Child,
    /// Closing it asks the server to end.
    input: Option<ChildStdin>,
    /// Kept open: a line that nobody takes must not kill it.
    _output: ChildStdout,
    pid: Option<Pid>,
    socket: PathBuf,
    client: SocketClient,
    log: PathBuf,
    /// Where in the log its words begin.
    log_from: u64,
    /// What its model wrote goes with it.
    _scratch: TempDir,
}

/// Its first line: that it is ready, or why it never will be.
#[derive(Deserialize)]
struct FirstLine {
    #[serde(default)]
    error: Option<String>,
}

/// Why a model server did not come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StartFailure {
    /// The model is at fault, in words for people.
    Model(String),
    /// This machine is.
    Machine(String),
}

impl ModelServer {
    /// Starts a server and waits until it says that it is ready.
    pub(super) async fn start(launch: &Launch, socket: PathBuf) -> Result<Self, StartFailure> {
        let machine = |error: io::Error| StartFailure::Machine(format!("a model server cannot be started: {error}"));
        let patience = launch.patience;
        let beside = socket.parent().unwrap_or(Path::new("/"));
        let scratch = tempfile::Builder::new().prefix("work-").tempdir_in(beside).map_err(machine)?;
        let (mut command, log_from) = launch.command(scratch.path()).map_err(machine)?;
        let mut child = command.arg("--socket").arg(&socket).stdout(Stdio::piped()).spawn().map_err(machine)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(StartFailure::Machine("a model server has no pipes".to_owned()));
        };
        let mut output = BufReader::new(output);
        let mut line = String::new();
        let first = timeout(patience, (&mut output).take(READY_CAP).read_line(&mut line)).await;
        let failed = |text: String| Err(StartFailure::Model(text));
        match first {
            Err(_) => return failed(format!("its model server was not ready after {} s", patience.as_secs_f64())),
            Ok(Err(error)) => return Err(machine(error)),
            Ok(Ok(0)) => {
                let status = timeout(GRACE, child.wait()).await;
                return failed(match status {
                    Ok(Ok(status)) if was_killed(status) => {
                        return Err(StartFailure::Machine(death(status, &launch.log, log_from)));
                    }
                    Ok(Ok(status)) => death(status, &launch.log, log_from),
                    Ok(Err(_)) | Err(_) => "its model server closed its output".to_owned(),
                });
            }
            Ok(Ok(_)) => {}
        }
        match serde_json::from_str::<FirstLine>(&line) {
            Ok(FirstLine { error: None }) => {}
            Ok(FirstLine { error: Some(error) }) => return failed(error),
            Err(_) => return failed(format!("its model server said `{}`", line.trim_end())),
        }
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let client = SocketClient::new(&socket, ANSWER_CAP, 1);
        let (input, output) = (Some(input), output.into_inner());
        let log = launch.log.clone();
        Ok(Self { child, input, _output: output, pid, socket, client, log, log_from, _scratch: scratch })
    }

    /// Returns where it listens.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns a client of it.
    pub(super) fn client(&self) -> &SocketClient {
        &self.client
    }

    /// Returns the memory it holds alone, in bytes; zero once it is gone.
    pub(super) fn memory(&self) -> u64 {
        self.pid.map_or(0, process::held_by_descendants)
    }

    /// Waits until it ends and returns why, for people. Cancelling loses nothing.
    pub(super) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => death(status, &self.log, self.log_from),
            Err(error) => format!("its model server is gone: {error}"),
        }
    }

    /// Ends it: politely, then not. Its socket goes too.
    pub(super) async fn end(mut self) {
        drop(self.input.take());
        if timeout(GRACE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
        let _ = fs::remove_file(&self.socket);
    }

    /// Ends it at once.
    pub(super) async fn kill(mut self) {
        let _ = self.child.kill().await;
        let _ = fs::remove_file(&self.socket);
    }
}

/// Returns whether somebody ended a model server, a person or a system short of memory: that says nothing for sure about
/// the model, and trying again may help.
pub(super) fn was_killed(status: ExitStatus) -> bool {
    let asked = [Signal::KILL, Signal::TERM].map(Signal::as_raw);
    status.signal().is_some_and(|signal| asked.contains(&signal))
}

/// Returns how a model server died, with the last it said in its log from byte `from` on.
pub(super) fn death(status: ExitStatus, log: &Path, from: u64) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    match last_line(log, from) {
        Some(line) => format!("its model server {how}: {line}"),
        None => format!("its model server {how}"),
    }
}

/// Returns the last line of a log that says something.
fn last_line(log: &Path, from: u64) -> Option<String> {
    let mut file = fs::File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS).max(from))).ok()?;
    let mut bytes = Vec::new();
    file.take(LAST_WORDS).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // A panic of ours ends with advice for developers.
    let says = |line: &&str| !line.is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE");
    let line = text.lines().rev().map(str::trim).find(says)?;
    Some(line.chars().take(300).collect())
}

/// Opens a log for what follows, and returns where that will begin.
fn open_log(path: &Path) -> io::Result<(fs::File, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let mut length = file.metadata()?.len();
    if length > LOG_CAP {
        file.set_len(0)?;
        length = 0;
    }
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_told_with_its_last_words() {
        let log = tempfile::NamedTempFile::new().unwrap();
        fs::write(log.path(), "old words\n").unwrap();
        let (exit_1, killed) = (ExitStatus::from_raw(1 << 8), ExitStatus::from_raw(9));
        assert_eq!(death(exit_1, log.path(), 10), "its model server ended with exit code 1");
        fs::write(log.path(), "old words\nfirst\nthe opset is too new\n\n").unwrap();
        assert_eq!(death(killed, log.path(), 10), "its model server was killed by signal 9: the opset is too new");
    }
}
