//! Datasets to evaluate with, and their records.
//!
//! A record is found again by the digest of its inputs, so that adding the same twice changes the one that is there.
//! What a record's id and a dataset's digest look like follows what clients of tracking expect.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use windlass_kinds::{
    Digest, ExperimentId, Micros, Name, canonical,
    filter::{Attribute, Page, Search},
    record::{Actor, EvaluationDataset, EvaluationRecord, EvaluationSource, LedgerKind},
};

use crate::{
    StoreError, Tx,
    encode::json as to_json,
    tracking::{Columns, Find, Holds, Keyed, experiment_number},
    tx::{Row, args},
};

/// The tag by which a client says who it is.
const USER_TAG: &str = "mlflow.user";

/// A record as somebody adds it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordChange {
    /// What is put in; it tells which record is meant.
    pub inputs: Map<String, Value>,
    /// What came out; not said, or said to be nothing.
    pub outputs: Option<Option<Value>>,
    /// What should come out; merged key by key.
    pub expectations: Option<Map<String, Value>>,
    /// Tags; merged key by key.
    pub tags: Option<Map<String, Value>>,
    /// Where a new record comes from.
    pub source: Option<EvaluationSource>,
}

impl RecordChange {
    fn user(&self) -> Option<String> {
        self.tags.as_ref()?.get(USER_TAG)?.as_str().map(str::to_owned)
    }

    fn apply(&self, record: &mut EvaluationRecord, now_ms: i64) {
        if let Some(outputs) = &self.outputs {
            record.outputs.clone_from(outputs);
        }
        if let Some(expectations) = self.expectations.as_ref().filter(|map| !map.is_empty()) {
            record.expectations.get_or_insert_default().extend(expectations.clone());
        }
        if let Some(tags) = &self.tags {
            record.tags.extend(tags.clone());
        }
        record.updated_ms = now_ms;
        if let Some(user) = self.user() {
            record.updated_by = Some(user);
        }
    }

    fn record(&self, dataset: &str, inputs: &Digest, now_ms: i64) -> EvaluationRecord {
        let user = self.user();
        EvaluationRecord {
            id: format!("dr-{}", &Digest::sha256(format!("{dataset}\n{inputs}")).hex()[..32]),
            inputs: self.inputs.clone(),
            // What nobody spoke of is an empty object, as clients have it.
            outputs: self.outputs.clone().unwrap_or_else(|| Some(json!({}))),
            expectations: self.expectations.clone(),
            tags: self.tags.clone().unwrap_or_default(),
            source: self.source.clone(),
            created_by: user.clone(),
            updated_by: user,
            created_ms: now_ms,
            updated_ms: now_ms,
        }
    }
}

/// Returns the digest of a dataset as of a moment: the first eight digits of the SHA-256 of `name:milliseconds`.
pub fn evaluation_digest(name: &str, now_ms: i64) -> String {
    Digest::sha256(format!("{name}:{now_ms}")).hex()[..8].to_owned()
}

