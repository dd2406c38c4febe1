//! Registered models and their aliases.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    filter::{Lifecycle, Search},
    record::{ModelVersion, RegisteredModel},
};
use windlass_plan::access::Operation;

use super::{
    check,
    door::Door,
    error::{Error, Result},
    filter::{self, Entity},
    model_source::number,
    model_versions::{listed, without_prompts},
    page,
    show::{self, Empty, ModelOut, VersionOut},
    wire::{Body, Field, List, Pair, Query, pairs},
};

/// How many models a search shows unless it says otherwise, and at most.
const PAGE: (u32, u32) = (100, 1000);

#[derive(Deserialize)]
pub(super) struct Create {
    #[serde(default)]
    name: Field<String>,
    #[serde(default)]
    description: Field<String>,
    #[serde(default)]
    tags: List<Pair>,
}

#[derive(Serialize)]
pub(super) struct One {
    registered_model: ModelOut,
}

pub(super) async fn create(door: Door, Body(body): Body<Create>) -> Result<Json<One>> {
    door.may(Operation::RegisterModel)?;
    let name = body.name.text("name")?;
    check::model_name(&name)?;
    let tags = pairs(body.tags, "tags")?;
    tags.iter().try_for_each(|(key, value)| check::registry_tag(key, value))?;
    let model = RegisteredModel {
        project: door.project().clone(),
        name,
        description: body.description.or_empty("description")?,
        tags: tags.into_iter().collect(),
        aliases: Default::default(),
        created_at: door.now(),
        updated_at: door.now(),
    };
    door.write((model.clone(), door.principal.actor.clone()), |tx, a| {
        Box::pin(async move { tx.registered_model_create(&a.0, &a.1).await })
    })
    .await?;
    Ok(Json(One { registered_model: show::model(model, None) }))
}

/// Returns a model and the newest version that the caller sees in lists.
async fn with_latest(door: &Door, name: &str) -> Result<(RegisteredModel, Option<ModelVersion>)> {
    let (model, mut versions) = door
        .read((door.project().clone(), name.to_owned()), |tx, a| {
            Box::pin(async move {
                let model = tx.registered_model_find(&a.0, &a.1).await?;
                Ok((model, tx.model_versions_of(&a.0, &a.1).await?))
            })
        })
        .await?;
    versions.retain(|version| listed(door, version));
    Ok((model, versions.pop()))
}

async fn shown(door: &Door, name: &str) -> Result<Json<One>> {
    let (model, latest) = with_latest(door, name).await?;
    Ok(Json(One { registered_model: show::model(model, latest) }))
}

pub(super) async fn read(door: Door, query: Query) -> Result<Json<One>> {
    door.may(Operation::ReadContent)?;
    shown(&door, query.text("name")?).await
}

#[derive(Serialize)]
pub(super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registered_models: Vec<ModelOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(super) async fn search(door: Door, query: Query) -> Result<Json<Found>> {
    door.may(Operation::ReadContent)?;
    let size = check::page_size(query.integer("max_results")?, PAGE.0, PAGE.1)?;
    let mut filter = filter::parse(Entity::Model, query.get("filter").unwrap_or_default())?;
    without_prompts(&mut filter);
    let order = query.all("order_by").into_iter().map(|text| filter::order(Entity::Model, text));
    let search = Search {
        filter,
        order: order.collect::<Result<_>>()?,
        lifecycle: Lifecycle::Active,
        offset: page::offset(query.get("page_token"))?,
        limit: size + 1,
    };
    let offset = search.offset;
    let mut found = door
        .read((door.project().clone(), search), |tx, a| {
            Box::pin(async move {
                let mut found = Vec::new();
                for model in tx.registered_models_search(&a.0, &a.1).await? {
                    let versions = tx.model_versions_of(&a.0, &model.name).await?;
                    found.push((model, versions));
                }
                Ok(found)
            })
        })
        .await?;
    let next_page_token = page::cut(&mut found, offset, size);
    let registered_models = found
        .into_iter()
        .map(|(model, versions)| {
            let latest = versions.into_iter().rev().find(|version| listed(&door, version));
            show::model(model, latest)
        })
        .collect();
    Ok(Json(Found { registered_models, next_page_token }))
}

#[derive(Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    name: Field<String>,
    #[serde(default)]
    new_name: Field<String>,
    #[serde(default)]
    description: Field<String>,
    #[serde(default)]
    key: Field<String>,
    #[serde(default)]
    value: Field<String>,
    #[serde(default)]
    alias: Field<String>,
    #[serde(default)]
    version: Field<String>,
}

