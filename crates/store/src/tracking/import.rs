//! Experiments, runs and logged models that come from elsewhere: with their ids, times and states of life.
//!
//! Each function may be called again with the same or with more: what is there stays, what is new is added. Runs that
//! were made here, those of pipelines above all, are never touched.

use windlass_kinds::{
    ExperimentId, LoggedModelId, Micros, Name, RunId,
    record::{
        Actor, Artifact, ImportAnswer, ImportArtifact, ImportExperiment, ImportLoggedModel, ImportOutcome, ImportRun,
        LedgerKind, MetricPoint, OnConflict, Run,
    },
};

use super::{
    Refusal, Subject,
    data::{INPUT, OUTPUT},
    experiment_number,
};
use crate::{
    StoreError, Tx,
    encode::word,
    import::{Marked, other_name},
    tx::args,
};

/// The largest id of an experiment that is kept. Larger ones leave no room to count on from.
const ID_MAX: i64 = 1 << 53;

fn answer(name: impl Into<String>, outcome: ImportOutcome) -> ImportAnswer {
    ImportAnswer { name: name.into(), outcome }
}

fn left_out(name: &str, why: String) -> ImportAnswer {
    answer(name, ImportOutcome::LeftOut(why))
}

impl Tx {
    /// Returns the marks of runs that were brought over and are still there, by id.
    pub async fn import_runs_known(
        &mut self,
        project: &Name,
        ids: &[String],
    ) -> Result<Vec<(String, String)>, StoreError> {
        let mut known = Vec::new();
        for (id, mark) in self.import_marks(project, Marked::Run, ids).await? {
            let run = self.run_get(&RunId::new(&id)).await?;
            if run.is_some_and(|run| run.project == *project) {
                known.push((id, mark));
            }
        }
        Ok(known)
    }

    /// Returns the marks of logged models that were brought over and are still there, by id.
    pub async fn import_logged_models_known(
        &mut self,
        project: &Name,
        ids: &[String],
    ) -> Result<Vec<(String, String)>, StoreError> {
        let mut known = Vec::new();
        for (id, mark) in self.import_marks(project, Marked::LoggedModel, ids).await? {
            if self.logged_model_owner(&LoggedModelId::new(&id)).await?.is_some_and(|owner| owner.0 == *project) {
                known.push((id, mark));
            }
        }
        Ok(known)
    }

    /// Brings an experiment over, or what changed of one since.
    pub async fn import_experiment(
        &mut self,
        project: &Name,
        given: &ImportExperiment,
        actor: &Actor,
        now: Micros,
    ) -> Result<ImportAnswer, StoreError> {
        self.lock_project(project).await?;
        let ImportExperiment { origin, id, name, deleted, created_ms, updated_ms, tags, on_conflict, dry_run } = given;
        let digest = windlass_kinds::canonical::digest(&(name, deleted, tags)).to_string();
        if let Some(mark) = self.import_mark(project, Marked::Experiment, origin).await?
            && let Some((here, known)) = mark.split_once(' ')
            && let Some(found) = self.experiment_get(project, &ExperimentId::new(here)).await?
        {
            if known == digest {
                return Ok(answer(here, ImportOutcome::There));
            }
            if !dry_run {
                let number = experiment_number(&found.id)?;
                self.experiment_tags_put(project, number, tags).await?;
                self.execute(
                    "UPDATE experiment SET deleted = $3, updated_ms = $4 WHERE project = $1 AND id = $2",
                    args![project, number, found.deleted || *deleted, *updated_ms],
                )
                .await?;
                self.import_mark_set(project, Marked::Experiment, origin, &format!("{here} {digest}")).await?;
            }
            return Ok(answer(here, ImportOutcome::Updated));
        }
        let made = if id == "0" {
            if *dry_run {
                return Ok(answer("0", ImportOutcome::Imported));
            }
            self.experiment_default(project, *created_ms).await?;
            ExperimentId::new("0")
        } else {
            let Some(name) = self.import_experiment_name(project, name, *on_conflict).await? else {
                return Ok(left_out(
                    id,
                    format!(
                        "an experiment `{name}` is here that did not come from there; --on-conflict rename brings it over under another name"
                    ),
                ));
            };
            let number = self.import_experiment_number(project, id).await?;
            if *dry_run {
                return Ok(answer(number.to_string(), ImportOutcome::Imported));
            }
            self.execute(
                "INSERT INTO experiment (project, id, name, deleted, created_ms, updated_ms)
                 VALUES ($1, $2, $3, $4, $5, $6)",
                args![project, number, &name, *deleted, *created_ms, *updated_ms],
            )
            .await?;
            ExperimentId::new(number.to_string())
        };
        self.experiment_tags_put(project, experiment_number(&made)?, tags).await?;
        self.import_mark_set(project, Marked::Experiment, origin, &format!("{made} {digest}")).await?;
        let subject = format!("experiment {made}");
        self.ledger_append(project, actor, LedgerKind::Registry, &subject, &("imported", name, origin), now).await?;
        Ok(answer(made.as_str(), ImportOutcome::Imported))
    }

