//! One Python process that holds one model.
//!
//! It runs in the model's own environment, sees no variable but those said here, and works in a folder of its own. The
//! channel to it is a socket that it has as standard input; standard output and error are the model's and go to the log.
//! Unpickling a model runs whatever its maker wrote, so nothing that comes back is believed, and the process ends with
//! this one: by its channel that closes, and by the signal that Linux sends when a parent dies.

use std::{
    fs,
    io::{self, BufReader, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{
            net::UnixStream,
            process::{CommandExt as _, ExitStatusExt as _},
        },
    },
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{
    chatter,
    frame::{self, Reply},
};

/// What the process runs. Kept beside this file, as it is one half of the protocol in [`frame`].
const PROGRAM: &str = include_str!("worker.py");

/// Variables of this process that it sees.
const PASSED_ON: &[&str] = &["LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"];

/// How long a process that closed its channel may take to end by itself.
const GRACE: Duration = Duration::from_millis(500);

/// What a process is started with, and started again with.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    /// The interpreter of the model's environment.
    pub(super) interpreter: PathBuf,
    /// The model's folder.
    pub(super) model: PathBuf,
    /// A folder for whatever the process writes.
    pub(super) scratch: PathBuf,
    /// How many threads one prediction may use.
    pub(super) threads: usize,
    /// How long a model may take to load.
    pub(super) patience: Duration,
}

/// A process that has loaded its model.
pub(super) struct Worker {
    child: Child,
    channel: UnixStream,
}

/// Why there is no answer from a process.
#[derive(Debug)]
pub(super) enum Broken {
    /// It took too long.
    Late,
    /// It is gone, or says what nobody can read: why, for people.
    Gone(String),
}

impl Worker {
    /// Starts a process and waits until it has loaded its model. An error says why it did not.
    pub(super) fn start(launch: &Launch) -> Result<Self, String> {
        let failed = |error: io::Error| format!("a Python process cannot be started: {error}");
        let mut worker = Self::spawn(launch).map_err(failed)?;
        match worker.receive(0, Instant::now() + launch.patience) {
            Ok(Reply::Columns(_)) => Ok(worker),
            Ok(Reply::Error { text, asker: _ }) => Err(format!("the model cannot be loaded: {text}")),
            Err(Broken::Late) => Err(format!("the model was not loaded after {} s", launch.patience.as_secs_f64())),
            Err(Broken::Gone(why)) => Err(format!("the model cannot be loaded: {why}")),
        }
    }

    fn spawn(launch: &Launch) -> io::Result<Self> {
        // No `..`: what a process is started with must be used here or this stops compiling.
        let Launch { interpreter, model, scratch, threads, patience: _ } = launch;
        let program = scratch.join("model_worker.py");
        fs::write(&program, PROGRAM)?;
        let (channel, theirs) = UnixStream::pair()?;
        let (output, input) = io::pipe()?;
        let mut path = interpreter.parent().map(|folder| folder.as_os_str().to_owned()).unwrap_or_default();
        path.push(":/usr/local/bin:/usr/bin:/bin");
        let child = Command::new(interpreter)
            // Isolated from settings of this machine's user; nothing is compiled into the model's folder.
            .args(["-I", "-B"])
            .arg(&program)
            .arg(model)
            .env_clear()
            .envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("PATH", path)
            .env("HOME", scratch)
            .env("TMPDIR", scratch)
            .env("OMP_NUM_THREADS", threads.to_string())
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .current_dir(scratch)
            .stdin(OwnedFd::from(theirs))
            .stdout(input.try_clone()?)
            .stderr(input)
            // So that what a model starts can be ended with it.
            .process_group(0)
            .spawn()?;
        let worker = Self { child, channel };
        chatter::pass_on(output)?;
        Ok(worker)
    }

    /// Asks about so many rows. After an error the process is of no use any more.
    pub(super) fn ask(&mut self, question: &[u8], rows: usize, limit: Duration) -> Result<Reply, Broken> {
        let until = Instant::now() + limit;
        match (Timed { stream: &self.channel, until }).write_all(question) {
            Ok(()) => self.receive(rows, until),
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn receive(&mut self, rows: usize, until: Instant) -> Result<Reply, Broken> {
        let mut from = BufReader::new(Timed { stream: &self.channel, until });
        let reply = frame::reply(&mut from, rows);
        match reply {
            Ok(_) if !from.buffer().is_empty() => {
                Err(Broken::Gone("its Python process said more than was asked".to_owned()))
            }
            Ok(reply) => Ok(reply),
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn broken(&mut self, error: &io::Error) -> Broken {
        match error.kind() {
            io::ErrorKind::TimedOut => Broken::Late,
            io::ErrorKind::InvalidData => Broken::Gone(error.to_string()),
            _ => Broken::Gone(self.death().unwrap_or_else(|| "its Python process went silent".to_owned())),
        }
    }

    /// Returns how the process died, where it did; it may take a moment to.
    fn death(&mut self) -> Option<String> {
        let until = Instant::now() + GRACE;
        // The channel says nothing more, so that waiting for its end is waiting for that of the process.
        while Instant::now() < until {
            if let Some(how) = self.is_dead() {
                return Some(how);
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        None
    }

    /// Returns how the process died, if it did.
    pub(super) fn is_dead(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(how)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Not there any more, at worst: the id is not given again before it is waited for.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("its Python process ended with exit code {code}"),
        (None, Some(signal)) => format!("its Python process was killed by signal {signal}"),
        (None, None) => "its Python process ended".to_owned(),
    }
}

/// A socket that is read and written until some time.
struct Timed<'s> {
    stream: &'s UnixStream,
    until: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

/// A socket says "would block" where its time is over.
fn timed<T>(outcome: io::Result<T>) -> io::Result<T> {
    outcome.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    })
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        timed(self.stream.read(buffer))
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        timed(self.stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
