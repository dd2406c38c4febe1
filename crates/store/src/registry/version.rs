//! Versions of registered models.

use std::collections::BTreeMap;

use serde::Serialize;
use windlass_kinds::{
    AttemptId, Digest, Micros, Name, RunId, StepRunId,
    filter::{Attribute, Page, Search},
    record::{Actor, LedgerKind, ModelVersion, PendingVersion, RegistryChange, RegistryFact, VersionStage, is_prompt},
};

use crate::{
    StoreError, Tx,
    encode::{from_word, word},
    tracking::{Columns, Find, Holds, Keyed, Query, Refusal, Subject},
    tx::{Row, args},
};

/// The columns of a version, in the order of [`Tx::model_version_of`].
const COLUMNS: &str = "v.model, v.version, v.run, v.source, v.logged_model, v.manifest, v.size, v.pending_step, v.pending_ordinal, v.description, v.run_link, v.created_at, v.updated_at, v.actor, v.stage";

/// What the ledger keeps of a version: who it is and what it consists of. Descriptions and tags may change later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionFact {
    /// The model.
    pub model: String,
    /// The number.
    pub version: u32,
    /// The tracking run that made it.
    pub run: Option<RunId>,
    /// Where it came from.
    pub source: String,
    /// The logged model it was made from.
    pub logged_model: Option<String>,
    /// The digest of its OCI manifest.
    pub manifest: Option<Digest>,
    /// Bytes of all its files.
    pub size: u64,
}

impl From<&ModelVersion> for VersionFact {
    fn from(version: &ModelVersion) -> Self {
        Self {
            model: version.model.clone(),
            version: version.version,
            run: version.run.clone(),
            source: version.source.clone(),
            logged_model: version.logged_model.clone(),
            manifest: version.manifest.clone(),
            size: version.size,
        }
    }
}

/// Returns what refers to the content of a version.
pub(crate) fn holder(model: &str, version: u32) -> String {
    format!("model/{model}/{version}")
}

fn missing(model: &str, version: u32) -> StoreError {
    Refusal::Missing(Subject::Version(model.to_owned(), version)).into()
}

impl Tx {
    /// Registers a version for the control loop itself; see [`Tx::model_version_register_as`].
    pub async fn model_version_register(&mut self, version: &ModelVersion) -> Result<u32, StoreError> {
        self.model_version_register_as(version, None, &Actor::system()).await
    }

    /// Registers a version and returns its number; the one in `version` is not looked at. The model is made if need be.
    ///
    /// A provisional one takes over the version that the same step registered under the same ordinal before, if any.
    pub async fn model_version_register_as(
        &mut self,
        version: &ModelVersion,
        attempt: Option<&AttemptId>,
        actor: &Actor,
    ) -> Result<u32, StoreError> {
        let ModelVersion { project, model, pending, tags, created_at: now, .. } = version;
        if self.registered_model_insert(project, model, "", *now).await? {
            self.registered_model_appeared(project, model, "", *now).await?;
        }
        let taken = match pending {
            None => None,
            Some(PendingVersion { step_run, ordinal }) => {
                let row = self
                    .row(
                        "SELECT version FROM model_version
                         WHERE pending_step = $1 AND model = $2 AND pending_ordinal = $3 AND project = $4",
                        args![step_run.as_str(), model, *ordinal, project],
                    )
                    .await?;
                row.map(|row| row.count(0)).transpose()?
            }
        };
        let number = match taken {
            Some(number) => {
                self.content_refs_drop(project, &holder(model, number)).await?;
                for sql in [
                    "DELETE FROM model_version_tag WHERE project = $1 AND model = $2 AND version = $3",
                    "DELETE FROM model_version WHERE project = $1 AND model = $2 AND version = $3",
                ] {
                    self.execute(sql, args![project, model, number]).await?;
                }
                number
            }
            None => self.model_number_next(project, model).await?,
        };
        let version = ModelVersion { version: number, ..version.clone() };
        self.model_version_insert(&version, attempt, actor).await?;
        for (key, value) in tags {
            self.model_version_tag_put(project, model, number, key, value).await?;
        }
        self.registered_model_touch(project, model, *now).await?;
        if pending.is_none() {
            self.model_version_record(&version, actor, *now).await?;
            self.model_version_appeared(&version, *now).await?;
        }
        Ok(number)
    }

