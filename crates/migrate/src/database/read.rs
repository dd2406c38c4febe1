//! MLflow's tables.

use std::collections::HashMap;

use async_trait::async_trait;
use windlass_kinds::{
    LoggedModelId, RunId,
    record::{DatasetInput, LoggedModelStatus},
};

use super::{
    DatabaseSource,
    connection::{Arg, Connection, Row, places, select},
};
use crate::{
    Cursor, Experiment, Files, Latest, LoggedModel, Model, ModelMetric, Point, Run, Source, SourceError, Version,
    http::{CONTEXT, RUN_NAME, stage, status},
};

/// How many runs, logged models and points one page has.
const RUNS: i64 = 200;
const MODELS: i64 = 200;
const POINTS: i64 = 50_000;

/// Values of metrics: NaN is kept as 0 and a flag.
const VALUE: [(char, &str); 2] = [('r', "value"), ('i', "CASE WHEN is_nan THEN 1 ELSE 0 END")];

fn value(row: &Row, place: usize) -> Result<f64, SourceError> {
    Ok(if row.int(place + 1)? != 0 { f64::NAN } else { row.real(place)? })
}

type Pairs = HashMap<String, Vec<(String, String)>>;

/// Returns the revision of the schema.
pub(super) async fn revision(connection: &Connection) -> Result<String, SourceError> {
    match connection.rows(select(&[('t', "version_num")], "FROM alembic_version"), Vec::new()).await {
        Ok(rows) => match rows.as_slice() {
            [row] => row.text(0),
            _ => Err(SourceError::NotMlflow),
        },
        Err(SourceError::Sqlite(_) | SourceError::Postgres(sqlx::Error::Database(_))) => Err(SourceError::NotMlflow),
        Err(error) => Err(error),
    }
}

impl DatabaseSource {
    /// Returns the keys and values that belong to some owners, by owner, sorted.
    async fn pairs(
        &self,
        table: &str,
        owner: &str,
        (key, value): (&str, &str),
        owners: &[String],
    ) -> Result<Pairs, SourceError> {
        let rest = format!("FROM {table} WHERE {owner} IN {} ORDER BY 1, 2", places(1, owners.len()));
        let args = owners.iter().cloned().map(Arg::Text).collect();
        let mut pairs = Pairs::new();
        for row in self.connection.rows(select(&[('t', owner), ('t', key), ('t', value)], &rest), args).await? {
            pairs.entry(row.text(0)?).or_default().push((row.text(1)?, row.or_empty(2)?));
        }
        pairs.values_mut().for_each(|pairs| pairs.sort());
        Ok(pairs)
    }

    /// Returns a condition that keeps to the workspace that everybody has.
    fn workspace(&self, before: &str) -> String {
        if self.schema.has_workspaces { format!("{before} workspace = 'default'") } else { String::new() }
    }

