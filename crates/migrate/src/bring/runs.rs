//! The runs and logged models of one experiment.

use std::collections::HashMap;

use futures_util::{TryStreamExt as _, stream};
use windlass_api::{ImportKnown, ImportMarks};
use windlass_kinds::{
    ExperimentId, LoggedModelId, canonical,
    record::{ImportAnswer, ImportLoggedModel, ImportOutcome, ImportPoint, ImportRun},
};

use super::{Import, Sent, files::Had};
use crate::{Cursor, Experiment, LoggedModel, MigrateError, ModelMetric, Owner, Point, Run};

/// How many runs are brought over at once: enough that neither server waits for the other.
const AT_ONCE: usize = 4;
/// How many points and files one request has.
const POINTS: usize = 4000;
const FILES: usize = 4000;

/// Which logged model a point is about, by run, metric, time and step.
type About = HashMap<(String, String, i64, i64), (LoggedModelId, Option<String>, Option<String>)>;

/// What a mark says: what was there when it was set, and which files could not be had.
fn mark(facts: &str, had: &Had) -> String {
    let missing: Vec<&String> = had.missing.keys().collect();
    format!("{facts} {}", if missing.is_empty() { "-".to_owned() } else { canonical::digest(&missing).to_string() })
}

impl Import<'_> {
    /// Brings the runs and logged models of an experiment over.
    pub(super) async fn runs(&self, experiment: &Experiment, here: &ExperimentId) -> Result<(), MigrateError> {
        let mut models = Vec::new();
        let mut cursor = Cursor::default();
        while let Some(page) = self.source.logged_models(&experiment.id, &mut cursor).await? {
            models.extend(page);
        }
        let about = about(&models);
        self.watch.begin(&format!("experiment {} `{}`", experiment.id, experiment.name), None);
        let mut cursor = Cursor::default();
        while let Some(page) = self.source.runs(&experiment.id, &mut cursor).await? {
            let ids = page.iter().map(|run| run.id.to_string()).collect();
            let known: ImportMarks = self.post("known", &ImportKnown { runs: ids, ..ImportKnown::default() }).await?;
            stream::iter(page.iter().map(Ok))
                .try_for_each_concurrent(AT_ONCE, |run| self.run(run, here, known.runs.get(run.id.as_str()), &about))
                .await?;
        }
        for page in models.chunks(200) {
            let ids = page.iter().map(|model| model.id.to_string()).collect();
            let asked = ImportKnown { logged_models: ids, ..ImportKnown::default() };
            let known: ImportMarks = self.post("known", &asked).await?;
            stream::iter(page.iter().map(Ok))
                .try_for_each_concurrent(AT_ONCE, |model| {
                    self.logged_model(model, here, known.logged_models.get(model.id.as_str()))
                })
                .await?;
        }
        Ok(())
    }

    async fn run(
        &self,
        run: &Run,
        experiment: &ExperimentId,
        known: Option<&String>,
        about: &About,
    ) -> Result<(), MigrateError> {
        self.check_stop()?;
        self.home(run.id.as_str(), &run.artifact_uri, format!("{experiment}/{}/artifacts", run.id));
        let owner = Owner::Run(run.id.clone(), run.artifact_uri.clone());
        let listed = self.list(&owner).await?;
        let facts = canonical::digest(&(run, &listed.files)).to_string();
        let what = format!("run {}", run.id);
        let is_whole = known.is_some_and(|known| known.split(' ').next() == Some(&facts));
        if is_whole && known.is_some_and(|known| known.ends_with(" -")) {
            self.files_done(&owner, &listed, &Had::default(), false);
            self.note(|report| report.take("runs", what, &ImportOutcome::There));
            self.watch.part();
            return Ok(());
        }
        if self.options.dry_run {
            self.files_done(&owner, &listed, &Had::default(), !is_whole);
            let outcome = match known {
                Some(known) if is_whole && !known.is_empty() => ImportOutcome::There,
                Some(known) if !known.is_empty() => ImportOutcome::Updated,
                Some(_) | None => ImportOutcome::Imported,
            };
            self.note(|report| report.take("runs", what, &outcome));
            self.watch.part();
            return Ok(());
        }
        let mut part = first_part(run, experiment);
        if is_whole {
            // Only files were missing: those that are still missing change nothing.
            let had = self.bytes(&owner, &listed.files).await?;
            let mark = mark(&facts, &had);
            if known == Some(&mark) {
                self.files_done(&owner, &listed, &had, false);
                self.note(|report| report.take("runs", what, &ImportOutcome::There));
            } else {
                let outcome = self.last_parts(part, had.artifacts.clone(), mark).await?;
                self.files_done(&owner, &listed, &had, true);
                self.note(|report| report.take("runs", what, &outcome));
            }
            self.watch.part();
            return Ok(());
        }
        let mut cursor = Cursor::default();
        let mut sent = 0;
        while let Some(points) = self.source.points(run, &mut cursor).await? {
            for point in points {
                part.points.push(with_model(run.id.as_str(), point, about));
                if part.points.len() < POINTS {
                    continue;
                }
                sent += part.points.len();
                if let Some(outcome) = self.one_part(&part).await? {
                    self.note(|report| report.take("runs", what, &outcome));
                    self.watch.part();
                    return Ok(());
                }
                part = next_part(run, experiment);
                self.check_stop()?;
            }
        }
        sent += part.points.len();
        let had = self.bytes(&owner, &listed.files).await?;
        let mark = mark(&facts, &had);
        let outcome = self.last_parts(part, had.artifacts.clone(), mark).await?;
        if !matches!(outcome, ImportOutcome::LeftOut(_)) {
            self.files_done(&owner, &listed, &had, true);
        }
        self.note(|report| {
            report.points += sent as u64;
            report.take("runs", what, &outcome);
        });
        self.watch.part();
        Ok(())
    }

    /// Sends a part that is not the last; returns why the run is left out, if it is.
    async fn one_part(&self, part: &ImportRun) -> Result<Option<ImportOutcome>, MigrateError> {
        match self.send("run", part).await? {
            Sent::Answered(ImportAnswer { outcome: outcome @ ImportOutcome::LeftOut(_), .. }) => Ok(Some(outcome)),
            Sent::Answered(_) => Ok(None),
            Sent::Unfit(why) => Ok(Some(ImportOutcome::LeftOut(why))),
        }
    }

    /// Sends the last part, files in as many requests as they need; returns what became of the run.
    async fn last_parts(
        &self,
        mut part: ImportRun,
        mut artifacts: Vec<windlass_kinds::record::ImportArtifact>,
        mark: String,
    ) -> Result<ImportOutcome, MigrateError> {
        while artifacts.len() > FILES {
            part.artifacts = artifacts.split_off(artifacts.len() - FILES);
            if let Some(outcome) = self.one_part(&part).await? {
                return Ok(outcome);
            }
            part.points.clear();
        }
        part.artifacts = artifacts;
        part.mark = Some(mark);
        Ok(match self.send("run", &part).await? {
            Sent::Answered(answer) => answer.outcome,
            Sent::Unfit(why) => ImportOutcome::LeftOut(why),
        })
    }

    async fn logged_model(
        &self,
        model: &LoggedModel,
        experiment: &ExperimentId,
        known: Option<&String>,
    ) -> Result<(), MigrateError> {
        self.check_stop()?;
        self.home(model.id.as_str(), &model.artifact_uri, format!("{experiment}/models/{}/artifacts", model.id));
        let owner = Owner::Model(model.id.clone(), model.artifact_uri.clone());
        let mut listed = self.list(&owner).await?;
        if listed.files.is_empty() && listed.trouble.is_none() && self.source.files().is_some() {
            listed.trouble = Some("there are none".to_owned());
        }
        let facts = canonical::digest(&(model, &listed.files)).to_string();
        let what = format!("logged model {}", model.id);
        let is_same = known.is_some_and(|known| known.split(' ').next() == Some(&facts));
        if (is_same && known.is_some_and(|known| known.ends_with(" -"))) || self.options.dry_run {
            self.files_done(&owner, &listed, &Had::default(), !is_same);
            let outcome = if is_same { ImportOutcome::There } else { ImportOutcome::Imported };
            self.note(|report| report.take("logged models", what, &outcome));
            return Ok(());
        }
        let had = self.bytes(&owner, &listed.files).await?;
        let mark = mark(&facts, &had);
        if known == Some(&mark) {
            self.files_done(&owner, &listed, &had, false);
            self.note(|report| report.take("logged models", what, &ImportOutcome::There));
            return Ok(());
        }
        let mut given = ImportLoggedModel {
            id: model.id.clone(),
            experiment: experiment.clone(),
            name: model.name.clone(),
            source_run: model.source_run.clone(),
            model_type: model.model_type.clone(),
            status: model.status,
            status_message: model.status_message.clone(),
            created_ms: model.created_ms,
            updated_ms: model.updated_ms,
            params: model.params.clone(),
            tags: model.tags.clone(),
            artifacts: had.artifacts.clone(),
            mark: None,
        };
        while given.artifacts.len() > FILES {
            let rest = given.artifacts.split_off(FILES);
            if let Sent::Unfit(why) = self.send("logged-model", &given).await? {
                self.note(|report| report.take("logged models", &what, &ImportOutcome::LeftOut(why)));
                return Ok(());
            }
            given.artifacts = rest;
        }
        given.mark = Some(mark);
        let outcome = match self.send("logged-model", &given).await? {
            Sent::Answered(answer) => answer.outcome,
            Sent::Unfit(why) => ImportOutcome::LeftOut(why),
        };
        if !matches!(outcome, ImportOutcome::LeftOut(_)) {
            self.files_done(&owner, &listed, &had, true);
        }
        self.note(|report| report.take("logged models", what, &outcome));
        Ok(())
    }
}

