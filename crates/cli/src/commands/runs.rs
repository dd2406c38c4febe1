//! `windlass start`, `cancel`, `retry`, `reset`.

use std::{process::ExitCode, time::Duration};

use serde_json::{Map, Value};
use windlass_api::{Client, RunDetail, StartAnswer, StartRequest, encode};
use windlass_kinds::record::{PipelineRun, PipelineRunState};

use crate::{
    args::{Global, ResetArgs, RunRefArgs, StartArgs},
    connect::{connect, failure},
    failure::Failure,
    view,
};

pub(crate) async fn start(global: &Global, args: StartArgs) -> Result<ExitCode, Failure> {
    let client = connect(global)?;
    let mut parameters = Map::new();
    for text in &args.parameters {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::user(format!("`{text}` is not a parameter")).hint("write NAME=VALUE, such as --param seed=8")
        })?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        parameters.insert(name.to_owned(), value);
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::user(format!("the system gives no random bytes: {error}")))?;
    let identity = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let request = StartRequest { parameters, identity };
    let path = format!("/api/v1/pipelines/{}/start", encode(&args.pipeline));
    let answer: StartAnswer = client.post(&path, &request).await.map_err(failure)?;
    let run = begun(&client, answer.run.as_str()).await?;
    if !args.wait {
        view::show(global.output, &run, || {
            crate::view::out!("{} begins; `windlass logs -f {0}` follows it", run.display_name())
        });
        return Ok(ExitCode::SUCCESS);
    }
    let run = ended(&client, answer.run.as_str()).await?;
    view::show(global.output, &run, || {
        crate::view::out!("{} {} {}", run.display_name(), windlass_control::state_word(run.state), run.reason);
    });
    Ok(if run.state == PipelineRunState::Succeeded { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Waits until the loop has taken the request; a moment.
async fn begun(client: &Client, id: &str) -> Result<PipelineRun, Failure> {
    for _ in 0..200 {
        match client.get::<RunDetail>(&format!("/api/v1/runs/{id}")).await {
            Ok(detail) => return Ok(detail.run),
            Err(windlass_api::ClientError::Refused { status: 404, .. }) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(failure(error)),
        }
    }
    Err(Failure::user("the run did not begin within ten seconds").hint("`windlass get runs` shows what goes on"))
}

async fn ended(client: &Client, id: &str) -> Result<PipelineRun, Failure> {
    loop {
        let detail: RunDetail = client.get(&format!("/api/v1/runs/{id}")).await.map_err(failure)?;
        if detail.run.state.is_final() {
            return Ok(detail.run);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

pub(crate) async fn cancel(global: &Global, args: RunRefArgs) -> Result<ExitCode, Failure> {
    act(global, &args.run, "cancel", "is being cancelled").await
}

pub(crate) async fn retry(global: &Global, args: RunRefArgs) -> Result<ExitCode, Failure> {
    act(global, &args.run, "retry", "goes on from its failed steps").await
}

async fn act(global: &Global, run: &str, verb: &str, told: &str) -> Result<ExitCode, Failure> {
    let run: PipelineRun =
        connect(global)?.post(&format!("/api/v1/runs/{}/{verb}", encode(run)), &Value::Null).await.map_err(failure)?;
    view::show(global.output, &run, || crate::view::out!("{} {told}", run.display_name()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn reset(global: &Global, args: ResetArgs) -> Result<ExitCode, Failure> {
    let ResetArgs { pipeline, trigger } = args;
    let path = format!("/api/v1/pipelines/{}/triggers/{}/reset", encode(&pipeline), encode(&trigger));
    connect(global)?.post::<_, Value>(&path, &Value::Null).await.map_err(failure)?;
    view::show(global.output, &serde_json::json!({"pipeline": pipeline, "trigger": trigger}), || {
        crate::view::out!("trigger {trigger} of {pipeline} may start runs again");
    });
    Ok(ExitCode::SUCCESS)
}
