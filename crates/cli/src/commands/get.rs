//! `windlass get`: objects, runs, dataset versions, triggers.

use std::process::ExitCode;

use serde_json::Value;
use windlass_api::encode;
use windlass_kinds::{
    Kind,
    record::{DatasetVersion, PipelineRun, Revision},
};

use super::objects::{object, path};
use crate::{
    args::{GetArgs, Global, Output},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table, instant, run_row},
};

pub(crate) async fn get(global: &Global, args: GetArgs) -> Result<ExitCode, Failure> {
    let GetArgs { what, name, pipeline, active, limit } = args;
    match (what.as_deref(), name.as_deref()) {
        (None, _) => list(global, None).await,
        (Some("runs" | "run"), None) => runs(global, pipeline.as_deref(), active, limit).await,
        (Some("runs" | "run"), Some(run)) => {
            let target = crate::args::DescribeArgs { what: "run".to_owned(), name: Some(run.to_owned()) };
            super::describe::run(global, target).await
        }
        (Some("versions" | "version"), Some(dataset)) => versions(global, dataset).await,
        (Some("triggers" | "trigger"), Some(pipeline)) => triggers(global, pipeline).await,
        (Some(word @ ("versions" | "version" | "triggers" | "trigger")), None) => {
            Err(Failure::user(format!("`{word}` of what?")).hint(format!("write `windlass get {word} NAME`")))
        }
        (Some(what), name) if what.contains('/') || name.is_some() => one(global, what, name).await,
        (Some(kind), _) => {
            let kind: Kind = kind.parse().map_err(|error: windlass_kinds::KindError| {
                Failure::user(error.to_string()).hint("or one of: runs, run NAME, versions NAME, triggers NAME")
            })?;
            list(global, Some(kind)).await
        }
    }
}

async fn list(global: &Global, kind: Option<Kind>) -> Result<ExitCode, Failure> {
    if kind == Some(Kind::Endpoint) && global.output == Output::Table {
        return super::endpoints::list(global, None).await;
    }
    let query = kind.map_or_else(String::new, |kind| format!("?kind={kind}"));
    let revisions: Vec<Revision> = connect(global)?.get(&format!("/api/v1/objects{query}")).await.map_err(failure)?;
    match global.output {
        Output::Table => {
            let mut table = Table::new(&["object", "project", "revision", "applied", "by"]);
            for revision in &revisions {
                table.row([
                    format!("{}/{}", revision.kind, revision.name),
                    revision.project.to_string(),
                    revision.number.to_string(),
                    instant(revision.created_at),
                    revision.actor.to_string(),
                ]);
            }
            table.print();
        }
        Output::Json => view::show(global.output, &revisions, || ()),
        Output::Yaml => {
            let documents: Vec<String> =
                revisions.iter().map(|revision| windlass_kinds::manifest::to_yaml(&revision.manifest)).collect();
            crate::view::out_raw!("{}", documents.join("---\n"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn one(global: &Global, what: &str, name: Option<&str>) -> Result<ExitCode, Failure> {
    let object = object(what, name)?;
    if object.kind == Kind::Endpoint && global.output == Output::Table {
        return super::endpoints::list(global, Some(&object.name)).await;
    }
    let revision: Revision = connect(global)?.get(&path(&object)).await.map_err(failure)?;
    match global.output {
        Output::Yaml => crate::view::out_raw!("{}", windlass_kinds::manifest::to_yaml(&revision.manifest)),
        Output::Json => view::show(global.output, &revision, || ()),
        Output::Table => {
            let mut table = Table::new(&["object", "project", "revision", "applied", "by"]);
            table.row([
                object.to_string(),
                revision.project.to_string(),
                revision.number.to_string(),
                instant(revision.created_at),
                revision.actor.to_string(),
            ]);
            table.print();
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn runs(global: &Global, pipeline: Option<&str>, active: bool, limit: u32) -> Result<ExitCode, Failure> {
    let mut query = format!("?active={active}&limit={limit}");
    if let Some(pipeline) = pipeline {
        query.push_str(&format!("&pipeline={}", encode(pipeline)));
    }
    let runs: Vec<PipelineRun> = connect(global)?.get(&format!("/api/v1/runs{query}")).await.map_err(failure)?;
    if runs.len() == usize::try_from(limit).unwrap_or(usize::MAX) {
        eprintln!("the newest {limit} runs; --limit shows more");
    }
    view::show(global.output, &runs, || {
        run_table(&runs).print();
    });
    Ok(ExitCode::SUCCESS)
}

/// Returns runs as a table.
pub(crate) fn run_table(runs: &[PipelineRun]) -> Table {
    let mut table = Table::new(&["run", "state", "took", "created", "cause", "reason"]);
    runs.iter().for_each(|run| table.row(run_row(run)));
    table
}

async fn versions(global: &Global, dataset: &str) -> Result<ExitCode, Failure> {
    let versions: Vec<DatasetVersion> =
        connect(global)?.get(&format!("/api/v1/datasets/{}/versions", encode(dataset))).await.map_err(failure)?;
    view::show(global.output, &versions, || dataset_table(&versions).print());
    Ok(ExitCode::SUCCESS)
}

/// Returns the versions of a dataset as a table.
pub(crate) fn dataset_table(versions: &[DatasetVersion]) -> Table {
    let mut table = Table::new(&["version", "state", "files", "rows", "observed", "what"]);
    for version in versions {
        table.row([
            format!("{}@{}", version.dataset, version.number),
            format!("{:?}", version.state).to_lowercase(),
            version.files.len().to_string(),
            version.rows.map_or_else(String::new, |rows| rows.to_string()),
            instant(version.created_at),
            what_changed(version),
        ]);
    }
    table
}

/// Tells what is new in a version, in a few words.
pub(crate) fn what_changed(version: &DatasetVersion) -> String {
    let mut parts: Vec<String> = version.failures.iter().take(2).map(ToString::to_string).collect();
    for (word, paths) in [("added", &version.added), ("changed", &version.changed), ("removed", &version.removed)] {
        match paths.as_slice() {
            [] => {}
            [one] => parts.push(format!("{word} {one}")),
            many => parts.push(format!("{word} {} files", many.len())),
        }
    }
    parts.extend(version.omitted.iter().map(|omitted| {
        format!("leaves out {} (rejected in version {}: {})", omitted.path, omitted.rejected_in, omitted.reason)
    }));
    parts.join("; ")
}

async fn triggers(global: &Global, pipeline: &str) -> Result<ExitCode, Failure> {
    let path = format!("/api/v1/pipelines/{}/triggers", encode(pipeline));
    let triggers: Vec<Value> = connect(global)?.get(&path).await.map_err(failure)?;
    view::show(global.output, &triggers, || {
        trigger_table(&triggers).print();
        for view in triggers.iter().filter(|view| !view["state"]["open"].is_null()) {
            let trigger = view["trigger"].as_str().unwrap_or("");
            eprintln!("`windlass reset {pipeline} {trigger}` lets {trigger} start runs again");
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// Returns the triggers of a pipeline as a table.
pub(crate) fn trigger_table(triggers: &[Value]) -> Table {
    let mut table = Table::new(&["trigger", "fired", "failures in a row", "breaker", "held"]);
    for view in triggers {
        let state = &view["state"];
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        table.row([
            text(&view["trigger"]),
            state["fired"].to_string(),
            state["failures"].to_string(),
            text(&state["open"]),
            text(&state["held"]["reason"]),
        ]);
    }
    table
}
