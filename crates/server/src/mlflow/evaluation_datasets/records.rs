//! The records of a dataset, which travel as a list of objects in a text.

use axum::{Json, extract::Path};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use windlass_kinds::record::{EvaluationRecord, EvaluationSource};
use windlass_plan::access::Operation;
use windlass_store::RecordChange;

use super::{
    super::{
        door::Door,
        error::{Error, Result},
        request::{Asked, Check, Kind, Message, Shape, repr_list},
    },
    find, parsed,
};

/// How many records a page has unless its request says otherwise, and at most.
const PAGE: (i64, i64) = (1000, 50_000);
/// The most records that one request adds, and the most that it deletes.
const AT_ONCE: usize = 10_000;
/// The kinds of sources.
const SOURCES: [&str; 5] = ["UNSPECIFIED", "TRACE", "HUMAN", "DOCUMENT", "CODE"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Merge {
    records: String,
}

impl Message for Merge {
    const SHAPE: Shape = Shape {
        fields: &[("records", Kind::Text), ("updated_by", Kind::Text)],
        checks: &[("records", &[Check::Required, Check::IsText])],
    };
}

#[derive(Serialize)]
pub(in super::super) struct Merged {
    inserted_count: u32,
    updated_count: u32,
}

fn too_many(what: &str) -> Error {
    Error::invalid(format!("At most {AT_ONCE} records can be {what} by one request."))
}

pub(in super::super) async fn merge(
    door: Door,
    Path(id): Path<String>,
    Asked(body): Asked<Merge>,
) -> Result<Json<Merged>> {
    door.may(Operation::WriteTracking)?;
    door.not_a_step()?;
    let records: Vec<Map<String, Value>> = parsed(&body.records, "The records")?;
    if records.len() > AT_ONCE {
        return Err(too_many("added"));
    }
    let changes: Vec<RecordChange> = records.into_iter().map(change).collect::<Result<_>>()?;
    let args = (door.project().clone(), id.clone(), changes, door.now().millis());
    let merged = door
        .write(args, |tx, a| {
            Box::pin(async move {
                let (project, id, changes, now) = &*a;
                match tx.evaluation_get(project, id).await? {
                    None => Ok(None),
                    Some(dataset) => tx.evaluation_records_merge(&dataset, changes, *now).await.map(Some),
                }
            })
        })
        .await?;
    let missing = || Error::not_found(format!("Evaluation dataset with id '{id}' not found"));
    let (inserted_count, updated_count) = merged.ok_or_else(missing)?;
    Ok(Json(Merged { inserted_count, updated_count }))
}

/// Reads a record as it was sent.
fn change(mut record: Map<String, Value>) -> Result<RecordChange> {
    let mut map = |key: &str| match record.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(Error::invalid(format!("The {key} of a dataset record must be an object."))),
    };
    let (inputs, expectations, tags, source) = (map("inputs")?, map("expectations")?, map("tags")?, map("source")?);
    let outputs = record.remove("outputs").map(|outputs| Some(outputs).filter(|outputs| !outputs.is_null()));
    let source = source.map(self::source).transpose()?;
    Ok(RecordChange { inputs: inputs.unwrap_or_default(), outputs, expectations, tags, source })
}

