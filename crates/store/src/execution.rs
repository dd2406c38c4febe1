//! Pipeline runs, step runs, attempts, and results under cache keys.

use windlass_kinds::{
    AttemptId, Digest, Name, PipelineRunId, RunId, StepRunId,
    record::{Attempt, AttemptState, CacheEntry, PipelineRun, StepRun},
};

use crate::{
    StoreError, Tx,
    encode::{canonical_json, json, records, word},
    tx::args,
};

/// Which pipeline runs to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunQuery {
    /// Those of one pipeline alone.
    pub pipeline: Option<Name>,
    /// Those that may still move alone.
    pub active_only: bool,
    /// How many at most.
    pub limit: u32,
}

impl Default for RunQuery {
    fn default() -> Self {
        Self { pipeline: None, active_only: false, limit: 100 }
    }
}

impl Tx {
    /// Adds the run, or brings it up to date.
    pub async fn pipeline_run_save(&mut self, run: &PipelineRun) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO pipeline_run (id, project, pipeline, number, state, active, cause_event, created_at, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, active = excluded.active, body = excluded.body",
            args![
                run.id.as_str(),
                &run.project,
                &run.pipeline,
                run.number,
                word(&run.state),
                !run.state.is_final(),
                run.cause.event.as_str(),
                run.created_at,
                canonical_json(run)
            ],
        )
        .await?;
        Ok(())
    }

    /// Returns the run with this id.
    pub async fn pipeline_run_get(&mut self, id: &PipelineRunId) -> Result<Option<PipelineRun>, StoreError> {
        self.row("SELECT body FROM pipeline_run WHERE id = $1", args![id.as_str()])
            .await?
            .map(|row| row.json(0))
            .transpose()
    }

    /// Returns the run that people call `pipeline-number`.
    pub async fn pipeline_run_find(
        &mut self,
        project: &Name,
        pipeline: &Name,
        number: u32,
    ) -> Result<Option<PipelineRun>, StoreError> {
        self.row(
            "SELECT body FROM pipeline_run WHERE project = $1 AND pipeline = $2 AND number = $3",
            args![project, pipeline, number],
        )
        .await?
        .map(|row| row.json(0))
        .transpose()
    }

    /// Returns the project's runs, newest first.
    pub async fn pipeline_runs(&mut self, project: &Name, query: &RunQuery) -> Result<Vec<PipelineRun>, StoreError> {
        let RunQuery { pipeline, active_only, limit } = query;
        let rows = match pipeline {
            Some(pipeline) => {
                self.rows(
                    "SELECT body FROM pipeline_run WHERE project = $1 AND pipeline = $2 AND ($3 = 0 OR active = 1)
                     ORDER BY place DESC LIMIT $4",
                    args![project, pipeline, *active_only, *limit],
                )
                .await?
            }
            None => {
                self.rows(
                    "SELECT body FROM pipeline_run WHERE project = $1 AND ($2 = 0 OR active = 1)
                     ORDER BY place DESC LIMIT $3",
                    args![project, *active_only, *limit],
                )
                .await?
            }
        };
        records(&rows)
    }

    /// Returns the runs of all projects that may still move, oldest first.
    pub async fn pipeline_runs_active(&mut self) -> Result<Vec<PipelineRun>, StoreError> {
        let rows = self.rows("SELECT body FROM pipeline_run WHERE active = 1 ORDER BY place", args![]).await?;
        records(&rows)
    }

    /// Returns the number that the pipeline's next run will have.
    pub async fn pipeline_run_next_number(&mut self, project: &Name, pipeline: &Name) -> Result<u32, StoreError> {
        let row = self
            .row(
                "SELECT COALESCE(MAX(number), 0) + 1 FROM pipeline_run WHERE project = $1 AND pipeline = $2",
                args![project, pipeline],
            )
            .await?;
        row.map_or(Ok(1), |row| row.count(0))
    }

    /// Returns the run's steps in the order of their places.
    pub async fn step_runs(&mut self, run: &PipelineRunId) -> Result<Vec<StepRun>, StoreError> {
        let rows =
            self.rows("SELECT body FROM step_run WHERE run = $1 ORDER BY ordinal, id", args![run.as_str()]).await?;
        records(&rows)
    }

    /// Returns one step run.
    pub async fn step_run_get(&mut self, id: &StepRunId) -> Result<Option<StepRun>, StoreError> {
        self.row("SELECT body FROM step_run WHERE id = $1", args![id.as_str()])
            .await?
            .map(|row| row.json(0))
            .transpose()
    }

    /// Adds a step run at its place in the run; again, it brings it up to date.
    pub async fn step_run_insert(&mut self, step: &StepRun, ordinal: u32) -> Result<(), StoreError> {
        let added = self
            .execute(
                "INSERT INTO step_run (id, run, project, step, ordinal, state, body)
                 SELECT $1, $2, project, $3, $4, $5, $6 FROM pipeline_run WHERE id = $2
                 ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body",
                args![step.id.as_str(), step.run.as_str(), &step.step, ordinal, word(&step.state), json(step)],
            )
            .await?;
        if added == 0 {
            return Err(StoreError::not_found(format!("pipeline run {}", step.run)));
        }
        Ok(())
    }

    /// Brings a step run up to date.
    pub async fn step_run_update(&mut self, step: &StepRun) -> Result<(), StoreError> {
        let changed = self
            .execute(
                "UPDATE step_run SET state = $2, body = $3 WHERE id = $1",
                args![step.id.as_str(), word(&step.state), json(step)],
            )
            .await?;
        if changed == 0 {
            return Err(StoreError::not_found(format!("step run {}", step.id)));
        }
        Ok(())
    }

    /// Adds the attempt, or brings it up to date.
    pub async fn attempt_save(&mut self, attempt: &Attempt) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO attempt (id, step_run, run, project, number, state, running, tracking_run, started_at, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, running = excluded.running, body = excluded.body",
            args![
                attempt.id.as_str(),
                attempt.step_run.as_str(),
                attempt.run.as_str(),
                &attempt.project,
                attempt.number,
                word(&attempt.state),
                attempt.state == AttemptState::Running,
                attempt.tracking_run.as_str(),
                attempt.started_at,
                json(attempt)
            ],
        )
        .await?;
        Ok(())
    }

    /// Returns one attempt.
    pub async fn attempt_get(&mut self, id: &AttemptId) -> Result<Option<Attempt>, StoreError> {
        self.row("SELECT body FROM attempt WHERE id = $1", args![id.as_str()]).await?.map(|row| row.json(0)).transpose()
    }

    /// Returns the attempt whose tracking run this is.
    pub async fn attempt_of_tracking_run(&mut self, run: &RunId) -> Result<Option<Attempt>, StoreError> {
        self.row("SELECT body FROM attempt WHERE tracking_run = $1", args![run.as_str()])
            .await?
            .map(|row| row.json(0))
            .transpose()
    }

    /// Returns the step's attempts, first to last.
    pub async fn attempts_of(&mut self, step: &StepRunId) -> Result<Vec<Attempt>, StoreError> {
        let rows =
            self.rows("SELECT body FROM attempt WHERE step_run = $1 ORDER BY number", args![step.as_str()]).await?;
        records(&rows)
    }

    /// Returns the attempts of all projects that are running, as far as is known.
    pub async fn attempts_running(&mut self) -> Result<Vec<Attempt>, StoreError> {
        let rows = self.rows("SELECT body FROM attempt WHERE running = 1 ORDER BY started_at, id", args![]).await?;
        records(&rows)
    }

    /// Returns the result that may stand in under this key.
    pub async fn cache_get(&mut self, project: &Name, key: &Digest) -> Result<Option<CacheEntry>, StoreError> {
        self.row("SELECT body FROM cache_entry WHERE project = $1 AND key_digest = $2", args![project, key])
            .await?
            .map(|row| row.json(0))
            .transpose()
    }

    /// Remembers a result under its key; where there is one already, that one stays.
    pub async fn cache_put(&mut self, project: &Name, key: &Digest, entry: &CacheEntry) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO cache_entry (project, key_digest, step_run, body) VALUES ($1, $2, $3, $4)
             ON CONFLICT (project, key_digest) DO NOTHING",
            args![project, key, entry.step_run.as_str(), json(entry)],
        )
        .await?;
        Ok(())
    }
}
