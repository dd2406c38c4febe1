//! `windlass up`: the server here, a folder applied, work shown as it goes.

use std::{path::Path, process::ExitCode, time::Duration};

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use windlass_control::{Change, Control, EndpointView};
use windlass_data::prometheus::Prometheus;
use windlass_kinds::{
    Kind, Name,
    record::{
        DatasetVersion, DatasetVersionState, EndpointRevision, EndpointState, ModelVersion, PipelineRun,
        PipelineRunState,
    },
};
use windlass_store::RunQuery;

use super::{apply::apply_paths, get::dataset_table};
use crate::{
    args::{Global, Output, ServeArgs, UpArgs},
    data_folder::DataFolder,
    failure::Failure,
    load::load_offline,
    serving::{self, ServeSettings, Serving},
    view::{self, Table, progress::Progress},
};

pub(crate) async fn run(global: &Global, args: UpArgs) -> Result<ExitCode, Failure> {
    let UpArgs { dir, serve, until_idle } = args;
    let paths: Vec<String> = dir.into_iter().map(|dir| dir.display().to_string()).collect();
    // Mistakes in the files are said before anything starts. What only the server knows is checked again below.
    if let Some(path) = paths.first() {
        if !Path::new(path).exists() {
            return Err(Failure::user(format!("there is no folder {path}")).hint("name a folder of manifests, or none"));
        }
        let folder_is_new = !global.data_dir.join("windlass.db").exists();
        if folder_is_new && serve.database.is_none() {
            load_offline(&paths)?;
        }
    }
    let folder = DataFolder::create(&global.data_dir)?;
    let mut interrupt = signals()?;
    let mut settings = settings(serve, until_idle)?;
    let mut paths = paths.as_slice();
    loop {
        let mut serving = serving::start(folder.clone(), settings.clone()).await?;
        // Started anew it is found where it was.
        settings.listen = serving.address;
        let outcome = work(&mut serving, paths, until_idle, global.output, &mut interrupt).await;
        tokio::select! {
            () = serving.stop() => match outcome {
                Ok(Worked::Ended(code)) => return Ok(code),
                Ok(Worked::Superseded) => {
                    eprintln!("another server leads now; this one begins anew and follows");
                    paths = &[];
                }
                Err(failure) => return Err(failure),
            },
            () = interrupt.wait() => {
                eprintln!("left at once; the next `windlass up` finds what is still ending and goes on from there");
                return Ok(ExitCode::from(1));
            }
        }
    }
}

/// How work ended.
enum Worked {
    /// With this exit code.
    Ended(ExitCode),
    /// Another server leads in the place of this one.
    Superseded,
}

fn settings(serve: ServeArgs, until_idle: bool) -> Result<ServeSettings, Failure> {
    let ServeArgs {
        listen,
        database,
        content,
        lease,
        keep_events,
        hosts,
        max_parallel,
        grace,
        allow_webhooks_to,
        prometheus,
        prometheus_token,
    } = serve;
    let prometheus = prometheus.map(|url| Prometheus::new(&url, prometheus_token));
    let prometheus = prometheus.transpose().map_err(|error| Failure::user(error.to_string()))?;
    Ok(ServeSettings {
        listen,
        database,
        hosts,
        max_parallel,
        grace: grace.0,
        until_idle,
        prometheus,
        content,
        lease: lease.0,
        keep_events: Some(keep_events.0),
        webhooks_to: allow_webhooks_to.into_iter().collect(),
    })
}

/// Ctrl-C and TERM: the first stops in good order, a second ends the process at once.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

fn signals() -> Result<Signals, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::ours("failed to listen for signals", error));
    Ok(Signals { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
}

impl Signals {
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn work(
    serving: &mut Serving,
    paths: &[String],
    until_idle: bool,
    output: Output,
    signals: &mut Signals,
) -> Result<Worked, Failure> {
    let control = serving.control.clone();
    let superseded = serving.superseded();
    tokio::pin!(superseded);
    let mut changes = control.changes();
    if !paths.is_empty() {
        let plan = apply_paths(&serving.client, paths).await?;
        eprintln!("{}", view::plan(&plan, view::colours(&std::io::stderr())));
    }
    eprintln!("windlass listens at http://{}", serving.address);
    eprintln!("`windlass open` shows in a browser what happens");
    let mut progress = Progress::new(control.clone());
    serving.work();
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    let mut quiet = false;
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(Change::Idle) => {
                    progress.idle();
                    if until_idle {
                        break;
                    }
                    if !quiet {
                        quiet = true;
                        progress.clear();
                        closing(&control, serving, output).await?;
                        eprintln!("everything is idle; Ctrl-C stops");
                    }
                }
                Ok(change) => {
                    quiet &= !matches!(change, Change::Run(_));
                    progress.take(change);
                }
                // Too many at once to show each: the next tick shows where things stand.
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
            },
            _ = tick.tick() => progress.tick().await,
            () = &mut superseded => {
                progress.clear();
                return Ok(Worked::Superseded);
            }
            () = signals.wait() => {
                progress.clear();
                eprintln!("stopping: running steps get TERM, then KILL; the next `windlass up` goes on from here");
                // Whoever waits for idle did not get it.
                return Ok(Worked::Ended(if until_idle { ExitCode::from(1) } else { ExitCode::SUCCESS }));
            }
        }
    }
    progress.clear();
    let reasons = closing(&control, serving, output).await?;
    for reason in &reasons {
        eprintln!("not as the manifests allow: {reason}");
    }
    Ok(Worked::Ended(if reasons.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }))
}

