//! `windlass run -- CMD`: one command with tracking; without a running server, one is run here for as long.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use windlass_api::Client;
use windlass_kinds::{ExperimentId, RunId, record::RunStatus};
use windlass_local::run::{TrackOptions, TrackedRun, Tracking, TrackingError, track};

use crate::{
    args::{Global, RunArgs},
    connect::{client, connect},
    data_folder::DataFolder,
    failure::Failure,
    serving::{self, ServeSettings, Serving},
};

pub(crate) async fn run(global: &Global, args: RunArgs) -> Result<ExitCode, Failure> {
    let RunArgs { experiment, name, command } = args;
    let (client, token, serving) = reach(global).await?;
    let directory =
        std::env::current_dir().map_err(|error| Failure::ours("failed to find the present folder", error))?;
    let options = TrackOptions {
        command,
        directory,
        experiment: experiment.unwrap_or_else(|| "Default".to_owned()),
        name,
        uri: match &global.in_project {
            // How a client of MLflow is told a project: it keeps the path of its address.
            Some(project) => format!("{}/projects/{project}", client.base()),
            None => client.base().to_owned(),
        },
        token,
        excluded: global.data_dir.canonicalize().into_iter().collect(),
        tags: BTreeMap::new(),
        variables: BTreeMap::new(),
    };
    let result = track(&Door::new(client), &options, &|line| eprintln!("windlass: {line}")).await;
    if let Some(serving) = serving {
        serving.stop().await;
    }
    let ended = result.map_err(|error| Failure::user(windlass_control::chain(&error)))?;
    Ok(ExitCode::from(ended.code()))
}

/// Returns the server to track with, and the token for it; where none runs, one is started here for as long.
pub(super) async fn reach(global: &Global) -> Result<(Client, String, Option<Serving>), Failure> {
    let running = global.server.is_some() || DataFolder::open(&global.data_dir).is_ok_and(|folder| folder.is_locked());
    if running {
        let client = connect(global)?;
        let token = global.token.clone().or_else(|| DataFolder::open(&global.data_dir).ok()?.token());
        Ok((client, token.unwrap_or_default(), None))
    } else {
        let folder = DataFolder::create(&global.data_dir)?;
        let settings = ServeSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            database: None,
            hosts: Vec::new(),
            max_parallel: None,
            grace: Duration::from_secs(30),
            until_idle: false,
            prometheus: None,
            webhooks_to: Default::default(),
            content: None,
            lease: serving::LEASE,
            keep_events: None,
        };
        let serving = serving::start(folder.clone(), settings).await?;
        let token = folder.token().unwrap_or_default();
        Ok((client(global, serving.client.base(), &token)?, token, Some(serving)))
    }
}

/// The tracking door of a server.
pub(super) struct Door {
    client: Client,
    made: Mutex<Option<TrackedRun>>,
}

#[async_trait]
impl Tracking for Door {
    async fn run_create(
        &self,
        experiment: &str,
        name: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<TrackedRun, TrackingError> {
        let experiment = self.experiment(experiment).await?;
        let mut body = json!({"experiment_id": experiment, "start_time": now_millis(), "tags": listed(tags)});
        if let Some(name) = name {
            body["run_name"] = json!(name);
        }
        let answer: Value = self.client.post("/api/2.0/mlflow/runs/create", &body).await?;
        let info = &answer["run"]["info"];
        let made = TrackedRun {
            run: RunId::new(text(&info["run_id"])?),
            experiment: ExperimentId::new(experiment),
            name: text(&info["run_name"])?,
        };
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Some(made.clone());
        Ok(made)
    }

    async fn artifact_put(&self, run: &TrackedRun, path: &str, bytes: Vec<u8>) -> Result<(), TrackingError> {
        let path: Vec<String> = path.split('/').map(windlass_api::encode).collect();
        let path =
            format!("/api/2.0/mlflow-artifacts/artifacts/{}/{}/artifacts/{}", run.experiment, run.run, path.join("/"));
        Ok(self.client.put(&path, bytes).await?)
    }

    async fn run_finish(
        &self,
        run: &TrackedRun,
        status: RunStatus,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), TrackingError> {
        let batch = json!({"run_id": run.run, "tags": listed(tags)});
        self.client.post::<_, Value>("/api/2.0/mlflow/runs/log-batch", &batch).await?;
        let body = json!({"run_id": run.run, "status": status.as_str(), "end_time": now_millis()});
        self.client.post::<_, Value>("/api/2.0/mlflow/runs/update", &body).await?;
        Ok(())
    }
}

impl Door {
    pub(super) fn new(client: Client) -> Self {
        Self { client, made: Mutex::new(None) }
    }

    /// Returns the run that was created, once it was.
    pub(super) fn made(&self) -> Option<TrackedRun> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the id of an experiment, which is made where it is missing.
    async fn experiment(&self, name: &str) -> Result<String, TrackingError> {
        let path = format!("/api/2.0/mlflow/experiments/get-by-name?experiment_name={}", windlass_api::encode(name));
        match self.client.get::<Value>(&path).await {
            Ok(answer) => text(&answer["experiment"]["experiment_id"]),
            Err(windlass_api::ClientError::Refused { status: 404, .. }) => {
                let answer: Value =
                    self.client.post("/api/2.0/mlflow/experiments/create", &json!({"name": name})).await?;
                text(&answer["experiment_id"])
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn listed(tags: &BTreeMap<String, String>) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

fn text(value: &Value) -> Result<String, TrackingError> {
    value.as_str().map(str::to_owned).ok_or_else(|| "the server's answer lacks an id".into())
}

fn now_millis() -> i64 {
    use windlass_control::Clock;
    windlass_control::SystemClock.now().millis()
}
