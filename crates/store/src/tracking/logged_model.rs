//! Logged models: what a run made before anybody registers it.

use windlass_kinds::{
    ExperimentId, LoggedModelId, Micros, Name, RunId,
    filter::{Attribute, Page, Search},
    record::{Actor, LedgerKind, LoggedModel, LoggedModelStatus, MetricPoint},
};

use super::{Columns, Find, Holds, Keyed, Refusal, Subject, experiment_number, metric::point_of};
use crate::{
    StoreError, Tx,
    encode::{from_word, word},
    tx::{Row, args},
};

/// The columns of a logged model, in the order of [`Tx::logged_model_of`].
const COLUMNS: &str = "l.id, l.experiment, l.project, l.name, l.source_run, l.model_type, l.status, l.status_message, l.created_ms, l.updated_ms";

/// A change of a logged model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoggedModelChange {
    /// Sets its status.
    Status(LoggedModelStatus),
    /// Adds params; refuses to change one.
    Params(Vec<(String, String)>),
    /// Sets tags.
    Tags(Vec<(String, String)>),
    /// Removes a tag.
    TagDelete(String),
}

impl Tx {
    /// Makes a logged model; one with that id that is there already stays as it is.
    pub async fn logged_model_create(&mut self, model: &LoggedModel) -> Result<(), StoreError> {
        self.experiment_live(&model.project, &model.experiment).await?;
        let added = self
            .execute(
                "INSERT INTO logged_model (id, experiment, project, name, source_run, model_type, status,
                 status_message, created_ms, updated_ms, deleted)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0) ON CONFLICT (id) DO NOTHING",
                args![
                    model.id.as_str(),
                    experiment_number(&model.experiment)?,
                    &model.project,
                    &model.name,
                    model.source_run.as_ref().map(RunId::as_str),
                    &model.model_type,
                    word(&model.status),
                    &model.status_message,
                    model.created_ms,
                    model.updated_ms,
                ],
            )
            .await?;
        if added == 1 {
            self.logged_model_params_put(&model.id, &model.params).await?;
            self.logged_model_tags_put(&model.id, &model.tags).await?;
        }
        Ok(())
    }

    /// Returns a logged model, deleted ones too.
    pub async fn logged_model_get_any(
        &mut self,
        project: &Name,
        id: &LoggedModelId,
    ) -> Result<Option<LoggedModel>, StoreError> {
        let row = self
            .row(
                "SELECT l.id, l.experiment, l.project, l.name, l.source_run, l.model_type, l.status, l.status_message,
                 l.created_ms, l.updated_ms FROM logged_model l WHERE l.id = $1 AND l.project = $2",
                args![id.as_str(), project],
            )
            .await?;
        match row {
            None => Ok(None),
            Some(row) => Ok(Some(self.logged_model_of(&row).await?)),
        }
    }

    /// Returns a logged model that is not deleted.
    pub async fn logged_model_get(
        &mut self,
        project: &Name,
        id: &LoggedModelId,
    ) -> Result<Option<LoggedModel>, StoreError> {
        let row = self
            .row(
                "SELECT l.id, l.experiment, l.project, l.name, l.source_run, l.model_type, l.status, l.status_message,
                 l.created_ms, l.updated_ms FROM logged_model l WHERE l.id = $1 AND l.project = $2 AND l.deleted = 0",
                args![id.as_str(), project],
            )
            .await?;
        match row {
            None => Ok(None),
            Some(row) => Ok(Some(self.logged_model_of(&row).await?)),
        }
    }

    /// Changes a logged model and returns it.
    pub async fn logged_model_change(
        &mut self,
        project: &Name,
        id: &LoggedModelId,
        change: &LoggedModelChange,
        now_ms: i64,
    ) -> Result<LoggedModel, StoreError> {
        let missing = || Refusal::Missing(Subject::LoggedModel(id.clone()));
        // A deleted one may still be changed: what is on its way to it need not fail.
        if self.logged_model_get_any(project, id).await?.is_none() {
            return Err(missing().into());
        }
        match change {
            LoggedModelChange::Status(status) => {
                self.execute(
                    "UPDATE logged_model SET status = $2, updated_ms = $3 WHERE id = $1",
                    args![id.as_str(), word(status), now_ms],
                )
                .await?;
            }
            LoggedModelChange::Params(params) => self.logged_model_params_put(id, params).await?,
            LoggedModelChange::Tags(tags) => self.logged_model_tags_put(id, tags).await?,
            LoggedModelChange::TagDelete(key) => {
                let gone = self
                    .execute("DELETE FROM logged_model_tag WHERE model = $1 AND key = $2", args![id.as_str(), key])
                    .await?;
                if gone == 0 {
                    return Err(Refusal::Missing(Subject::LoggedModelTag(id.clone(), key.clone())).into());
                }
            }
        }
        self.logged_model_get_any(project, id).await?.ok_or_else(|| missing().into())
    }

    /// Deletes a logged model softly.
    pub async fn logged_model_delete(
        &mut self,
        project: &Name,
        id: &LoggedModelId,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        let gone = self
            .execute(
                "UPDATE logged_model SET deleted = 1, updated_ms = $3 WHERE id = $1 AND project = $2 AND deleted = 0",
                args![id.as_str(), project, now.millis()],
            )
            .await?;
        if gone == 0 {
            return match self.logged_model_get_any(project, id).await? {
                Some(_) => Ok(()),
                None => Err(Refusal::Missing(Subject::LoggedModel(id.clone())).into()),
            };
        }
        let subject = format!("logged model {id}");
        self.ledger_append(project, actor, LedgerKind::Deletion, &subject, &("deleted", id), now).await
    }

    /// Returns the last point of each metric that was logged about a model, with the run it was logged to.
    pub async fn logged_model_metrics(&mut self, id: &LoggedModelId) -> Result<Vec<(RunId, MetricPoint)>, StoreError> {
        let rows = self
            .rows(
                "SELECT run, key, step, at_ms, value, nan, model, dataset_name, dataset_digest FROM metric_point
                 WHERE model = $1 ORDER BY key, step, at_ms, value",
                args![id.as_str()],
            )
            .await?;
        let mut last: Vec<(RunId, MetricPoint)> = Vec::new();
        for row in &rows {
            let (run, point) = (RunId::new(row.text(0)?), point_of(row, 1)?);
            let same = |(old_run, old): &&mut (RunId, MetricPoint)| {
                *old_run == run
                    && old.key == point.key
                    && old.dataset_name == point.dataset_name
                    && old.dataset_digest == point.dataset_digest
            };
            match last.iter_mut().rev().find(same) {
                Some(old) => old.1 = point,
                None => last.push((run, point)),
            }
        }
        Ok(last)
    }

    /// Returns the logged models that a search finds in some experiments; newest first unless it says otherwise.
    pub async fn logged_models_search(
        &mut self,
        project: &Name,
        experiments: &[ExperimentId],
        search: &Search,
    ) -> Result<Vec<LoggedModel>, StoreError> {
        Ok(self.logged_models_page(project, experiments, search).await?.items)
    }

    /// As [`Tx::logged_models_search`], with the place at which the next page begins.
    pub async fn logged_models_page(
        &mut self,
        project: &Name,
        experiments: &[ExperimentId],
        search: &Search,
    ) -> Result<Page<LoggedModel>, StoreError> {
        let numbers: Vec<i64> = experiments.iter().filter_map(|id| id.as_str().parse().ok()).collect();
        let found = FIND
            .rows(self, search, |query| {
                query.text("l.project = ");
                query.arg(project.to_string());
                query.text(" AND l.experiment IN ");
                query.list(numbers);
                query.lifecycle(" AND l.deleted = ", search.lifecycle);
            })
            .await?;
        let mut items = Vec::with_capacity(found.items.len());
        for row in &found.items {
            items.push(self.logged_model_of(row).await?);
        }
        Ok(Page { items, next: found.next })
    }

    pub(super) async fn logged_model_params_put(
        &mut self,
        id: &LoggedModelId,
        params: &[(String, String)],
    ) -> Result<(), StoreError> {
        for (key, value) in params {
            self.execute(
                "INSERT INTO logged_model_param (model, key, value) VALUES ($1, $2, $3)
                 ON CONFLICT (model, key) DO NOTHING",
                args![id.as_str(), key, value],
            )
            .await?;
        }
        Ok(())
    }

    pub(super) async fn logged_model_tags_put(
        &mut self,
        id: &LoggedModelId,
        tags: &[(String, String)],
    ) -> Result<(), StoreError> {
        for (key, value) in tags {
            self.execute(
                "INSERT INTO logged_model_tag (model, key, value) VALUES ($1, $2, $3)
                 ON CONFLICT (model, key) DO UPDATE SET value = excluded.value",
                args![id.as_str(), key, value],
            )
            .await?;
        }
        Ok(())
    }

    async fn logged_model_of(&mut self, row: &Row) -> Result<LoggedModel, StoreError> {
        let id = row.text(0)?;
        let params =
            self.rows("SELECT key, value FROM logged_model_param WHERE model = $1 ORDER BY key", args![&id]).await?;
        let tags =
            self.rows("SELECT key, value FROM logged_model_tag WHERE model = $1 ORDER BY key", args![&id]).await?;
        let pairs = |rows: Vec<Row>| {
            rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect::<Result<Vec<_>, StoreError>>()
        };
        Ok(LoggedModel {
            id: LoggedModelId::new(id),
            experiment: ExperimentId::new(row.int(1)?.to_string()),
            project: row.parsed(2)?,
            name: row.text(3)?,
            source_run: row.opt_text(4)?.map(RunId::new),
            model_type: row.text(5)?,
            status: from_word(row.text(6)?)?,
            status_message: row.text(7)?,
            created_ms: row.int(8)?,
            updated_ms: row.int(9)?,
            params: pairs(params)?,
            tags: pairs(tags)?,
        })
    }
}

const FIND: Find<'static> = Find {
    columns: COLUMNS,
    table: "logged_model l",
    fields: &Columns {
        attributes: &[
            (Attribute::Id, "l.id", Holds::Id),
            (Attribute::Name, "l.name", Holds::Text),
            (Attribute::Status, "l.status", Holds::Text),
            (Attribute::ModelType, "l.model_type", Holds::Text),
            (Attribute::Run, "l.source_run", Holds::TextOrNothing),
            (Attribute::Experiment, "CAST(l.experiment AS TEXT)", Holds::Text),
            (Attribute::Created, "l.created_ms", Holds::Integer),
            (Attribute::Updated, "l.updated_ms", Holds::Integer),
        ],
        metrics: Some(Keyed { table: "metric_point", on: &[("model", "l.id")], one: false }),
        params: Some(Keyed { table: "logged_model_param", on: &[("model", "l.id")], one: true }),
        tags: Some(Keyed { table: "logged_model_tag", on: &[("model", "l.id")], one: true }),
        metadata: None,
        datasets: None,
        last: &[("l.created_ms", Holds::Integer, false), ("l.id", Holds::Id, true)],
    },
};
