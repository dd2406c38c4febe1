//! What runs hold besides metrics: params, tags, inputs and outputs.

use std::collections::HashMap;

use windlass_kinds::{
    LoggedModelId, Name, RunId,
    record::{DatasetInput, MetricPoint, RunData},
};

use super::{ParamChange, Query, Refusal, Subject, metric::point_of};
use crate::{StoreError, Tx, encode::json, tx::args};

/// How many runs one query asks for.
const RUNS: usize = 500;

/// The word for models that a run used.
pub(super) const INPUT: &str = "input";
/// The word for models that a run made.
pub(super) const OUTPUT: &str = "output";

/// A batch of what a client logs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunLog {
    /// Metric points.
    pub metrics: Vec<MetricPoint>,
    /// Params.
    pub params: Vec<(String, String)>,
    /// Tags.
    pub tags: Vec<(String, String)>,
}

impl Tx {
    /// Logs a batch to a run, all of it or nothing.
    pub async fn run_log(&mut self, project: &Name, run: &RunId, log: &RunLog) -> Result<(), StoreError> {
        let RunLog { metrics, params, tags } = log;
        if !params.is_empty() {
            self.log_params(project, run, params).await?;
        }
        if !tags.is_empty() {
            self.set_tags(project, run, tags).await?;
        }
        if !metrics.is_empty() || (params.is_empty() && tags.is_empty()) {
            self.log_metrics(project, run, metrics).await?;
        }
        Ok(())
    }

    /// Logs params; refuses to change one.
    pub async fn log_params(
        &mut self,
        project: &Name,
        run: &RunId,
        params: &[(String, String)],
    ) -> Result<(), StoreError> {
        self.run_open(project, run).await?;
        let mut changes = Vec::new();
        for (key, value) in params {
            let added = self
                .execute(
                    "INSERT INTO run_param (run, key, value) VALUES ($1, $2, $3) ON CONFLICT (run, key) DO NOTHING",
                    args![run.as_str(), key, value],
                )
                .await?;
            if added == 1 {
                continue;
            }
            let row =
                self.row("SELECT value FROM run_param WHERE run = $1 AND key = $2", args![run.as_str(), key]).await?;
            let old = row.map_or(Ok(String::new()), |row| row.text(0))?;
            if old != *value {
                changes.push(ParamChange { key: key.clone(), old, new: value.clone() });
            }
        }
        if changes.is_empty() { Ok(()) } else { Err(Refusal::ParamChanged { run: run.clone(), changes }.into()) }
    }

    /// Sets tags. Tags are remarks about a run, not part of its seal, so a sealed run takes them too.
    pub async fn set_tags(&mut self, project: &Name, run: &RunId, tags: &[(String, String)]) -> Result<(), StoreError> {
        self.run_live(project, run).await?;
        self.run_tags_put(run, tags).await
    }

    pub(super) async fn run_tags_put(&mut self, run: &RunId, tags: &[(String, String)]) -> Result<(), StoreError> {
        for (key, value) in tags {
            self.execute(
                "INSERT INTO run_tag (run, key, value) VALUES ($1, $2, $3)
                 ON CONFLICT (run, key) DO UPDATE SET value = excluded.value",
                args![run.as_str(), key, value],
            )
            .await?;
        }
        Ok(())
    }

    /// Removes a tag.
    pub async fn tag_delete(&mut self, project: &Name, run: &RunId, key: &str) -> Result<(), StoreError> {
        self.run_live(project, run).await?;
        let gone = self.execute("DELETE FROM run_tag WHERE run = $1 AND key = $2", args![run.as_str(), key]).await?;
        match gone {
            0 => Err(Refusal::Missing(Subject::RunTag(run.clone(), key.to_owned())).into()),
            _ => Ok(()),
        }
    }

    async fn run_live(&mut self, project: &Name, run: &RunId) -> Result<(), StoreError> {
        match self.run_find(project, run).await?.deleted {
            true => Err(Refusal::Deleted(Subject::Run(run.clone())).into()),
            false => Ok(()),
        }
    }

    /// Notes the datasets (each with what it was used for, which may be empty) and logged models that a run used.
    pub async fn run_inputs_add(
        &mut self,
        project: &Name,
        run: &RunId,
        datasets: &[(String, DatasetInput)],
        models: &[LoggedModelId],
    ) -> Result<(), StoreError> {
        self.run_open(project, run).await?;
        self.run_datasets_put(run, datasets).await?;
        for model in models {
            self.run_model_add(run, INPUT, model, 0).await?;
        }
        Ok(())
    }