pub(super) async fn describe(door: Door, Body(body): Body<Which>) -> Result<Json<One>> {
    door.may(Operation::RegisterModel)?;
    door.not_a_step()?;
    let name = body.name.text("name")?;
    let description = body.description.or_empty("description")?;
    door.write((door.project().clone(), name.clone(), description, door.now()), |tx, a| {
        Box::pin(async move { tx.registered_model_describe(&a.0, &a.1, &a.2, a.3).await })
    })
    .await?;
    shown(&door, &name).await
}

pub(super) async fn rename(door: Door, Body(body): Body<Which>) -> Result<Json<One>> {
    door.may(Operation::MoveAlias)?;
    door.not_a_step()?;
    let name = body.name.text("name")?;
    let new = body.new_name.text("new_name")?;
    check::model_name(&new)?;
    let args = (door.project().clone(), name, new.clone(), door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.registered_model_rename(&a.0, &a.1, &a.2, &a.3, a.4).await }))
        .await?;
    shown(&door, &new).await
}

pub(super) async fn remove(door: Door, Body(body): Body<Which>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteModel)?;
    let name = body.name.text("name")?;
    let args = (door.project().clone(), name, door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.registered_model_delete(&a.0, &a.1, &a.2, a.3).await })).await?;
    Ok(Json(Empty {}))
}

pub(super) async fn tag_set(door: Door, Body(body): Body<Which>) -> Result<Json<Empty>> {
    door.may(Operation::RegisterModel)?;
    let (name, key, value) = (body.name.text("name")?, body.key.text("key")?, body.value.or_empty("value")?);
    check::registry_tag(&key, &value)?;
    door.write((door.project().clone(), name, key, value), |tx, a| {
        Box::pin(async move { tx.registered_model_tag_set(&a.0, &a.1, &a.2, &a.3).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

pub(super) async fn tag_delete(door: Door, Body(body): Body<Which>) -> Result<Json<Empty>> {
    door.may(Operation::RegisterModel)?;
    let (name, key) = (body.name.text("name")?, body.key.text("key")?);
    door.write((door.project().clone(), name, key), |tx, a| {
        Box::pin(async move { tx.registered_model_tag_delete(&a.0, &a.1, &a.2).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Serialize)]
pub(super) struct OneVersion {
    model_version: VersionOut,
}

pub(super) async fn alias_read(door: Door, query: Query) -> Result<Json<OneVersion>> {
    door.may(Operation::ReadContent)?;
    let (name, alias) = (query.text("name")?.to_owned(), query.text("alias")?.to_owned());
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

pub(super) async fn alias_set(door: Door, Body(body): Body<Which>) -> Result<Json<Empty>> {
    door.may(Operation::MoveAlias)?;
    let (name, alias) = (body.name.text("name")?, body.alias.text("alias")?);
    check::alias(&alias)?;
    let version = number(&body.version.text("version")?)?;
    door.alias_set(&name, version, &alias).await?;
    Ok(Json(Empty {}))
}

pub(super) async fn alias_delete(door: Door, Body(body): Body<Which>) -> Result<Json<Empty>> {
    door.may(Operation::MoveAlias)?;
    let (name, alias) = (body.name.text("name")?, body.alias.text("alias")?);
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

async fn newest(door: &Door, name: &str) -> Result<Json<Versions>> {
    door.may(Operation::ReadContent)?;
    let (model, latest) = with_latest(door, name).await?;
    Ok(Json(Versions { model_versions: latest.into_iter().map(|version| show::version(version, &model)).collect() }))
}

pub(super) async fn latest(door: Door, Body(body): Body<Which>) -> Result<Json<Versions>> {
    newest(&door, &body.name.text("name")?).await
}

pub(super) async fn latest_get(door: Door, query: Query) -> Result<Json<Versions>> {
    newest(&door, query.text("name")?).await
}