/// An endpoint and who answers for it.
#[derive(Serialize)]
struct Served {
    endpoint: Name,
    model: String,
    serving: Option<EndpointRevision>,
    newest: Option<EndpointRevision>,
}

/// Where everything stands, for programs.
#[derive(Serialize)]
struct Closing<'a> {
    address: String,
    runs: &'a [PipelineRun],
    versions: &'a [ModelVersion],
    rejected: &'a [DatasetVersion],
    endpoints: Vec<Served>,
    /// What did not end as the manifests allow, for people.
    reasons: &'a [String],
}

/// Prints where everything stands; returns what did not end as the manifests allow.
async fn closing(control: &Control, serving: &Serving, output: Output) -> Result<Vec<String>, Failure> {
    let read = control
        .store()
        .read(|tx| {
            Box::pin(async move {
                let mut runs = Vec::new();
                let mut models = Vec::new();
                let mut open = Vec::new();
                let mut rejected = Vec::new();
                for project in tx.projects().await? {
                    let query = RunQuery { pipeline: None, active_only: false, limit: 10_000 };
                    runs.extend(tx.pipeline_runs(&project, &query).await?);
                    for model in tx.registered_models(&project).await? {
                        models.extend(tx.model_versions_of(&project, &model.name).await?);
                    }
                    for dataset in tx.revisions_current(Some(&project), Some(Kind::Dataset)).await? {
                        rejected.extend(tx.dataset_versions(&project, &dataset.name).await?);
                    }
                    open.extend(tx.trigger_states(&project).await?.into_iter().filter_map(
                        |(pipeline, trigger, state)| {
                            let remedy = format!("`windlass reset {pipeline} {trigger}` lets it go on");
                            Some(format!("{pipeline}: {}; {remedy}", state.open?))
                        },
                    ));
                }
                rejected.retain(|version: &DatasetVersion| version.state == DatasetVersionState::Rejected);
                Ok((runs, models, open, rejected))
            })
        })
        .await
        .map_err(serving::store_failure)?;
    let (mut runs, models, open, rejected) = read;
    runs.sort_by_key(|run: &PipelineRun| (run.created_at, run.number));
    let endpoints = endpoints(control).await?;
    let mut reasons: Vec<String> = runs
        .iter()
        .filter(|run| match run.state {
            PipelineRunState::Failed | PipelineRunState::Pending | PipelineRunState::Running => true,
            PipelineRunState::Succeeded | PipelineRunState::Cancelled => false,
        })
        .map(|run| format!("{} {}: {}", run.display_name(), windlass_control::state_word(run.state), run.reason))
        .collect();
    reasons.extend(open);
    reasons.extend(endpoints.iter().filter_map(unservable));
    let address = format!("http://{}", serving.address);
    let (runs, versions, rejected) = (&runs, &models, &rejected);
    let closing = Closing { address, runs, versions, rejected, endpoints, reasons: &reasons };
    view::show(output, &closing, || table(&closing));
    Ok(reasons)
}

/// Prints where everything stands, for people.
fn table(closing: &Closing<'_>) {
    let Closing { address, runs, versions, rejected, endpoints, reasons: _ } = closing;
    let mut table = Table::new(&["run", "state", "took", "cause", "reason"]);
    for run in *runs {
        table.row([
            run.display_name(),
            windlass_control::state_word(run.state).to_owned(),
            view::took(run.started_at, run.ended_at),
            run.cause.text.clone(),
            run.reason.clone(),
        ]);
    }
    view::out!("{}", table.text());
    if !versions.is_empty() {
        let mut table = Table::new(&["version", "size", "tags"]);
        for version in *versions {
            let tags: Vec<String> = version.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            table.row([format!("{}@{}", version.model, version.version), view::bytes(version.size), tags.join(" ")]);
        }
        view::out!("\n{}", table.text());
    }
    if !rejected.is_empty() {
        view::out!("\n{}", dataset_table(rejected).text());
    }
    if !endpoints.is_empty() {
        let mut table = Table::new(&["endpoint", "model", "serves", "since"]);
        for Served { endpoint, model, serving, newest: _ } in endpoints {
            let serves = serving.as_ref().map(|it| format!("{}/{}", it.model, it.version));
            let since = serving.as_ref().and_then(|it| it.ready_at).map_or_else(String::new, view::instant);
            table.row([endpoint.to_string(), model.clone(), serves.unwrap_or_else(|| "nothing".to_owned()), since]);
        }
        view::out!("\n{}", table.text());
    }
    view::out!("\n{} runs, {} model versions, {address}", runs.len(), versions.len());
}

/// Returns the endpoints of all projects.
async fn endpoints(control: &Control) -> Result<Vec<Served>, Failure> {
    let projects = control.store().read(|tx| Box::pin(async move { tx.projects().await })).await;
    let mut all = Vec::new();
    for project in projects.map_err(serving::store_failure)? {
        let views = control.endpoints(&project).await;
        let views = views.map_err(|error| Failure::ours("the endpoints cannot be read", error))?;
        all.extend(views.into_iter().map(|EndpointView { endpoint, spec, serving, newest, .. }| {
            let model = spec.model.to_string();
            Served { endpoint, model, serving, newest }
        }));
    }
    Ok(all)
}

/// Returns why an endpoint does not serve what it should, where its newest revision failed.
fn unservable(served: &Served) -> Option<String> {
    let EndpointRevision { model, version, reason, .. } =
        served.newest.as_ref().filter(|newest| newest.state == EndpointState::Failed)?;
    Some(format!("endpoint {} cannot serve {model}/{version}: {reason}", served.endpoint))
}
