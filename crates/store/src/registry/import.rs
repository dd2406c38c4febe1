//! Registered models and versions that come from elsewhere: with their numbers and times.
//!
//! Aliases are not here: they go through the gates like everybody's.

use std::collections::BTreeMap;

use windlass_kinds::{
    Digest, LoggedModelId, Micros, Name,
    record::{Actor, ImportAnswer, ImportModel, ImportOutcome, ImportVersion, LedgerKind, ModelVersion, OnConflict},
};

use super::holder;
use crate::{
    StoreError, Tx,
    import::{Marked, other_name},
    tx::args,
};

/// What a version's files became here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedVersion {
    /// The digest of its OCI manifest.
    pub manifest: Digest,
    /// Bytes of all its files.
    pub size: u64,
    /// Everything that the manifest needs, itself included.
    pub contents: Vec<Digest>,
}

fn answer(name: &str, outcome: ImportOutcome) -> ImportAnswer {
    ImportAnswer { name: name.to_owned(), outcome }
}

impl Tx {
    /// Brings a registered model over, or what changed of one since.
    pub async fn import_model(
        &mut self,
        project: &Name,
        given: &ImportModel,
        actor: &Actor,
        now: Micros,
    ) -> Result<ImportAnswer, StoreError> {
        self.lock_project(project).await?;
        let ImportModel { name, description, created_ms, updated_ms, tags, on_conflict, dry_run } = given;
        let digest = windlass_kinds::canonical::digest(&(description, tags)).to_string();
        if let Some(mark) = self.import_mark(project, Marked::Model, name).await?
            && let Some((known, here)) = mark.split_once(' ')
            && self.registered_model_get(project, here).await?.is_some()
        {
            if known == digest {
                return Ok(answer(here, ImportOutcome::There));
            }
            if !dry_run {
                self.registered_model_describe(project, here, description, Micros::from_millis(*updated_ms)).await?;
                for (key, value) in tags {
                    self.registered_model_tag_put(project, here, key, value).await?;
                }
                self.import_mark_set(project, Marked::Model, name, &format!("{digest} {here}")).await?;
            }
            return Ok(answer(here, ImportOutcome::Updated));
        }
        let mut here = name.clone();
        let mut n = 0;
        while self.registered_model_get(project, &here).await?.is_some() {
            match on_conflict {
                OnConflict::Skip => {
                    let why = format!(
                        "a model `{name}` is here that did not come from there; --on-conflict rename brings it over under another name"
                    );
                    return Ok(answer(name, ImportOutcome::LeftOut(why)));
                }
                OnConflict::Fail => {
                    return Err(StoreError::conflict(format!("a model `{name}` is here that did not come from there")));
                }
                OnConflict::Rename => {
                    n += 1;
                    here = other_name(name, n);
                }
            }
        }
        if *dry_run {
            return Ok(answer(&here, ImportOutcome::Imported));
        }
        let created = Micros::from_millis(*created_ms);
        self.registered_model_insert(project, &here, description, created).await?;
        for (key, value) in tags {
            self.registered_model_tag_put(project, &here, key, value).await?;
        }
        self.registered_model_touch(project, &here, Micros::from_millis(*updated_ms)).await?;
        self.import_mark_set(project, Marked::Model, name, &format!("{digest} {here}")).await?;
        let subject = format!("model {here}");
        self.ledger_append(project, actor, LedgerKind::Registry, &subject, &("imported", name), now).await?;
        Ok(answer(&here, ImportOutcome::Imported))
    }

    /// Returns the marks of versions of a model that were brought over and are still there, by number.
    pub async fn import_versions_known(
        &mut self,
        project: &Name,
        model: &str,
    ) -> Result<BTreeMap<u32, String>, StoreError> {
        let mut known = BTreeMap::new();
        for version in self.model_versions_of(project, model).await? {
            let id = format!("{model}/{}", version.version);
            if let Some(mark) = self.import_mark(project, Marked::Version, &id).await? {
                known.insert(version.version, mark);
            }
        }
        Ok(known)
    }

    /// Brings a version over, or what changed of one since. Its number is kept, and those that count on from it come
    /// after it.
    pub async fn import_version(
        &mut self,
        project: &Name,
        given: &ImportVersion,
        packed: Option<&PackedVersion>,
        actor: &Actor,
        now: Micros,
    ) -> Result<ImportAnswer, StoreError> {
        let ImportVersion { model, version, run, source, logged_model, description, run_link, .. } = given;
        let ImportVersion { created_ms, updated_ms, tags, stage, mark, .. } = given;
        let id = format!("{model}/{version}");
        self.lock_project(project).await?;
        self.registered_model_find(project, model).await?;
        let known = self.import_mark(project, Marked::Version, &id).await?;
        let (created_at, updated_at) = (Micros::from_millis(*created_ms), Micros::from_millis(*updated_ms));
        match (self.model_version_get(project, model, *version).await?, &known) {
            (Some(_), Some(known)) if known == mark => return Ok(answer(&id, ImportOutcome::There)),
            (Some(_), Some(_)) => {
                self.model_version_describe(project, model, *version, description, updated_at).await?;
                for (key, value) in tags {
                    self.model_version_tag_put(project, model, *version, key, value).await?;
                }
                self.import_mark_set(project, Marked::Version, &id, mark).await?;
                return Ok(answer(&id, ImportOutcome::Updated));
            }
            (Some(_), None) => {
                let why = "a version with this number is here that did not come from there".to_owned();
                return Ok(answer(&id, ImportOutcome::LeftOut(why)));
            }
            (None, Some(_)) => {
                let why = "it was brought over before and deleted here since".to_owned();
                return Ok(answer(&id, ImportOutcome::LeftOut(why)));
            }
            (None, None) => {}
        }
        let number_last = self
            .row("SELECT last FROM model_number WHERE project = $1 AND model = $2", args![project, model])
            .await?
            .map_or(Ok(0), |row| row.count(0))?;
        // A number means one version for ever: one that is no longer there is not given to another.
        if number_last >= *version {
            let why = "a version with this number was here and is deleted".to_owned();
            return Ok(answer(&id, ImportOutcome::LeftOut(why)));
        }
        self.execute(
            "INSERT INTO model_number (project, model, last) VALUES ($1, $2, $3)
             ON CONFLICT (project, model) DO UPDATE
             SET last = CASE WHEN excluded.last > model_number.last THEN excluded.last ELSE model_number.last END",
            args![project, model, *version],
        )
        .await?;
        let version = ModelVersion {
            project: project.clone(),
            model: model.clone(),
            version: *version,
            run: run.clone(),
            source: source.clone(),
            logged_model: logged_model.as_ref().map(LoggedModelId::to_string),
            manifest: packed.map(|packed| packed.manifest.clone()),
            size: packed.map_or(0, |packed| packed.size),
            pending: None,
            description: description.clone(),
            tags: BTreeMap::new(),
            run_link: run_link.clone(),
            stage: *stage,
            created_at,
            updated_at,
        };
        self.model_version_insert(&version, None, actor).await?;
        for (key, value) in tags {
            self.model_version_tag_put(project, model, version.version, key, value).await?;
        }
        if let Some(packed) = packed {
            self.content_refs_add(project, &holder(model, version.version), &packed.contents).await?;
        }
        self.model_version_record(&version, actor, now).await?;
        self.import_mark_set(project, Marked::Version, &id, mark).await?;
        Ok(answer(&id, ImportOutcome::Imported))
    }
}
