//! Verdicts over model versions, and what monitors observed.
//!
//! A version may be judged any number of times for an alias; each verdict has a number of its own and stays. The body
//! of a row is the record in canonical form, which the ledger digests.

use windlass_kinds::{
    Digest, Micros, Name, PipelineRunId,
    record::{Actor, LedgerKind, ModelVersion, Observation, PipelineRun, Verdict},
};

use crate::{
    StoreError, Tx,
    encode::{canonical_json, records},
    tx::args,
};

impl Tx {
    /// Returns the final versions that a pipeline run registered, by model and number.
    pub async fn model_versions_of_run(
        &mut self,
        project: &Name,
        run: &PipelineRunId,
    ) -> Result<Vec<ModelVersion>, StoreError> {
        // A client registers under its attempt; a declared output under the attempt's tracking run.
        let rows = self
            .rows(
                "SELECT v.model, v.version FROM attempt a JOIN model_version v ON v.attempt = a.id
                 WHERE a.run = $1 AND v.project = $2
                 UNION
                 SELECT v.model, v.version FROM attempt a JOIN model_version v ON v.run = a.tracking_run
                 WHERE a.run = $1 AND v.project = $2 AND v.attempt IS NULL
                 ORDER BY 1, 2",
                args![run.as_str(), project],
            )
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let (model, number) = (row.text(0)?, row.count(1)?);
            if let Some(version) = self.model_version_get(project, &model, number).await? {
                found.push(version);
            }
        }
        Ok(found)
    }

    /// Returns the pipeline run that registered a version, or else the one whose attempt it was trained in.
    pub async fn pipeline_run_behind(&mut self, version: &ModelVersion) -> Result<Option<PipelineRun>, StoreError> {
        let ModelVersion { project, model, version: number, .. } = version;
        for sql in [
            "SELECT r.body FROM model_version v JOIN attempt a ON a.id = v.attempt JOIN pipeline_run r ON r.id = a.run
             WHERE v.project = $1 AND v.model = $2 AND v.version = $3 AND r.project = $1",
            "SELECT r.body FROM model_version v JOIN attempt a ON a.tracking_run = v.run
             JOIN pipeline_run r ON r.id = a.run
             WHERE v.project = $1 AND v.model = $2 AND v.version = $3 AND r.project = $1",
        ] {
            if let Some(row) = self.row(sql, args![project, model, *number]).await? {
                return row.json(0).map(Some);
            }
        }
        Ok(None)
    }

    /// Returns the sketch of the rows that a version was trained on, where one is kept.
    pub async fn model_reference(&mut self, version: &ModelVersion) -> Result<Option<Digest>, StoreError> {
        let ModelVersion { project, model, version: number, .. } = version;
        let row = self
            .row(
                "SELECT reference FROM model_version WHERE project = $1 AND model = $2 AND version = $3
                 AND reference IS NOT NULL",
                args![project, model, *number],
            )
            .await?;
        row.map(|row| row.parsed(0)).transpose()
    }

    /// Keeps the sketch of the rows that a version was trained on, as content of the version, where none is kept yet.
    /// Returns the one that is.
    pub async fn model_reference_keep(
        &mut self,
        version: &ModelVersion,
        sketch: &Digest,
    ) -> Result<Option<Digest>, StoreError> {
        let ModelVersion { project, model, version: number, .. } = version;
        let kept = self
            .execute(
                "UPDATE model_version SET reference = $4
                 WHERE project = $1 AND model = $2 AND version = $3 AND reference IS NULL",
                args![project, model, *number, sketch],
            )
            .await?;
        if kept == 1 {
            let holder = crate::registry::holder(model, *number);
            self.content_refs_add(project, &holder, std::slice::from_ref(sketch)).await?;
        }
        self.model_reference(version).await
    }

    /// Points an alias at a version if it points at `expected` now; returns whether it did.
    pub async fn alias_swap(
        &mut self,
        version: &ModelVersion,
        alias: &str,
        expected: Option<u32>,
        actor: &Actor,
        now: Micros,
    ) -> Result<bool, StoreError> {
        let ModelVersion { project, model, version: number, .. } = version;
        if self.alias_get(project, model, alias).await? != expected {
            return Ok(false);
        }
        self.alias_set(project, model, alias, *number, actor, now).await?;
        Ok(true)
    }

    /// Adds a verdict with its entry in the ledger; returns its number among those of the version and alias.
    pub async fn verdict_insert(&mut self, verdict: &Verdict, actor: &Actor) -> Result<u32, StoreError> {
        let Verdict { project, model, version, alias, passed, judged_at, .. } = verdict;
        let row = self
            .row(
                "SELECT COALESCE(MAX(number), 0) + 1 FROM verdict
                 WHERE project = $1 AND model = $2 AND version = $3 AND alias = $4",
                args![project, model, *version, alias],
            )
            .await?;
        let number = row.map_or(Ok(1), |row| row.count(0))?;
        self.execute(
            "INSERT INTO verdict (project, model, version, alias, number, passed, judged_at, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            args![project, model, *version, alias, number, *passed, *judged_at, canonical_json(verdict)],
        )
        .await?;
        let subject = format!("verdict {model}@{version} {alias} {number}");
        self.ledger_append(project, actor, LedgerKind::Verdict, &subject, verdict, *judged_at).await?;
        Ok(number)
    }

    /// Returns the verdicts over a model's versions, oldest first.
    pub async fn verdicts_of(&mut self, project: &Name, model: &str) -> Result<Vec<Verdict>, StoreError> {
        let rows = self
            .rows(
                "SELECT body FROM verdict WHERE project = $1 AND model = $2
                 ORDER BY judged_at, version, alias, number",
                args![project, model],
            )
            .await?;
        records(&rows)
    }

    /// Returns the newest verdict over a version for any alias.
    pub async fn verdict_last(
        &mut self,
        project: &Name,
        model: &str,
        version: u32,
    ) -> Result<Option<Verdict>, StoreError> {
        let row = self
            .row(
                "SELECT body FROM verdict WHERE project = $1 AND model = $2 AND version = $3
                 ORDER BY judged_at DESC, number DESC LIMIT 1",
                args![project, model, version],
            )
            .await?;
        row.map(|row| row.json(0)).transpose()
    }

    /// Returns the number that a monitor's next observation gets, from 1.
    pub async fn observation_next(&mut self, project: &Name, monitor: &Name) -> Result<u32, StoreError> {
        let row = self
            .row(
                "SELECT COALESCE(MAX(sequence), 0) + 1 FROM observation WHERE project = $1 AND monitor = $2",
                args![project, monitor],
            )
            .await?;
        row.map_or(Ok(1), |row| row.count(0))
    }

    /// Adds an observation; one of the same window is dropped. Returns whether it is new. Breaches go to the ledger.
    pub async fn observation_insert(&mut self, observation: &Observation) -> Result<bool, StoreError> {
        let Observation { project, monitor, sequence, window, breaches, observed_at, .. } = observation;
        let added = self
            .execute(
                "INSERT INTO observation (project, monitor, sequence, identity, breached, observed_at, body)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (project, monitor, identity) DO NOTHING",
                args![
                    project,
                    monitor,
                    *sequence,
                    window,
                    !breaches.is_empty(),
                    *observed_at,
                    canonical_json(observation)
                ],
            )
            .await?;
        if added == 1 {
            self.monitor_window_insert(observation).await?;
        }
        if added == 1 && !breaches.is_empty() {
            let subject = format!("monitor {monitor} {sequence}");
            let actor = Actor::system();
            self.ledger_append(project, &actor, LedgerKind::Observation, &subject, observation, *observed_at).await?;
        }
        Ok(added == 1)
    }

    /// Returns the newest observations of a monitor, oldest first, `limit` at most.
    pub async fn observations_of(
        &mut self,
        project: &Name,
        monitor: &Name,
        limit: u32,
    ) -> Result<Vec<Observation>, StoreError> {
        let rows = self
            .rows(
                "SELECT body FROM observation WHERE project = $1 AND monitor = $2 ORDER BY sequence DESC LIMIT $3",
                args![project, monitor, limit],
            )
            .await?;
        let mut found: Vec<Observation> = records(&rows)?;
        found.reverse();
        Ok(found)
    }
}
