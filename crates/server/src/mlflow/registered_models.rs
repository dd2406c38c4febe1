//! Registered models and their aliases.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::record::{ModelVersion, RegisteredModel, RegistryFact, VersionStage};
use windlass_plan::access::Operation;

use super::{
    check,
    door::Door,
    error::{Error, Result},
    model_source::number,
    model_versions::listed,
    request::{Asked, Check, Kind, Message, PAIR, Pair, Shape, pairs},
    show::{self, Empty, ModelOut, VersionOut},
    stages::{latest_of_each, stage},
};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Create {
    name: String,
    description: String,
    tags: Vec<Pair>,
}

impl Message for Create {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("tags", Kind::Messages(PAIR)), ("description", Kind::Text)],
        checks: &[
            ("name", &[Check::IsText, Check::Required]),
            ("tags", &[Check::IsList]),
            ("description", &[Check::IsText]),
        ],
    };
}

#[derive(Serialize)]
pub(super) struct One {
    registered_model: ModelOut,
}

pub(super) async fn create(door: Door, Asked(asked): Asked<Create>) -> Result<Json<One>> {
    door.may(Operation::RegisterModel)?;
    let Create { name, description, tags } = asked;
    check::model_name(&name)?;
    let tags = pairs(tags);
    tags.iter().try_for_each(|(key, value)| check::registry_tag(key, value))?;
    check::nul("description", &description)?;
    let model = RegisteredModel {
        project: door.project().clone(),
        name,
        description,
        tags: tags.into_iter().collect(),
        aliases: Default::default(),
        created_at: door.now(),
        updated_at: door.now(),
    };
    door.write((model.clone(), door.principal.actor.clone()), |tx, a| {
        Box::pin(async move { tx.registered_model_create(&a.0, &a.1).await })
    })
    .await?;
    door.webhooks_moved();
    Ok(Json(One { registered_model: show::model(model, Vec::new()) }))
}

/// Returns a model and the versions that the caller sees in lists, in order.
async fn with_versions(door: &Door, name: &str) -> Result<(RegisteredModel, Vec<ModelVersion>)> {
    check::model_name(name)?;
    let (model, mut versions) = door
        .read((door.project().clone(), name.to_owned()), |tx, a| {
            Box::pin(async move {
                let model = tx.registered_model_find(&a.0, &a.1).await?;
                Ok((model, tx.model_versions_of(&a.0, &a.1).await?))
            })
        })
        .await?;
    versions.retain(|version| listed(door, version));
    Ok((model, versions))
}

async fn shown(door: &Door, name: &str) -> Result<Json<One>> {
    let (model, versions) = with_versions(door, name).await?;
    Ok(Json(One { registered_model: show::model(model, latest_of_each(versions)) }))
}

/// Which model.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Named {
    name: String,
}

impl Message for Named {
    const SHAPE: Shape =
        Shape { fields: &[("name", Kind::Text)], checks: &[("name", &[Check::IsText, Check::Required])] };
}

pub(super) async fn read(door: Door, Asked(asked): Asked<Named>) -> Result<Json<One>> {
    door.may(Operation::ReadContent)?;
    shown(&door, &asked.name).await
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Describe {
    name: String,
    description: String,
}

impl Message for Describe {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("description", Kind::Text)],
        checks: &[("name", &[Check::IsText, Check::Required]), ("description", &[Check::IsText])],
    };
}

pub(super) async fn describe(door: Door, Asked(asked): Asked<Describe>) -> Result<Json<One>> {
    door.may(Operation::RegisterModel)?;
    door.not_a_step()?;
    let Describe { name, description } = asked;
    check::model_name(&name)?;
    check::nul("description", &description)?;
    door.write((door.project().clone(), name.clone(), description, door.now()), |tx, a| {
        Box::pin(async move { tx.registered_model_describe(&a.0, &a.1, &a.2, a.3).await })
    })
    .await?;
    shown(&door, &name).await
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Rename {
    name: String,
    new_name: String,
}

impl Message for Rename {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("new_name", Kind::Text)],
        checks: &[("name", &[Check::IsText, Check::Required]), ("new_name", &[Check::IsText, Check::Required])],
    };
}

pub(super) async fn rename(door: Door, Asked(asked): Asked<Rename>) -> Result<Json<One>> {
    door.may(Operation::MoveAlias)?;
    door.not_a_step()?;
    let Rename { name, new_name } = asked;
    if new_name.trim().is_empty() {
        return Err(Error::invalid("Missing value for required parameter 'new_name'."));
    }
    check::model_name(&new_name)?;
    check::model_name(&name)?;
    let args = (door.project().clone(), name, new_name.clone(), door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.registered_model_rename(&a.0, &a.1, &a.2, &a.3, a.4).await }))
        .await?;
    shown(&door, &new_name).await
}

pub(super) async fn remove(door: Door, Asked(asked): Asked<Named>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteModel)?;
    check::model_name(&asked.name)?;
    let args = (door.project().clone(), asked.name, door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.registered_model_delete(&a.0, &a.1, &a.2, a.3).await })).await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct TagSet {
    name: String,
    key: String,
    value: String,
}

impl Message for TagSet {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("key", Kind::Text), ("value", Kind::Text)],
        checks: &[
            ("name", &[Check::IsText, Check::Required]),
            ("key", &[Check::IsText, Check::Required]),
            ("value", &[Check::IsText]),
        ],
    };
}

