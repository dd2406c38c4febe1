//! Registered models, their tags and aliases.

use std::collections::BTreeMap;

use windlass_kinds::{
    Micros, Name,
    filter::{Attribute, Page, Search},
    record::{Actor, LedgerKind, PROMPT_TAG, RegisteredModel, RegistryChange, RegistryFact, is_prompt},
};

use crate::{
    StoreError, Tx,
    tracking::{Columns, Find, Holds, Keyed, Refusal, Subject},
    tx::{Row, args},
};

fn missing(name: &str) -> StoreError {
    Refusal::Missing(Subject::Model(name.to_owned())).into()
}

impl Tx {
    /// Makes a registered model; refuses a name that is taken.
    pub async fn registered_model_create(&mut self, model: &RegisteredModel, actor: &Actor) -> Result<(), StoreError> {
        let RegisteredModel { project, name, description, tags, aliases: _, created_at, updated_at: _ } = model;
        if !self.registered_model_insert(project, name, description, *created_at).await? {
            return Err(Refusal::Exists(Subject::Model(name.clone())).into());
        }
        for (key, value) in tags {
            self.registered_model_tag_put(project, name, key, value).await?;
        }
        let what = RegistryFact::Created { tags: tags.clone(), description: description.clone() };
        let change = RegistryChange { model: name.clone(), prompt: is_prompt(tags), what };
        self.registry_changed(project, &change, *created_at).await?;
        let subject = format!("model {name}");
        self.ledger_append(project, actor, LedgerKind::Registry, &subject, &("created", name), *created_at).await
    }

    /// Makes a registered model if need be and gives it a description, as a manifest says.
    pub async fn registered_model_ensure(
        &mut self,
        project: &Name,
        name: &str,
        description: &str,
        now: Micros,
    ) -> Result<(), StoreError> {
        if self.registered_model_insert(project, name, description, now).await? {
            self.registered_model_appeared(project, name, description, now).await?;
        } else {
            self.execute(
                "UPDATE registered_model SET description = $3, updated_at = $4
                 WHERE project = $1 AND name = $2 AND description <> $3",
                args![project, name, description, now],
            )
            .await?;
        }
        Ok(())
    }

    /// Tells who listens that a registered model was made by the way, without tags.
    pub(super) async fn registered_model_appeared(
        &mut self,
        project: &Name,
        name: &str,
        description: &str,
        now: Micros,
    ) -> Result<(), StoreError> {
        let what = RegistryFact::Created { tags: BTreeMap::new(), description: description.to_owned() };
        let change = RegistryChange { model: name.to_owned(), prompt: false, what };
        self.registry_changed(project, &change, now).await
    }

    /// Makes a registered model; returns whether it is new.
    pub(super) async fn registered_model_insert(
        &mut self,
        project: &Name,
        name: &str,
        description: &str,
        now: Micros,
    ) -> Result<bool, StoreError> {
        let added = self
            .execute(
                "INSERT INTO registered_model (project, name, description, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $4) ON CONFLICT (project, name) DO NOTHING",
                args![project, name, description, now],
            )
            .await?;
        Ok(added == 1)
    }

    /// Returns a registered model.
    pub async fn registered_model_get(
        &mut self,
        project: &Name,
        name: &str,
    ) -> Result<Option<RegisteredModel>, StoreError> {
        let row = self
            .row(
                "SELECT name, description, created_at, updated_at FROM registered_model
                 WHERE project = $1 AND name = $2",
                args![project, name],
            )
            .await?;
        match row {
            None => Ok(None),
            Some(row) => Ok(Some(self.registered_model_of(project, &row).await?)),
        }
    }

    /// Returns a registered model; refuses one that is not there.
    pub async fn registered_model_find(&mut self, project: &Name, name: &str) -> Result<RegisteredModel, StoreError> {
        self.registered_model_get(project, name).await?.ok_or_else(|| missing(name))
    }

    /// Returns all registered models of a project by name.
    pub async fn registered_models(&mut self, project: &Name) -> Result<Vec<RegisteredModel>, StoreError> {
        let search = Search { limit: u32::MAX, ..Search::default() };
        self.registered_models_search(project, &search).await
    }

    /// Returns the registered models that a search finds; by name unless it says otherwise.
    pub async fn registered_models_search(
        &mut self,
        project: &Name,
        search: &Search,
    ) -> Result<Vec<RegisteredModel>, StoreError> {
        Ok(self.registered_models_page(project, search).await?.items)
    }

