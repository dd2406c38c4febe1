//! Experiments.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::ExperimentId;
use windlass_plan::access::Operation;
use windlass_store::ExperimentChange;

use super::{
    check,
    door::Door,
    error::{Error, Result},
    request::{Asked, Check, Int, Kind, Message, PAIR, Pair, Shape, int, pairs},
    show::{self, Empty, ExperimentOut},
};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Create {
    name: String,
    artifact_location: String,
    tags: Vec<Pair>,
}

impl Message for Create {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("artifact_location", Kind::Text), ("tags", Kind::Messages(PAIR))],
        checks: &[
            ("name", &[Check::Required, Check::IsText]),
            ("artifact_location", &[Check::IsText]),
            ("tags", &[Check::IsList]),
        ],
    };
}

#[derive(Serialize)]
pub(super) struct Created {
    experiment_id: ExperimentId,
}

pub(super) async fn create(door: Door, Asked(asked): Asked<Create>) -> Result<Json<Created>> {
    door.may(Operation::WriteTracking)?;
    let Create { name, artifact_location: place, tags } = asked;
    if place.contains('#') {
        return Err(Error::invalid("'artifact_location' URL can't include fragments or params."));
    }
    if place.split_once('?').is_some_and(|(_, query)| query.contains("..")) {
        return Err(Error::invalid("Invalid query string"));
    }
    if place.starts_with("runs:") {
        return Err(Error::invalid(format!("Artifact location cannot be a runs:/ URI. Given: '{place}'")));
    }
    check::experiment_name(&name)?;
    let tags = pairs(tags);
    tags.iter().try_for_each(|(key, value)| check::experiment_tag(key, value))?;
    if !place.is_empty() {
        return Err(Error::invalid(
            "'artifact_location' cannot be chosen: this server keeps artifacts itself; leave it out",
        ));
    }
    let args = (door.project().clone(), name, tags, door.principal.actor.clone(), door.now());
    let experiment_id = door
        .write(args, |tx, a| Box::pin(async move { tx.experiment_create(&a.0, &a.1, &a.2, &a.3, a.4).await }))
        .await?;
    Ok(Json(Created { experiment_id }))
}

#[derive(Serialize)]
pub(super) struct One {
    experiment: ExperimentOut,
}

/// Returns the id in a request, which must be an integer; none means the default experiment.
pub(super) fn id(text: &str) -> Result<ExperimentId> {
    match int(if text.is_empty() { "0" } else { text }) {
        Int::Is(number) => Ok(ExperimentId::new(number.to_string())),
        Int::Beyond => Err(Error::not_found(format!("No Experiment with id={text} exists"))),
        Int::Not => {
            Err(Error::invalid(format!("Invalid experiment ID '{text}'. Experiment ID must be a valid integer.")))
        }
    }
}

/// Makes the experiment `Default` where a client may expect it.
pub(super) async fn ensure_default(door: &Door) -> Result<()> {
    let default = ExperimentId::new("0");
    let there = door
        .read((door.project().clone(), default), |tx, a| Box::pin(async move { tx.experiment_get(&a.0, &a.1).await }))
        .await?;
    if there.is_some() {
        return Ok(());
    }
    door.write((door.project().clone(), door.now().millis()), |tx, a| {
        Box::pin(async move { tx.experiment_default(&a.0, a.1).await })
    })
    .await
}

/// Which experiment.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Which {
    experiment_id: String,
}

impl Message for Which {
    const SHAPE: Shape = Shape {
        fields: &[("experiment_id", Kind::Text)],
        checks: &[("experiment_id", &[Check::Required, Check::IsText])],
    };
}