pub(super) async fn tag_set(door: Door, Asked(asked): Asked<TagSet>) -> Result<Json<Empty>> {
    door.may(Operation::RegisterModel)?;
    let TagSet { name, key, value } = asked;
    check::model_name(&name)?;
    check::registry_tag(&key, &value)?;
    door.write((door.project().clone(), name, key, value, door.now()), |tx, a| {
        Box::pin(async move {
            let (project, name, key, value, now) = &*a;
            tx.registered_model_tag_set(project, name, key, value).await?;
            let what = RegistryFact::TagSet { key: key.clone(), value: value.clone() };
            tx.registered_model_changed(project, name, what, *now).await
        })
    })
    .await?;
    door.webhooks_moved();
    Ok(Json(Empty {}))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct TagDelete {
    name: String,
    key: String,
}

impl Message for TagDelete {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("key", Kind::Text)],
        checks: &[("name", &[Check::IsText, Check::Required]), ("key", &[Check::IsText, Check::Required])],
    };
}

pub(super) async fn tag_delete(door: Door, Asked(asked): Asked<TagDelete>) -> Result<Json<Empty>> {
    door.may(Operation::RegisterModel)?;
    let TagDelete { name, key } = asked;
    check::model_name(&name)?;
    check::key("key", &key)?;
    door.write((door.project().clone(), name, key, door.now()), |tx, a| {
        Box::pin(async move {
            let (project, name, key, now) = &*a;
            tx.registered_model_tag_delete(project, name, key).await?;
            let what = RegistryFact::TagDeleted { key: key.clone() };
            tx.registered_model_changed(project, name, what, *now).await
        })
    })
    .await?;
    door.webhooks_moved();
    Ok(Json(Empty {}))
}

#[derive(Serialize)]
pub(super) struct OneVersion {
    model_version: VersionOut,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Alias {
    name: String,
    alias: String,
}

impl Message for Alias {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("alias", Kind::Text)],
        checks: &[("name", &[Check::IsText, Check::Required]), ("alias", &[Check::IsText, Check::Required])],
    };
}

pub(super) async fn alias_read(door: Door, Asked(asked): Asked<Alias>) -> Result<Json<OneVersion>> {
    door.may(Operation::ReadContent)?;
    let Alias { name, alias } = asked;
    check::model_name(&name)?;
    check::alias(&alias)?;
    if alias.eq_ignore_ascii_case("latest") {
        let (model, mut versions) = with_versions(&door, &name).await?;
        let none = || Error::not_found(format!("Latest version not found for model {name}."));
        return Ok(Json(OneVersion { model_version: show::version(versions.pop().ok_or_else(none)?, &model) }));
    }
    let args = (door.project().clone(), name, alias.clone());
    let (model, version) = door
        .read(args, |tx, a| {
            Box::pin(async move {
                let model = tx.registered_model_find(&a.0, &a.1).await?;
                let version = match tx.alias_get(&a.0, &a.1, &a.2).await? {
                    Some(version) => Some(tx.model_version_find(&a.0, &a.1, version).await?),
                    None => None,
                };
                Ok((model, version))
            })
        })
        .await?;
    let version = version.ok_or_else(|| Error::invalid(format!("Registered model alias {alias} not found.")))?;
    Ok(Json(OneVersion { model_version: show::version(version, &model) }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct AliasSet {
    name: String,
    alias: String,
    version: String,
}

impl Message for AliasSet {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("alias", Kind::Text), ("version", Kind::Text)],
        checks: &[
            ("name", &[Check::IsText, Check::Required]),
            ("alias", &[Check::IsText, Check::Required]),
            ("version", &[Check::IsText, Check::Required]),
        ],
    };
}

pub(super) async fn alias_set(door: Door, Asked(asked): Asked<AliasSet>) -> Result<Json<Empty>> {
    door.may(Operation::MoveAlias)?;
    let AliasSet { name, alias, version } = asked;
    check::model_name(&name)?;
    check::new_alias(&alias)?;
    let version = number(&name, &version)?;
    door.read((door.project().clone(), name.clone(), version), |tx, a| {
        Box::pin(async move { tx.model_version_find(&a.0, &a.1, a.2).await })
    })
    .await?;
    door.alias_set(&name, version, &alias).await?;
    Ok(Json(Empty {}))
}

pub(super) async fn alias_delete(door: Door, Asked(asked): Asked<Alias>) -> Result<Json<Empty>> {
    door.may(Operation::MoveAlias)?;
    let Alias { name, alias } = asked;
    check::model_name(&name)?;
    check::alias(&alias)?;
    let args = (door.project().clone(), name, alias, door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.alias_delete(&a.0, &a.1, &a.2, &a.3, a.4).await })).await?;
    door.registry_moved();
    Ok(Json(Empty {}))
}

#[derive(Serialize)]
pub(super) struct Versions {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_versions: Vec<VersionOut>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Latest {
    name: String,
    stages: Vec<String>,
}

impl Message for Latest {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("stages", Kind::Texts)],
        checks: &[("name", &[Check::IsText, Check::Required]), ("stages", &[Check::IsList, Check::AreTexts])],
    };
}

pub(super) async fn latest(door: Door, Asked(asked): Asked<Latest>) -> Result<Json<Versions>> {
    door.may(Operation::ReadContent)?;
    let Latest { name, stages } = asked;
    let (model, versions) = with_versions(&door, &name).await?;
    let stages: Vec<VersionStage> = stages.iter().map(|text| stage(text)).collect::<Result<_>>()?;
    let wanted = |version: &ModelVersion| stages.is_empty() || stages.contains(&version.stage);
    let shown = latest_of_each(versions).into_iter().filter(wanted).map(|version| show::version(version, &model));
    Ok(Json(Versions { model_versions: shown.collect() }))
}
