//! `windlass rerun RUN`: repeats what `windlass run` kept, and says what is missing and what came out otherwise.

use std::{collections::BTreeMap, process::ExitCode};

use serde::Serialize;
use serde_json::Value;
use windlass_api::{Client, ClientError, encode};
use windlass_local::{
    Environments,
    rerun::{self, Description, Difference, Facts, Kept, RerunError, Restored},
    run::{TrackOptions, track},
};

use super::run::{Door, reach};
use crate::{
    args::{Global, RerunArgs},
    connect::failure,
    failure::Failure,
    view::{self, Table},
};

/// The most of one kept file that is read, in bytes.
const FILE_CAP: u64 = 64 << 20;
/// The folder of a run's artifacts that `windlass run` fills.
const FOLDER: &str = "windlass";
/// The tag that says what a run repeats.
const REPEATS: &str = "windlass.rerun_of";

/// What came of it.
#[derive(Serialize)]
struct Report {
    /// The run that was repeated.
    was: String,
    /// The new run.
    is: String,
    /// What could not be had as it was.
    missing: Vec<String>,
    /// What came out otherwise.
    differences: Vec<Difference>,
}

pub(crate) async fn run(global: &Global, args: RerunArgs) -> Result<ExitCode, Failure> {
    let RerunArgs { run } = args;
    let (client, token, serving) = reach(global).await?;
    let outcome = repeat(global, &client, &token, &run).await;
    if let Some(serving) = serving {
        serving.stop().await;
    }
    outcome
}

async fn repeat(global: &Global, client: &Client, token: &str, id: &str) -> Result<ExitCode, Failure> {
    let old = look(client, id).await?;
    let kept = kept(client, id).await?;
    let folder = tempfile::Builder::new().prefix("windlass-rerun-").tempdir();
    let folder = folder.map_err(|error| Failure::ours("failed to make a folder", error))?;
    let data = std::path::absolute(&global.data_dir)
        .map_err(|error| Failure::ours("failed to find the data folder", error))?;
    let environments = Environments::new(&data);
    let say = |line: &str| eprintln!("windlass: {line}");
    let restored = rerun::restore(&kept, folder.path(), &environments, &say).await.map_err(unrestored)?;
    let Restored { directory, command, variables, missing } = restored;
    for lack in &missing {
        say(lack);
    }
    let options = TrackOptions {
        command,
        directory,
        experiment: old.experiment,
        name: (!old.name.is_empty()).then_some(old.name),
        uri: client.base().to_owned(),
        token: token.to_owned(),
        excluded: vec![data],
        tags: BTreeMap::from([(REPEATS.to_owned(), id.to_owned())]),
        variables,
    };
    let door = Door::new(client.clone());
    let ended = track(&door, &options, &say).await.map_err(|error| Failure::user(windlass_control::chain(&error)))?;
    let Some(made) = door.made() else { return Ok(ExitCode::from(ended.code())) };
    let new = look(client, made.run.as_str()).await?;
    let differences = rerun::differences(&old.facts, &new.facts);
    let report = Report { was: id.to_owned(), is: made.run.to_string(), missing, differences };
    view::show(global.output, &report, || print(&report));
    Ok(ExitCode::from(ended.code()))
}

fn unrestored(error: RerunError) -> Failure {
    match &error {
        RerunError::Code(_) => Failure::user(windlass_control::chain(&error))
            .hint("fetch the commit into the repository that the run names, and try again"),
        RerunError::Folder { .. } => Failure::ours("failed to restore the code", error),
    }
}

fn print(report: &Report) {
    if report.differences.is_empty() {
        view::out!("run {} repeats {}: nothing differs", report.is, report.was);
    } else {
        view::out!("run {} repeats {}:", report.is, report.was);
        let mut table = Table::new(&["differs", "was", "is"]);
        for Difference { what, was, is } in &report.differences {
            let shown = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
            table.row([what.clone(), shown(was), shown(is)]);
        }
        table.print();
    }
    for lack in &report.missing {
        view::out!("not as it was: {lack}");
    }
}

/// A run as it is compared, and what a repetition is called by.
struct Seen {
    experiment: String,
    name: String,
    facts: Facts,
}

