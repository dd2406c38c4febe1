//! Runs: their own row and its life. What they hold is in [`super::data`].

use windlass_kinds::{
    AttemptId, ExperimentId, Micros, Name, RunId,
    filter::{Attribute, Page, Search},
    record::{Actor, AttemptState, LedgerKind, Run, RunData, RunStatus},
};

use super::{Columns, Find, Holds, Keyed, Query, Refusal, Subject, experiment_number};
use crate::{
    StoreError, Tx,
    tx::{Row, args},
};

/// The columns of a run, in the order of [`run_of`].
pub(super) const COLUMNS: &str = "r.id, r.experiment, r.project, r.name, r.actor_name, r.status, r.start_ms, r.end_ms, r.deleted, r.attempt, r.sealed";

/// A change of a run; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunChange {
    /// A new name.
    pub name: Option<String>,
    /// A new status.
    pub status: Option<RunStatus>,
    /// When it ended, in milliseconds.
    pub end_ms: Option<i64>,
}

/// How far the ledger knows what a run holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sealed {
    Open,
    /// The ledger holds a seal of what is here.
    Kept,
    /// Written to since it was sealed; to be sealed again.
    Stale,
}

impl Sealed {
    fn stored(value: i64) -> Result<Self, StoreError> {
        match value {
            0 => Ok(Self::Open),
            1 => Ok(Self::Kept),
            2 => Ok(Self::Stale),
            _ => Err(StoreError::corrupt(format!("a run's seal state {value}"))),
        }
    }
}

pub(super) fn run_of(row: &Row) -> Result<(Run, Sealed), StoreError> {
    let status = row.text(5)?;
    let run = Run {
        id: RunId::new(row.text(0)?),
        experiment: ExperimentId::new(row.int(1)?.to_string()),
        project: row.parsed(2)?,
        name: row.text(3)?,
        user: row.text(4)?,
        status: RunStatus::parse(&status).ok_or_else(|| StoreError::corrupt(format!("a run's status `{status}`")))?,
        start_ms: row.int(6)?,
        end_ms: row.opt_int(7)?,
        deleted: row.bool(8)?,
        attempt: row.opt_text(9)?.map(AttemptId::new),
    };
    Ok((run, Sealed::stored(row.int(10)?)?))
}