pub(super) async fn read(door: Door, Asked(asked): Asked<Which>) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let id = id(&asked.experiment_id)?;
    if id.as_str() == "0" {
        ensure_default(&door).await?;
    }
    let found = door
        .read((door.project().clone(), id.clone()), |tx, a| {
            Box::pin(async move { tx.experiment_get(&a.0, &a.1).await })
        })
        .await?;
    let found = found.ok_or_else(|| Error::not_found(format!("No Experiment with id={id} exists")))?;
    Ok(Json(One { experiment: show::experiment(found) }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Named {
    experiment_name: String,
}

impl Message for Named {
    const SHAPE: Shape = Shape {
        fields: &[("experiment_name", Kind::Text)],
        checks: &[("experiment_name", &[Check::Required, Check::IsText])],
    };
}

pub(super) async fn read_by_name(door: Door, Asked(asked): Asked<Named>) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let name = asked.experiment_name;
    if name == "Default" {
        ensure_default(&door).await?;
    }
    let found = door
        .read((door.project().clone(), name.clone()), |tx, a| {
            Box::pin(async move { tx.experiment_by_name(&a.0, &a.1).await })
        })
        .await?;
    let found = found.ok_or_else(|| Error::not_found(format!("Could not find experiment with name '{name}'")))?;
    Ok(Json(One { experiment: show::experiment(found) }))
}

async fn change(door: &Door, experiment: &str, change: ExperimentChange) -> Result<Json<Empty>> {
    let args = (door.project().clone(), id(experiment)?, change, door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.experiment_change(&a.0, &a.1, &a.2, &a.3, a.4).await })).await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Rename {
    experiment_id: String,
    new_name: String,
}

impl Message for Rename {
    const SHAPE: Shape = Shape {
        fields: &[("experiment_id", Kind::Text), ("new_name", Kind::Text)],
        checks: &[
            ("experiment_id", &[Check::Required, Check::IsText]),
            ("new_name", &[Check::IsText, Check::Required]),
        ],
    };
}

pub(super) async fn rename(door: Door, Asked(asked): Asked<Rename>) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    door.not_a_step()?;
    if asked.new_name.is_empty() {
        // Given, but of no use: MLflow passes over it too.
        return Ok(Json(Empty {}));
    }
    check::experiment_name(&asked.new_name)?;
    change(&door, &asked.experiment_id, ExperimentChange::Rename(asked.new_name)).await
}

pub(super) async fn remove(door: Door, Asked(asked): Asked<Which>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteTracking)?;
    change(&door, &asked.experiment_id, ExperimentChange::Delete).await
}

pub(super) async fn restore(door: Door, Asked(asked): Asked<Which>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteTracking)?;
    change(&door, &asked.experiment_id, ExperimentChange::Restore).await
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct TagSet {
    experiment_id: String,
    key: String,
    value: String,
}

impl Message for TagSet {
    const SHAPE: Shape = Shape {
        fields: &[("experiment_id", Kind::Text), ("key", Kind::Text), ("value", Kind::Text)],
        checks: &[
            ("experiment_id", &[Check::Required, Check::IsText]),
            ("key", &[Check::Required, Check::IsText]),
            ("value", &[Check::IsText]),
        ],
    };
}

pub(super) async fn tag_set(door: Door, Asked(asked): Asked<TagSet>) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    door.not_a_step()?;
    let TagSet { experiment_id, key, value } = asked;
    check::experiment_tag(&key, &value)?;
    door.write((door.project().clone(), id(&experiment_id)?, key, value), |tx, a| {
        Box::pin(async move { tx.experiment_tag_set(&a.0, &a.1, &a.2, &a.3).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct TagDelete {
    experiment_id: String,
    key: String,
}

impl Message for TagDelete {
    const SHAPE: Shape = Shape {
        fields: &[("experiment_id", Kind::Text), ("key", Kind::Text)],
        checks: &[("experiment_id", &[Check::Required, Check::IsText]), ("key", &[Check::Required, Check::IsText])],
    };
}

pub(super) async fn tag_delete(door: Door, Asked(asked): Asked<TagDelete>) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    door.not_a_step()?;
    door.write((door.project().clone(), id(&asked.experiment_id)?, asked.key), |tx, a| {
        Box::pin(async move { tx.experiment_tag_delete(&a.0, &a.1, &a.2).await })
    })
    .await?;
    Ok(Json(Empty {}))
}