    pub(super) async fn run_datasets_put(
        &mut self,
        run: &RunId,
        datasets: &[(String, DatasetInput)],
    ) -> Result<(), StoreError> {
        for (context, dataset) in datasets {
            self.execute(
                // What was said of a dataset first stays.
                "INSERT INTO run_dataset (run, name, digest, context, body)
                 SELECT id, $2, $3, $4, $5 FROM tracking_run WHERE id = $1
                 AND NOT EXISTS (SELECT 1 FROM run_dataset WHERE run = $1 AND name = $2 AND digest = $3)",
                args![run.as_str(), &dataset.name, &dataset.digest, context, json(dataset)],
            )
            .await?;
        }
        Ok(())
    }

    /// Notes the logged models that a run made, each with its step.
    pub async fn run_outputs_add(
        &mut self,
        project: &Name,
        run: &RunId,
        models: &[(LoggedModelId, i64)],
    ) -> Result<(), StoreError> {
        self.run_open(project, run).await?;
        for (model, step) in models {
            self.run_model_add(run, OUTPUT, model, *step).await?;
        }
        Ok(())
    }

    pub(super) async fn run_model_add(
        &mut self,
        run: &RunId,
        role: &str,
        model: &LoggedModelId,
        step: i64,
    ) -> Result<(), StoreError> {
        self.execute(
            // A run uses or makes a model once; what was said of it first stays.
            "INSERT INTO run_model (run, role, model, step) SELECT id, $2, $3, $4 FROM tracking_run WHERE id = $1
             AND NOT EXISTS (SELECT 1 FROM run_model WHERE run = $1 AND role = $2 AND model = $3)",
            args![run.as_str(), role, model.as_str(), step],
        )
        .await?;
        Ok(())
    }

    /// Returns what a run holds; empty where there is no such run.
    pub async fn run_data(&mut self, run: &RunId) -> Result<RunData, StoreError> {
        Ok(self.run_data_of(&[run]).await?.pop().unwrap_or_default())
    }

    /// Returns what each run holds, in the order of `runs`.
    pub(super) async fn run_data_of(&mut self, runs: &[&RunId]) -> Result<Vec<RunData>, StoreError> {
        let mut all = Vec::with_capacity(runs.len());
        for chunk in runs.chunks(RUNS) {
            let places: HashMap<&str, usize> =
                chunk.iter().enumerate().map(|(place, run)| (run.as_str(), place)).collect();
            let mut data = vec![RunData::default(); chunk.len()];
            // In the order of their keys in the tables, so that nothing has to be sorted.
            let select = async |tx: &mut Tx, columns: &str, table: &str, order: &str| {
                let mut query =
                    Query::new(tx.is_postgres(), &format!("SELECT run, {columns} FROM {table} WHERE run IN "));
                query.list(chunk.iter().map(|run| run.as_str()));
                query.text(&format!(" ORDER BY {order}"));
                query.rows(tx).await
            };
            let place = |run: String| {
                places.get(run.as_str()).copied().ok_or_else(|| StoreError::corrupt("a run nobody asked for"))
            };
            let points = "key, step, at_ms, value, nan, model, dataset_name, dataset_digest";
            for row in select(self, points, "metric_latest", "run, key").await? {
                data[place(row.text(0)?)?].metrics.push(point_of(&row, 1)?);
            }
            for row in select(self, "key, value", "run_param", "run, key").await? {
                data[place(row.text(0)?)?].params.push((row.text(1)?, row.text(2)?));
            }
            for row in select(self, "key, value", "run_tag", "run, key").await? {
                data[place(row.text(0)?)?].tags.push((row.text(1)?, row.text(2)?));
            }
            for row in select(self, "body", "run_dataset", "run, name, digest, context").await? {
                data[place(row.text(0)?)?].dataset_inputs.push(row.json(1)?);
            }
            for row in select(self, "role, model, step", "run_model", "step, model").await? {
                let data = &mut data[place(row.text(0)?)?];
                let model = LoggedModelId::new(row.text(2)?);
                match row.text(1)?.as_str() {
                    INPUT => data.model_inputs.push(model),
                    _ => data.model_outputs.push((model, row.int(3)?)),
                }
            }
            all.extend(data);
        }
        Ok(all)
    }
}
