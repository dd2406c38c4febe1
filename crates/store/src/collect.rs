//! Freeing what was deleted: rows that nobody needs any more go for good.
//!
//! Deleting is soft, so that it can be taken back. After a while, runs, logged models and experiments that were deleted
//! go with all they hold, unless something that stays needs them: a model version, a logged model, the attempt of a
//! step. Each function looks again within its own transaction, so that what was restored meanwhile stays. The bytes of
//! artifacts are content, and stay until the caller finds that no reference is left.

use std::collections::HashSet;

use sqlx::AssertSqlSafe;
use windlass_kinds::{
    Digest, ExperimentId, LoggedModelId, Micros, Name, RunId, TraceId,
    record::{Actor, LedgerKind},
};

use crate::{
    StoreError, Tx,
    traces::TraceRange,
    tracking::experiment_number,
    tx::{Row, args},
};

/// Who holds content only because somebody sent it: a reference that lasts for a while.
pub const UPLOAD: &str = "upload";

/// The word that a ledger entry begins with whose subject was freed for good.
pub(crate) const ERASED: &str = "erased";

/// Something that was deleted softly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// A tracking run.
    Run(RunId, ExperimentId),
    /// A logged model.
    LoggedModel(LoggedModelId, ExperimentId),
    /// An experiment.
    Experiment(ExperimentId),
}

impl Deleted {
    /// Returns what the ledger calls it.
    pub fn subject(&self) -> String {
        match self {
            Self::Run(id, _) => format!("run {id}"),
            Self::LoggedModel(id, _) => format!("logged model {id}"),
            Self::Experiment(id) => format!("experiment {id}"),
        }
    }

    /// Returns the folder of its artifacts.
    pub fn folder(&self) -> String {
        match self {
            Self::Run(id, experiment) => format!("{experiment}/{id}"),
            Self::LoggedModel(id, experiment) => format!("{experiment}/models/{id}"),
            Self::Experiment(id) => id.to_string(),
        }
    }
}

/// What became of an attempt to free something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erasure {
    /// It is gone, with so many artifacts.
    Gone(u64),
    /// Something needs it.
    Needed(String),
    /// It was restored, or freed by somebody else.
    NotDeleted,
}