/// Looks at a run.
async fn look(client: &Client, id: &str) -> Result<Seen, Failure> {
    let path = format!("/api/2.0/mlflow/runs/get?run_id={}", encode(id));
    let answer: Value = client.get(&path).await.map_err(failure)?;
    let run = &answer["run"];
    let experiment = run["info"]["experiment_id"].as_str().unwrap_or_default();
    let path = format!("/api/2.0/mlflow/experiments/get?experiment_id={}", encode(experiment));
    let named: Value = client.get(&path).await.map_err(failure)?;
    let tags = pairs(&run["data"]["tags"]);
    let inputs = run["inputs"]["dataset_inputs"].as_array().into_iter().flatten().filter_map(|input| {
        let dataset = &input["dataset"];
        Some((dataset["name"].as_str()?.to_owned(), dataset["digest"].as_str()?.to_owned()))
    });
    let facts = Facts {
        status: run["info"]["status"].as_str().unwrap_or_default().to_owned(),
        exit_code: tags.get("windlass.exit_code").cloned().unwrap_or_default(),
        params: pairs(&run["data"]["params"]),
        metrics: pairs(&run["data"]["metrics"]),
        inputs: inputs.collect(),
        packages: file(client, id, "packages.txt").await?.and_then(|bytes| String::from_utf8(bytes).ok()),
    };
    Ok(Seen {
        experiment: named["experiment"]["name"].as_str().unwrap_or("Default").to_owned(),
        name: run["info"]["run_name"].as_str().unwrap_or_default().to_owned(),
        facts,
    })
}

/// Returns keys and values; numbers as they are written.
fn pairs(list: &Value) -> BTreeMap<String, String> {
    let pair = |pair: &Value| {
        let value = match &pair["value"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Some((pair["key"].as_str()?.to_owned(), value))
    };
    list.as_array().into_iter().flatten().filter_map(pair).collect()
}

/// Returns everything that was kept of a run.
async fn kept(client: &Client, id: &str) -> Result<Kept, Failure> {
    let Some(description) = file(client, id, "command.json").await? else {
        return Err(Failure::user(format!("run {id} has no {FOLDER}/command.json"))
            .hint("only what `windlass run` tracked can be repeated"));
    };
    let description: Description = serde_json::from_slice(&description)
        .map_err(|error| Failure::user_because(&format!("{FOLDER}/command.json of run {id} cannot be read"), error))?;
    let mut untracked = Vec::new();
    let mut folders = vec!["untracked".to_owned()];
    while let Some(folder) = folders.pop() {
        for (path, is_folder) in list(client, id, &folder).await? {
            if is_folder {
                folders.push(path);
            } else if let Some(bytes) = file(client, id, &path).await?
                && let Some(below) = path.strip_prefix("untracked/")
            {
                untracked.push((below.to_owned(), bytes));
            }
        }
    }
    untracked.sort();
    Ok(Kept {
        description,
        changes: file(client, id, "changes.patch").await?,
        untracked,
        packages: file(client, id, "packages.txt").await?.and_then(|bytes| String::from_utf8(bytes).ok()),
    })
}

/// Returns a kept file, `None` where it was not kept.
async fn file(client: &Client, id: &str, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    let path = format!("/get-artifact?run_id={}&path={}", encode(id), encode(&format!("{FOLDER}/{path}")));
    match client.get_bytes(&path, FILE_CAP).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ClientError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

/// Lists a folder among what was kept: paths, and whether each is a folder.
async fn list(client: &Client, id: &str, folder: &str) -> Result<Vec<(String, bool)>, Failure> {
    let path =
        format!("/api/2.0/mlflow/artifacts/list?run_id={}&path={}", encode(id), encode(&format!("{FOLDER}/{folder}")));
    let answer: Value = client.get(&path).await.map_err(failure)?;
    let files = answer["files"].as_array().into_iter().flatten();
    let files = files.filter_map(|file| {
        let path = file["path"].as_str()?.strip_prefix("windlass/")?;
        Some((path.to_owned(), file["is_dir"].as_bool().unwrap_or(false)))
    });
    Ok(files.collect())
}
