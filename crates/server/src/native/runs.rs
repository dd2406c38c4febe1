//! Pipeline runs: start, list, read, cancel, retry, why, logs.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::{Deserialize, Serialize};
use windlass_api::{LogAnswer, RunDetail, StartAnswer, StartRequest};
use windlass_control::Why;
use windlass_kinds::{
    Name,
    record::{Attempt, PipelineRun, TriggerState},
};
use windlass_plan::access::Operation;
use windlass_store::RunQuery;

use super::{Body, Caller, objects::parse_name};
use crate::{AppState, error::ApiError};

pub(super) async fn start(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
    Body(request): Body<StartRequest>,
) -> Result<Json<StartAnswer>, ApiError> {
    let principal = caller.may(Operation::StartRun)?;
    let StartRequest { parameters, identity } = request;
    let name = parse_name(&name)?;
    let run = state.control.start(&principal.actor, &principal.project, &name, parameters, &identity).await?;
    Ok(Json(StartAnswer { run }))
}

#[derive(Serialize)]
pub(super) struct TriggerView {
    trigger: Name,
    state: TriggerState,
}

pub(super) async fn triggers(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Vec<TriggerView>>, ApiError> {
    let principal = caller.may(Operation::ReadRuns)?;
    let (project, name) = (principal.project.clone(), parse_name(&name)?);
    let states = state
        .control
        .store()
        .read(move |tx| {
            let project = project.clone();
            Box::pin(async move { tx.trigger_states(&project).await })
        })
        .await?;
    let views = states.into_iter().filter(|(pipeline, ..)| *pipeline == name);
    Ok(Json(views.map(|(_, trigger, state)| TriggerView { trigger, state }).collect()))
}

pub(super) async fn reset(
    State(state): State<AppState>,
    caller: Caller,
    Path((name, trigger)): Path<(String, String)>,
) -> Result<Json<()>, ApiError> {
    let principal = caller.may(Operation::StartRun)?;
    let (name, trigger) = (parse_name(&name)?, parse_name(&trigger)?);
    state.control.reset_breaker(&principal.actor, &principal.project, &name, &trigger).await?;
    Ok(Json(()))
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    pipeline: Option<String>,
    #[serde(default)]
    active: bool,
    #[serde(default = "default_limit")]
    limit: u32,
}

fn default_limit() -> u32 {
    100
}

pub(super) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<PipelineRun>>, ApiError> {
    let principal = caller.may(Operation::ReadRuns)?;
    caller.names_a_project(&state).await?;
    let pipeline = query.pipeline.as_deref().map(parse_name).transpose()?;
    let query = RunQuery { pipeline, active_only: query.active, limit: query.limit.clamp(1, 10_000) };
    let project = principal.project.clone();
    let runs = state
        .control
        .store()
        .read(move |tx| {
            let (project, query) = (project.clone(), query.clone());
            Box::pin(async move { tx.pipeline_runs(&project, &query).await })
        })
        .await?;
    Ok(Json(runs))
}

pub(super) async fn read(
    State(state): State<AppState>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<RunDetail>, ApiError> {
    let principal = caller.may(Operation::ReadRuns)?;
    let run = state.control.find_run(&principal.project, &run).await?;
    let steps = state.control.steps_of(&run).await?;
    Ok(Json(RunDetail { run, steps }))
}

pub(super) async fn attempts(
    State(state): State<AppState>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<Vec<Attempt>>, ApiError> {
    let principal = caller.may(Operation::ReadRuns)?;
    let run = state.control.find_run(&principal.project, &run).await?;
    let attempts = state
        .control
        .store()
        .read(move |tx| {
            let run = run.id.clone();
            Box::pin(async move {
                let mut attempts = Vec::new();
                for step in tx.step_runs(&run).await? {
                    attempts.extend(tx.attempts_of(&step.id).await?);
                }
                Ok(attempts)
            })
        })
        .await?;
    Ok(Json(attempts))
}

pub(super) async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<PipelineRun>, ApiError> {
    let principal = caller.may(Operation::CancelRun)?;
    let run = state.control.find_run(&principal.project, &run).await?;
    state.control.cancel(&principal.actor, &run).await?;
    Ok(Json(run))
}

pub(super) async fn retry(
    State(state): State<AppState>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<PipelineRun>, ApiError> {
    let principal = caller.may(Operation::StartRun)?;
    let run = state.control.find_run(&principal.project, &run).await?;
    state.control.retry(&principal.actor, &run).await?;
    Ok(Json(run))
}

pub(super) async fn why(
    State(state): State<AppState>,
    caller: Caller,
    Path((run, step)): Path<(String, String)>,
) -> Result<Json<Why>, ApiError> {
    let principal = caller.may(Operation::ReadRuns)?;
    let run = state.control.find_run(&principal.project, &run).await?;
    let step = state.control.find_step(&run, &step).await?;
    Ok(Json(state.control.why(&run, &step).await?))
}

#[derive(Deserialize)]
pub(super) struct LogQuery {
    #[serde(default)]
    offset: u64,
    /// The attempt's number; the newest where absent.
    attempt: Option<u32>,
}

/// The most of a log that one answer holds, in bytes.
const LOG_PIECE: usize = 256 << 10;

pub(super) async fn log(
    State(state): State<AppState>,
    caller: Caller,
    Path((run, step)): Path<(String, String)>,
    Query(query): Query<LogQuery>,
) -> Result<Json<LogAnswer>, ApiError> {
    let principal = caller.may(Operation::ReadRuns)?;
    let run = state.control.find_run(&principal.project, &run).await?;
    let step = state.control.find_step(&run, &step).await?;
    let wanted = step.id.clone();
    let attempts = state
        .control
        .store()
        .read(move |tx| {
            let id = wanted.clone();
            Box::pin(async move { tx.attempts_of(&id).await })
        })
        .await?;
    let attempt = match query.attempt {
        Some(number) => attempts.iter().find(|attempt| attempt.number == number),
        None => attempts.last(),
    };
    let Some(attempt) = attempt else {
        return match query.attempt {
            Some(number) => Err(ApiError::not_found(format!("attempt {number} of {}", step.display_name()))),
            None => Ok(Json(LogAnswer { text: String::new(), next: 0, complete: step.state.is_final(), attempt: 0 })),
        };
    };
    let chunk = state
        .control
        .executor()
        .log(&attempt.id, query.offset, LOG_PIECE)
        .await
        .map_err(|error| ApiError::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "log", error.to_string()))?;
    Ok(Json(LogAnswer { text: chunk.text, next: chunk.next, complete: chunk.complete, attempt: attempt.number }))
}
