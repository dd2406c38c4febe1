//! Starts the step and stays with it until nothing of it is left.

use std::{
    fs,
    io::{self, PipeReader, Read as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::{OFlags, fcntl_setfl},
    process::{Pid, Signal, kill_process_group},
};

use super::{
    StepError, StepResult, StopRequest,
    job::{self, StepEnd, StepJob},
    log::LogWriter,
    memory::MemoryWatch,
    show,
    signals::Signals,
    sweep::{Used, reap, sweep},
};
use crate::layout::AttemptFolder;

/// Bytes read from the step at once: what a pipe holds.
const PIECE: usize = 64 << 10;

/// Why we are ending the step.
enum Ending {
    Stopped,
    TimedOut,
    OutOfMemory(String),
}

/// Runs the step to its end, and ends what it left behind.
pub(super) fn supervise(folder: &AttemptFolder, job: &StepJob, signals: &Signals) -> Result<StepResult, StepError> {
    let mut log = LogWriter::open(&job.log, job.log_limit, &job.secrets)
        .map_err(|source| StepError::Log(show(&job.log), source))?;
    // From here on that is where complaints of our own belong.
    let _ = rustix::stdio::dup2_stderr(log.file());
    let mut memory = MemoryWatch::new(&job.attempt, job.memory);
    let started = Instant::now();
    let (main, output) = match start(job) {
        Ok(started) => started,
        Err(error) => {
            let reason = not_started(job, &error);
            log.note(&reason);
            return Ok(StepResult::bare(StepEnd::NotStarted { reason, retryable: false }));
        }
    };
    memory.begin(main);
    let mut step = Supervision {
        folder,
        job,
        signals,
        main,
        output: Some(output),
        log,
        memory,
        buffer: vec![0; PIECE],
        log_bytes: 0,
        ending: None,
        kill_at: None,
        timeout_at: job.timeout_millis.map(|millis| started + Duration::from_millis(millis)),
        used: Used::default(),
    };
    let status = step.wait().map_err(StepError::Wait)?;
    let left_behind = sweep(signals, &mut step.used).map_err(StepError::Wait)?;
    step.read_rest();
    Ok(step.result(status, left_behind, started.elapsed()))
}

/// Starts the step in a process group of its own, with one pipe for both its outputs, so that their order is kept.
fn start(job: &StepJob) -> io::Result<(Pid, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    fcntl_setfl(&reader, OFlags::NONBLOCK)?;
    let child = Command::new(&job.program)
        .args(&job.arguments)
        .env_clear()
        .envs(&job.environment)
        .current_dir(&job.directory)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    Ok((Pid::from_child(&child), reader))
}

fn not_started(job: &StepJob, error: &io::Error) -> String {
    let program = job.program.display();
    match error.kind() {
        io::ErrorKind::NotFound if !job.directory.exists() => {
            format!("could not start `{program}`: its working folder `{}` is gone", job.directory.display())
        }
        io::ErrorKind::NotFound if job.program.exists() => {
            format!("could not start `{program}`: the interpreter that its first line names is not there")
        }
        io::ErrorKind::NotFound => format!("could not start `{program}`: there is no such file"),
        io::ErrorKind::PermissionDenied => {
            format!("could not start `{program}`: it may not be executed (chmod +x would allow it)")
        }
        _ => format!("could not start `{program}`: {error}"),
    }
}

/// A step that runs.
struct Supervision<'a> {
    folder: &'a AttemptFolder,
    job: &'a StepJob,
    signals: &'a Signals,
    main: Pid,
    /// None once every writer is gone.
    output: Option<PipeReader>,
    log: LogWriter,
    memory: MemoryWatch,
    buffer: Vec<u8>,
    log_bytes: u64,
    ending: Option<Ending>,
    kill_at: Option<Instant>,
    timeout_at: Option<Instant>,
    used: Used,
}

