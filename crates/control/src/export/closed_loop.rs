//! The closed loop in the export: what was judged, who served, what monitors saw.
//!
//! Times go. Of an endpoint only the versions that answered count, in order: how often one was started is the
//! process's matter, and so are revisions that a kill kept from answering.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windlass_kinds::{
    Kind, Name,
    record::{EndpointRevision, Observation, Verdict},
};
use windlass_store::{Store, StoreError};

use super::normal::Names;

/// Returns verdicts by model.
pub(super) async fn verdicts(store: &Store, project: &Name, names: &Names) -> Result<Value, StoreError> {
    let wanted = project.clone();
    let verdicts: Vec<Verdict> = store
        .read(move |tx| {
            let project = wanted.clone();
            Box::pin(async move {
                let mut all = Vec::new();
                for model in tx.registered_models(&project).await? {
                    all.extend(tx.verdicts_of(&project, &model.name).await?);
                }
                Ok(all)
            })
        })
        .await?;
    let mut shown: Vec<Value> = verdicts
        .into_iter()
        .map(|verdict| {
            let run = verdict.run.as_ref().map(|run| names.of(run.as_str()));
            let mut value = serde_json::to_value(verdict).expect("records serialize to JSON");
            value["run"] = json!(run);
            without(value, &["judged_at", "project"])
        })
        .collect();
    shown.sort_by_key(Value::to_string);
    Ok(Value::Array(shown))
}

/// Returns the versions that each endpoint answered with, in order.
pub(super) async fn endpoints(store: &Store, project: &Name) -> Result<Value, StoreError> {
    let wanted = project.clone();
    let revisions: BTreeMap<Name, Vec<EndpointRevision>> = store
        .read(move |tx| {
            let project = wanted.clone();
            Box::pin(async move {
                let mut all = BTreeMap::new();
                for revision in tx.revisions_current(Some(&project), Some(Kind::Endpoint)).await? {
                    all.insert(revision.name.clone(), tx.endpoint_revisions(&project, &revision.name).await?);
                }
                Ok(all)
            })
        })
        .await?;
    let mut shown = serde_json::Map::new();
    for (endpoint, revisions) in revisions {
        let answered = revisions.iter().filter(|revision| revision.ready_at.is_some());
        let mut versions: Vec<String> =
            answered.map(|revision| format!("{}@{}", revision.model, revision.version)).collect();
        versions.dedup();
        shown.insert(endpoint.to_string(), json!(versions));
    }
    Ok(Value::Object(shown))
}

/// Returns what monitors saw.
pub(super) async fn observations(store: &Store, project: &Name) -> Result<Value, StoreError> {
    let wanted = project.clone();
    let observations: Vec<Observation> = store
        .read(move |tx| {
            let project = wanted.clone();
            Box::pin(async move {
                let mut all = Vec::new();
                for revision in tx.revisions_current(Some(&project), Some(Kind::Monitor)).await? {
                    all.extend(tx.observations_of(&project, &revision.name, u32::MAX).await?);
                }
                Ok(all)
            })
        })
        .await?;
    let values = observations.into_iter().map(|observation| {
        let value = serde_json::to_value(observation).expect("records serialize to JSON");
        without(value, &["observed_at", "project"])
    });
    Ok(values.collect())
}

fn without(mut value: Value, fields: &[&str]) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !fields.contains(&name.as_str()));
    }
    value
}