    /// Fills in what runs hold.
    async fn fill(&self, runs: &mut [Run]) -> Result<(), SourceError> {
        let ids: Vec<String> = runs.iter().map(|run| run.id.to_string()).collect();
        let args = || ids.iter().cloned().map(Arg::Text).collect::<Vec<_>>();
        let list = places(1, ids.len());
        let by_id: HashMap<String, usize> = ids.iter().cloned().zip(0..).collect();
        let mut params = self.pairs("params", "run_uuid", ("key", "value"), &ids).await?;
        let mut tags = self.pairs("tags", "run_uuid", ("key", "value"), &ids).await?;
        for run in runs.iter_mut() {
            run.params = params.remove(run.id.as_str()).unwrap_or_default();
            run.tags = tags.remove(run.id.as_str()).unwrap_or_default();
            let named = run.tags.iter().find(|(key, _)| key == RUN_NAME).map(|(_, name)| name.clone());
            if run.name.is_empty() {
                run.name = named.unwrap_or_default();
            }
            run.tags.retain(|(key, _)| key != RUN_NAME);
        }
        let columns = [('t', "run_uuid"), ('t', "key"), ('i', "timestamp"), ('i', "step"), VALUE[0], VALUE[1]];
        let rest = format!("FROM latest_metrics WHERE run_uuid IN {list}");
        for row in self.connection.rows(select(&columns, &rest), args()).await? {
            let Some(place) = by_id.get(&row.text(0)?) else { continue };
            let value_bits = format!("{:016x}", value(&row, 4)?.to_bits());
            let latest = Latest { key: row.text(1)?, value_bits, timestamp_ms: row.int(2)?, step: row.int(3)? };
            runs[*place].latest.push(latest);
        }
        runs.iter_mut().for_each(|run| run.latest.sort());
        if self.schema.has_datasets {
            self.fill_inputs(runs, &by_id, &list, args()).await?;
        }
        if self.schema.has_logged_models {
            let columns = [('t', "source_type"), ('t', "source_id"), ('t', "destination_id"), ('i', "step")];
            let rest = format!(
                "FROM inputs WHERE source_id IN {list} AND source_type IN ('RUN_INPUT', 'RUN_OUTPUT')
                 AND destination_type IN ('MODEL_INPUT', 'MODEL_OUTPUT')"
            );
            for row in self.connection.rows(select(&columns, &rest), args()).await? {
                let Some(place) = by_id.get(&row.text(1)?) else { continue };
                let model = LoggedModelId::new(row.text(2)?);
                match row.text(0)?.as_str() {
                    "RUN_INPUT" => runs[*place].model_inputs.push(model),
                    _ => runs[*place].model_outputs.push((model, row.int(3)?)),
                }
            }
            for run in runs.iter_mut() {
                run.model_inputs.sort();
                run.model_outputs.sort();
            }
        }
        Ok(())
    }

    async fn fill_inputs(
        &self,
        runs: &mut [Run],
        by_id: &HashMap<String, usize>,
        list: &str,
        args: Vec<Arg>,
    ) -> Result<(), SourceError> {
        let columns = [
            ('t', "i.destination_id"),
            ('t', "i.input_uuid"),
            ('t', "d.name"),
            ('t', "d.digest"),
            ('t', "d.dataset_source_type"),
            ('t', "d.dataset_source"),
            ('t', "d.dataset_schema"),
            ('t', "d.dataset_profile"),
        ];
        let rest = format!(
            "FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id WHERE i.destination_id IN {list}
             AND i.source_type = 'DATASET' AND i.destination_type = 'RUN' ORDER BY d.name, d.digest"
        );
        let rows = self.connection.rows(select(&columns, &rest), args).await?;
        let inputs = rows.iter().map(|row| row.text(1)).collect::<Result<Vec<_>, _>>()?;
        let mut tags = Pairs::new();
        for chunk in inputs.chunks(500) {
            tags.extend(self.pairs("input_tags", "input_uuid", ("name", "value"), chunk).await?);
        }
        for row in &rows {
            let Some(place) = by_id.get(&row.text(0)?) else { continue };
            let tags = tags.get(&row.text(1)?).cloned().unwrap_or_default();
            let context = tags.iter().find(|(key, _)| key == CONTEXT).map(|(_, value)| value.clone());
            let dataset = DatasetInput {
                name: row.text(2)?,
                digest: row.text(3)?,
                source_type: row.or_empty(4)?,
                source: row.or_empty(5)?,
                schema: row.opt_text(6)?.filter(|text| !text.is_empty()),
                profile: row.opt_text(7)?.filter(|text| !text.is_empty()),
                tags,
            };
            runs[*place].datasets.push((context.unwrap_or_default(), dataset));
        }
        for run in runs.iter_mut() {
            run.datasets.sort_by(|one, other| (&one.1.name, &one.1.digest).cmp(&(&other.1.name, &other.1.digest)));
        }
        Ok(())
    }

