//! Bringing everything over, in an order in which each thing finds what it refers to: experiments, their runs and logged
//! models, then registered models, their versions and aliases.
//!
//! What is done, the server knows: each thing that came over whole has a mark there, the digest of all that the source
//! had of it. An import that is begun again reads the source once more, and sends only what has no mark or another one.

mod files;
mod registry;
mod runs;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};
use windlass_api::{Client, ClientError, ImportDone};
use windlass_kinds::{
    ExperimentId, canonical,
    record::{ImportAnswer, ImportExperiment, ImportOutcome, OnConflict},
};

use crate::{Experiment, MigrateError, Renamed, Report, Source};

/// How to bring things over.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to do where a name is taken.
    pub on_conflict: OnConflict,
    /// Only say what would be done.
    pub dry_run: bool,
    /// A folder for files on their way; it may hold a few of the largest at once.
    pub scratch: PathBuf,
}

/// Looks on while an import works.
pub trait Watch: Send + Sync {
    /// Something new begins: `experiment flights`, with how many parts it has, where that is known.
    fn begin(&self, what: &str, parts: Option<u64>);

    /// One part of what began is done.
    fn part(&self);

    /// Returns whether to stop at the next good place.
    fn is_stopped(&self) -> bool;
}

/// Where a run or logged model has its files: at the source, and here.
#[derive(Debug, Clone)]
struct Home {
    there: String,
    here: String,
}

/// An import at work.
struct Import<'a> {
    source: &'a dyn Source,
    target: &'a Client,
    options: &'a Options,
    watch: &'a dyn Watch,
    report: Mutex<Report>,
    /// By the id of the run or logged model.
    homes: Mutex<HashMap<String, Home>>,
}

/// Brings everything over and says what came of it. What was brought stays, however it ends.
pub async fn import(
    source: &dyn Source,
    target: &Client,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Report, MigrateError> {
    let report = Report { source: source.shown().to_owned(), dry_run: options.dry_run, ..Report::default() };
    let import =
        Import { source, target, options, watch, report: Mutex::new(report), homes: Mutex::new(HashMap::new()) };
    for (what, why) in source.unreachable().await? {
        import.note(|report| report.leave(what, why));
    }
    let experiments = source.experiments().await?;
    for experiment in &experiments {
        import.experiment(experiment).await?;
    }
    import.registry().await?;
    let report = import.report.into_inner().unwrap_or_else(PoisonError::into_inner);
    let counts = report.changes();
    if !options.dry_run && !counts.is_empty() {
        let done = ImportDone { source: report.source.clone(), counts };
        target.post::<_, ()>("/api/v1/import/done", &done).await.map_err(MigrateError::Target)?;
    }
    Ok(report)
}

/// What a server made of something that was sent.
enum Sent {
    /// It was taken, or left out by its own decision.
    Answered(ImportAnswer),
    /// It cannot be stored; says why.
    Unfit(String),
}

impl Import<'_> {
    fn note(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn check_stop(&self) -> Result<(), MigrateError> {
        if self.watch.is_stopped() { Err(MigrateError::Interrupted) } else { Ok(()) }
    }

    async fn post<B: Serialize + Sync, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, MigrateError> {
        self.target.post(&format!("/api/v1/import/{path}"), body).await.map_err(MigrateError::Target)
    }

    /// Sends one thing. What the server cannot store is that thing's trouble, anything else ends the import.
    async fn send<B: Serialize + Sync>(&self, path: &str, body: &B) -> Result<Sent, MigrateError> {
        match self.post(path, body).await {
            Ok(answer) => Ok(Sent::Answered(answer)),
            Err(MigrateError::Target(ClientError::Refused { status: 400 | 404 | 413 | 422, body })) => {
                Ok(Sent::Unfit(body.message))
            }
            Err(error) => Err(error),
        }
    }

    async fn experiment(&self, experiment: &Experiment) -> Result<(), MigrateError> {
        self.check_stop()?;
        let Experiment { id, name, deleted, created_ms, updated_ms, tags } = experiment;
        // Both ways of reading a store give the same; a name may change, the rest does not.
        let origin = match created_ms {
            0 => format!("{id}@{}", canonical::digest(name).hex()),
            created => format!("{id}@{created}"),
        };
        let given = ImportExperiment {
            origin,
            id: id.clone(),
            name: name.clone(),
            deleted: *deleted,
            created_ms: *created_ms,
            updated_ms: *updated_ms,
            tags: tags.clone(),
            on_conflict: self.options.on_conflict,
            dry_run: self.options.dry_run,
        };
        let what = format!("experiment {id} `{name}`");
        let answer = match self.send("experiment", &given).await? {
            Sent::Answered(answer) => answer,
            Sent::Unfit(why) => ImportAnswer { name: id.clone(), outcome: ImportOutcome::LeftOut(why) },
        };
        self.note(|report| {
            report.take("experiments", &what, &answer.outcome);
            if answer.name != *id {
                let (from, to) = (what.clone(), format!("experiment {}", answer.name));
                report.renamed.push(Renamed { from, to });
            }
        });
        if let ImportOutcome::LeftOut(_) = answer.outcome {
            return Ok(());
        }
        self.runs(experiment, &ExperimentId::new(answer.name)).await
    }

    fn home(&self, id: &str, there: &str, here: String) {
        let home = Home { there: there.trim_end_matches('/').to_owned(), here };
        self.homes.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), home);
    }

    /// Returns where files are here that were at `uri`; `None` where they are nothing that was brought over.
    fn moved(&self, uri: &str) -> Option<String> {
        let homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        let uri = uri.trim_end_matches('/');
        for part in uri.split(['/', ':']) {
            let Some(home) = homes.get(part) else { continue };
            let rest = match uri.strip_prefix(&home.there) {
                Some(rest) => rest,
                // The same place, written with or without a host or a scheme.
                None => {
                    let at = uri.find(part)? + part.len();
                    uri[at..].strip_prefix("/artifacts")?
                }
            };
            if rest.is_empty() || rest.starts_with('/') {
                return Some(format!("mlflow-artifacts:/{}{rest}", home.here));
            }
        }
        None
    }
}
