//! URLs that lead past the server to the store of a cloud: artifacts here lie behind the server, so there are none, and
//! what is asked is answered as MLflow's server does in the same case.

use axum::{Json, http::StatusCode};
use serde::Deserialize;
use windlass_kinds::{LoggedModelId, RunId};
use windlass_plan::access::Operation;

use super::{
    artifact_path,
    door::Door,
    error::{Error, Result},
    request::{Asked, Check, Kind, Message, Shape},
    show::Empty,
};

/// How long a URL may be asked to be good, in seconds.
const GOOD: std::ops::RangeInclusive<i64> = 1..=604_800;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Upload {
    run_id: String,
    model_id: String,
    path: String,
}

impl Message for Upload {
    const SHAPE: Shape = Shape {
        fields: &[("run_id", Kind::Text), ("path", Kind::Text), ("expiration", Kind::Long), ("model_id", Kind::Text)],
        checks: &[
            ("run_id", &[Check::IsText]),
            ("model_id", &[Check::IsText]),
            ("path", &[Check::Required, Check::IsText]),
            ("expiration", &[Check::IsInt]),
        ],
    };
}

pub(super) async fn upload(door: Door, Asked(asked): Asked<Upload>) -> Result<Json<Empty>> {
    door.may(Operation::WriteContent)?;
    if asked.run_id.is_empty() == asked.model_id.is_empty() {
        return Err(Error::invalid("Exactly one of run_id and model_id must be provided."));
    }
    artifact_path::checked(&asked.path)?;
    if asked.run_id.is_empty() {
        let id = LoggedModelId::new(asked.model_id);
        let args = (door.project().clone(), id.clone());
        let found = door.read(args, |tx, a| Box::pin(async move { tx.logged_model_get(&a.0, &a.1).await })).await?;
        found.ok_or_else(|| Error::not_found(format!("Logged model with ID '{id}' not found.")))?;
    } else {
        door.run(&RunId::new(asked.run_id)).await?;
    }
    Err(Error::invalid(
        "Presigned upload is not supported for proxied artifact storage (artifact URI scheme: mlflow-artifacts). This \
         endpoint requires a direct cloud storage artifact URI.",
    ))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Download {
    run_id: String,
    path: String,
    expiration: Option<i64>,
}

impl Message for Download {
    const SHAPE: Shape = Shape {
        fields: &[("run_id", Kind::Text), ("path", Kind::Text), ("expiration", Kind::Long)],
        checks: &[
            ("run_id", &[Check::Required, Check::IsText]),
            ("path", &[Check::Required, Check::IsText]),
            ("expiration", &[Check::IsInt]),
        ],
    };
}

pub(super) async fn download(door: Door, Asked(asked): Asked<Download>) -> Result<Json<Empty>> {
    door.may(Operation::ReadContent)?;
    artifact_path::checked(&asked.path)?;
    if let Some(seconds) = asked.expiration.filter(|seconds| !GOOD.contains(seconds)) {
        return Err(Error::invalid(format!(
            "expiration must be between {} and {} seconds (got {seconds}).",
            GOOD.start(),
            GOOD.end()
        )));
    }
    door.run(&RunId::new(asked.run_id)).await?;
    Err(Error::invalid(
        "Presigned download is not supported for runs with proxied artifact storage (artifact URI scheme: \
         mlflow-artifacts). This endpoint requires a run with a direct cloud storage artifact URI.",
    ))
}

/// Files are not fetched in parts: the server sends them whole.
pub(super) async fn of_path(door: Door) -> Result<Json<Empty>> {
    door.may(Operation::ReadContent)?;
    Err(Error::new(
        StatusCode::NOT_IMPLEMENTED,
        "NOT_IMPLEMENTED",
        "Multipart download is not supported for the current artifact repository",
    ))
}
