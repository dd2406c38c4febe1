//! `windlass import mlflow --from SOURCE`: moves in from an MLflow server or its database.

use std::{
    io::IsTerminal as _,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use indicatif::{ProgressBar, ProgressStyle};
use windlass_kinds::record::OnConflict;
use windlass_migrate::{
    Credentials, DatabaseSource, Folder, HttpSource, MigrateError, Options, Report, Source, SourceError, Watch,
};

use crate::{
    args::{Global, ImportCommand, ImportMlflowArgs, OnConflictArg},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table},
};

/// After how many parts a line says how far it is, where there is no terminal.
const LINE_EVERY: u64 = 1000;
/// How many of what was left out are listed on a terminal; `-o json` lists all.
const LISTED: usize = 50;

pub(crate) async fn run(global: &Global, command: ImportCommand) -> Result<ExitCode, Failure> {
    let ImportCommand::Mlflow(args) = command;
    let ImportMlflowArgs { from, artifacts, on_conflict, dry_run, from_token, from_username, from_password } = args;
    let client = connect(global)?;
    if let Some(folder) = artifacts.as_deref().filter(|folder| !folder.is_dir()) {
        return Err(Failure::user(format!("there is no folder {}", folder.display())));
    }
    let credentials = Credentials {
        token: from_token,
        basic: from_username.map(|username| (username, from_password.unwrap_or_default())),
    };
    let source: Box<dyn Source> = if from.starts_with("http://") || from.starts_with("https://") {
        let server = HttpSource::new(&from, credentials).map_err(|error| unreadable(&error))?;
        match artifacts {
            None => Box::new(server),
            Some(folder) => Box::new(server.with_files(Folder::new(folder))),
        }
    } else {
        Box::new(DatabaseSource::open(&from, artifacts).await.map_err(|error| unreadable(&error))?)
    };
    let scratch = tempfile::tempdir().map_err(|error| Failure::ours("failed to make a folder for files", error))?;
    let options = Options {
        on_conflict: match on_conflict {
            OnConflictArg::Skip => OnConflict::Skip,
            OnConflictArg::Rename => OnConflict::Rename,
            OnConflictArg::Fail => OnConflict::Fail,
        },
        dry_run,
        scratch: scratch.path().to_owned(),
    };
    let progress = Progress::new();
    let stop = Arc::clone(&progress.stop);
    let signals = tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    });
    let outcome = windlass_migrate::import(source.as_ref(), &client, &options, &progress).await;
    signals.abort();
    progress.clear();
    let report = outcome.map_err(stopped)?;
    let has_files = source.files().is_some();
    view::show(global.output, &report, || print(&report, has_files));
    Ok(ExitCode::SUCCESS)
}

fn unreadable(error: &SourceError) -> Failure {
    let failure = Failure::user(windlass_control::chain(error));
    match error {
        SourceError::Schema { .. } => failure.hint(
            "bring the database to a release that is known by `mlflow db upgrade` of that release, or import from a \
             running server by --from http://…",
        ),
        error if error.is_sign_in() => {
            failure.hint("set WINDLASS_IMPORT_TOKEN, or WINDLASS_IMPORT_USERNAME and WINDLASS_IMPORT_PASSWORD")
        }
        _ => failure,
    }
}

fn stopped(error: MigrateError) -> Failure {
    const GO_ON: &str = "what was brought over stays; the same command goes on from there";
    match error {
        MigrateError::Source(error) => {
            let failure = unreadable(&error);
            match failure.has_hint() {
                true => failure,
                false => failure.hint(GO_ON),
            }
        }
        MigrateError::Target(error) => failure(error),
        MigrateError::Interrupted => Failure::user("the import was interrupted").hint(GO_ON),
        error @ MigrateError::Scratch(_) => Failure::ours("failed to import", error),
    }
}

fn print(report: &Report, has_files: bool) {
    let mut table = Table::new(&["what", "there", "here", "imported", "updated", "unchanged", "left out"]);
    for (kind, count) in &report.counts {
        let numbers = [count.source, count.here(), count.imported, count.updated, count.there, count.left_out];
        table.row([kind.clone()].into_iter().chain(numbers.iter().map(u64::to_string)));
    }
    table.print();
    let told = if report.dry_run { "would be brought over; nothing was written" } else { "were brought over" };
    if report.dry_run {
        view::out!("\nThis {told}.");
    } else {
        view::out!("\n{} metric points and {} of files {told}.", report.points, view::bytes(report.bytes));
    }
    if !has_files {
        view::out!("No files were looked for: --artifacts DIR says where they lie.");
    }
    for renamed in &report.renamed {
        view::out!("{} is {} here", renamed.from, renamed.to);
    }
    if report.left_out.is_empty() {
        return;
    }
    view::out!("\nLeft out:");
    let mut table = Table::new(&["what", "why"]);
    for left in report.left_out.iter().take(LISTED) {
        table.row([left.what.clone(), left.why.clone()]);
    }
    table.print();
    if report.left_out.len() > LISTED {
        view::out!("… and {} more; -o json lists all", report.left_out.len() - LISTED);
    }
}

/// Progress on standard error: a bar on a terminal, else a line now and then.
struct Progress {
    bar: Option<ProgressBar>,
    parts: AtomicU64,
    stop: Arc<AtomicBool>,
}

impl Progress {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            match ProgressStyle::with_template("{spinner} {prefix:<40} {pos} done {elapsed:>5}") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { bar, parts: AtomicU64::new(0), stop: Arc::default() }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Progress {
    fn begin(&self, what: &str, parts: Option<u64>) {
        self.parts.store(0, Ordering::Relaxed);
        let what: String = what.chars().filter(|character| !character.is_control()).take(80).collect();
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(what);
                bar.set_position(0);
            }
            None => match parts {
                Some(parts) => eprintln!("{what}: {parts}"),
                None => eprintln!("{what}"),
            },
        }
    }

    fn part(&self) {
        let parts = self.parts.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.bar {
            Some(bar) => bar.set_position(parts),
            None if parts.is_multiple_of(LINE_EVERY) => eprintln!("  {parts} done"),
            None => {}
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