    async fn model_metrics(&self, ids: &[String]) -> Result<HashMap<String, Vec<ModelMetric>>, SourceError> {
        let columns = [
            ('t', "model_id"),
            ('t', "run_id"),
            ('t', "metric_name"),
            ('i', "metric_timestamp_ms"),
            ('i', "metric_step"),
            ('t', "dataset_name"),
            ('t', "dataset_digest"),
        ];
        let rest = format!("FROM logged_model_metrics WHERE model_id IN {}", places(1, ids.len()));
        let args = ids.iter().cloned().map(Arg::Text).collect();
        let mut found: HashMap<String, Vec<ModelMetric>> = HashMap::new();
        for row in self.connection.rows(select(&columns, &rest), args).await? {
            found.entry(row.text(0)?).or_default().push(ModelMetric {
                run: row.text(1)?,
                key: row.text(2)?,
                timestamp_ms: row.int(3)?,
                step: row.int(4)?,
                dataset_name: row.opt_text(5)?,
                dataset_digest: row.opt_text(6)?,
            });
        }
        Ok(found)
    }
}

fn experiment_number(experiment: &str) -> Result<i64, SourceError> {
    experiment.parse().map_err(|_| SourceError::Odd(format!("an experiment with the id {experiment}")))
}

#[async_trait]
impl Source for DatabaseSource {
    fn shown(&self) -> &str {
        &self.shown
    }