    /// Returns the name to give, `None` where the experiment is to be left out.
    async fn import_experiment_name(
        &mut self,
        project: &Name,
        name: &str,
        on_conflict: OnConflict,
    ) -> Result<Option<String>, StoreError> {
        if self.experiment_by_name(project, name).await?.is_none() {
            return Ok(Some(name.to_owned()));
        }
        match on_conflict {
            OnConflict::Skip => Ok(None),
            OnConflict::Fail => {
                Err(StoreError::conflict(format!("an experiment `{name}` is here that did not come from there")))
            }
            OnConflict::Rename => {
                let mut n = 1;
                loop {
                    let other = other_name(name, n);
                    if self.experiment_by_name(project, &other).await?.is_none() {
                        return Ok(Some(other));
                    }
                    n += 1;
                }
            }
        }
    }

    /// Returns the id to give: the one it had where that is free, else the next.
    async fn import_experiment_number(&mut self, project: &Name, id: &str) -> Result<i64, StoreError> {
        self.experiment_default(project, 0).await?;
        if let Ok(wanted @ 1..=ID_MAX) = id.parse::<i64>()
            && self.experiment_get(project, &ExperimentId::new(id)).await?.is_none()
        {
            return Ok(wanted);
        }
        let last = self
            .row("SELECT COALESCE(MAX(id), 0) FROM experiment WHERE project = $1", args![project])
            .await?
            .map_or(Ok(0), |row| row.int(0))?;
        Ok(last + 1)
    }

    /// Brings a run over, or a part of one. It is sealed with its last part where it has ended.
    pub async fn import_run(
        &mut self,
        project: &Name,
        given: &ImportRun,
        actor: &Actor,
        now: Micros,
    ) -> Result<ImportAnswer, StoreError> {
        let ImportRun { id, experiment, name, user, status, start_ms, end_ms, deleted, .. } = given;
        let ImportRun { params, tags, datasets, model_inputs, model_outputs, points, artifacts, mark, .. } = given;
        let known = self.import_mark(project, Marked::Run, id.as_str()).await?;
        let mut run = Run {
            id: id.clone(),
            experiment: experiment.clone(),
            project: project.clone(),
            name: name.clone(),
            user: user.clone(),
            status: *status,
            start_ms: *start_ms,
            end_ms: *end_ms,
            deleted: *deleted,
            attempt: None,
        };
        let outcome = match self.run_get(id).await? {
            None => {
                if self.experiment_get(project, experiment).await?.is_none() {
                    return Err(Refusal::Missing(Subject::Experiment(experiment.clone())).into());
                }
                self.run_create(&run, &[]).await?;
                self.import_mark_set(project, Marked::Run, id.as_str(), "").await?;
                ImportOutcome::Imported
            }
            Some(found) if found.project != *project || known.is_none() => {
                return Ok(left_out(id.as_str(), "a run with this id is here that did not come from there".to_owned()));
            }
            Some(found) => {
                run.experiment = found.experiment;
                run.deleted |= found.deleted;
                self.execute(
                    "UPDATE tracking_run SET name = $2, actor_name = $3, status = $4, start_ms = $5, end_ms = $6,
                     deleted = $7, sealed = CASE WHEN sealed = 0 THEN 0 ELSE 2 END WHERE id = $1",
                    args![id.as_str(), name, user, status.as_str(), *start_ms, *end_ms, run.deleted],
                )
                .await?;
                // An empty mark is of an import that has not come to the run's end.
                if known.as_deref() == Some("") { ImportOutcome::Imported } else { ImportOutcome::Updated }
            }
        };
        for (key, value) in params {
            self.execute(
                "INSERT INTO run_param (run, key, value) VALUES ($1, $2, $3) ON CONFLICT (run, key) DO NOTHING",
                args![id.as_str(), key, value],
            )
            .await?;
        }
        self.run_tags_put(id, tags).await?;
        self.run_datasets_put(id, datasets).await?;
        for model in model_inputs {
            self.run_model_add(id, INPUT, model, 0).await?;
        }
        for (model, step) in model_outputs {
            self.run_model_add(id, OUTPUT, model, *step).await?;
        }
        let points: Vec<MetricPoint> = points.iter().cloned().map(MetricPoint::from).collect();
        self.metric_points_put(id, &points).await?;
        self.import_artifacts(project, &format!("{}/{id}/artifacts", run.experiment), artifacts).await?;
        if let Some(mark) = mark {
            self.import_mark_set(project, Marked::Run, id.as_str(), mark).await?;
            if status.is_final() {
                self.run_seal(&run, actor, now).await?;
            }
        }
        Ok(answer(id.as_str(), outcome))
    }

