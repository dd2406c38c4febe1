//! `windlass describe`: all about one object or one run.

use std::process::ExitCode;

use windlass_api::{RunDetail, encode};
use windlass_kinds::{
    Kind,
    record::{DatasetVersion, Revision},
};

use super::{
    get::dataset_table,
    objects::{object, path},
};
use crate::{
    args::{Global, ObjectArgs},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table, instant, step_row, took},
};

pub(crate) async fn run(global: &Global, args: ObjectArgs) -> Result<ExitCode, Failure> {
    let run = match (args.what.as_str(), args.name.as_deref()) {
        ("run" | "runs", Some(name)) => Some(name.to_owned()),
        (what, None) => what.strip_prefix("run/").or_else(|| what.strip_prefix("runs/")).map(str::to_owned),
        _ => None,
    };
    match run {
        Some(run) => describe_run(global, &run).await,
        None => describe_object(global, &args).await,
    }
}

async fn describe_run(global: &Global, run: &str) -> Result<ExitCode, Failure> {
    let detail: RunDetail = connect(global)?.get(&format!("/api/v1/runs/{}", encode(run))).await.map_err(failure)?;
    view::show(global.output, &detail, || {
        let RunDetail { run, steps } = &detail;
        crate::view::out!("run        {}", run.display_name());
        crate::view::out!("state      {} {}", windlass_control::state_word(run.state), run.reason);
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
        let mut table = Table::new(&["step", "state", "attempts", "took", "reason"]);
        steps.iter().for_each(|step| table.row(step_row(step)));
        table.print();
    });
    Ok(ExitCode::SUCCESS)
}

async fn describe_object(global: &Global, args: &ObjectArgs) -> Result<ExitCode, Failure> {
    let object = object(&args.what, args.name.as_deref())?;
    let client = connect(global)?;
    let revision: Revision = client.get(&path(&object)).await.map_err(failure)?;
    let versions: Vec<DatasetVersion> = match object.kind {
        Kind::Dataset => client.get(&format!("/api/v1/datasets/{}/versions", object.name)).await.map_err(failure)?,
        _ => Vec::new(),
    };
    view::show(global.output, &serde_json::json!({"revision": revision, "versions": versions}), || {
        crate::view::out!(
            "{object}, revision {}, applied {} by {}",
            revision.number,
            instant(revision.created_at),
            revision.actor
        );
        crate::view::out!("digest {}", revision.digest);
        crate::view::out!();
        crate::view::out_raw!("{}", windlass_kinds::manifest::to_yaml(&revision.manifest));
        if !versions.is_empty() {
            crate::view::out!();
            dataset_table(&versions).print();
        }
    });
    Ok(ExitCode::SUCCESS)
}
