//! Versions of registered models.

use std::collections::BTreeMap;

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    LoggedModelId, RunId,
    filter::{Attribute, Comparison, Field as FilterField, Operator, Search, Value},
    record::{ModelVersion, PendingVersion, RegisteredModel},
};
use windlass_plan::access::Operation;
use windlass_store::LoggedModelChange;

use super::{
    check,
    door::Door,
    error::Result,
    filter::{self, Entity},
    model_source::{self, Packed, Source, number},
    page,
    show::{self, Empty, VersionOut},
    wire::{Body, Field, List, Pair, Query, pairs},
};

/// How many versions a search shows unless it says otherwise, and at most.
const PAGE: (u32, u32) = (10_000, 200_000);
/// The tag of a logged model that lists the versions made from it, JSON as text.
const VERSIONS: &str = "mlflow.modelVersions";

#[derive(Deserialize)]
pub(super) struct Create {
    #[serde(default)]
    name: Field<String>,
    #[serde(default)]
    source: Field<String>,
    #[serde(default)]
    run_id: Field<String>,
    #[serde(default)]
    run_link: Field<String>,
    #[serde(default)]
    description: Field<String>,
    #[serde(default)]
    model_id: Field<String>,
    #[serde(default)]
    tags: List<Pair>,
}

#[derive(Serialize)]
pub(super) struct One {
    model_version: VersionOut,
}

pub(super) async fn create(door: Door, Body(body): Body<Create>) -> Result<Json<One>> {
    door.may(Operation::RegisterModel)?;
    let name = body.name.text("name")?;
    check::model_name(&name)?;
    let source = body.source.text("source")?;
    let mut run = body.run_id.optional("run_id")?.filter(|run| !run.is_empty()).map(RunId::new);
    let model = body.model_id.optional("model_id")?.filter(|model| !model.is_empty()).map(LoggedModelId::new);
    let tags = pairs(body.tags, "tags")?;
    tags.iter().try_for_each(|(key, value)| check::registry_tag(key, value))?;
    let parsed = model_source::check(&door, &source, run.as_ref(), model.as_ref()).await?;
    let logged = match (&parsed, model) {
        (Source::Model(id), _) => Some(id.clone()),
        (_, model) => model,
    };
    if let Some(id) = &logged {
        let found = door
            .read((door.project().clone(), id.clone()), |tx, a| {
                Box::pin(async move { tx.logged_model_get(&a.0, &a.1).await })
            })
            .await?;
        let missing = || super::error::Error::not_found(format!("Logged model with ID '{id}' not found."));
        run = run.or(found.ok_or_else(missing)?.source_run);
    }
    let packed = match model_source::root(&door, &source).await? {
        Some(root) => model_source::pack(&door, &root).await?,
        None => None,
    };
    let now = door.now();
    let own = door.principal.attempt.as_ref();
    let (manifest, size, contents) = match packed {
        Some(Packed { manifest, size, contents }) => (Some(manifest), size, contents),
        None => (None, 0, Vec::new()),
    };
    let version = ModelVersion {
        project: door.project().clone(),
        model: name,
        version: 0,
        run,
        source,
        logged_model: logged.as_ref().map(LoggedModelId::to_string),
        manifest,
        size,
        pending: own.map(|own| PendingVersion { step_run: own.step_run.clone(), ordinal: 0 }),
        description: body.description.or_empty("description")?,
        tags: tags.into_iter().collect::<BTreeMap<_, _>>(),
        run_link: body.run_link.or_empty("run_link")?,
        created_at: now,
        updated_at: now,
    };
    let args = (version, own.map(|own| own.attempt.clone()), contents, logged, door.principal.actor.clone());
    let (version, model) = door
        .write(args, |tx, a| {
            Box::pin(async move {
                let (version, attempt, contents, logged, actor) = &*a;
                let mut version = version.clone();
                let project = version.project.clone();
                tx.registered_model_find(&project, &version.model).await?;
                if let (Some(pending), Some(attempt)) = (&mut version.pending, attempt) {
                    tx.attempt_open(attempt).await?;
                    pending.ordinal = tx.model_versions_registered(&project, &version.model, attempt).await?;
                }
                version.version = tx.model_version_register_as(&version, attempt.as_ref(), actor).await?;
                let holder = format!("model/{}/{}", version.model, version.version);
                tx.content_refs_add(&project, &holder, contents).await?;
                if let Some(logged) = logged
                    && let Some(found) = tx.logged_model_get(&project, logged).await?
                {
                    let tags = vec![(VERSIONS.to_owned(), with_version(&found.tags, &version))];
                    let millis = version.created_at.millis();
                    tx.logged_model_change(&project, logged, &LoggedModelChange::Tags(tags), millis).await?;
                }
                let model = tx.registered_model_find(&project, &version.model).await?;
                Ok((version, model))
            })
        })
        .await?;
    Ok(Json(One { model_version: show::version(version, &model) }))
}