    async fn experiments(&self) -> Result<Vec<Experiment>, SourceError> {
        let columns = [
            ('t', "experiment_id"),
            ('t', "name"),
            ('t', "lifecycle_stage"),
            ('i', "creation_time"),
            ('i', "last_update_time"),
        ];
        let rest = format!("FROM experiments {} ORDER BY experiment_id", self.workspace("WHERE"));
        let rows = self.connection.rows(select(&columns, &rest), Vec::new()).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = row.text(0)?;
            let rest = "FROM experiment_tags WHERE experiment_id = $1 ORDER BY 1";
            let tags = self
                .connection
                .rows(select(&[('t', "key"), ('t', "value")], rest), vec![Arg::Int(experiment_number(&id)?)])
                .await?;
            let mut tags =
                tags.iter().map(|row| Ok((row.text(0)?, row.or_empty(1)?))).collect::<Result<Vec<_>, SourceError>>()?;
            tags.sort();
            found.push(Experiment {
                id,
                name: row.text(1)?,
                deleted: row.or_empty(2)? == "deleted",
                created_ms: row.int(3)?,
                updated_ms: row.int(4)?,
                tags,
            });
        }
        Ok(found)
    }

    async fn runs(&self, experiment: &str, cursor: &mut Cursor) -> Result<Option<Vec<Run>>, SourceError> {
        if cursor.is_done {
            return Ok(None);
        }
        let columns = [
            ('t', "run_uuid"),
            ('t', "name"),
            ('t', "user_id"),
            ('t', "status"),
            ('i', "start_time"),
            ('i', "end_time"),
            ('t', "lifecycle_stage"),
            ('t', "artifact_uri"),
        ];
        let rest = "FROM runs WHERE experiment_id = $1 AND run_uuid > $2 ORDER BY run_uuid LIMIT $3";
        let args = vec![
            Arg::Int(experiment_number(experiment)?),
            Arg::Text(cursor.token.take().unwrap_or_default()),
            Arg::Int(RUNS),
        ];
        let mut runs = Vec::new();
        for row in self.connection.rows(select(&columns, rest), args).await? {
            let word = row.or_empty(3)?;
            runs.push(Run {
                id: RunId::new(row.text(0)?),
                name: row.or_empty(1)?,
                user: row.or_empty(2)?,
                status: status(&word).ok_or_else(|| SourceError::Odd(format!("a run with the status `{word}`")))?,
                start_ms: row.int(4)?,
                end_ms: row.opt_int(5)?.filter(|end| *end != 0),
                deleted: row.or_empty(6)? == "deleted",
                latest: Vec::new(),
                params: Vec::new(),
                tags: Vec::new(),
                datasets: Vec::new(),
                model_inputs: Vec::new(),
                model_outputs: Vec::new(),
                artifact_uri: row.or_empty(7)?,
            });
        }
        cursor.is_done = (runs.len() as i64) < RUNS;
        cursor.token = runs.last().map(|run| run.id.to_string());
        self.fill(&mut runs).await?;
        Ok(Some(runs))
    }

    async fn points(&self, run: &Run, cursor: &mut Cursor) -> Result<Option<Vec<Point>>, SourceError> {
        if cursor.is_done {
            return Ok(None);
        }
        let columns = [('t', "key"), ('i', "timestamp"), ('i', "step"), VALUE[0], VALUE[1]];
        let rest = "FROM metrics WHERE run_uuid = $1 ORDER BY key, timestamp, step, value, is_nan LIMIT $2 OFFSET $3";
        let offset = i64::try_from(cursor.place).unwrap_or(i64::MAX);
        let args = vec![Arg::Text(run.id.to_string()), Arg::Int(POINTS), Arg::Int(offset)];
        let mut points = Vec::new();
        for row in self.connection.rows(select(&columns, rest), args).await? {
            points.push(Point {
                key: row.text(0)?,
                timestamp_ms: row.int(1)?,
                step: row.int(2)?,
                value: value(&row, 3)?,
            });
        }
        cursor.place += points.len();
        cursor.is_done = (points.len() as i64) < POINTS;
        Ok(Some(points))
    }

    async fn logged_models(
        &self,
        experiment: &str,
        cursor: &mut Cursor,
    ) -> Result<Option<Vec<LoggedModel>>, SourceError> {
        if cursor.is_done || !self.schema.has_logged_models {
            return Ok(None);
        }
        let columns = [
            ('t', "model_id"),
            ('t', "name"),
            ('t', "source_run_id"),
            ('t', "model_type"),
            ('i', "status"),
            ('t', "status_message"),
            ('i', "creation_timestamp_ms"),
            ('i', "last_updated_timestamp_ms"),
            ('t', "artifact_location"),
        ];
        let rest = "FROM logged_models WHERE experiment_id = $1 AND model_id > $2 AND lifecycle_stage = 'active'
                    ORDER BY model_id LIMIT $3";
        let args = vec![
            Arg::Int(experiment_number(experiment)?),
            Arg::Text(cursor.token.take().unwrap_or_default()),
            Arg::Int(MODELS),
        ];
        let rows = self.connection.rows(select(&columns, rest), args).await?;
        let ids = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        let mut params = self.pairs("logged_model_params", "model_id", ("param_key", "param_value"), &ids).await?;
        let mut tags = self.pairs("logged_model_tags", "model_id", ("tag_key", "tag_value"), &ids).await?;
        let mut metrics = self.model_metrics(&ids).await?;
        let mut found = Vec::with_capacity(rows.len());
        for (row, id) in rows.iter().zip(&ids) {
            found.push(LoggedModel {
                id: LoggedModelId::new(id),
                name: row.text(1)?,
                source_run: row.opt_text(2)?.filter(|run| !run.is_empty()).map(RunId::new),
                model_type: row.or_empty(3)?,
                status: match row.int(4)? {
                    2 => LoggedModelStatus::Ready,
                    3 => LoggedModelStatus::UploadFailed,
                    _ => LoggedModelStatus::Pending,
                },
                status_message: row.or_empty(5)?,
                created_ms: row.int(6)?,
                updated_ms: row.int(7)?,
                params: params.remove(id).unwrap_or_default(),
                tags: tags.remove(id).unwrap_or_default(),
                metrics: metrics.remove(id).unwrap_or_default(),
                artifact_uri: row.or_empty(8)?,
            });
        }
        cursor.is_done = (found.len() as i64) < MODELS;
        cursor.token = ids.last().cloned();
        Ok(Some(found))
    }

    async fn models(&self) -> Result<Vec<Model>, SourceError> {
        let columns = [('t', "name"), ('t', "description"), ('i', "creation_time"), ('i', "last_updated_time")];
        let rest = format!("FROM registered_models {} ORDER BY name", self.workspace("WHERE"));
        let rows = self.connection.rows(select(&columns, &rest), Vec::new()).await?;
        let and = self.workspace("AND");
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let name = row.text(0)?;
            let arg = || vec![Arg::Text(name.clone())];
            let rest = format!("FROM registered_model_tags WHERE name = $1 {and}");
            let tags = self.connection.rows(select(&[('t', "key"), ('t', "value")], &rest), arg()).await?;
            let mut tags =
                tags.iter().map(|row| Ok((row.text(0)?, row.or_empty(1)?))).collect::<Result<Vec<_>, SourceError>>()?;
            tags.sort();
            let aliases = if self.schema.has_aliases {
                let rest = format!("FROM registered_model_aliases WHERE name = $1 {and}");
                self.connection.rows(select(&[('t', "alias"), ('i', "version")], &rest), arg()).await?
            } else {
                Vec::new()
            };
            let mut aliases = aliases
                .iter()
                .map(|row| Ok((row.text(0)?, number(row, 1)?)))
                .collect::<Result<Vec<_>, SourceError>>()?;
            aliases.sort();
            found.push(Model {
                name,
                description: row.or_empty(1)?,
                created_ms: row.int(2)?,
                updated_ms: row.int(3)?,
                tags,
                aliases,
            });
        }
        Ok(found)
    }

    async fn versions(&self, model: &str) -> Result<Vec<Version>, SourceError> {
        let location = if self.schema.has_storage_location { "storage_location" } else { "source" };
        let columns = [
            ('i', "version"),
            ('t', "run_id"),
            ('t', "source"),
            ('t', location),
            ('t', "description"),
            ('t', "run_link"),
            ('i', "creation_time"),
            ('i', "last_updated_time"),
            ('t', "current_stage"),
        ];
        let and = self.workspace("AND");
        let rest = format!(
            "FROM model_versions WHERE name = $1 {and} AND current_stage <> 'Deleted_Internal' ORDER BY version"
        );
        let rows = self.connection.rows(select(&columns, &rest), vec![Arg::Text(model.to_owned())]).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let version = number(row, 0)?;
            let rest = format!("FROM model_version_tags WHERE name = $1 {and} AND version = $2");
            let args = vec![Arg::Text(model.to_owned()), Arg::Int(version.into())];
            let tags = self.connection.rows(select(&[('t', "key"), ('t', "value")], &rest), args).await?;
            let mut tags =
                tags.iter().map(|row| Ok((row.text(0)?, row.or_empty(1)?))).collect::<Result<Vec<_>, SourceError>>()?;
            tags.sort();
            let source = row.or_empty(2)?;
            found.push(Version {
                version,
                run: row.opt_text(1)?.filter(|run| !run.is_empty()).map(RunId::new),
                location: row.opt_text(3)?.filter(|location| !location.is_empty()).unwrap_or_else(|| source.clone()),
                source,
                description: row.or_empty(4)?,
                run_link: row.or_empty(5)?,
                created_ms: row.int(6)?,
                updated_ms: row.int(7)?,
                tags,
                stage: stage(&row.or_empty(8)?),
            });
        }
        Ok(found)
    }

    async fn unreachable(&self) -> Result<Vec<(String, String)>, SourceError> {
        if !self.schema.has_workspaces {
            return Ok(Vec::new());
        }
        let rest = "FROM experiments WHERE workspace <> 'default' GROUP BY workspace ORDER BY workspace";
        let rows = self.connection.rows(select(&[('t', "workspace"), ('i', "COUNT(*)")], rest), Vec::new()).await?;
        rows.iter()
            .map(|row| {
                let what = format!("workspace {} with {} experiments", row.text(0)?, row.int(1)?);
                Ok((what, "only the workspace `default` is read".to_owned()))
            })
            .collect()
    }

    fn files(&self) -> Option<&dyn Files> {
        self.folder()
    }
}

fn number(row: &Row, place: usize) -> Result<u32, SourceError> {
    u32::try_from(row.int(place)?).map_err(|_| SourceError::Odd("the number of a version".to_owned()))
}