impl Supervision<'_> {
    /// Returns once the step's first process ended.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        let mut look_at = self.memory.interval().map(|interval| Instant::now() + interval);
        loop {
            self.signals.clear();
            if let Some(status) = reap(self.main, &mut self.used)? {
                return Ok(status);
            }
            if self.signals.stop_asked() && self.ending.is_none() {
                self.stop();
            }
            let now = Instant::now();
            if self.timeout_at.is_some_and(|at| at <= now) && self.ending.is_none() {
                self.log.note(&format!("time-out of {} reached", self.limit_text()));
                self.end(Ending::TimedOut, self.job.grace_millis);
            }
            if look_at.is_some_and(|at| at <= now) {
                look_at = self.memory.interval().map(|interval| now + interval);
                if self.ending.is_none()
                    && let Some(reason) = self.memory.exceeded(self.main)
                {
                    self.log.note(&reason);
                    self.end(Ending::OutOfMemory(reason), 0);
                }
            }
            if self.kill_at.is_some_and(|at| at <= now) {
                self.signal(Signal::KILL);
                // Should it hang in the kernel, it is told again.
                self.kill_at = Some(now + Duration::from_secs(1));
            }
            let pending_timeout = self.timeout_at.filter(|_| self.ending.is_none());
            let next = [pending_timeout, look_at, self.kill_at].into_iter().flatten().min();
            if self.poll(next.map(|at| at.saturating_duration_since(now)))? {
                self.read();
            }
        }
    }

    /// Waits for output, a signal or the end of `timeout`; returns whether there is output.
    fn poll(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let signals = PollFd::new(self.signals, PollFlags::IN);
        let polled = match &self.output {
            None => rustix::event::poll(&mut [signals], timeout.as_ref()).map(|_| false),
            Some(output) => {
                let mut both = [signals, PollFd::new(output, PollFlags::IN)];
                rustix::event::poll(&mut both, timeout.as_ref()).map(|_| !both[1].revents().is_empty())
            }
        };
        match polled {
            Ok(ready) => Ok(ready),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads one piece of output; returns whether there may be more now.
    fn read(&mut self) -> bool {
        let Some(output) = &mut self.output else { return false };
        match output.read(&mut self.buffer) {
            Ok(0) => {
                self.output = None;
                false
            }
            Ok(count) => {
                self.log_bytes += count as u64;
                self.log.write(&self.buffer[..count]);
                true
            }
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    }

    /// Reads what is still in the pipe; no writer is left but perhaps one that the kernel holds.
    fn read_rest(&mut self) {
        while self.read() {}
        self.log.finish();
    }

    fn stop(&mut self) {
        let asked: Option<StopRequest> = job::read(&self.folder.stop()).ok();
        self.log.note("asked to end");
        self.end(Ending::Stopped, asked.map_or(self.job.grace_millis, |asked| asked.grace_millis));
    }

    /// Begins to end the step: TERM now, KILL after `grace` milliseconds.
    fn end(&mut self, why: Ending, grace: u64) {
        self.ending = Some(why);
        self.kill_at = Some(Instant::now() + Duration::from_millis(grace));
        if grace > 0 {
            self.signal(Signal::TERM);
            // A stopped process takes its TERM only when it goes on.
            self.signal(Signal::CONT);
        }
    }

    fn signal(&self, signal: Signal) {
        // It fails only where nobody is left in the group.
        let _ = kill_process_group(self.main, signal);
    }

    fn limit_text(&self) -> String {
        let limit = Duration::from_millis(self.job.timeout_millis.unwrap_or_default());
        windlass_kinds::Span(limit).to_string()
    }

    fn result(mut self, status: ExitStatus, left_behind: u64, wall: Duration) -> StepResult {
        let end = match self.ending.take() {
            Some(Ending::Stopped) => StepEnd::Stopped,
            Some(Ending::TimedOut) => StepEnd::TimedOut,
            Some(Ending::OutOfMemory(reason)) => StepEnd::OutOfMemory { reason },
            None => match (status.code(), status.signal(), self.memory.ran_out()) {
                (_, Some(_), Some(reason)) => StepEnd::OutOfMemory { reason },
                (_, Some(signal), None) => StepEnd::Killed { signal },
                (Some(code), None, _) => StepEnd::Exited { code },
                (None, None, _) => StepEnd::Lost { reason: "it ended in an unknown way".to_owned() },
            },
        };
        if !matches!(end, StepEnd::Exited { code: 0 }) {
            // Nobody will want them, and they may be what filled the disk that now has no room for words about it.
            let _ = fs::remove_dir_all(self.folder.outputs());
        }
        if let Some(trouble) = self.log.trouble() {
            self.log.note(&trouble);
        }
        match left_behind {
            0 => {}
            1 => self.log.note("killed a process that the step left behind"),
            count => self.log.note(&format!("killed {count} processes that the step left behind")),
        }
        StepResult {
            end,
            cpu_micros: micros(self.used.processor),
            peak_memory: self.used.peak_memory,
            wall_micros: micros(wall),
            log_bytes: self.log_bytes,
            log_dropped: self.log.dropped(),
            left_behind,
        }
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}