fn source(mut source: Map<String, Value>) -> Result<EvaluationSource> {
    let given = source.get("source_type").and_then(Value::as_str).unwrap_or_default().to_uppercase();
    if !SOURCES.contains(&given.as_str()) {
        return Err(Error::invalid(format!(
            "Invalid dataset record source type: {given}. Valid source types: {}",
            repr_list(SOURCES)
        )));
    }
    let data = match source.remove("source_data") {
        Some(Value::Object(data)) => data,
        _ => Map::new(),
    };
    Ok(EvaluationSource { kind: given, data })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Page {
    max_results: Option<i64>,
    page_token: String,
}

impl Message for Page {
    const SHAPE: Shape = Shape {
        fields: &[("max_results", Kind::Int), ("page_token", Kind::Text)],
        checks: &[("max_results", &[Check::IsInt]), ("page_token", &[Check::IsText])],
    };
}

#[derive(Serialize)]
pub(in super::super) struct Records {
    records: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// Returns the time and id that a token holds: those of the last record shown, as MLflow writes them.
fn place(token: &str) -> Result<Option<(i64, String)>> {
    if token.is_empty() {
        return Ok(None);
    }
    let text = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let place = text
        .as_deref()
        .and_then(|text| text.split_once(':'))
        .and_then(|(time, id)| Some((time.parse().ok()?, id.to_owned())));
    place.map(Some).ok_or_else(|| Error::invalid("Invalid page token"))
}

pub(in super::super) async fn list(
    door: Door,
    Path(id): Path<String>,
    Asked(body): Asked<Page>,
) -> Result<Json<Records>> {
    door.may(Operation::ReadTracking)?;
    let size = body.max_results.filter(|size| *size != 0).unwrap_or(PAGE.0);
    if !(1..=PAGE.1).contains(&size) {
        return Err(Error::invalid(format!("max_results must be between 1 and {}.", PAGE.1)));
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let after = place(&body.page_token)?;
    let Some(dataset) = find(&door, &id).await? else {
        return Ok(Json(Records { records: "[]".to_owned(), next_page_token: None }));
    };
    let limit = u32::try_from(size + 1).unwrap_or(u32::MAX);
    let mut records = door
        .read((dataset.id.clone(), after, limit), |tx, a| {
            Box::pin(async move {
                let after = a.1.as_ref().map(|(time, id)| (*time, id.as_str()));
                tx.evaluation_records(&a.0, after, a.2).await
            })
        })
        .await?;
    let more = records.len() > size;
    records.truncate(size);
    let next_page_token =
        records.last().filter(|_| more).map(|last| STANDARD.encode(format!("{}:{}", last.created_ms, last.id)));
    let shown: Vec<Value> = records.into_iter().map(|record| shown(&dataset.id, record)).collect();
    Ok(Json(Records { records: Value::from(shown).to_string(), next_page_token }))
}

fn shown(dataset: &str, record: EvaluationRecord) -> Value {
    // No `..`: a new field must be shown here or this stops compiling.
    let EvaluationRecord {
        id,
        inputs,
        outputs,
        expectations,
        tags,
        source,
        created_by,
        updated_by,
        created_ms,
        updated_ms,
    } = record;
    let mut shown = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            shown.insert(key.to_owned(), value);
        }
    };
    put("dataset_record_id", Some(id.into()));
    put("dataset_id", Some(dataset.into()));
    put("inputs", Some(inputs.into()));
    put("outputs", outputs);
    put("expectations", expectations.map(Value::from));
    put("tags", Some(tags.into()));
    if let Some(EvaluationSource { kind, data }) = source {
        let key = if kind == "TRACE" { "trace_id" } else { "source_id" };
        put("source_id", data.get(key).filter(|id| id.is_string()).cloned());
        put("source_type", Some(kind.as_str().into()));
        put("source", Some(json!({"source_type": kind, "source_data": data})));
    }
    put("created_by", created_by.map(Value::from));
    put("last_updated_by", updated_by.map(Value::from));
    put("created_time", Some(created_ms.into()));
    put("last_update_time", Some(updated_ms.into()));
    shown.into()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Which {
    dataset_record_ids: Vec<String>,
}

impl Message for Which {
    const SHAPE: Shape =
        Shape { fields: &[("dataset_record_ids", Kind::Texts)], checks: &[("dataset_record_ids", &[Check::IsList])] };
}

#[derive(Serialize)]
pub(in super::super) struct Deleted {
    deleted_count: u64,
}

pub(in super::super) async fn delete(
    door: Door,
    Path(id): Path<String>,
    Asked(body): Asked<Which>,
) -> Result<Json<Deleted>> {
    door.may(Operation::DeleteTracking)?;
    door.not_a_step()?;
    if body.dataset_record_ids.len() > AT_ONCE {
        return Err(too_many("deleted"));
    }
    let Some(dataset) = find(&door, &id).await? else { return Ok(Json(Deleted { deleted_count: 0 })) };
    let args = (dataset, body.dataset_record_ids, door.principal.actor.clone(), door.now());
    let deleted_count = door
        .write(args, |tx, a| Box::pin(async move { tx.evaluation_records_delete(&a.0, &a.1, &a.2, a.3).await }))
        .await?;
    Ok(Json(Deleted { deleted_count }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Result<RecordChange> {
        let Value::Object(map) = value else { unreachable!("the test gives objects") };
        change(map)
    }

    #[test]
    fn records_come_in() {
        let record = read(json!({
            "inputs": {"q": 1}, "outputs": null, "expectations": {}, "tags": {"a": "b"},
            "source": {"source_type": "trace", "source_data": {"trace_id": "tr-1"}},
        }))
        .unwrap();
        assert_eq!(record.outputs, Some(None));
        assert_eq!(record.source.as_ref().map(|source| source.kind.as_str()), Some("TRACE"));
        assert_eq!(read(json!({"inputs": {}})).unwrap().outputs, None);
        for bad in [json!({"inputs": []}), json!({"tags": "x"}), json!({"source": {"source_type": "ROBOT"}})] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_hold_a_place() {
        assert_eq!(place("").unwrap(), None);
        assert_eq!(place(&STANDARD.encode("12:dr-1")).unwrap(), Some((12, "dr-1".to_owned())));
        assert!(place("zzz").is_err() && place(&STANDARD.encode("x:y")).is_err());
    }
}