    async fn model_number_next(&mut self, project: &Name, model: &str) -> Result<u32, StoreError> {
        let row = self
            .row(
                "INSERT INTO model_number (project, model, last) VALUES ($1, $2, 1)
                 ON CONFLICT (project, model) DO UPDATE SET last = model_number.last + 1 RETURNING last",
                args![project, model],
            )
            .await?;
        row.map_or_else(|| Err(StoreError::corrupt("no model number was given")), |row| row.count(0))
    }

    pub(super) async fn model_version_insert(
        &mut self,
        version: &ModelVersion,
        attempt: Option<&AttemptId>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let ModelVersion {
            project,
            model,
            version: number,
            run,
            source,
            logged_model,
            manifest,
            size,
            pending,
            description,
            tags: _,
            run_link,
            stage,
            created_at,
            updated_at,
        } = version;
        self.execute(
            "INSERT INTO model_version (project, model, version, run, source, logged_model, manifest, size,
             pending_step, pending_ordinal, attempt, actor, description, run_link, created_at, updated_at, stage)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
            args![
                project,
                model,
                *number,
                run.as_ref().map(RunId::as_str),
                source,
                logged_model.as_deref(),
                manifest.as_ref().map(Digest::to_string),
                *size,
                pending.as_ref().map(|pending| pending.step_run.as_str()),
                pending.as_ref().map(|pending| pending.ordinal),
                attempt.map(AttemptId::as_str),
                actor.as_str(),
                description,
                run_link,
                *created_at,
                *updated_at,
                word(stage),
            ],
        )
        .await?;
        Ok(())
    }

    /// Tells who listens that a version was registered.
    async fn model_version_appeared(&mut self, version: &ModelVersion, now: Micros) -> Result<(), StoreError> {
        let ModelVersion { project, model, version: number, run, source, description, tags, .. } = version;
        let what = RegistryFact::VersionCreated {
            version: *number,
            source: source.clone(),
            run: run.clone(),
            tags: tags.clone(),
            description: description.clone(),
        };
        let change = RegistryChange { model: model.clone(), prompt: is_prompt(tags), what };
        self.registry_changed(project, &change, now).await
    }

    pub(super) async fn model_version_record(
        &mut self,
        version: &ModelVersion,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        let subject = format!("model {}@{}", version.model, version.version);
        let fact = VersionFact::from(version);
        self.ledger_append(&version.project, actor, LedgerKind::ModelVersion, &subject, &fact, now).await
    }

    /// Returns how many versions of a model an attempt has registered so far: the next one's ordinal.
    pub async fn model_versions_registered(
        &mut self,
        project: &Name,
        model: &str,
        attempt: &AttemptId,
    ) -> Result<u32, StoreError> {
        let row = self
            .row(
                "SELECT COUNT(*) FROM model_version
                 WHERE project = $1 AND model = $2 AND pending_step IS NOT NULL AND attempt = $3",
                args![project, model, attempt.as_str()],
            )
            .await?;
        row.map_or(Ok(0), |row| row.count(0))
    }

    /// Returns the provisional versions of a step, by model and number.
    pub async fn model_versions_pending(&mut self, step_run: &StepRunId) -> Result<Vec<ModelVersion>, StoreError> {
        let found = self.pending_with_attempt(step_run).await?;
        Ok(found.into_iter().map(|(version, _, _)| version).collect())
    }

    async fn pending_with_attempt(
        &mut self,
        step_run: &StepRunId,
    ) -> Result<Vec<(ModelVersion, Actor, Option<String>)>, StoreError> {
        let mut query = Query::new(
            self.is_postgres(),
            &format!("SELECT {COLUMNS}, v.attempt, v.project FROM model_version v WHERE v.pending_step = "),
        );
        query.arg(step_run.as_str());
        query.text(" ORDER BY v.model, v.version");
        let rows = query.rows(self).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let project: Name = row.parsed(16)?;
            let version = self.model_version_of(&project, row).await?;
            found.push((version, Actor::stored(row.text(13)?), row.opt_text(15)?));
        }
        Ok(found)
    }

    /// Makes a step's provisional versions final, in order, and returns them. What only an earlier attempt registered
    /// is removed: the attempt that commits is the one that ran last.
    pub async fn model_versions_commit(
        &mut self,
        step_run: &StepRunId,
        now: Micros,
    ) -> Result<Vec<ModelVersion>, StoreError> {
        let found = self.pending_with_attempt(step_run).await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let step = self.step_run_get(step_run).await?;
        let committing = step.and_then(|step| step.attempt);
        let mut done = Vec::with_capacity(found.len());
        for (version, actor, attempt) in found {
            let earlier = matches!((&committing, &attempt), (Some(now), Some(then)) if now.as_str() != then);
            if earlier {
                self.model_version_remove(&version).await?;
                continue;
            }
            self.execute(
                "UPDATE model_version SET pending_step = NULL, pending_ordinal = NULL
                 WHERE project = $1 AND model = $2 AND version = $3",
                args![&version.project, &version.model, version.version],
            )
            .await?;
            let version = ModelVersion { pending: None, ..version };
            self.model_version_record(&version, &actor, now).await?;
            self.model_version_appeared(&version, now).await?;
            done.push(version);
        }
        Ok(done)
    }

    /// Removes the provisional versions of a step that failed for good.
    pub async fn model_versions_abandon(&mut self, step_run: &StepRunId) -> Result<(), StoreError> {
        for version in self.model_versions_pending(step_run).await? {
            self.model_version_remove(&version).await?;
        }
        Ok(())
    }

    async fn model_version_remove(&mut self, version: &ModelVersion) -> Result<(), StoreError> {
        let ModelVersion { project, model, version: number, .. } = version;
        self.content_refs_drop(project, &holder(model, *number)).await?;
        for sql in [
            "DELETE FROM model_alias WHERE project = $1 AND model = $2 AND version = $3",
            "DELETE FROM model_version_tag WHERE project = $1 AND model = $2 AND version = $3",
            "DELETE FROM model_version WHERE project = $1 AND model = $2 AND version = $3",
        ] {
            self.execute(sql, args![project, model, *number]).await?;
        }
        Ok(())
    }

    /// Returns a version, provisional ones too.
    pub async fn model_version_get(
        &mut self,
        project: &Name,
        model: &str,
        version: u32,
    ) -> Result<Option<ModelVersion>, StoreError> {
        let mut query =
            Query::new(self.is_postgres(), &format!("SELECT {COLUMNS} FROM model_version v WHERE v.project = "));
        query.arg(project);
        query.text(" AND v.model = ");
        query.arg(model);
        query.text(" AND v.version = ");
        query.arg(version);
        match query.rows(self).await?.first() {
            None => Ok(None),
            Some(row) => Ok(Some(self.model_version_of(project, row).await?)),
        }
    }

    /// Returns a version; refuses one that is not there.
    pub async fn model_version_find(
        &mut self,
        project: &Name,
        model: &str,
        version: u32,
    ) -> Result<ModelVersion, StoreError> {
        self.model_version_get(project, model, version).await?.ok_or_else(|| missing(model, version))
    }

    /// Returns all versions of a model, provisional ones too, in order.
    pub async fn model_versions_of(&mut self, project: &Name, model: &str) -> Result<Vec<ModelVersion>, StoreError> {
        let mut query =
            Query::new(self.is_postgres(), &format!("SELECT {COLUMNS} FROM model_version v WHERE v.project = "));
        query.arg(project);
        query.text(" AND v.model = ");
        query.arg(model);
        query.text(" ORDER BY v.version");
        let rows = query.rows(self).await?;
        self.model_versions_from(project, &rows).await
    }

    /// Returns the versions that a search finds; the newest first unless it says otherwise.
    pub async fn model_versions_search(
        &mut self,
        project: &Name,
        search: &Search,
    ) -> Result<Vec<ModelVersion>, StoreError> {
        Ok(self.model_versions_page(project, search).await?.items)
    }

    /// As [`Tx::model_versions_search`], with the place at which the next page begins.
    pub async fn model_versions_page(
        &mut self,
        project: &Name,
        search: &Search,
    ) -> Result<Page<ModelVersion>, StoreError> {
        let found = FIND
            .rows(self, search, |query| {
                query.text("v.project = ");
                query.arg(project.to_string());
                if let Some((key, value)) = &search.without {
                    // A version is what its model's other versions are.
                    query.text(
                        " AND NOT EXISTS (SELECT 1 FROM model_version_tag x WHERE x.project = v.project
                         AND x.model = v.model AND x.key = ",
                    );
                    query.arg(key);
                    query.text(" AND x.value = ");
                    query.arg(value);
                    query.text(")");
                }
            })
            .await?;
        Ok(Page { items: self.model_versions_from(project, &found.items).await?, next: found.next })
    }

    async fn model_versions_from(&mut self, project: &Name, rows: &[Row]) -> Result<Vec<ModelVersion>, StoreError> {
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            found.push(self.model_version_of(project, row).await?);
        }
        Ok(found)
    }

    /// Gives a version another description.
    pub async fn model_version_describe(
        &mut self,
        project: &Name,
        model: &str,
        version: u32,
        description: &str,
        now: Micros,
    ) -> Result<ModelVersion, StoreError> {
        self.execute(
            "UPDATE model_version SET description = $4, updated_at = $5
             WHERE project = $1 AND model = $2 AND version = $3",
            args![project, model, version, description, now],
        )
        .await?;
        self.model_version_find(project, model, version).await
    }

    /// Moves a version to a stage; where asked, all other versions that stand there are archived.
    #[expect(clippy::too_many_arguments, reason = "each is one thing that is said of the move")]
    pub async fn model_version_stage(
        &mut self,
        project: &Name,
        model: &str,
        version: u32,
        stage: VersionStage,
        archive: bool,
        actor: &Actor,
        now: Micros,
    ) -> Result<ModelVersion, StoreError> {
        self.model_version_find(project, model, version).await?;
        if archive {
            self.execute(
                "UPDATE model_version SET stage = $5, updated_at = $6
                 WHERE project = $1 AND model = $2 AND stage = $3 AND version <> $4",
                args![project, model, word(&stage), version, word(&VersionStage::Archived), now],
            )
            .await?;
        }
        self.execute(
            "UPDATE model_version SET stage = $4, updated_at = $5
             WHERE project = $1 AND model = $2 AND version = $3",
            args![project, model, version, word(&stage), now],
        )
        .await?;
        self.registered_model_touch(project, model, now).await?;
        let subject = format!("model {model}@{version}");
        self.ledger_append(project, actor, LedgerKind::Registry, &subject, &("stage", stage, archive), now).await?;
        self.model_version_find(project, model, version).await
    }

    /// Deletes a version with its aliases. Its number is not given again.
    pub async fn model_version_delete(
        &mut self,
        project: &Name,
        model: &str,
        version: u32,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        let found = self.model_version_find(project, model, version).await?;
        self.model_version_remove(&found).await?;
        self.registered_model_touch(project, model, now).await?;
        let subject = format!("model {model}@{version}");
        self.ledger_append(project, actor, LedgerKind::Deletion, &subject, &("deleted", version), now).await
    }

    /// Sets a tag of a version.
    pub async fn model_version_tag_set(
        &mut self,
        project: &Name,
        model: &str,
        version: u32,
        key: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        self.model_version_find(project, model, version).await?;
        self.model_version_tag_put(project, model, version, key, value).await
    }

    pub(super) async fn model_version_tag_put(
        &mut self,
        project: &Name,
        model: &str,
        version: u32,
        key: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO model_version_tag (project, model, version, key, value) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (project, model, version, key) DO UPDATE SET value = excluded.value",
            args![project, model, version, key, value],
        )
        .await?;
        Ok(())
    }

    /// Removes a tag of a version; one that is not there is fine.
    pub async fn model_version_tag_delete(
        &mut self,
        project: &Name,
        model: &str,
        version: u32,
        key: &str,
    ) -> Result<(), StoreError> {
        self.model_version_find(project, model, version).await?;
        self.execute(
            "DELETE FROM model_version_tag WHERE project = $1 AND model = $2 AND version = $3 AND key = $4",
            args![project, model, version, key],
        )
        .await?;
        Ok(())
    }

    /// Moves the versions of a model to its new name. The numbers go on from the larger of both names' last ones.
    pub(super) async fn model_versions_rename(
        &mut self,
        project: &Name,
        model: &str,
        new: &str,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        let versions = self.model_versions_of(project, model).await?;
        self.execute(
            "UPDATE model_version SET model = $3, updated_at = $4 WHERE project = $1 AND model = $2",
            args![project, model, new, now],
        )
        .await?;
        self.execute(
            "INSERT INTO model_number (project, model, last)
             SELECT project, $3, last FROM model_number WHERE project = $1 AND model = $2
             ON CONFLICT (project, model) DO UPDATE
             SET last = CASE WHEN excluded.last > model_number.last THEN excluded.last ELSE model_number.last END",
            args![project, model, new],
        )
        .await?;
        for version in versions {
            self.execute(
                "UPDATE content_ref SET holder = $3 WHERE project = $1 AND holder = $2",
                args![project, holder(model, version.version), holder(new, version.version)],
            )
            .await?;
            if version.pending.is_none() {
                let version = ModelVersion { model: new.to_owned(), ..version };
                self.model_version_record(&version, actor, now).await?;
            }
        }
        Ok(())
    }

    async fn model_version_of(&mut self, project: &Name, row: &Row) -> Result<ModelVersion, StoreError> {
        let (model, number) = (row.text(0)?, row.count(1)?);
        let tags = self
            .rows(
                "SELECT key, value FROM model_version_tag WHERE project = $1 AND model = $2 AND version = $3",
                args![project, &model, number],
            )
            .await?;
        let size = row.int(6)?;
        let pending = match (row.opt_text(7)?, row.opt_int(8)?) {
            (Some(step_run), Some(_)) => {
                Some(PendingVersion { step_run: StepRunId::new(step_run), ordinal: row.count(8)? })
            }
            _ => None,
        };
        Ok(ModelVersion {
            project: project.clone(),
            model,
            version: number,
            run: row.opt_text(2)?.map(RunId::new),
            source: row.text(3)?,
            logged_model: row.opt_text(4)?,
            manifest: match row.opt_text(5)? {
                None => None,
                Some(_) => Some(row.parsed(5)?),
            },
            size: u64::try_from(size).map_err(|_| StoreError::corrupt(format!("a version of {size} bytes")))?,
            pending,
            description: row.text(9)?,
            tags: tags
                .iter()
                .map(|row| Ok((row.text(0)?, row.text(1)?)))
                .collect::<Result<BTreeMap<_, _>, StoreError>>()?,
            run_link: row.text(10)?,
            stage: from_word(row.text(14)?)?,
            created_at: row.micros(11)?,
            updated_at: row.micros(12)?,
        })
    }
}

const FIND: Find<'static> = Find {
    columns: COLUMNS,
    table: "model_version v",
    fields: &Columns {
        attributes: &[
            (Attribute::Name, "v.model", Holds::Text),
            (Attribute::Run, "COALESCE(v.run, '')", Holds::Text),
            (Attribute::Source, "v.source", Holds::Text),
            (Attribute::Version, "v.version", Holds::Integer),
            (Attribute::Created, "v.created_at", Holds::Integer),
            (Attribute::Updated, "v.updated_at", Holds::Integer),
        ],
        metrics: None,
        params: None,
        tags: Some(Keyed {
            table: "model_version_tag",
            on: &[("project", "v.project"), ("model", "v.model"), ("version", "v.version")],
            one: true,
        }),
        metadata: None,
        datasets: None,
        last: &[
            ("v.updated_at", Holds::Integer, false),
            ("v.model", Holds::Text, true),
            ("v.version", Holds::Integer, false),
        ],
    },
};