    /// As [`Tx::registered_models_search`], with the place at which the next page begins.
    pub async fn registered_models_page(
        &mut self,
        project: &Name,
        search: &Search,
    ) -> Result<Page<RegisteredModel>, StoreError> {
        let found = FIND
            .rows(self, search, |query| {
                query.text("m.project = ");
                query.arg(project.to_string());
                if let Some((key, value)) = &search.without {
                    query.text(
                        " AND NOT EXISTS (SELECT 1 FROM registered_model_tag x WHERE x.project = m.project
                         AND x.model = m.name AND x.key = ",
                    );
                    query.arg(key);
                    query.text(" AND x.value = ");
                    query.arg(value);
                    query.text(")");
                }
            })
            .await?;
        let mut items = Vec::with_capacity(found.items.len());
        for row in &found.items {
            items.push(self.registered_model_of(project, row).await?);
        }
        Ok(Page { items, next: found.next })
    }

    /// Gives a registered model another description.
    pub async fn registered_model_describe(
        &mut self,
        project: &Name,
        name: &str,
        description: &str,
        now: Micros,
    ) -> Result<RegisteredModel, StoreError> {
        self.execute(
            "UPDATE registered_model SET description = $3, updated_at = $4 WHERE project = $1 AND name = $2",
            args![project, name, description, now],
        )
        .await?;
        self.registered_model_find(project, name).await
    }

    /// Gives a registered model another name; its versions, tags and aliases go with it.
    pub async fn registered_model_rename(
        &mut self,
        project: &Name,
        name: &str,
        new: &str,
        actor: &Actor,
        now: Micros,
    ) -> Result<RegisteredModel, StoreError> {
        self.registered_model_find(project, name).await?;
        if name == new {
            return self.registered_model_find(project, name).await;
        }
        if self.registered_model_get(project, new).await?.is_some() {
            return Err(Refusal::Exists(Subject::Model(new.to_owned())).into());
        }
        self.execute(
            "UPDATE registered_model SET name = $3, updated_at = $4 WHERE project = $1 AND name = $2",
            args![project, name, new, now],
        )
        .await?;
        for sql in [
            "UPDATE registered_model_tag SET model = $3 WHERE project = $1 AND model = $2",
            "UPDATE model_alias SET model = $3 WHERE project = $1 AND model = $2",
            "UPDATE model_version_tag SET model = $3 WHERE project = $1 AND model = $2",
        ] {
            self.execute(sql, args![project, name, new]).await?;
        }
        self.model_versions_rename(project, name, new, actor, now).await?;
        let subject = format!("model {name}");
        self.ledger_append(project, actor, LedgerKind::Registry, &subject, &("renamed", new), now).await?;
        self.registered_model_find(project, new).await
    }

    /// Deletes a registered model with its versions. Their numbers are not given again.
    pub async fn registered_model_delete(
        &mut self,
        project: &Name,
        name: &str,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        self.registered_model_find(project, name).await?;
        for version in self.model_versions_of(project, name).await? {
            self.content_refs_drop(project, &super::version::holder(name, version.version)).await?;
        }
        for sql in [
            "DELETE FROM model_alias WHERE project = $1 AND model = $2",
            "DELETE FROM model_version_tag WHERE project = $1 AND model = $2",
            "DELETE FROM model_version WHERE project = $1 AND model = $2",
            "DELETE FROM registered_model_tag WHERE project = $1 AND model = $2",
            "DELETE FROM registered_model WHERE project = $1 AND name = $2",
        ] {
            self.execute(sql, args![project, name]).await?;
        }
        let subject = format!("model {name}");
        self.ledger_append(project, actor, LedgerKind::Deletion, &subject, &("deleted", name), now).await
    }

    /// Sets a tag of a registered model.
    pub async fn registered_model_tag_set(
        &mut self,
        project: &Name,
        name: &str,
        key: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        self.registered_model_find(project, name).await?;
        self.registered_model_tag_put(project, name, key, value).await
    }

