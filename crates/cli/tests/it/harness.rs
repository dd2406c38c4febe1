//! A folder in which the binary works: writes files, runs verbs, serves for as long as a test looks.
//!
//! Nothing here sleeps for a time: what is waited for is a state, with a limit.

use std::{
    ffi::OsStr,
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

/// How long anything may take before a test gives up on it.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The first lines of a manifest: `head("Dataset", "flights")`.
pub(crate) fn head(kind: &str, name: &str) -> String {
    format!("apiVersion: windlass.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\n")
}

/// A pipeline from its `steps:` lines, each a flow mapping such as `{name: a, command: [sh, -c, "true"]}`; what stands
/// before `steps` is written in `settings`.
pub(crate) fn pipeline(name: &str, settings: &str, steps: &[&str]) -> String {
    let mut text = format!("{}spec:\n", head("Pipeline", name));
    for line in settings.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str("  steps:\n");
    for step in steps {
        text.push_str(&format!("    - {step}\n"));
    }
    text
}

/// A step that runs one line of shell: `shell("a", "exit 1", "timeout: 1s")`.
pub(crate) fn shell(name: &str, line: &str, settings: &str) -> String {
    let line = serde_json::to_string(line).expect("text is JSON");
    let settings = if settings.is_empty() { String::new() } else { format!(", {settings}") };
    format!("{{name: {name}, command: [sh, -c, {line}]{settings}}}")
}

/// Starts a pipeline once, when everything is idle.
pub(crate) const ONCE: &str = "triggers: [{schedule: {when: idle, times: 1}}]\n";

/// What a verb answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Holds the exit code and that standard error says all of `words`.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, words: &[&str]) -> &Self {
        let missing: Vec<&&str> = words.iter().filter(|word| !self.err.contains(**word)).collect();
        assert!(self.code == code && missing.is_empty(), "wanted {code} and {missing:?}, got {self:#?}");
        self
    }

    /// Holds that it went well.
    #[track_caller]
    pub(crate) fn fine(&self) -> &Self {
        self.says(0, &[])
    }
}

/// A fresh folder; what runs in it ends with it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    data: PathBuf,
    /// Variables of all that runs here.
    pub(crate) variables: Vec<(String, String)>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join(".windlass");
        Self { folder, data, variables: Vec::new() }
    }

    /// The same with another data folder.
    pub(crate) fn with_data(data: &Path) -> Self {
        let mut place = Self::new();
        place.data = data.to_owned();
        place
    }

    /// A place with these files.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let place = Self::new();
        for (path, text) in files {
            place.write(path, text);
        }
        place
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Lays a file as careful producers do: beside its place, then renamed.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        let parent = path.parent().expect("within the folder");
        fs::create_dir_all(parent).expect("a folder");
        let beside = parent.join(".being-written");
        fs::write(&beside, text).expect("a file");
        fs::rename(beside, path).expect("a file");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// A command of the binary in this folder, with nothing of the tester's own settings.
    pub(crate) fn command(&self, words: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        for (name, _) in std::env::vars_os() {
            let foreign = name.to_string_lossy();
            if foreign.starts_with("WINDLASS_") || foreign.starts_with("MLFLOW_") {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.arg("--data-dir").arg(&self.data).args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs a verb to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Answer {
        Answer::of(&self.command(words).output().expect("the binary runs"))
    }

    /// Runs a verb that must go well and returns what it says in JSON.
    #[track_caller]
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let answer = self.run(&[words, &["-o", "json"]].concat());
        answer.fine();
        serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {}", answer.out))
    }

    /// Works until everything is idle.
    pub(crate) fn until_idle(&self, words: &[&str]) -> Answer {
        let words = [&["up", ".", "--until-idle", "--listen", "127.0.0.1:0"], words].concat();
        let mut child = self.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (mut out, mut err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            out.read_to_end(&mut text).map(|_| text)
        });
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            err.read_to_end(&mut text).map(|_| text)
        });
        let ended = ends(&mut child, LIMIT);
        if !ended {
            let _ = child.kill();
        }
        let status = child.wait().expect("it ended");
        let stdout = reader.join().expect("no panic").expect("read");
        let stderr = errors.join().expect("no panic").expect("read");
        let answer = Answer::of(&Output { status, stdout, stderr });
        assert!(ended, "not idle within {LIMIT:?}: {answer:#?}");
        answer
    }

    /// Starts to serve and waits until it does.
    pub(crate) fn up(&self, words: &[&str]) -> Up<'_> {
        let file = fs::File::create(self.path(".server.log")).expect("a log");
        let words = [&["up", "--listen", "127.0.0.1:0"], words].concat();
        let mut child = self
            .command(&words)
            .stdout(file.try_clone().expect("a log"))
            .stderr(file)
            .spawn()
            .expect("the binary starts");
        // It says so once the folder is applied; requests are answered a moment before.
        let address = wait_for("the server", || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("up ended at once ({status}): {}", self.read(".server.log"));
            }
            let log = self.read(".server.log");
            log.lines().find_map(|line| line.strip_prefix("windlass listens at http://").map(str::to_owned))
        });
        Up { place: self, child, address, ended: false }
    }

    /// The local token.
    pub(crate) fn token(&self) -> String {
        fs::read_to_string(self.data.join("token")).expect("a token").trim().to_owned()
    }

    /// The processes that watch over steps: those whose number stands in the file that says that they live.
    pub(crate) fn shims(&self) -> Vec<Pid> {
        let Ok(attempts) = fs::read_dir(self.data.join("attempts")) else { return Vec::new() };
        attempts
            .flatten()
            .filter_map(|attempt| fs::read_to_string(attempt.path().join("alive")).ok()?.trim().parse().ok())
            .filter_map(Pid::from_raw)
            .filter(|pid| is_alive(*pid))
            .collect()
    }

    /// The state without ids and times, line by line.
    #[track_caller]
    pub(crate) fn export(&self) -> String {
        let answer = self.run(&["export", "--canonical"]);
        answer.fine();
        answer.out
    }

    /// Waits until a run is over and returns what `describe` knows of it.
    #[track_caller]
    pub(crate) fn ended(&self, run: &str) -> Value {
        wait_for(run, || {
            let runs = self.json(&["get", "runs"]);
            let over = runs.as_array()?.iter().any(|found| {
                display_name(found) == run && !matches!(found["state"].as_str(), Some("pending" | "running"))
            });
            over.then(|| self.json(&["describe", "run", run]))
        })
    }

    /// All files under the data folder that hold `secret` in clear, but the one where it belongs.
    pub(crate) fn files_with(&self, secret: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.data.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(kind) if kind.is_file() && path != self.data.join("token") => {
                        let bytes = fs::read(&path).unwrap_or_default();
                        if bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                            found.push(path);
                        }
                    }
                    _ => {}
                }
            }
        }
        found
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A test that failed half-way leaves nobody behind: a killed runner's step leads a group of its own.
        for pid in self.shims() {
            for child in children(pid) {
                let _ = kill_process_group(child, Signal::KILL);
            }
            let _ = kill_process(pid, Signal::KILL);
        }
        // A folder that a test made unwritable must go as well.
        let _ = fs::set_permissions(&self.data, fs::Permissions::from_mode(0o700));
    }
}

