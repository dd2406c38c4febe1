//! Experiments: named groups of runs. Ids count from 1 within the project; `0` is `Default`.

use windlass_kinds::{
    ExperimentId, Micros, Name,
    filter::{Attribute, Page, Search},
    record::{Actor, Experiment, LedgerKind},
};

use super::{Columns, Find, Holds, Keyed, Refusal, Subject, experiment_number};
use crate::{
    StoreError, Tx,
    tx::{Row, args},
};

/// The name of the experiment that is always there.
const DEFAULT: &str = "Default";

/// A change of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExperimentChange {
    /// Gives it another name.
    Rename(String),
    /// Deletes it softly; its runs stay.
    Delete,
    /// Takes a deletion back.
    Restore,
}

impl Tx {
    /// Returns the id of the experiment of that name, which is made if need be, and restored if it was deleted.
    pub async fn experiment_ensure(
        &mut self,
        project: &Name,
        name: &str,
        now_ms: i64,
    ) -> Result<ExperimentId, StoreError> {
        let found = self
            .row("SELECT id, deleted FROM experiment WHERE project = $1 AND name = $2", args![project, name])
            .await?;
        let Some(row) = found else { return self.experiment_insert(project, name, now_ms).await };
        let number = row.int(0)?;
        if row.bool(1)? {
            self.execute(
                "UPDATE experiment SET deleted = 0, updated_ms = $3 WHERE project = $1 AND id = $2",
                args![project, number, now_ms],
            )
            .await?;
        }
        Ok(ExperimentId::new(number.to_string()))
    }

    /// Makes an experiment; refuses a name that is taken.
    pub async fn experiment_create(
        &mut self,
        project: &Name,
        name: &str,
        tags: &[(String, String)],
        actor: &Actor,
        now: Micros,
    ) -> Result<ExperimentId, StoreError> {
        self.experiment_default(project, now.millis()).await?;
        if self.experiment_by_name(project, name).await?.is_some() {
            return Err(Refusal::Exists(Subject::ExperimentName(name.to_owned())).into());
        }
        let id = self.experiment_insert(project, name, now.millis()).await?;
        self.experiment_tags_put(project, experiment_number(&id)?, tags).await?;
        let subject = format!("experiment {id}");
        self.ledger_append(project, actor, LedgerKind::Registry, &subject, &("created", name), now).await?;
        Ok(id)
    }