impl Tx {
    /// Returns up to `limit` runs of a project, in order from behind `after`, that were deleted at `before` at the
    /// latest.
    pub async fn runs_deleted(
        &mut self,
        project: &Name,
        before: Micros,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Deleted>, StoreError> {
        let rows = self
            .rows(
                "SELECT id, experiment FROM tracking_run
                 WHERE project = $1 AND deleted = 1 AND id > $2 AND COALESCE(deleted_at, 0) <= $3
                 ORDER BY id LIMIT $4",
                args![project, after, before, limit],
            )
            .await?;
        rows.iter().map(|row| Ok(Deleted::Run(RunId::new(row.text(0)?), experiment(row)?))).collect()
    }

    /// As [`Tx::runs_deleted`], for logged models.
    pub async fn logged_models_deleted(
        &mut self,
        project: &Name,
        before: Micros,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Deleted>, StoreError> {
        let rows = self
            .rows(
                "SELECT id, experiment FROM logged_model
                 WHERE project = $1 AND deleted = 1 AND id > $2 AND updated_ms <= $3 ORDER BY id LIMIT $4",
                args![project, after, before.millis(), limit],
            )
            .await?;
        rows.iter().map(|row| Ok(Deleted::LoggedModel(LoggedModelId::new(row.text(0)?), experiment(row)?))).collect()
    }

    /// Returns the experiments of a project that were deleted at `before` at the latest.
    pub async fn experiments_deleted(&mut self, project: &Name, before: Micros) -> Result<Vec<Deleted>, StoreError> {
        let rows = self
            .rows(
                "SELECT id FROM experiment WHERE project = $1 AND deleted = 1 AND updated_ms <= $2 ORDER BY id",
                args![project, before.millis()],
            )
            .await?;
        rows.iter().map(|row| Ok(Deleted::Experiment(ExperimentId::new(row.int(0)?.to_string())))).collect()
    }

    /// Returns what needs something that was deleted; `None` where nothing does.
    pub async fn deleted_needed(&mut self, project: &Name, deleted: &Deleted) -> Result<Option<String>, StoreError> {
        match deleted {
            Deleted::Run(id, _) => self.run_needed(project, id).await,
            Deleted::LoggedModel(id, _) => self.logged_model_needed(project, id).await,
            Deleted::Experiment(id) => self.experiment_needed(project, id).await,
        }
    }

    /// Returns how many runs and logged models an experiment has, deleted ones too.
    pub async fn experiment_holds(&mut self, project: &Name, id: &ExperimentId) -> Result<u64, StoreError> {
        let number = experiment_number(id)?;
        let sql = "SELECT (SELECT COUNT(*) FROM tracking_run WHERE project = $1 AND experiment = $2)
             + (SELECT COUNT(*) FROM logged_model WHERE project = $1 AND experiment = $2)";
        let count = self.row(sql, args![project, number]).await?.map_or(Ok(0), |row| row.int(0))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Frees something for good, with all it holds, and records that.
    pub async fn deleted_erase(
        &mut self,
        project: &Name,
        deleted: &Deleted,
        actor: &Actor,
        now: Micros,
    ) -> Result<Erasure, StoreError> {
        if !self.is_deleted(project, deleted).await? {
            return Ok(Erasure::NotDeleted);
        }
        if let Some(why) = self.deleted_needed(project, deleted).await? {
            return Ok(Erasure::Needed(why));
        }
        let files = self.artifact_delete(project, &deleted.folder()).await?;
        let (key, tables): (&str, &[&'static str]) = match deleted {
            Deleted::Run(id, _) => (
                id.as_str(),
                &[
                    "DELETE FROM metric_point WHERE run = $1",
                    "DELETE FROM metric_latest WHERE run = $1",
                    "DELETE FROM run_param WHERE run = $1",
                    "DELETE FROM run_tag WHERE run = $1",
                    "DELETE FROM run_dataset WHERE run = $1",
                    "DELETE FROM run_model WHERE run = $1",
                    "DELETE FROM tracking_run WHERE id = $1",
                ],
            ),
            Deleted::LoggedModel(id, _) => (
                id.as_str(),
                &[
                    "DELETE FROM logged_model_tag WHERE model = $1",
                    "DELETE FROM logged_model_param WHERE model = $1",
                    "DELETE FROM logged_model WHERE id = $1",
                ],
            ),
            Deleted::Experiment(id) => {
                let number = experiment_number(id)?;
                // Their files lie below the experiment's folder, which is gone.
                let folder = |experiment: &ExperimentId, trace: &TraceId| format!("{experiment}/traces/{trace}");
                self.traces_delete(project, id, &TraceRange::default(), folder, actor, now).await?;
                for sql in [
                    "DELETE FROM evaluation_dataset_experiment WHERE project = $1 AND experiment = $2",
                    "DELETE FROM experiment_tag WHERE project = $1 AND experiment = $2",
                    "DELETE FROM experiment WHERE project = $1 AND id = $2",
                ] {
                    self.execute(sql, args![project, number]).await?;
                }
                ("", &[])
            }
        };
        for sql in tables {
            self.execute(*sql, args![key]).await?;
        }
        self.ledger_append(project, actor, LedgerKind::Deletion, &deleted.subject(), &(ERASED, files), now).await?;
        Ok(Erasure::Gone(files))
    }

    /// Returns which of `digests` something needs; what was only sent by somebody does not count.
    pub async fn content_needed(&mut self, digests: &[Digest]) -> Result<HashSet<Digest>, StoreError> {
        let Some(count) = digests.len().checked_sub(1) else { return Ok(HashSet::new()) };
        let marks: String = (0..count).map(|place| format!(", ${}", place + 3)).collect();
        let sql = format!("SELECT DISTINCT digest FROM content_ref WHERE holder <> $1 AND digest IN ($2{marks})");
        let mut values = args![UPLOAD];
        values.extend(digests.iter().map(crate::tx::Arg::from));
        let rows = self.rows(AssertSqlSafe(sql), values).await?;
        rows.iter().map(|row| row.parsed(0)).collect()
    }

    /// Forgets that somebody sent the content, unless something needs it; returns whether nothing does.
    pub async fn content_let_go(&mut self, digest: &Digest) -> Result<bool, StoreError> {
        if !self.content_needed(std::slice::from_ref(digest)).await?.is_empty() {
            return Ok(false);
        }
        self.execute("DELETE FROM content_ref WHERE digest = $1 AND holder = $2", args![digest, UPLOAD]).await?;
        Ok(true)
    }

    async fn is_deleted(&mut self, project: &Name, deleted: &Deleted) -> Result<bool, StoreError> {
        let row = match deleted {
            Deleted::Run(id, _) => {
                let sql = "SELECT 1 FROM tracking_run WHERE id = $1 AND project = $2 AND deleted = 1";
                self.row(sql, args![id.as_str(), project]).await?
            }
            Deleted::LoggedModel(id, _) => {
                let sql = "SELECT 1 FROM logged_model WHERE id = $1 AND project = $2 AND deleted = 1";
                self.row(sql, args![id.as_str(), project]).await?
            }
            Deleted::Experiment(id) => {
                let sql = "SELECT 1 FROM experiment WHERE project = $1 AND id = $2 AND deleted = 1";
                self.row(sql, args![project, experiment_number(id)?]).await?
            }
        };
        Ok(row.is_some())
    }

    async fn run_needed(&mut self, project: &Name, id: &RunId) -> Result<Option<String>, StoreError> {
        let attempt = "SELECT p.pipeline || '-' || CAST(p.number AS TEXT) || '/' || s.step
             FROM attempt a JOIN pipeline_run p ON p.id = a.run JOIN step_run s ON s.id = a.step_run
             WHERE a.tracking_run = $1 LIMIT 1";
        if let Some(row) = self.row(attempt, args![id.as_str()]).await? {
            return Ok(Some(format!("step {} ran in it", row.text(0)?)));
        }
        let model = "SELECT id FROM logged_model WHERE source_run = $1 AND deleted = 0 LIMIT 1";
        if let Some(row) = self.row(model, args![id.as_str()]).await? {
            return Ok(Some(format!("logged model {} was made in it", row.text(0)?)));
        }
        self.version_needs(project, "run", id.as_str()).await
    }

    async fn logged_model_needed(&mut self, project: &Name, id: &LoggedModelId) -> Result<Option<String>, StoreError> {
        self.version_needs(project, "logged_model", id.as_str()).await
    }

    /// Returns the model version that names `id` in `column` or in where its files are.
    async fn version_needs(
        &mut self,
        project: &Name,
        column: &'static str,
        id: &str,
    ) -> Result<Option<String>, StoreError> {
        // Ids consist of letters, digits and dashes, so none means anything to LIKE.
        let sql = format!(
            "SELECT model, version FROM model_version WHERE {column} = $1 OR (project = $2 AND source LIKE $3) LIMIT 1"
        );
        let row = self.row(AssertSqlSafe(sql), args![id, project, format!("%/{id}%")]).await?;
        row.map(|row| Ok(format!("model {}@{} was made from it", row.text(0)?, row.int(1)?))).transpose()
    }

    /// An experiment goes last: after everything that it holds.
    async fn experiment_needed(&mut self, project: &Name, id: &ExperimentId) -> Result<Option<String>, StoreError> {
        let number = experiment_number(id)?;
        if number == 0 {
            return Ok(Some("it is the one that clients use by default".to_owned()));
        }
        let holds = self.experiment_holds(project, id).await?;
        Ok((holds > 0).then(|| format!("it still has {holds} runs and logged models")))
    }
}

fn experiment(row: &Row) -> Result<ExperimentId, StoreError> {
    Ok(ExperimentId::new(row.int(1)?.to_string()))
}
