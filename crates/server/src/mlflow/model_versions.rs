//! Versions of registered models.

use std::collections::BTreeMap;

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    LoggedModelId,
    record::{ModelVersion, PendingVersion, RegisteredModel, RegistryFact, is_prompt},
};
use windlass_plan::access::Operation;
use windlass_store::LoggedModelChange;

use super::{
    check,
    door::Door,
    error::{Error, Result},
    model_source::{self, Origin, Packed, number},
    request::{Asked, Check, Kind, Message, PAIR, Pair, Shape, pairs, quoted},
    show::{self, Empty, VersionOut},
};

/// The tag of a logged model that lists the versions made from it, JSON as text.
const VERSIONS: &str = "mlflow.modelVersions";

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Create {
    name: String,
    source: String,
    run_id: Option<String>,
    run_link: String,
    description: String,
    model_id: Option<String>,
    tags: Vec<Pair>,
}

impl Message for Create {
    const SHAPE: Shape = Shape {
        fields: &[
            ("name", Kind::Text),
            ("source", Kind::Text),
            ("run_id", Kind::Text),
            ("tags", Kind::Messages(PAIR)),
            ("run_link", Kind::Text),
            ("description", Kind::Text),
            ("model_id", Kind::Text),
        ],
        checks: &[
            ("name", &[Check::IsText, Check::Required]),
            ("source", &[Check::IsText, Check::Required]),
            ("run_id", &[Check::IsText]),
            ("tags", &[Check::IsList]),
            ("run_link", &[Check::IsText]),
            ("description", &[Check::IsText]),
            ("model_id", &[Check::IsText]),
        ],
    };
}

#[derive(Serialize)]
pub(super) struct One {
    model_version: VersionOut,
}

pub(super) async fn create(door: Door, Asked(asked): Asked<Create>) -> Result<Json<One>> {
    door.may(Operation::RegisterModel)?;
    let Create { name, source, run_id, run_link, description, model_id, tags } = asked;
    let tags: BTreeMap<String, String> = pairs(tags).into_iter().collect();
    let origin = if is_prompt(&tags) {
        model_source::of_prompt(&source)?;
        Origin { source, run: None, model: None }
    } else {
        model_source::origin(&door, source, run_id, model_id).await?
    };
    check::model_name(&name)?;
    tags.iter().try_for_each(|(key, value)| check::registry_tag(key, value))?;
    for (what, text) in [("source", &origin.source), ("description", &description), ("run_link", &run_link)] {
        check::nul(what, text)?;
    }
    let Origin { source, mut run, model: logged } = origin;
    if let (Some(id), None) = (&logged, &run) {
        let missing = || Error::not_found(format!("Logged model with ID '{id}' not found."));
        run = model_source::logged(&door, id).await?.ok_or_else(missing)?.source_run;
    }
    let packed = match model_source::root(&door, &source).await.unwrap_or(None) {
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
        description,
        tags,
        run_link,
        stage: Default::default(),
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
    door.webhooks_moved();
    Ok(Json(One { model_version: show::version(version, &model) }))
}

#[derive(Deserialize, PartialEq)]
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
    // In Python's manner, with spaces.
    let shown = |made: &Made| format!("{{\"name\": {}, \"version\": {}}}", quoted(&made.name), made.version);
    format!("[{}]", made.iter().map(shown).collect::<Vec<_>>().join(", "))
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

/// Which version.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Which {
    name: String,
    version: String,
}

impl Message for Which {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("version", Kind::Text)],
        checks: &[("name", &[Check::IsText, Check::Required]), ("version", &[Check::IsText, Check::Required])],
    };
}

impl Which {
    /// Returns the model's name and the version's number.
    fn checked(self) -> Result<(String, u32)> {
        check::model_name(&self.name)?;
        let version = number(&self.name, &self.version)?;
        Ok((self.name, version))
    }
}

pub(super) async fn read(door: Door, Asked(asked): Asked<Which>) -> Result<Json<One>> {
    door.may(Operation::ReadContent)?;
    let (name, version) = asked.checked()?;
    let (version, model) = found(&door, &name, version).await?;
    Ok(Json(One { model_version: show::version(version, &model) }))
}

#[derive(Serialize)]
pub(super) struct DownloadUri {
    artifact_uri: String,
}

/// As [`Which`], of which MLflow checks nothing beforehand here.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Download {
    name: String,
    version: String,
}

