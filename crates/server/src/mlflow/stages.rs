//! Stages of model versions, for clients from before there were aliases. Nothing here acts on a stage; aliases are gated,
//! stages are not.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::record::{ModelVersion, VersionStage};
use windlass_plan::access::Operation;

use super::{
    check,
    door::Door,
    error::{Error, Result},
    model_source::number,
    request::{Asked, Check, Kind, Message, Shape},
    show::{self, VersionOut},
};

/// The stages by their names, in MLflow's order.
const STAGES: [(&str, VersionStage); 4] = [
    ("None", VersionStage::None),
    ("Staging", VersionStage::Staging),
    ("Production", VersionStage::Production),
    ("Archived", VersionStage::Archived),
];

/// Returns the stage of a name, in whatever case.
pub(super) fn stage(text: &str) -> Result<VersionStage> {
    let found = STAGES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, stage)| *stage);
    found.ok_or_else(|| {
        Error::invalid(format!(
            "Invalid Model Version stage: {text}. Value must be one of {}.",
            STAGES.map(|(name, _)| name).join(", ")
        ))
    })
}

/// Returns the name of a stage.
pub(super) fn stage_name(stage: VersionStage) -> &'static str {
    STAGES.iter().find(|(_, known)| *known == stage).map_or("None", |(name, _)| name)
}

/// Returns the newest version of each stage in the order of their numbers, of versions that are in that order.
pub(super) fn latest_of_each(versions: Vec<ModelVersion>) -> Vec<ModelVersion> {
    let mut latest: Vec<ModelVersion> = Vec::new();
    for version in versions {
        latest.retain(|other| other.stage != version.stage);
        latest.push(version);
    }
    latest
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Transition {
    name: String,
    version: String,
    stage: String,
    archive_existing_versions: bool,
}

impl Message for Transition {
    const SHAPE: Shape = Shape {
        fields: &[
            ("name", Kind::Text),
            ("version", Kind::Text),
            ("stage", Kind::Text),
            ("archive_existing_versions", Kind::Bool),
        ],
        checks: &[
            ("name", &[Check::IsText, Check::Required]),
            ("version", &[Check::IsText, Check::Required]),
            ("stage", &[Check::IsText, Check::Required]),
        ],
    };
}

#[derive(Serialize)]
pub(super) struct One {
    model_version: VersionOut,
}

pub(super) async fn transition(door: Door, Asked(asked): Asked<Transition>) -> Result<Json<One>> {
    door.may(Operation::MoveAlias)?;
    door.not_a_step()?;
    let stage = stage(&asked.stage)?;
    let archive = asked.archive_existing_versions;
    if archive && !matches!(stage, VersionStage::Staging | VersionStage::Production) {
        return Err(Error::invalid(format!(
            "Model version transition cannot archive existing model versions because '{}' is not an Active stage. Valid \
             stages are ['Staging', 'Production']",
            asked.stage
        )));
    }
    check::model_name(&asked.name)?;
    let version = number(&asked.name, &asked.version)?;
    let args = (door.project().clone(), asked.name, version, stage, archive, door.principal.actor.clone(), door.now());
    let (version, model) = door
        .write(args, |tx, a| {
            Box::pin(async move {
                let (project, name, version, stage, archive, actor, now) = &*a;
                let version = tx.model_version_stage(project, name, *version, *stage, *archive, actor, *now).await?;
                Ok((version, tx.registered_model_find(project, name).await?))
            })
        })
        .await?;
    Ok(Json(One { model_version: show::version(version, &model) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_have_one_name() {
        for (name, expected) in STAGES {
            assert_eq!(stage(&name.to_lowercase()).unwrap(), expected);
            assert_eq!(stage_name(expected), name);
        }
        assert!(stage("prod").is_err() && stage("").is_err());
    }
}