    async fn import_artifacts(
        &mut self,
        project: &Name,
        root: &str,
        artifacts: &[ImportArtifact],
    ) -> Result<(), StoreError> {
        for ImportArtifact { path, digest, size } in artifacts {
            let path = format!("{root}/{path}");
            self.artifact_put(&Artifact { path, digest: digest.clone(), size: *size }, project).await?;
        }
        Ok(())
    }

    /// Brings a logged model over, or what changed of one since.
    pub async fn import_logged_model(
        &mut self,
        project: &Name,
        given: &ImportLoggedModel,
    ) -> Result<ImportAnswer, StoreError> {
        let ImportLoggedModel { id, experiment, name, source_run, model_type, status, status_message, .. } = given;
        let ImportLoggedModel { created_ms, updated_ms, params, tags, artifacts, mark, .. } = given;
        let known = self.import_mark(project, Marked::LoggedModel, id.as_str()).await?;
        let (outcome, experiment) = match self.logged_model_owner(id).await? {
            None => {
                let number = experiment_number(experiment)?;
                if self.experiment_get(project, experiment).await?.is_none() {
                    return Err(Refusal::Missing(Subject::Experiment(experiment.clone())).into());
                }
                self.execute(
                    "INSERT INTO logged_model (id, experiment, project, name, source_run, model_type, status,
                     status_message, created_ms, updated_ms, deleted)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)",
                    args![
                        id.as_str(),
                        number,
                        project,
                        name,
                        source_run.as_ref().map(RunId::as_str),
                        model_type,
                        word(status),
                        status_message,
                        *created_ms,
                        *updated_ms,
                    ],
                )
                .await?;
                (ImportOutcome::Imported, experiment.clone())
            }
            Some((owner, _)) if owner != *project || known.is_none() => {
                return Ok(left_out(
                    id.as_str(),
                    "a logged model with this id is here that did not come from there".to_owned(),
                ));
            }
            Some((_, experiment)) => {
                self.execute(
                    "UPDATE logged_model SET status = $2, status_message = $3, updated_ms = $4 WHERE id = $1",
                    args![id.as_str(), word(status), status_message, *updated_ms],
                )
                .await?;
                let outcome =
                    if known.as_deref() == Some("") { ImportOutcome::Imported } else { ImportOutcome::Updated };
                (outcome, experiment)
            }
        };
        self.logged_model_params_put(id, params).await?;
        self.logged_model_tags_put(id, tags).await?;
        self.import_artifacts(project, &format!("{experiment}/models/{id}/artifacts"), artifacts).await?;
        self.import_mark_set(project, Marked::LoggedModel, id.as_str(), mark.as_deref().unwrap_or("")).await?;
        Ok(answer(id.as_str(), outcome))
    }

    /// Returns project and experiment of a logged model, of a deleted one too.
    async fn logged_model_owner(&mut self, id: &LoggedModelId) -> Result<Option<(Name, ExperimentId)>, StoreError> {
        let row = self.row("SELECT project, experiment FROM logged_model WHERE id = $1", args![id.as_str()]).await?;
        row.map(|row| Ok((row.parsed(0)?, ExperimentId::new(row.int(1)?.to_string())))).transpose()
    }
}