fn first_part(run: &Run, experiment: &ExperimentId) -> ImportRun {
    ImportRun {
        params: run.params.clone(),
        tags: run.tags.clone(),
        datasets: run.datasets.clone(),
        model_inputs: run.model_inputs.clone(),
        model_outputs: run.model_outputs.clone(),
        ..next_part(run, experiment)
    }
}

fn next_part(run: &Run, experiment: &ExperimentId) -> ImportRun {
    ImportRun {
        id: run.id.clone(),
        experiment: experiment.clone(),
        name: run.name.clone(),
        user: run.user.clone(),
        status: run.status,
        start_ms: run.start_ms,
        end_ms: run.end_ms,
        deleted: run.deleted,
        params: Vec::new(),
        tags: Vec::new(),
        datasets: Vec::new(),
        model_inputs: Vec::new(),
        model_outputs: Vec::new(),
        points: Vec::new(),
        artifacts: Vec::new(),
        mark: None,
    }
}

/// MLflow keeps beside the points which of them are about a model; here a point says so itself.
fn about(models: &[LoggedModel]) -> About {
    let mut about = About::new();
    for model in models {
        for metric in &model.metrics {
            let ModelMetric { run, key, timestamp_ms, step, dataset_name, dataset_digest } = metric;
            about
                .entry((run.clone(), key.clone(), *timestamp_ms, *step))
                .or_insert_with(|| (model.id.clone(), dataset_name.clone(), dataset_digest.clone()));
        }
    }
    about
}

fn with_model(run: &str, point: Point, about: &About) -> ImportPoint {
    let Point { key, value, timestamp_ms, step } = point;
    let found = match about.is_empty() {
        true => None,
        false => about.get(&(run.to_owned(), key.clone(), timestamp_ms, step)).cloned(),
    };
    let (model_id, dataset_name, dataset_digest) = match found {
        Some((model, name, digest)) => (Some(model), name, digest),
        None => (None, None, None),
    };
    ImportPoint { key, value, timestamp_ms, step, model_id, dataset_name, dataset_digest }
}
