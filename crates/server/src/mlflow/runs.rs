//! Runs: begin, look, change, delete.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    RunId,
    record::{Run, RunData, RunStatus},
};
use windlass_plan::access::Operation;
use windlass_store::RunChange;

use super::{
    check,
    door::Door,
    error::{Error, Result},
    experiments, names,
    request::{Asked, Check, Kind, Message, PAIR, Pair, Shape, pairs},
    show::{self, Empty, RUN_NAME, RunInfo},
};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Create {
    experiment_id: String,
    user_id: String,
    run_name: String,
    start_time: i64,
    tags: Vec<Pair>,
}

impl Message for Create {
    const SHAPE: Shape = Shape {
        fields: &[
            ("experiment_id", Kind::Text),
            ("user_id", Kind::Text),
            ("run_name", Kind::Text),
            ("start_time", Kind::Long),
            ("tags", Kind::Messages(PAIR)),
        ],
        checks: &[("experiment_id", &[Check::IsText]), ("start_time", &[Check::IsInt]), ("run_name", &[Check::IsText])],
    };
}

#[derive(Serialize)]
pub(super) struct One {
    run: show::Run,
}

pub(super) async fn create(door: Door, Asked(asked): Asked<Create>) -> Result<Json<One>> {
    door.may(Operation::WriteTracking)?;
    let experiment = experiments::id(&asked.experiment_id)?;
    if experiment.as_str() == "0" {
        experiments::ensure_default(&door).await?;
    }
    let mut tags = pairs(asked.tags);
    check::storable(&tags)?;
    check::nul("user_id", &asked.user_id)?;
    let mut name = asked.run_name;
    if let Some(place) = tags.iter().position(|(key, _)| key == RUN_NAME) {
        let (_, tagged) = tags.remove(place);
        if !name.is_empty() && !tagged.is_empty() && name != tagged {
            return Err(Error::invalid(format!(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values \
                 (run_name='{name}', mlflow.runName='{tagged}')."
            )));
        }
        if name.is_empty() {
            name = tagged;
        }
    }
    if name.is_empty() {
        name = names::run_name()?;
    }
    check::run_name(&name)?;
    let run = Run {
        id: RunId::new(names::id()?),
        experiment,
        project: door.project().clone(),
        name,
        user: asked.user_id,
        status: RunStatus::Running,
        start_ms: asked.start_time,
        end_ms: None,
        deleted: false,
        attempt: door.principal.attempt.as_ref().map(|own| own.attempt.clone()),
    };
    door.write((run.clone(), tags.clone()), |tx, a| {
        Box::pin(async move {
            if let Some(attempt) = &a.0.attempt {
                tx.attempt_open(attempt).await?;
            }
            tx.experiment_live(&a.0.project, &a.0.experiment).await?;
            tx.run_create(&a.0, &a.1).await
        })
    })
    .await?;
    tags.sort();
    Ok(Json(One { run: show::new_run(&run, RunData { tags, ..RunData::default() }) }))
}

/// Which run: `run_id`, or `run_uuid` from old clients.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Either {
    run_id: String,
    run_uuid: String,
}

impl Message for Either {
    const SHAPE: Shape = Shape {
        fields: &[("run_id", Kind::Text), ("run_uuid", Kind::Text)],
        checks: &[("run_id", &[Check::Required, Check::IsText])],
    };
}

/// Returns the run that a request is about.
pub(super) fn run_of(run_id: String, run_uuid: String) -> RunId {
    RunId::new(if run_id.is_empty() { run_uuid } else { run_id })
}

pub(super) async fn read(door: Door, Asked(asked): Asked<Either>) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let id = run_of(asked.run_id, asked.run_uuid);
    let (run, data) = door
        .read((door.project().clone(), id), |tx, a| {
            Box::pin(async move { Ok((tx.run_find(&a.0, &a.1).await?, tx.run_data(&a.1).await?)) })
        })
        .await?;
    Ok(Json(One { run: show::run(&run, data) }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Update {
    run_id: String,
    run_uuid: String,
    run_name: String,
    status: Option<String>,
    end_time: Option<i64>,
}

impl Message for Update {
    const SHAPE: Shape = Shape {
        fields: &[
            ("run_id", Kind::Text),
            ("run_uuid", Kind::Text),
            (
                "status",
                Kind::Choice(&[("RUNNING", 1), ("SCHEDULED", 2), ("FINISHED", 3), ("FAILED", 4), ("KILLED", 5)]),
            ),
            ("end_time", Kind::Long),
            ("run_name", Kind::Text),
        ],
        checks: &[
            ("run_id", &[Check::Required, Check::IsText]),
            ("end_time", &[Check::IsInt]),
            ("status", &[Check::IsText]),
            ("run_name", &[Check::IsText]),
        ],
    };
}

#[derive(Serialize)]
pub(super) struct Updated {
    run_info: RunInfo,
}

pub(super) async fn update(door: Door, Asked(asked): Asked<Update>) -> Result<Json<Updated>> {
    let id = run_of(asked.run_id, asked.run_uuid);
    door.may_write(&id).await?;
    let name = (!asked.run_name.is_empty()).then_some(asked.run_name);
    if let Some(name) = &name {
        check::run_name(name)?;
    }
    let status = asked.status.as_deref().and_then(RunStatus::parse);
    let change = RunChange { name, status, end_ms: asked.end_time };
    let args = (door.project().clone(), id, change, door.principal.actor.clone(), door.now());
    let run =
        door.write(args, |tx, a| Box::pin(async move { tx.run_change(&a.0, &a.1, &a.2, &a.3, a.4).await })).await?;
    Ok(Json(Updated { run_info: show::run_info(&run) }))
}

/// Which run.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Which {
    run_id: String,
}

impl Message for Which {
    const SHAPE: Shape =
        Shape { fields: &[("run_id", Kind::Text)], checks: &[("run_id", &[Check::Required, Check::IsText])] };
}

pub(super) async fn remove(door: Door, Asked(asked): Asked<Which>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteTracking)?;
    let args = (door.project().clone(), RunId::new(asked.run_id), door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.run_delete_soft(&a.0, &a.1, &a.2, a.3).await })).await?;
    Ok(Json(Empty {}))
}

pub(super) async fn restore(door: Door, Asked(asked): Asked<Which>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteTracking)?;
    let args = (door.project().clone(), RunId::new(asked.run_id), door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.run_restore(&a.0, &a.1, &a.2, a.3).await })).await?;
    Ok(Json(Empty {}))
}
