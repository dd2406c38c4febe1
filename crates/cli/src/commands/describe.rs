//! `windlass describe`: all about one object or one run, and what is around it.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};
use windlass_api::{Client, EndpointDetail, ModelDetail, RunDetail, encode};
use windlass_kinds::{
    Kind, ObjectRef,
    record::{Attempt, DatasetVersion, PipelineRun, Revision},
};

use super::{
    endpoints::{endpoint_table, revision_table},
    get::{dataset_table, run_table, trigger_table},
    model::version_table,
    objects::{object, path},
};
use crate::{
    args::{DescribeArgs, Global},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table, instant, step_row, took},
};

pub(crate) async fn run(global: &Global, args: DescribeArgs) -> Result<ExitCode, Failure> {
    let run = match (args.what.as_str(), args.name.as_deref()) {
        ("run" | "runs", Some(name)) => Some(name.to_owned()),
        (what, None) if !what.contains('/') => Some(what.to_owned()),
        (what, None) => what.strip_prefix("run/").or_else(|| what.strip_prefix("runs/")).map(str::to_owned),
        _ => None,
    };
    match run {
        Some(run) => describe_run(global, &run).await,
        None => describe_object(global, &args).await,
    }
}

async fn describe_run(global: &Global, run: &str) -> Result<ExitCode, Failure> {
    if let Ok(kind) = run.parse::<Kind>() {
        return Err(Failure::user(format!("`{run}` does not name one object"))
            .hint(format!("write {}/NAME; `windlass get {run}` lists them", kind.as_str().to_lowercase())));
    }
    let client = connect(global)?;
    let path = format!("/api/v1/runs/{}", encode(run));
    let detail: RunDetail = client.get(&path).await.map_err(failure)?;
    let attempts: Vec<Attempt> = client.get(&format!("{path}/attempts")).await.map_err(failure)?;
    let value = json!({"run": detail.run, "steps": detail.steps, "attempts": attempts});
    view::show(global.output, &value, || {
        let RunDetail { run, steps } = &detail;
        let state = windlass_control::state_word(run.state);
        let reason = if run.reason == state { "" } else { run.reason.as_str() };
        crate::view::out!("run        {}", run.display_name());
        crate::view::out!("state      {}", format!("{state}  {reason}").trim_end());
        crate::view::out!("cause      {}", run.cause.text);
        crate::view::out!("pipeline   {} revision {}", run.pipeline, run.revision);
        for (name, frozen) in &run.datasets {
            crate::view::out!("dataset    {name}@{} ({})", frozen.version, frozen.digest.short());
        }
        for (name, value) in &run.parameters {
            crate::view::out!("parameter  {name} = {value}");
        }
        crate::view::out!("created    {}", instant(run.created_at));
        crate::view::out!("took       {}", took(run.started_at, run.ended_at));
        crate::view::out!();
        let mut table = Table::new(&["step", "state", "attempts", "took", "cpu", "memory", "reason"]);
        steps.iter().for_each(|step| table.row(step_row(step, &attempts)));
        table.print();
    });
    Ok(ExitCode::SUCCESS)
}

/// What is shown of an object besides its manifest.
#[derive(Default, Serialize)]
struct Around {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    versions: Vec<DatasetVersion>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    triggers: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<PipelineRun>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<EndpointDetail>,
}

/// How many runs of a pipeline are shown, the newest.
const RUNS: u32 = 10;

async fn around(client: &Client, object: &ObjectRef) -> Result<Around, Failure> {
    let name = &object.name;
    let mut around = Around::default();
    match object.kind {
        Kind::Dataset => {
            around.versions = client.get(&format!("/api/v1/datasets/{name}/versions")).await.map_err(failure)?;
        }
        Kind::Pipeline => {
            around.triggers = client.get(&format!("/api/v1/pipelines/{name}/triggers")).await.map_err(failure)?;
            let path = format!("/api/v1/runs?pipeline={name}&limit={RUNS}");
            around.runs = client.get(&path).await.map_err(failure)?;
        }
        Kind::Model => around.model = Some(client.get(&format!("/api/v1/models/{name}")).await.map_err(failure)?),
        Kind::Endpoint => {
            around.endpoint = Some(client.get(&format!("/api/v1/endpoints/{name}")).await.map_err(failure)?);
        }
        Kind::Project | Kind::Environment | Kind::JobTemplate | Kind::Index | Kind::Monitor | Kind::Policy => {}
    }
    Ok(around)
}

async fn describe_object(global: &Global, args: &DescribeArgs) -> Result<ExitCode, Failure> {
    let object = object(&args.what, args.name.as_deref())?;
    let client = connect(global)?;
    let revision: Revision = client.get(&path(&object)).await.map_err(failure)?;
    let around = around(&client, &object).await?;
    let mut value = json!(around);
    value["revision"] = json!(revision);
    view::show(global.output, &value, || {
        crate::view::out!(
            "{object}, revision {}, applied {} by {}",
            revision.number,
            instant(revision.created_at),
            revision.actor
        );
        crate::view::out!("digest {}", revision.digest);
        crate::view::out!();
        crate::view::out_raw!("{}", windlass_kinds::manifest::to_yaml(&revision.manifest));
        let Around { versions, triggers, runs, model, endpoint } = &around;
        let model = model.as_ref().filter(|model| !model.versions.is_empty());
        let tables = [
            (!versions.is_empty()).then(|| dataset_table(versions)),
            (!triggers.is_empty()).then(|| trigger_table(triggers)),
            (!runs.is_empty()).then(|| run_table(runs)),
            model.map(version_table),
            endpoint.as_ref().map(|detail| endpoint_table(std::slice::from_ref(&detail.endpoint))),
            endpoint.as_ref().map(|detail| revision_table(&detail.revisions)),
        ];
        for table in tables.into_iter().flatten() {
            crate::view::out!();
            table.print();
        }
    });
    Ok(ExitCode::SUCCESS)
}