    pub(super) async fn registered_model_tag_put(
        &mut self,
        project: &Name,
        name: &str,
        key: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO registered_model_tag (project, model, key, value) VALUES ($1, $2, $3, $4)
             ON CONFLICT (project, model, key) DO UPDATE SET value = excluded.value",
            args![project, name, key, value],
        )
        .await?;
        Ok(())
    }

    /// Removes a tag of a registered model; one that is not there is fine.
    pub async fn registered_model_tag_delete(
        &mut self,
        project: &Name,
        name: &str,
        key: &str,
    ) -> Result<(), StoreError> {
        self.registered_model_find(project, name).await?;
        self.execute(
            "DELETE FROM registered_model_tag WHERE project = $1 AND model = $2 AND key = $3",
            args![project, name, key],
        )
        .await?;
        Ok(())
    }

    /// Points an alias at a version that is not provisional.
    pub async fn alias_set(
        &mut self,
        project: &Name,
        name: &str,
        alias: &str,
        version: u32,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        self.registered_model_find(project, name).await?;
        let found = self.model_version_find(project, name, version).await?;
        if found.pending.is_some() {
            return Err(Refusal::Provisional(name.to_owned(), version).into());
        }
        self.execute(
            "INSERT INTO model_alias (project, model, alias, version) VALUES ($1, $2, $3, $4)
             ON CONFLICT (project, model, alias) DO UPDATE SET version = excluded.version",
            args![project, name, alias, version],
        )
        .await?;
        self.registered_model_touch(project, name, now).await?;
        self.registered_model_changed(project, name, RegistryFact::AliasSet { alias: alias.to_owned(), version }, now)
            .await?;
        let subject = format!("model {name} @{alias}");
        self.ledger_append(project, actor, LedgerKind::Alias, &subject, &("set", version), now).await
    }

    /// Removes an alias; one that is not there is fine.
    pub async fn alias_delete(
        &mut self,
        project: &Name,
        name: &str,
        alias: &str,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        self.registered_model_find(project, name).await?;
        let gone = self
            .execute(
                "DELETE FROM model_alias WHERE project = $1 AND model = $2 AND alias = $3",
                args![project, name, alias],
            )
            .await?;
        if gone == 0 {
            return Ok(());
        }
        self.registered_model_touch(project, name, now).await?;
        self.registered_model_changed(project, name, RegistryFact::AliasDeleted { alias: alias.to_owned() }, now)
            .await?;
        let subject = format!("model {name} @{alias}");
        self.ledger_append(project, actor, LedgerKind::Alias, &subject, &("removed", alias), now).await
    }

    /// Returns the version that an alias points at.
    pub async fn alias_get(&mut self, project: &Name, name: &str, alias: &str) -> Result<Option<u32>, StoreError> {
        let row = self
            .row(
                "SELECT version FROM model_alias WHERE project = $1 AND model = $2 AND alias = $3",
                args![project, name, alias],
            )
            .await?;
        row.map(|row| row.count(0)).transpose()
    }

    /// Tells who listens of a change of a registered model, which may be a prompt.
    pub async fn registered_model_changed(
        &mut self,
        project: &Name,
        name: &str,
        what: RegistryFact,
        now: Micros,
    ) -> Result<(), StoreError> {
        let row = self
            .row(
                "SELECT value FROM registered_model_tag WHERE project = $1 AND model = $2 AND key = $3",
                args![project, name, PROMPT_TAG],
            )
            .await?;
        let prompt = match row {
            Some(row) => row.text(0)?.eq_ignore_ascii_case("true"),
            None => false,
        };
        self.registry_changed(project, &RegistryChange { model: name.to_owned(), prompt, what }, now).await
    }

    /// Notes that a registered model or one of its versions changed.
    pub(super) async fn registered_model_touch(
        &mut self,
        project: &Name,
        name: &str,
        now: Micros,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE registered_model SET updated_at = $3 WHERE project = $1 AND name = $2",
            args![project, name, now],
        )
        .await?;
        Ok(())
    }

    async fn registered_model_of(&mut self, project: &Name, row: &Row) -> Result<RegisteredModel, StoreError> {
        let name = row.text(0)?;
        let tags = self
            .rows(
                "SELECT key, value FROM registered_model_tag WHERE project = $1 AND model = $2",
                args![project, &name],
            )
            .await?;
        let aliases = self
            .rows("SELECT alias, version FROM model_alias WHERE project = $1 AND model = $2", args![project, &name])
            .await?;
        Ok(RegisteredModel {
            project: project.clone(),
            description: row.text(1)?,
            tags: tags.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect::<Result<_, StoreError>>()?,
            aliases: aliases
                .iter()
                .map(|row| Ok((row.text(0)?, row.count(1)?)))
                .collect::<Result<BTreeMap<_, _>, StoreError>>()?,
            created_at: row.micros(2)?,
            updated_at: row.micros(3)?,
            name,
        })
    }
}

const FIND: Find<'static> = Find {
    columns: "m.name, m.description, m.created_at, m.updated_at",
    table: "registered_model m",
    fields: &Columns {
        attributes: &[
            (Attribute::Name, "m.name", Holds::Text),
            (Attribute::Created, "m.created_at", Holds::Integer),
            (Attribute::Updated, "m.updated_at", Holds::Integer),
        ],
        metrics: None,
        params: None,
        tags: Some(Keyed {
            table: "registered_model_tag",
            on: &[("project", "m.project"), ("model", "m.name")],
            one: true,
        }),
        metadata: None,
        datasets: None,
        last: &[("m.name", Holds::Text, true)],
    },
};