/// Returns `train-3` of a run in JSON.
pub(crate) fn display_name(run: &Value) -> String {
    format!("{}-{}", run["pipeline"].as_str().unwrap_or(""), run["number"])
}

/// A server that runs.
pub(crate) struct Up<'a> {
    place: &'a Place,
    child: Child,
    /// Where it listens: `127.0.0.1:41749`.
    pub(crate) address: String,
    ended: bool,
}

impl Up<'_> {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal and waits for the end; returns the exit code.
    pub(crate) fn stop(mut self, signal: Signal) -> i32 {
        kill_process(self.pid(), signal).expect("it lives");
        assert!(ends(&mut self.child, LIMIT), "still there: {}", self.log());
        self.ended = true;
        self.child.wait().expect("it ended").code().unwrap_or(-1)
    }

    /// Kills it at once, as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it ended");
        self.ended = true;
    }

    /// What it said so far, to both streams.
    pub(crate) fn log(&self) -> String {
        self.place.read(".server.log")
    }

    /// Waits until it says something.
    #[track_caller]
    pub(crate) fn wait_for_word(&self, word: &str) {
        wait_for(word, || self.log().contains(word).then_some(()));
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let _ = kill_process(self.pid(), Signal::TERM);
            if !ends(&mut self.child, Duration::from_secs(10)) {
                let _ = self.child.kill();
            }
            let _ = self.child.wait();
        }
    }
}

/// Waits for a child's end; false where it takes longer than `limit`.
fn ends(child: &mut Child, limit: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < limit {
        if !matches!(child.try_wait(), Ok(None)) {
            return true;
        }
        pause();
    }
    false
}

/// Waits until `look` finds something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "waited {LIMIT:?} for {what}");
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "the pause between two looks at a state, in a test without workers")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// Returns whether a process lives (and is not only waiting to be reaped).
pub(crate) fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Returns the children of a process.
pub(crate) fn children(pid: Pid) -> Vec<Pid> {
    let pid = pid.as_raw_nonzero();
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)).collect()
}

/// Says that a test cannot run here; in CI, where all it needs is set up, that is a failure.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "cannot be skipped here: {why}");
    eprintln!("SKIPPED: {why}");
}

/// Holds that two texts are the same; says where they are not.
#[track_caller]
pub(crate) fn same_text(found: &str, wanted: &str, what: &str) {
    let lines = found.lines().zip(wanted.lines()).enumerate();
    let differences: Vec<String> = lines
        .filter(|(_, (found, wanted))| found != wanted)
        .take(5)
        .map(|(number, (found, wanted))| format!("line {}: {found}\n  wanted: {wanted}", number + 1))
        .collect();
    assert!(found == wanted, "{what}: {}\n{}", found.len().abs_diff(wanted.len()), differences.join("\n"));
}