/// Returns a dataset's schema with the fields of some records added. A field keeps the type that it first had.
fn schema_with(old: Option<&str>, records: &[RecordChange]) -> Option<String> {
    if records.is_empty() {
        return old.map(str::to_owned);
    }
    let fresh = || json!({"inputs": {}, "outputs": {}, "expectations": {}, "version": "1.0"});
    let mut schema = old.and_then(|old| serde_json::from_str(old).ok()).unwrap_or_else(fresh);
    let add = |schema: &mut Value, part: &str, fields: &Map<String, Value>| {
        if let Some(known) = schema.get_mut(part).and_then(Value::as_object_mut) {
            for (key, value) in fields {
                known.entry(key.clone()).or_insert_with(|| type_of(value).into());
            }
        }
    };
    for record in records {
        add(&mut schema, "inputs", &record.inputs);
        match record.outputs.as_ref().and_then(Option::as_ref) {
            None | Some(Value::Null) => {}
            Some(Value::Object(fields)) => add(&mut schema, "outputs", fields),
            Some(other) => {
                if schema["outputs"].as_object().is_some_and(Map::is_empty) {
                    schema["outputs"] = type_of(other).into();
                }
            }
        }
        if let Some(expectations) = &record.expectations {
            add(&mut schema, "expectations", expectations);
        }
    }
    Some(schema.to_string())
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl Tx {
    /// Adds a dataset.
    pub async fn evaluation_create(&mut self, dataset: &EvaluationDataset, actor: &Actor) -> Result<(), StoreError> {
        // No `..`: a new field needs a column.
        let EvaluationDataset {
            id,
            project,
            name,
            tags,
            schema,
            profile,
            digest,
            created_by,
            updated_by,
            created_ms,
            updated_ms,
            experiments,
        } = dataset;
        self.execute(
            "INSERT INTO evaluation_dataset (id, project, name, schema_json, profile_json, digest, created_by,
             updated_by, created_ms, updated_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            args![
                id,
                project,
                name,
                schema.as_deref(),
                profile.as_deref(),
                digest,
                created_by.as_deref(),
                updated_by.as_deref(),
                *created_ms,
                *updated_ms
            ],
        )
        .await?;
        self.evaluation_tags_set(id, tags).await?;
        self.evaluation_experiments_put(project, id, experiments).await?;
        let subject = format!("evaluation dataset {id}");
        let now = Micros::from_millis(*created_ms);
        self.ledger_append(project, actor, LedgerKind::Registry, &subject, &("created", name), now).await
    }

    /// Returns a dataset of a project.
    pub async fn evaluation_get(&mut self, project: &Name, id: &str) -> Result<Option<EvaluationDataset>, StoreError> {
        let row = self
            .row(
                "SELECT d.id, d.name, d.schema_json, d.profile_json, d.digest, d.created_by, d.updated_by,
                 d.created_ms, d.updated_ms FROM evaluation_dataset d WHERE d.id = $1 AND d.project = $2",
                args![id, project],
            )
            .await?;
        match row {
            None => Ok(None),
            Some(row) => Ok(Some(self.evaluation_of(project, &row).await?)),
        }
    }

    /// Returns the datasets that a search finds, the newest first unless it says otherwise; where `experiments` are named,
    /// only those that one of them uses.
    pub async fn evaluation_search(
        &mut self,
        project: &Name,
        experiments: &[ExperimentId],
        search: &Search,
    ) -> Result<Page<EvaluationDataset>, StoreError> {
        // What is no number is no experiment, and nothing uses it.
        let numbers: Vec<i64> = experiments.iter().filter_map(|id| id.as_str().parse().ok()).collect();
        let found = FIND
            .rows(self, search, |query| {
                query.text("d.project = ");
                query.arg(project.to_string());
                if !experiments.is_empty() {
                    query.text(
                        " AND EXISTS (SELECT 1 FROM evaluation_dataset_experiment e WHERE e.dataset = d.id
                         AND e.experiment IN ",
                    );
                    query.list(numbers.iter().copied());
                    query.text(")");
                }
            })
            .await?;
        let mut items = Vec::with_capacity(found.items.len());
        for row in &found.items {
            items.push(self.evaluation_of(project, row).await?);
        }
        Ok(Page { items, next: found.next })
    }

    /// Deletes a dataset with its records; one that is not there is fine.
    pub async fn evaluation_delete(
        &mut self,
        project: &Name,
        id: &str,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        let Some(found) = self.evaluation_get(project, id).await? else { return Ok(()) };
        for sql in [
            "DELETE FROM evaluation_record WHERE dataset = $1",
            "DELETE FROM evaluation_dataset_tag WHERE dataset = $1",
            "DELETE FROM evaluation_dataset_experiment WHERE dataset = $1",
            "DELETE FROM evaluation_dataset WHERE id = $1",
        ] {
            self.execute(sql, args![id]).await?;
        }
        let subject = format!("evaluation dataset {id}");
        self.ledger_append(project, actor, LedgerKind::Deletion, &subject, &("deleted", found.name), now).await
    }

    /// Sets tags of a dataset.
    pub async fn evaluation_tags_set(&mut self, id: &str, tags: &BTreeMap<String, String>) -> Result<(), StoreError> {
        for (key, value) in tags {
            self.execute(
                "INSERT INTO evaluation_dataset_tag (dataset, key, value) VALUES ($1, $2, $3)
                 ON CONFLICT (dataset, key) DO UPDATE SET value = excluded.value",
                args![id, key, value],
            )
            .await?;
        }
        Ok(())
    }

    /// Removes a tag of a dataset; one that is not there is fine.
    pub async fn evaluation_tag_delete(&mut self, id: &str, key: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM evaluation_dataset_tag WHERE dataset = $1 AND key = $2", args![id, key]).await?;
        Ok(())
    }

    /// Lets experiments use a dataset. Where one of them is not there nothing is done, and it is returned.
    pub async fn evaluation_experiments_add(
        &mut self,
        project: &Name,
        id: &str,
        experiments: &[ExperimentId],
        now_ms: i64,
    ) -> Result<Option<ExperimentId>, StoreError> {
        for experiment in experiments {
            let known = match experiment.as_str().parse::<i64>() {
                Ok(number) => {
                    self.row("SELECT id FROM experiment WHERE project = $1 AND id = $2", args![project, number]).await?
                }
                Err(_) => None,
            };
            if known.is_none() {
                return Ok(Some(experiment.clone()));
            }
        }
        self.evaluation_experiments_put(project, id, experiments).await?;
        self.evaluation_touch(id, now_ms).await?;
        Ok(None)
    }

    async fn evaluation_experiments_put(
        &mut self,
        project: &Name,
        id: &str,
        experiments: &[ExperimentId],
    ) -> Result<(), StoreError> {
        let row = self
            .row("SELECT COALESCE(MAX(place), 0) FROM evaluation_dataset_experiment WHERE dataset = $1", args![id])
            .await?;
        let mut place = row.map_or(Ok(0), |row| row.int(0))?;
        for experiment in experiments {
            place += 1;
            self.execute(
                "INSERT INTO evaluation_dataset_experiment (dataset, experiment, project, place)
                 VALUES ($1, $2, $3, $4) ON CONFLICT (dataset, experiment) DO NOTHING",
                args![id, experiment_number(experiment)?, project, place],
            )
            .await?;
        }
        Ok(())
    }

    /// Takes a dataset away from experiments; those that do not use it are fine.
    pub async fn evaluation_experiments_remove(
        &mut self,
        id: &str,
        experiments: &[ExperimentId],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let mut gone = 0;
        for number in experiments.iter().filter_map(|id| id.as_str().parse::<i64>().ok()) {
            gone += self
                .execute(
                    "DELETE FROM evaluation_dataset_experiment WHERE dataset = $1 AND experiment = $2",
                    args![id, number],
                )
                .await?;
        }
        if gone == 0 {
            return Ok(());
        }
        self.evaluation_touch(id, now_ms).await
    }

    async fn evaluation_touch(&mut self, id: &str, now_ms: i64) -> Result<(), StoreError> {
        self.execute("UPDATE evaluation_dataset SET updated_ms = $2 WHERE id = $1", args![id, now_ms]).await?;
        Ok(())
    }

    /// Adds records to a dataset, or changes those with the same inputs; returns how many of each.
    pub async fn evaluation_records_merge(
        &mut self,
        dataset: &EvaluationDataset,
        changes: &[RecordChange],
        now_ms: i64,
    ) -> Result<(u32, u32), StoreError> {
        let EvaluationDataset { id, project, name, .. } = dataset;
        // Two who add to one dataset take turns, so that neither misses what the other adds.
        self.lock_project(project).await?;
        let (mut added, mut changed) = (0, 0);
        for change in changes {
            let inputs = Digest::sha256(canonical::to_bytes(&change.inputs));
            let known = self
                .row("SELECT body FROM evaluation_record WHERE dataset = $1 AND inputs = $2", args![id, inputs.hex()])
                .await?;
            match known {
                Some(row) => {
                    let mut record: EvaluationRecord = row.json(0)?;
                    change.apply(&mut record, now_ms);
                    self.execute(
                        "UPDATE evaluation_record SET body = $3 WHERE dataset = $1 AND inputs = $2",
                        args![id, inputs.hex(), to_json(&record)],
                    )
                    .await?;
                    changed += 1;
                }
                None => {
                    let record = change.record(id, &inputs, now_ms);
                    self.execute(
                        "INSERT INTO evaluation_record (dataset, id, inputs, created_ms, body)
                         VALUES ($1, $2, $3, $4, $5)",
                        args![id, &record.id, inputs.hex(), now_ms, to_json(&record)],
                    )
                    .await?;
                    added += 1;
                }
            }
        }
        let schema = schema_with(dataset.schema.as_deref(), changes);
        let profile = self.evaluation_profile(id).await?;
        let user = changes.iter().rev().find_map(RecordChange::user);
        self.execute(
            "UPDATE evaluation_dataset SET schema_json = $2, profile_json = $3, digest = $4, updated_by = $5,
             updated_ms = $6 WHERE id = $1",
            args![id, schema, profile, evaluation_digest(name, now_ms), user, now_ms],
        )
        .await?;
        Ok((added, changed))
    }

    async fn evaluation_profile(&mut self, id: &str) -> Result<Option<String>, StoreError> {
        let row = self.row("SELECT COUNT(*) FROM evaluation_record WHERE dataset = $1", args![id]).await?;
        let count = row.map_or(Ok(0), |row| row.int(0))?;
        Ok((count > 0).then(|| json!({"num_records": count}).to_string()))
    }

    /// Removes records of a dataset by their ids; returns how many there were.
    pub async fn evaluation_records_delete(
        &mut self,
        dataset: &EvaluationDataset,
        records: &[String],
        actor: &Actor,
        now: Micros,
    ) -> Result<u64, StoreError> {
        let mut gone = 0;
        for record in records {
            gone += self
                .execute("DELETE FROM evaluation_record WHERE dataset = $1 AND id = $2", args![&dataset.id, record])
                .await?;
        }
        if gone == 0 {
            return Ok(0);
        }
        let profile = self.evaluation_profile(&dataset.id).await?;
        self.execute("UPDATE evaluation_dataset SET profile_json = $2 WHERE id = $1", args![&dataset.id, profile])
            .await?;
        let subject = format!("evaluation dataset {}", dataset.id);
        self.ledger_append(&dataset.project, actor, LedgerKind::Deletion, &subject, &("records deleted", gone), now)
            .await?;
        Ok(gone)
    }

    /// Returns up to `limit` records of a dataset in the order in which they were made, from behind a record's time and id.
    pub async fn evaluation_records(
        &mut self,
        id: &str,
        after: Option<(i64, &str)>,
        limit: u32,
    ) -> Result<Vec<EvaluationRecord>, StoreError> {
        let (time, record) = after.unwrap_or((i64::MIN, ""));
        let rows = self
            .rows(
                "SELECT body FROM evaluation_record WHERE dataset = $1 AND (created_ms, id) > ($2, $3)
                 ORDER BY created_ms, id LIMIT $4",
                args![id, time, record, limit],
            )
            .await?;
        crate::encode::records(&rows)
    }

    async fn evaluation_of(&mut self, project: &Name, row: &Row) -> Result<EvaluationDataset, StoreError> {
        let id = row.text(0)?;
        let tags = self
            .rows("SELECT key, value FROM evaluation_dataset_tag WHERE dataset = $1 ORDER BY key", args![&id])
            .await?;
        let experiments = self
            .rows("SELECT experiment FROM evaluation_dataset_experiment WHERE dataset = $1 ORDER BY place", args![&id])
            .await?;
        Ok(EvaluationDataset {
            project: project.clone(),
            name: row.text(1)?,
            tags: tags.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect::<Result<_, StoreError>>()?,
            schema: row.opt_text(2)?,
            profile: row.opt_text(3)?,
            digest: row.text(4)?,
            created_by: row.opt_text(5)?,
            updated_by: row.opt_text(6)?,
            created_ms: row.int(7)?,
            updated_ms: row.int(8)?,
            experiments: experiments
                .iter()
                .map(|row| Ok(ExperimentId::new(row.int(0)?.to_string())))
                .collect::<Result<_, StoreError>>()?,
            id,
        })
    }

    /// Returns which datasets the runs of some experiments were logged with: experiment, name, digest and context, each
    /// once, at most `limit`.
    pub async fn input_datasets(
        &mut self,
        project: &Name,
        experiments: &[ExperimentId],
        limit: u32,
    ) -> Result<Vec<(ExperimentId, String, String, String)>, StoreError> {
        let mut found = Vec::new();
        for experiment in experiments {
            let Ok(number) = experiment.as_str().parse::<i64>() else { continue };
            let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            let rows = self
                .rows(
                    "SELECT DISTINCT d.name, d.digest, d.context FROM tracking_run r JOIN run_dataset d ON d.run = r.id
                     WHERE r.project = $1 AND r.experiment = $2 AND r.deleted IN (0, 1)
                     ORDER BY d.name, d.digest, d.context LIMIT $3",
                    args![project, number, left],
                )
                .await?;
            for row in &rows {
                found.push((experiment.clone(), row.text(0)?, row.text(1)?, row.text(2)?));
            }
        }
        Ok(found)
    }
}

const FIND: Find<'static> = Find {
    columns: "d.id, d.name, d.schema_json, d.profile_json, d.digest, d.created_by, d.updated_by, d.created_ms, d.updated_ms",
    table: "evaluation_dataset d",
    fields: &Columns {
        attributes: &[
            (Attribute::Name, "d.name", Holds::Text),
            (Attribute::Created, "d.created_ms", Holds::Integer),
            (Attribute::Updated, "d.updated_ms", Holds::Integer),
            (Attribute::User, "d.created_by", Holds::TextOrNothing),
            (Attribute::UpdatedBy, "d.updated_by", Holds::TextOrNothing),
        ],
        metrics: None,
        params: None,
        tags: Some(Keyed { table: "evaluation_dataset_tag", on: &[("dataset", "d.id")], one: true }),
        metadata: None,
        datasets: None,
        last: &[("d.created_ms", Holds::Integer, false), ("d.id", Holds::Id, false)],
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    fn change(value: Value) -> RecordChange {
        let map = |key: &str| value.get(key).and_then(Value::as_object).cloned();
        RecordChange {
            inputs: map("inputs").unwrap_or_default(),
            outputs: value.get("outputs").map(|outputs| (!outputs.is_null()).then(|| outputs.clone())),
            expectations: map("expectations"),
            tags: map("tags"),
            source: None,
        }
    }

    #[test]
    fn schemas_grow_and_keep_first_types() {
        let one = change(json!({"inputs": {"q": "x", "n": 1}, "outputs": "text", "expectations": {"ok": true}}));
        let two = change(json!({"inputs": {"q": 5, "deep": {"a": []}}, "outputs": {"a": 1.5}}));
        let schema = schema_with(None, &[one]).unwrap();
        let schema = schema_with(Some(&schema), &[two]).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&schema).unwrap(),
            json!({"inputs": {"q": "string", "n": "integer", "deep": "object"}, "outputs": "string",
                   "expectations": {"ok": "boolean"}, "version": "1.0"})
        );
        assert_eq!(schema_with(None, &[]), None);
    }

    #[test]
    fn changes_merge_by_key() {
        let first = change(json!({"inputs": {"q": 1}, "expectations": {"a": 1}, "tags": {"mlflow.user": "eve"}}));
        let mut record = first.record("d-1", &Digest::sha256("x"), 5);
        assert_eq!((record.outputs.clone(), record.created_by.as_deref()), (Some(json!({})), Some("eve")));
        change(json!({"inputs": {"q": 1}, "outputs": null, "expectations": {"b": 2}, "tags": {"k": "v"}}))
            .apply(&mut record, 9);
        assert_eq!(record.outputs, None);
        assert_eq!(Value::Object(record.expectations.unwrap()), json!({"a": 1, "b": 2}));
        assert_eq!(Value::Object(record.tags), json!({"mlflow.user": "eve", "k": "v"}));
        assert_eq!((record.created_ms, record.updated_ms, record.updated_by.as_deref()), (5, 9, Some("eve")));
    }
}
