//! Tags of traces, and what traces belong to: runs and prompts.

use axum::{Json, extract::Path};
use serde::Deserialize;
use windlass_kinds::{RunId, TraceId};
use windlass_plan::access::Operation;
use windlass_store::{Refusal, RefusalSubject as Subject, TraceLink};

use crate::mlflow::{
    check,
    door::Door,
    error::{Error, Result},
    show::Empty,
    wire::{Body, Field, List},
};

/// The tag with the name of a trace; kept in the trace itself.
pub(super) const NAME: &str = "mlflow.traceName";
/// The tag that says where a trace's spans are.
pub(super) const SPANS: &str = "mlflow.trace.spansLocation";
/// They are here, not among the artifacts.
pub(super) const SPANS_HERE: &str = "TRACKING_STORE";
/// The tag that says where a trace's files lie.
pub(super) const PLACE: &str = "mlflow.artifactLocation";
/// Tags that clients do not set.
const KEPT: [&str; 3] = [SPANS, "mlflow.trace.archiveLocation", "mlflow.trace.archivalFailure"];
/// The longest name of a trace, in characters.
const NAME_MAX: usize = 4096;
/// How many traces are linked to a run at once.
const LINKS_MAX: usize = 100;

/// Checks a tag and returns its value as it is kept.
pub(super) fn tag(key: &str, value: String) -> Result<String> {
    let value = check::tag("", key, value)?;
    if key == NAME {
        name(&value)?;
    }
    Ok(value)
}

/// Checks the name of a trace.
pub(super) fn name(name: &str) -> Result<()> {
    check::nul("Trace name", name)?;
    check::length("Trace name", name, NAME_MAX)
}

fn changeable(key: &str, change: &str) -> Result<()> {
    // A failure to archive may be forgotten, so that it is tried again.
    if KEPT.contains(&key) && !(change == "deleted" && key == KEPT[2]) {
        return Err(Error::invalid(format!("Tag '{key}' is immutable and cannot be {change} on a trace.")));
    }
    Ok(())
}

#[derive(Deserialize)]
pub(in super::super) struct Tag {
    #[serde(default)]
    key: Field<String>,
    #[serde(default)]
    value: Field<String>,
}

pub(in super::super) async fn tag_set(
    door: Door,
    Path(id): Path<String>,
    Body(body): Body<Tag>,
) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    let key = body.key.text("key")?;
    changeable(&key, "set")?;
    let value = tag(&key, body.value.or_empty("value")?)?;
    door.write((door.project().clone(), TraceId::new(id), key, value), |tx, a| {
        Box::pin(async move {
            if a.2 == NAME {
                tx.trace_name_set(&a.0, &a.1, Some(&a.3)).await?;
                return Ok(());
            }
            tx.trace_tag_set(&a.0, &a.1, &a.2, &a.3).await
        })
    })
    .await?;
    Ok(Json(Empty {}))
}

pub(in super::super) async fn tag_delete(
    door: Door,
    Path(id): Path<String>,
    Body(body): Body<Tag>,
) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    let key = body.key.text("key")?;
    changeable(&key, "deleted")?;
    door.write((door.project().clone(), TraceId::new(id), key), |tx, a| {
        Box::pin(async move {
            if a.2 != NAME {
                return tx.trace_tag_delete(&a.0, &a.1, &a.2).await;
            }
            match tx.trace_name_set(&a.0, &a.1, None).await? {
                true => Ok(()),
                false => Err(Refusal::Missing(Subject::TraceTag(a.1.clone(), a.2.clone())).into()),
            }
        })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize)]
pub(in super::super) struct LinkToRun {
    #[serde(default)]
    trace_ids: List<String>,
    #[serde(default)]
    run_id: Field<String>,
}

pub(in super::super) async fn link_to_run(door: Door, Body(body): Body<LinkToRun>) -> Result<Json<Empty>> {
    let ids: Vec<TraceId> = body.trace_ids.items("trace_ids")?.into_iter().map(TraceId::new).collect();
    if ids.is_empty() {
        return Err(Error::required("trace_ids"));
    }
    let run = RunId::new(body.run_id.text("run_id")?);
    if ids.len() > LINKS_MAX {
        return Err(Error::invalid(format!(
            "Cannot link more than {LINKS_MAX} traces to a run in a single request. Provided {} traces.",
            ids.len()
        )));
    }
    door.may(Operation::WriteTracking)?;
    door.write((door.project().clone(), ids, vec![TraceLink::Run(run)]), |tx, a| {
        Box::pin(async move { tx.traces_link(&a.0, &a.1, &a.2).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize)]
pub(in super::super) struct LinkPrompts {
    #[serde(default)]
    trace_id: Field<String>,
    #[serde(default)]
    prompt_versions: List<Prompt>,
}

#[derive(Deserialize)]
struct Prompt {
    #[serde(default)]
    name: Field<String>,
    #[serde(default)]
    version: Field<String>,
}

pub(in super::super) async fn link_prompts(door: Door, Body(body): Body<LinkPrompts>) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    let id = TraceId::new(body.trace_id.text("trace_id")?);
    let prompts = body.prompt_versions.items("prompt_versions")?;
    if prompts.is_empty() {
        return Err(Error::required("prompt_versions"));
    }
    let links = prompts.into_iter().map(|prompt| {
        let name = prompt.name.text("prompt_versions.name")?;
        let version = prompt.version.text("prompt_versions.version")?;
        if version.parse::<u32>().is_err() {
            return Err(Error::invalid(format!("Prompt version must be an integer, got '{version}'")));
        }
        check::length("name", &name, NAME_MAX / 2)?;
        Ok(TraceLink::Prompt(name, version))
    });
    let links: Vec<TraceLink> = links.collect::<Result<_>>()?;
    door.write((door.project().clone(), id, links), |tx, a| {
        Box::pin(async move {
            if !tx.trace_exists(&a.0, &a.1).await? {
                return Err(Refusal::Missing(Subject::Trace(a.1.clone())).into());
            }
            tx.traces_link(&a.0, std::slice::from_ref(&a.1), &a.2).await
        })
    })
    .await?;
    Ok(Json(Empty {}))
}