impl Tx {
    /// Makes a run; one with that id that is there already stays as it is.
    pub async fn run_create(&mut self, run: &Run, tags: &[(String, String)]) -> Result<(), StoreError> {
        let added = self
            .execute(
                "INSERT INTO tracking_run (id, experiment, project, name, actor_name, status, start_ms, end_ms, deleted,
                 attempt, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0) ON CONFLICT (id) DO NOTHING",
                args![
                    run.id.as_str(),
                    experiment_number(&run.experiment)?,
                    &run.project,
                    &run.name,
                    &run.user,
                    run.status.as_str(),
                    run.start_ms,
                    run.end_ms,
                    run.deleted,
                    run.attempt.as_ref().map(AttemptId::as_str),
                ],
            )
            .await?;
        if added == 0 {
            return Ok(());
        }
        self.run_tags_put(&run.id, tags).await
    }

    /// Returns a run, deleted ones too.
    pub async fn run_get(&mut self, id: &RunId) -> Result<Option<Run>, StoreError> {
        Ok(self.run_row(id).await?.map(|(run, _)| run))
    }

    pub(super) async fn run_row(&mut self, id: &RunId) -> Result<Option<(Run, Sealed)>, StoreError> {
        let row = self
            .row(
                "SELECT r.id, r.experiment, r.project, r.name, r.actor_name, r.status, r.start_ms, r.end_ms, r.deleted,
                 r.attempt, r.sealed FROM tracking_run r WHERE r.id = $1",
                args![id.as_str()],
            )
            .await?;
        row.map(|row| run_of(&row)).transpose()
    }

    /// Returns a run of the project, deleted ones too; refuses one that is not there.
    pub async fn run_find(&mut self, project: &Name, id: &RunId) -> Result<Run, StoreError> {
        let found = self.run_get(id).await?.filter(|run| run.project == *project);
        found.ok_or_else(|| Refusal::Missing(Subject::Run(id.clone())).into())
    }

    /// Refuses a run whose data may not change; notes that the ledger's seal of it, if any, is about to be outdated.
    pub async fn run_open(&mut self, project: &Name, id: &RunId) -> Result<(), StoreError> {
        let row = self
            .row(
                "SELECT deleted, sealed, attempt IS NOT NULL FROM tracking_run WHERE id = $1 AND project = $2",
                args![id.as_str(), project],
            )
            .await?;
        let Some(row) = row else { return Err(Refusal::Missing(Subject::Run(id.clone())).into()) };
        if row.bool(0)? {
            return Err(Refusal::Deleted(Subject::Run(id.clone())).into());
        }
        match Sealed::stored(row.int(1)?)? {
            Sealed::Open | Sealed::Stale => Ok(()),
            Sealed::Kept if row.bool(2)? => Err(Refusal::Sealed(id.clone()).into()),
            Sealed::Kept => {
                self.execute("UPDATE tracking_run SET sealed = 2 WHERE id = $1", args![id.as_str()]).await?;
                Ok(())
            }
        }
    }

    /// Refuses an attempt that has ended: its code may still be there, but nobody waits for what it does.
    pub async fn attempt_open(&mut self, id: &AttemptId) -> Result<(), StoreError> {
        match self.attempt_get(id).await? {
            Some(attempt) if attempt.state != AttemptState::Running => {
                Err(Refusal::Sealed(attempt.tracking_run).into())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Changes a run and returns it. One that ends is sealed, unless its attempt is still going on: that one is sealed
    /// when the attempt ends.
    pub async fn run_change(
        &mut self,
        project: &Name,
        id: &RunId,
        change: &RunChange,
        actor: &Actor,
        now: Micros,
    ) -> Result<Run, StoreError> {
        let missing = || Refusal::Missing(Subject::Run(id.clone()));
        let (mut run, sealed) =
            self.run_row(id).await?.filter(|(run, _)| run.project == *project).ok_or_else(missing)?;
        if run.deleted {
            return Err(Refusal::Deleted(Subject::Run(id.clone())).into());
        }
        let RunChange { name, status, end_ms } = change;
        if let Some(name) = name {
            run.name.clone_from(name);
        }
        if status.is_some() || end_ms.is_some() {
            if sealed == Sealed::Kept && run.attempt.is_some() {
                return Err(Refusal::Sealed(id.clone()).into());
            }
            run.status = status.unwrap_or(run.status);
            run.end_ms = end_ms.or(run.end_ms);
        }
        self.execute(
            "UPDATE tracking_run SET name = $2, status = $3, end_ms = $4 WHERE id = $1",
            args![id.as_str(), &run.name, run.status.as_str(), run.end_ms],
        )
        .await?;
        if let Some(status) = status
            && run.attempt.is_none()
        {
            match status.is_final() {
                true => self.run_seal(&run, actor, now).await?,
                // An earlier seal is outdated from here on; the next end makes a new one.
                false if sealed == Sealed::Kept => {
                    self.execute("UPDATE tracking_run SET sealed = 2 WHERE id = $1", args![id.as_str()]).await?;
                }
                false => {}
            }
        }
        Ok(run)
    }

    /// Ends the run of an attempt that ended, and seals it; one that is sealed stays as it is.
    ///
    /// Where the client ended it in the same way before, its time of ending stays. Runs that the attempt's code made
    /// beside it are sealed with it; those that it left open end in the same way.
    pub async fn run_finish(&mut self, id: &RunId, status: RunStatus, end_ms: i64) -> Result<(), StoreError> {
        let missing = || Refusal::Missing(Subject::Run(id.clone()));
        let (run, sealed) = self.run_row(id).await?.ok_or_else(missing)?;
        if sealed == Sealed::Kept {
            return Ok(());
        }
        let attempt = run.attempt.clone();
        self.run_end(run, status, end_ms).await?;
        let Some(attempt) = attempt else { return Ok(()) };
        let others = self
            .rows(
                "SELECT id FROM tracking_run WHERE attempt = $1 AND sealed <> 1 ORDER BY start_ms, id",
                args![attempt.as_str()],
            )
            .await?;
        for row in &others {
            let Some((run, _)) = self.run_row(&RunId::new(row.text(0)?)).await? else { continue };
            let status = if run.status.is_final() { run.status } else { status };
            self.run_end(run, status, end_ms).await?;
        }
        Ok(())
    }

    async fn run_end(&mut self, mut run: Run, status: RunStatus, end_ms: i64) -> Result<(), StoreError> {
        run.end_ms = run.end_ms.filter(|_| run.status == status).or(Some(end_ms));
        run.status = status;
        self.execute(
            "UPDATE tracking_run SET status = $2, end_ms = $3 WHERE id = $1",
            args![run.id.as_str(), status.as_str(), run.end_ms],
        )
        .await?;
        self.run_seal(&run, &Actor::system(), Micros::from_millis(end_ms)).await
    }

    /// Deletes a run softly.
    pub async fn run_delete_soft(
        &mut self,
        project: &Name,
        id: &RunId,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        let run = self.run_find(project, id).await?;
        if !run.deleted {
            self.execute("UPDATE tracking_run SET deleted = 1, deleted_at = $2 WHERE id = $1", args![id.as_str(), now])
                .await?;
            let subject = format!("run {id}");
            self.ledger_append(project, actor, LedgerKind::Deletion, &subject, &("deleted", &run.name), now).await?;
        }
        Ok(())
    }

    /// Takes the deletion of a run back.
    pub async fn run_restore(
        &mut self,
        project: &Name,
        id: &RunId,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        let run = self.run_find(project, id).await?;
        if run.deleted {
            self.execute("UPDATE tracking_run SET deleted = 0 WHERE id = $1", args![id.as_str()]).await?;
            let subject = format!("run {id}");
            self.ledger_append(project, actor, LedgerKind::Registry, &subject, &("restored", &run.name), now).await?;
        }
        Ok(())
    }

    /// Returns the runs that a search finds in some experiments, with their data; newest first unless it says otherwise.
    pub async fn runs_search(
        &mut self,
        project: &Name,
        experiments: &[ExperimentId],
        search: &Search,
    ) -> Result<Vec<(Run, RunData)>, StoreError> {
        Ok(self.runs_page(project, experiments, search).await?.items)
    }

    /// Returns how the database would carry out [`Tx::runs_search`], line by line, for whoever wonders at what it costs.
    pub async fn runs_search_plan(
        &mut self,
        project: &Name,
        experiments: &[ExperimentId],
        search: &Search,
    ) -> Result<Vec<String>, StoreError> {
        FIND.plan(self, search, scope(project, experiments, search)).await
    }

    /// As [`Tx::runs_search`], with the place at which the next page begins.
    pub async fn runs_page(
        &mut self,
        project: &Name,
        experiments: &[ExperimentId],
        search: &Search,
    ) -> Result<Page<(Run, RunData)>, StoreError> {
        let found = FIND.rows_by_metric(self, search, scope(project, experiments, search)).await?;
        let runs = found.items.iter().map(|row| Ok(run_of(row)?.0)).collect::<Result<Vec<Run>, StoreError>>()?;
        let ids: Vec<&RunId> = runs.iter().map(|run| &run.id).collect();
        let data = self.run_data_of(&ids).await?;
        Ok(Page { items: runs.into_iter().zip(data).collect(), next: found.next })
    }
}

/// Returns what every run must be that a search finds.
fn scope<'a>(project: &Name, experiments: &[ExperimentId], search: &'a Search) -> impl FnOnce(&mut Query<'a>) {
    let numbers: Vec<i64> = experiments.iter().filter_map(|id| id.as_str().parse().ok()).collect();
    let project = project.to_string();
    move |query| {
        query.text("r.project = ");
        query.arg(project);
        // Runs of several experiments are found by an index of their times: the sign keeps SQLite from taking one
        // experiment after the other and sorting all their runs. PostgreSQL knows how many there are.
        let plain = query.is_postgres() || numbers.len() == 1;
        query.text(if plain { " AND r.experiment IN " } else { " AND +r.experiment IN " });
        query.list(numbers);
        query.lifecycle(" AND r.deleted = ", search.lifecycle);
    }
}

const FIND: Find<'static> = Find {
    columns: COLUMNS,
    table: "tracking_run r",
    fields: &Columns {
        attributes: &[
            (Attribute::Id, "r.id", Holds::Id),
            (Attribute::Name, "r.name", Holds::Text),
            (Attribute::Status, "r.status", Holds::Text),
            (Attribute::User, "r.actor_name", Holds::Text),
            (Attribute::Created, "r.start_ms", Holds::Integer),
            (Attribute::Ended, "r.end_ms", Holds::IntegerOrNothing),
            (Attribute::ArtifactPath, "(r.experiment || '/' || r.id || '/artifacts')", Holds::Text),
        ],
        metrics: Some(Keyed { table: "metric_latest", on: &[("run", "r.id")], one: true }),
        params: Some(Keyed { table: "run_param", on: &[("run", "r.id")], one: true }),
        tags: Some(Keyed { table: "run_tag", on: &[("run", "r.id")], one: true }),
        metadata: None,
        datasets: Some("FROM run_dataset x WHERE x.run = r.id"),
        last: &[("r.start_ms", Holds::Integer, false), ("r.id", Holds::Id, true)],
    },
};