#[derive(Serialize, Deserialize, PartialEq)]
struct Made {
    name: String,
    version: serde_json::Value,
}

/// Returns the list of versions made from a logged model, with one more.
fn with_version(tags: &[(String, String)], version: &ModelVersion) -> String {
    let old = tags.iter().find(|(key, _)| key == VERSIONS).map_or("[]", |(_, value)| value);
    let mut made: Vec<Made> = serde_json::from_str(old).unwrap_or_default();
    let new = Made { name: version.model.clone(), version: version.version.into() };
    if !made.contains(&new) {
        made.push(new);
    }
    serde_json::to_string(&made).expect("names and numbers are JSON")
}

async fn found(door: &Door, name: &str, version: u32) -> Result<(ModelVersion, RegisteredModel)> {
    door.read((door.project().clone(), name.to_owned(), version), |tx, a| {
        Box::pin(async move {
            let version = tx.model_version_find(&a.0, &a.1, a.2).await?;
            Ok((version, tx.registered_model_find(&a.0, &a.1).await?))
        })
    })
    .await
}

pub(super) async fn read(door: Door, query: Query) -> Result<Json<One>> {
    door.may(Operation::ReadContent)?;
    let (version, model) = found(&door, query.text("name")?, number(query.text("version")?)?).await?;
    Ok(Json(One { model_version: show::version(version, &model) }))
}

#[derive(Serialize)]
pub(super) struct DownloadUri {
    artifact_uri: String,
}

pub(super) async fn download_uri(door: Door, query: Query) -> Result<Json<DownloadUri>> {
    door.may(Operation::ReadContent)?;
    let (version, _) = found(&door, query.text("name")?, number(query.text("version")?)?).await?;
    let root = model_source::root(&door, &version.source).await.unwrap_or(None);
    Ok(Json(DownloadUri { artifact_uri: root.map_or(version.source, |root| show::artifact_uri(&root)) }))
}

