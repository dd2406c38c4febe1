//! What monitors saw.

use axum::{
    Json,
    extract::{Path, State},
};
use windlass_api::MonitorDetail;
use windlass_kinds::{Kind, manifest::Spec, record::Observation};
use windlass_plan::access::Operation;

use super::{Caller, objects::parse_name};
use crate::{AppState, error::ApiError};

/// How many observations are shown at most; the newest.
const SHOWN: u32 = 1000;

/// Shows a monitor with its observations, oldest first. The code of a step may read it too: what a monitor saw decides
/// what a report says.
pub(super) async fn read(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<MonitorDetail>, ApiError> {
    let project = caller.may_as_step(Operation::ReadRuns)?.project.clone();
    let monitor = parse_name(&name)?;
    let wanted = monitor.clone();
    let (revision, observations): (_, Vec<Observation>) = state
        .control
        .store()
        .read(move |tx| {
            let (project, monitor) = (project.clone(), wanted.clone());
            Box::pin(async move {
                let revision = tx.revision_current(&project, Kind::Monitor, &monitor).await?;
                Ok((revision, tx.observations_of(&project, &monitor, SHOWN).await?))
            })
        })
        .await?;
    match revision.map(|revision| revision.manifest.spec) {
        Some(Spec::Monitor(spec)) => Ok(Json(MonitorDetail { monitor, spec, observations })),
        _ => Err(ApiError::not_found(format!("Monitor/{name}"))),
    }
}