    /// Makes the experiment `Default` if the project has none yet.
    pub async fn experiment_default(&mut self, project: &Name, now_ms: i64) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO experiment (project, id, name, deleted, created_ms, updated_ms)
             VALUES ($1, 0, $2, 0, $3, $4) ON CONFLICT (project, id) DO NOTHING",
            args![project, DEFAULT, now_ms, now_ms],
        )
        .await?;
        Ok(())
    }

    async fn experiment_insert(&mut self, project: &Name, name: &str, now_ms: i64) -> Result<ExperimentId, StoreError> {
        if name == DEFAULT {
            self.experiment_default(project, now_ms).await?;
            return Ok(ExperimentId::new("0"));
        }
        let last = self
            .row("SELECT COALESCE(MAX(id), 0) FROM experiment WHERE project = $1", args![project])
            .await?
            .map_or(Ok(0), |row| row.int(0))?;
        let number = last + 1;
        self.execute(
            "INSERT INTO experiment (project, id, name, deleted, created_ms, updated_ms)
             VALUES ($1, $2, $3, 0, $4, $5)",
            args![project, number, name, now_ms, now_ms],
        )
        .await?;
        Ok(ExperimentId::new(number.to_string()))
    }

    /// Returns an experiment, deleted ones too.
    pub async fn experiment_get(
        &mut self,
        project: &Name,
        id: &ExperimentId,
    ) -> Result<Option<Experiment>, StoreError> {
        let Ok(number) = id.as_str().parse::<i64>() else { return Ok(None) };
        let row = self
            .row(
                "SELECT id, name, deleted, created_ms, updated_ms FROM experiment WHERE project = $1 AND id = $2",
                args![project, number],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(self.experiment_of(project, &row).await?))
    }

    /// Returns the experiment of that name, deleted ones too.
    pub async fn experiment_by_name(&mut self, project: &Name, name: &str) -> Result<Option<Experiment>, StoreError> {
        let row = self
            .row(
                "SELECT id, name, deleted, created_ms, updated_ms FROM experiment WHERE project = $1 AND name = $2",
                args![project, name],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(self.experiment_of(project, &row).await?))
    }

    /// Changes an experiment.
    pub async fn experiment_change(
        &mut self,
        project: &Name,
        id: &ExperimentId,
        change: &ExperimentChange,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        let missing = || Refusal::Missing(Subject::Experiment(id.clone()));
        let number = experiment_number(id)?;
        let Some(old) = self.experiment_get(project, id).await? else { return Err(missing().into()) };
        let subject = format!("experiment {id}");
        match change {
            ExperimentChange::Rename(name) => {
                if old.deleted {
                    return Err(Refusal::Frozen(Subject::Experiment(id.clone())).into());
                }
                if *name != old.name && self.experiment_by_name(project, name).await?.is_some() {
                    return Err(Refusal::Exists(Subject::ExperimentName(name.clone())).into());
                }
                self.execute(
                    "UPDATE experiment SET name = $3, updated_ms = $4 WHERE project = $1 AND id = $2",
                    args![project, number, name, now.millis()],
                )
                .await?;
                self.ledger_append(project, actor, LedgerKind::Registry, &subject, &("renamed", name), now).await
            }
            ExperimentChange::Delete | ExperimentChange::Restore => {
                let deleted = *change == ExperimentChange::Delete;
                if deleted && old.deleted {
                    return Err(missing().into());
                }
                if !deleted && !old.deleted {
                    return Err(Refusal::NotDeleted(Subject::Experiment(id.clone())).into());
                }
                self.execute(
                    "UPDATE experiment SET deleted = $3, updated_ms = $4 WHERE project = $1 AND id = $2",
                    args![project, number, deleted, now.millis()],
                )
                .await?;
                // Its runs go with it, and come back with it, as clients of MLflow expect.
                self.execute(
                    "UPDATE tracking_run SET deleted = $3, deleted_at = $4
                     WHERE project = $1 AND experiment = $2 AND deleted <> $3",
                    args![project, number, deleted, deleted.then_some(now)],
                )
                .await?;
                let (kind, word) = match deleted {
                    true => (LedgerKind::Deletion, "deleted"),
                    false => (LedgerKind::Registry, "restored"),
                };
                self.ledger_append(project, actor, kind, &subject, &(word, &old.name), now).await
            }
        }
    }

    /// Sets a tag of an experiment that is not deleted.
    pub async fn experiment_tag_set(
        &mut self,
        project: &Name,
        id: &ExperimentId,
        key: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        self.experiment_live(project, id).await?;
        self.experiment_tags_put(project, experiment_number(id)?, &[(key.to_owned(), value.to_owned())]).await
    }

    /// Removes a tag of an experiment.
    pub async fn experiment_tag_delete(
        &mut self,
        project: &Name,
        id: &ExperimentId,
        key: &str,
    ) -> Result<(), StoreError> {
        self.experiment_live(project, id).await?;
        let changed = self
            .execute(
                "DELETE FROM experiment_tag WHERE project = $1 AND experiment = $2 AND key = $3",
                args![project, experiment_number(id)?, key],
            )
            .await?;
        match changed {
            0 => Err(Refusal::Missing(Subject::ExperimentTag(id.clone(), key.to_owned())).into()),
            _ => Ok(()),
        }
    }

    /// Refuses an experiment that does not exist or is deleted.
    pub async fn experiment_live(&mut self, project: &Name, id: &ExperimentId) -> Result<(), StoreError> {
        let row = self
            .row(
                "SELECT deleted FROM experiment WHERE project = $1 AND id = $2",
                args![project, experiment_number(id)?],
            )
            .await?;
        match row.map(|row| row.bool(0)).transpose()? {
            None => Err(Refusal::Missing(Subject::Experiment(id.clone())).into()),
            Some(true) => Err(Refusal::Deleted(Subject::Experiment(id.clone())).into()),
            Some(false) => Ok(()),
        }
    }

    /// Returns the experiments that a search finds, newest first unless it says otherwise.
    pub async fn experiments_search(&mut self, project: &Name, search: &Search) -> Result<Vec<Experiment>, StoreError> {
        Ok(self.experiments_page(project, search).await?.items)
    }

    /// As [`Tx::experiments_search`], with the place at which the next page begins.
    pub async fn experiments_page(&mut self, project: &Name, search: &Search) -> Result<Page<Experiment>, StoreError> {
        let found = FIND
            .rows(self, search, |query| {
                query.text("e.project = ");
                query.arg(project.to_string());
                query.lifecycle(" AND e.deleted = ", search.lifecycle);
            })
            .await?;
        let mut items = Vec::with_capacity(found.items.len());
        for row in &found.items {
            items.push(self.experiment_of(project, row).await?);
        }
        Ok(Page { items, next: found.next })
    }

    pub(super) async fn experiment_tags_put(
        &mut self,
        project: &Name,
        number: i64,
        tags: &[(String, String)],
    ) -> Result<(), StoreError> {
        for (key, value) in tags {
            self.execute(
                "INSERT INTO experiment_tag (project, experiment, key, value) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (project, experiment, key) DO UPDATE SET value = excluded.value",
                args![project, number, key, value],
            )
            .await?;
        }
        Ok(())
    }

    async fn experiment_of(&mut self, project: &Name, row: &Row) -> Result<Experiment, StoreError> {
        let number = row.int(0)?;
        let tags = self
            .rows(
                "SELECT key, value FROM experiment_tag WHERE project = $1 AND experiment = $2 ORDER BY key",
                args![project, number],
            )
            .await?;
        Ok(Experiment {
            id: ExperimentId::new(number.to_string()),
            project: project.clone(),
            name: row.text(1)?,
            deleted: row.bool(2)?,
            created_ms: row.int(3)?,
            updated_ms: row.int(4)?,
            tags: tags.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect::<Result<_, StoreError>>()?,
        })
    }
}

const FIND: Find<'static> = Find {
    columns: "e.id, e.name, e.deleted, e.created_ms, e.updated_ms",
    table: "experiment e",
    fields: &Columns {
        attributes: &[
            (Attribute::Id, "e.id", Holds::Integer),
            (Attribute::Name, "e.name", Holds::Text),
            (Attribute::Created, "e.created_ms", Holds::Integer),
            (Attribute::Updated, "e.updated_ms", Holds::Integer),
        ],
        metrics: None,
        params: None,
        tags: Some(Keyed {
            table: "experiment_tag",
            on: &[("project", "e.project"), ("experiment", "e.id")],
            one: true,
        }),
        metadata: None,
        datasets: None,
        last: &[("e.created_ms", Holds::Integer, false), ("e.id", Holds::Integer, true)],
    },
};