#[derive(Serialize)]
pub(super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_versions: Vec<VersionOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// Returns whether the caller sees a version in lists: provisional ones only the step that registered them.
pub(super) fn listed(door: &Door, version: &ModelVersion) -> bool {
    let own = door.principal.attempt.as_ref().map(|own| &own.step_run);
    version.pending.as_ref().is_none_or(|pending| Some(&pending.step_run) == own)
}

/// The tag that marks a model as a prompt. Clients exclude prompts, and what lacks the tag is none.
const PROMPT: &str = "mlflow.prompt.is_prompt";

/// Takes the exclusion of prompts out of a filter: to the store a comparison with a tag means that the tag is there.
pub(super) fn without_prompts(filter: &mut Vec<Comparison>) {
    for comparison in filter {
        let prompt = comparison.field == FilterField::Tag(PROMPT.to_owned());
        if prompt && comparison.operator == Operator::NotEqual {
            comparison.operator = Operator::IsNull;
            comparison.value = Value::None;
        }
    }
}

pub(super) async fn search(door: Door, query: Query) -> Result<Json<Found>> {
    door.may(Operation::ReadContent)?;
    let size = check::page_size(query.integer("max_results")?, PAGE.0, PAGE.1)?;
    let mut filter = filter::parse(Entity::Version, query.get("filter").unwrap_or_default())?;
    without_prompts(&mut filter);
    let order = query.all("order_by").into_iter().map(|text| filter::order(Entity::Version, text));
    let mut search = Search {
        filter,
        order: order.collect::<Result<_>>()?,
        offset: page::offset(query.get("page_token"))?,
        limit: size + 1,
        ..Search::default()
    };
    if search.order.is_empty() {
        // As MLflow: the newest numbers first within the last changed.
        search.order.push(windlass_kinds::filter::Order {
            field: FilterField::Attribute(Attribute::Updated),
            ascending: false,
        });
    }
    let offset = search.offset;
    let mut versions = door
        .read((door.project().clone(), search), |tx, a| {
            Box::pin(async move {
                let mut models: BTreeMap<String, RegisteredModel> = BTreeMap::new();
                let mut found = Vec::new();
                for version in tx.model_versions_search(&a.0, &a.1).await? {
                    if !models.contains_key(&version.model) {
                        let model = tx.registered_model_find(&a.0, &version.model).await?;
                        models.insert(version.model.clone(), model);
                    }
                    found.push((models[&version.model].clone(), version));
                }
                Ok(found)
            })
        })
        .await?;
    let next_page_token = page::cut(&mut versions, offset, size);
    versions.retain(|(_, version)| listed(&door, version));
    let model_versions = versions.into_iter().map(|(model, version)| show::version(version, &model)).collect();
    Ok(Json(Found { model_versions, next_page_token }))
}

#[derive(Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    name: Field<String>,
    #[serde(default)]
    version: Field<String>,
    #[serde(default)]
    key: Field<String>,
    #[serde(default)]
    value: Field<String>,
    #[serde(default)]
    description: Field<String>,
}

pub(super) async fn describe(door: Door, Body(body): Body<Which>) -> Result<Json<One>> {
    door.may(Operation::RegisterModel)?;
    let (name, version) = (body.name.text("name")?, number(&body.version.text("version")?)?);
    let description = body.description.or_empty("description")?;
    own(&door, &name, version).await?;
    let (version, model) = door
        .write((door.project().clone(), name, version, description, door.now()), |tx, a| {
            Box::pin(async move {
                let version = tx.model_version_describe(&a.0, &a.1, a.2, &a.3, a.4).await?;
                Ok((version, tx.registered_model_find(&a.0, &a.1).await?))
            })
        })
        .await?;
    Ok(Json(One { model_version: show::version(version, &model) }))
}

/// Refuses versions that the code of a step did not register itself.
async fn own(door: &Door, name: &str, version: u32) -> Result<()> {
    if door.principal.attempt.is_none() {
        return Ok(());
    }
    let (version, _) = found(door, name, version).await?;
    if version.pending.is_some() && listed(door, &version) { Ok(()) } else { door.not_a_step() }
}

pub(super) async fn remove(door: Door, Body(body): Body<Which>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteModel)?;
    let (name, version) = (body.name.text("name")?, number(&body.version.text("version")?)?);
    let args = (door.project().clone(), name, version, door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.model_version_delete(&a.0, &a.1, a.2, &a.3, a.4).await }))
        .await?;
    Ok(Json(Empty {}))
}

pub(super) async fn tag_set(door: Door, Body(body): Body<Which>) -> Result<Json<Empty>> {
    door.may(Operation::RegisterModel)?;
    let (name, version) = (body.name.text("name")?, number(&body.version.text("version")?)?);
    let (key, value) = (body.key.text("key")?, body.value.or_empty("value")?);
    check::registry_tag(&key, &value)?;
    own(&door, &name, version).await?;
    door.write((door.project().clone(), name, version, key, value), |tx, a| {
        Box::pin(async move { tx.model_version_tag_set(&a.0, &a.1, a.2, &a.3, &a.4).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

pub(super) async fn tag_delete(door: Door, Body(body): Body<Which>) -> Result<Json<Empty>> {
    door.may(Operation::RegisterModel)?;
    let (name, version) = (body.name.text("name")?, number(&body.version.text("version")?)?);
    let key = body.key.text("key")?;
    own(&door, &name, version).await?;
    door.write((door.project().clone(), name, version, key), |tx, a| {
        Box::pin(async move { tx.model_version_tag_delete(&a.0, &a.1, a.2, &a.3).await })
    })
    .await?;
    Ok(Json(Empty {}))
}
