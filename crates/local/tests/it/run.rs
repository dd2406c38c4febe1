//! Commands without a manifest.

use std::{collections::BTreeMap, fs, path::Path, process::Command, sync::Mutex};

use async_trait::async_trait;
use windlass_kinds::{ExperimentId, RunId, record::RunStatus};
use windlass_local::run::{TrackError, TrackOptions, TrackedRun, Tracking, TrackingError, track};

/// A tracking server in memory.
#[derive(Default)]
struct Notes {
    tags: Mutex<BTreeMap<String, String>>,
    artifacts: Mutex<BTreeMap<String, String>>,
    status: Mutex<Option<RunStatus>>,
    refuses_artifacts: bool,
}

#[async_trait]
impl Tracking for Notes {
    async fn run_create(
        &self,
        experiment: &str,
        name: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<TrackedRun, TrackingError> {
        if experiment == "closed" {
            return Err("it is closed".into());
        }
        self.tags.lock().unwrap().extend(tags.clone());
        let name = name.unwrap_or("made-up").to_owned();
        Ok(TrackedRun { run: RunId::new("run-1"), experiment: ExperimentId::new("7"), name })
    }

    async fn artifact_put(&self, _run: &TrackedRun, path: &str, bytes: Vec<u8>) -> Result<(), TrackingError> {
        if self.refuses_artifacts {
            return Err("no room".into());
        }
        self.artifacts.lock().unwrap().insert(path.to_owned(), String::from_utf8(bytes).unwrap());
        Ok(())
    }

    async fn run_finish(
        &self,
        _run: &TrackedRun,
        status: RunStatus,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), TrackingError> {
        self.tags.lock().unwrap().extend(tags.clone());
        *self.status.lock().unwrap() = Some(status);
        Ok(())
    }
}

fn options(directory: &Path, command: &[&str]) -> TrackOptions {
    TrackOptions {
        command: command.iter().map(ToString::to_string).collect(),
        directory: directory.to_owned(),
        experiment: "Default".to_owned(),
        name: None,
        uri: "http://127.0.0.1:7070".to_owned(),
        token: "wl_very_secret_token".to_owned(),
        excluded: vec![directory.join("data-of-ours")],
        tags: BTreeMap::new(),
        variables: BTreeMap::new(),
    }
}

fn git(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(directory).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments);
    assert!(command.output().unwrap().status.success(), "{arguments:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_kept_with_its_code_and_log() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    git(&folder, &["init", "-q", "-b", "trunk"]);
    fs::write(folder.join("train.py"), "print('one')\n").unwrap();
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-q", "-m", "first"]);
    git(&folder, &["remote", "add", "origin", "https://me:hidden@host/a.git"]);
    fs::write(
        folder.join("train.py"),
        "import os, sys\nprint('hello', sys.argv[1], os.environ['MLFLOW_TRACKING_TOKEN'])\nprint(os.environ['MLFLOW_RUN_ID'], file=sys.stderr)\nsys.exit(3)\n",
    )
    .unwrap();
    fs::write(folder.join("helper.py"), "x = 1\n").unwrap();
    fs::write(folder.join(".env"), "PASSWORD=1\n").unwrap();
    fs::write(folder.join("large.bin"), vec![b'x'; 2 << 20]).unwrap();
    fs::create_dir(folder.join("data-of-ours")).unwrap();
    fs::write(folder.join("data-of-ours/token"), "t").unwrap();

    let notes = Notes::default();
    let said = Mutex::new(Vec::new());
    let say = |line: &str| said.lock().unwrap().push(line.to_owned());
    let ended = track(&notes, &options(&folder, &["python3", "train.py", "a b"]), &say).await.unwrap();
    assert_eq!(ended.code(), 3);
    assert_eq!(*notes.status.lock().unwrap(), Some(RunStatus::Failed));
    assert_eq!(*said.lock().unwrap(), ["run made-up (run-1) in experiment Default"]);

    let tags = notes.tags.lock().unwrap();
    assert_eq!(tags["mlflow.source.name"], "python3 train.py a b");
    assert_eq!(tags["windlass.command"], r#"["python3","train.py","a b"]"#);
    assert_eq!(tags["mlflow.source.git.branch"], "trunk");
    assert_eq!(tags["mlflow.source.git.repoURL"], "https://host/a.git");
    assert_eq!(tags["mlflow.source.git.commit"].len(), 40);
    assert_eq!(tags["windlass.git.changed"], "true");
    assert_eq!(tags["windlass.exit_code"], "3");

    let artifacts = notes.artifacts.lock().unwrap();
    let paths: Vec<_> = artifacts.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "windlass/changes.patch",
            "windlass/command.json",
            "windlass/log.txt",
            "windlass/packages.txt",
            "windlass/untracked/helper.py",
        ]
    );
    assert!(artifacts["windlass/changes.patch"].contains("-print('one')"));
    assert!(artifacts["windlass/packages.txt"].starts_with("# CPython 3."));
    let log = &artifacts["windlass/log.txt"];
    assert!(log.contains("hello a b ***\n") && log.contains("run-1\n"), "{log}");
    let description = &artifacts["windlass/command.json"];
    assert!(description.contains(".env: its name looks like that of a secret"), "{description}");
    assert!(description.contains("large.bin: it is too large"), "{description}");
    assert!(!description.contains("data-of-ours/token"), "{description}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_with_tracking_does_not_end_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let notes = Notes { refuses_artifacts: true, ..Notes::default() };
    let said = Mutex::new(Vec::new());
    let say = |line: &str| said.lock().unwrap().push(line.to_owned());
    let ended = track(&notes, &options(folder.path(), &["sh", "-c", "echo done > out"]), &say).await.unwrap();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.status(), RunStatus::Finished);
    assert!(folder.path().join("out").exists());
    assert!(said.lock().unwrap().contains(&"windlass/log.txt is not on the run: no room".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_tracked_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let notes = Notes::default();
    let nothing = track(&notes, &options(folder.path(), &[]), &|_| {}).await.unwrap_err();
    assert!(matches!(nothing, TrackError::NoCommand));
    let mut closed = options(folder.path(), &["true"]);
    closed.experiment = "closed".to_owned();
    let closed = track(&notes, &closed, &|_| {}).await.unwrap_err();
    assert_eq!(closed.to_string(), "failed to create a run in experiment `closed`");
    let missing = track(&notes, &options(folder.path(), &["no-such-program"]), &|_| {}).await.unwrap_err();
    assert_eq!(missing.to_string(), "failed to start `no-such-program`");
    assert_eq!(*notes.status.lock().unwrap(), Some(RunStatus::Failed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_shows_in_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let notes = Notes::default();
    let ended = track(&notes, &options(folder.path(), &["sh", "-c", "kill -9 $$"]), &|_| {}).await.unwrap();
    assert_eq!(ended.code(), 137);
    assert_eq!(ended.status(), RunStatus::Failed);
}