impl Message for Download {
    const SHAPE: Shape = Shape { fields: &[("name", Kind::Text), ("version", Kind::Text)], checks: &[] };
}

pub(super) async fn download_uri(door: Door, Asked(asked): Asked<Download>) -> Result<Json<DownloadUri>> {
    door.may(Operation::ReadContent)?;
    let (name, version) = Which { name: asked.name, version: asked.version }.checked()?;
    let (version, _) = found(&door, &name, version).await?;
    let artifact_uri = model_source::download_uri(&door, &version.source).await.unwrap_or(version.source);
    Ok(Json(DownloadUri { artifact_uri }))
}

/// Returns whether the caller sees a version in lists: provisional ones only the step that registered them.
pub(super) fn listed(door: &Door, version: &ModelVersion) -> bool {
    let own = door.principal.attempt.as_ref().map(|own| &own.step_run);
    version.pending.as_ref().is_none_or(|pending| Some(&pending.step_run) == own)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Describe {
    name: String,
    version: String,
    description: String,
}

impl Message for Describe {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("version", Kind::Text), ("description", Kind::Text)],
        checks: &[
            ("name", &[Check::IsText, Check::Required]),
            ("version", &[Check::IsText, Check::Required]),
            ("description", &[Check::IsText]),
        ],
    };
}

pub(super) async fn describe(door: Door, Asked(asked): Asked<Describe>) -> Result<Json<One>> {
    door.may(Operation::RegisterModel)?;
    let (name, version) = Which { name: asked.name, version: asked.version }.checked()?;
    let description = asked.description;
    check::nul("description", &description)?;
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

pub(super) async fn remove(door: Door, Asked(asked): Asked<Which>) -> Result<Json<Empty>> {
    door.may(Operation::DeleteModel)?;
    let (name, version) = asked.checked()?;
    let args = (door.project().clone(), name, version, door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| Box::pin(async move { tx.model_version_delete(&a.0, &a.1, a.2, &a.3, a.4).await }))
        .await?;
    Ok(Json(Empty {}))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct TagSet {
    name: String,
    version: String,
    key: String,
    value: String,
}

impl Message for TagSet {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("version", Kind::Text), ("key", Kind::Text), ("value", Kind::Text)],
        checks: &[
            ("name", &[Check::IsText, Check::Required]),
            ("version", &[Check::IsText, Check::Required]),
            ("key", &[Check::IsText, Check::Required]),
            ("value", &[Check::IsText]),
        ],
    };
}

pub(super) async fn tag_set(door: Door, Asked(asked): Asked<TagSet>) -> Result<Json<Empty>> {
    door.may(Operation::RegisterModel)?;
    let TagSet { name, version, key, value } = asked;
    let (name, version) = Which { name, version }.checked()?;
    check::registry_tag(&key, &value)?;
    own(&door, &name, version).await?;
    door.write((door.project().clone(), name, version, key, value, door.now()), |tx, a| {
        Box::pin(async move {
            let (project, name, version, key, value, now) = &*a;
            tx.model_version_tag_set(project, name, *version, key, value).await?;
            let what = RegistryFact::VersionTagSet { version: *version, key: key.clone(), value: value.clone() };
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
    version: String,
    key: String,
}

impl Message for TagDelete {
    const SHAPE: Shape = Shape {
        fields: &[("name", Kind::Text), ("version", Kind::Text), ("key", Kind::Text)],
        checks: &[
            ("name", &[Check::IsText, Check::Required]),
            ("version", &[Check::IsText, Check::Required]),
            ("key", &[Check::IsText, Check::Required]),
        ],
    };
}

pub(super) async fn tag_delete(door: Door, Asked(asked): Asked<TagDelete>) -> Result<Json<Empty>> {
    door.may(Operation::RegisterModel)?;
    let (name, version) = Which { name: asked.name, version: asked.version }.checked()?;
    check::key("key", &asked.key)?;
    own(&door, &name, version).await?;
    door.write((door.project().clone(), name, version, asked.key, door.now()), |tx, a| {
        Box::pin(async move {
            let (project, name, version, key, now) = &*a;
            tx.model_version_tag_delete(project, name, *version, key).await?;
            let what = RegistryFact::VersionTagDeleted { version: *version, key: key.clone() };
            tx.registered_model_changed(project, name, what, *now).await
        })
    })
    .await?;
    door.webhooks_moved();
    Ok(Json(Empty {}))
}
