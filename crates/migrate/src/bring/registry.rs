//! Registered models, their versions and aliases.

use std::collections::BTreeMap;

use windlass_api::{ClientError, ModelDetail, encode};
use windlass_kinds::{
    LoggedModelId, canonical,
    record::{ImportAnswer, ImportModel, ImportOutcome, ImportVersion},
};

use super::{Import, Sent};
use crate::{MigrateError, Model, Renamed, Version};

/// The tag that makes a registered model a prompt.
const PROMPT: &str = "mlflow.prompt.is_prompt";

impl Import<'_> {
    /// Brings all registered models over.
    pub(super) async fn registry(&self) -> Result<(), MigrateError> {
        let models = self.source.models().await?;
        self.watch.begin("registered models", Some(models.len() as u64));
        for model in &models {
            self.model(model).await?;
            self.watch.part();
        }
        Ok(())
    }

    async fn model(&self, model: &Model) -> Result<(), MigrateError> {
        self.check_stop()?;
        let Model { name, description, created_ms, updated_ms, tags, aliases } = model;
        let given = ImportModel {
            name: name.clone(),
            description: description.clone(),
            created_ms: *created_ms,
            updated_ms: *updated_ms,
            tags: tags.clone(),
            on_conflict: self.options.on_conflict,
            dry_run: self.options.dry_run,
        };
        let what = format!("model `{name}`");
        let answer = match self.send("model", &given).await? {
            Sent::Answered(answer) => answer,
            Sent::Unfit(why) => ImportAnswer { name: name.clone(), outcome: ImportOutcome::LeftOut(why) },
        };
        self.note(|report| {
            report.take("models", &what, &answer.outcome);
            if answer.name != *name {
                report.renamed.push(Renamed { from: what.clone(), to: format!("model `{}`", answer.name) });
            }
        });
        if let ImportOutcome::LeftOut(_) = answer.outcome {
            return Ok(());
        }
        let here = answer.name;
        let is_new = answer.outcome == ImportOutcome::Imported;
        let known: BTreeMap<u32, String> = match self.options.dry_run && is_new {
            true => BTreeMap::new(),
            false => self
                .target
                .get(&format!("/api/v1/import/known-versions/{}", encode(&here)))
                .await
                .map_err(MigrateError::Target)?,
        };
        let is_prompt = tags.iter().any(|(key, value)| key == PROMPT && value == "true");
        for version in self.source.versions(name).await? {
            self.version(&here, &version, known.get(&version.version), is_prompt).await?;
        }
        self.aliases(&here, aliases, is_new).await
    }

    async fn version(
        &self,
        model: &str,
        version: &Version,
        known: Option<&String>,
        is_prompt: bool,
    ) -> Result<(), MigrateError> {
        let what = format!("version {} of model `{model}`", version.version);
        let is_reference = version.source.starts_with("runs:/") || version.source.starts_with("models:/m-");
        let logged_model = version.source.strip_prefix("models:/").filter(|id| id.starts_with("m-"));
        let source = match is_reference {
            true => Some(version.source.clone()),
            false => self.moved(&version.source).or_else(|| self.moved(&version.location)),
        };
        // A prompt is all in its tags.
        if source.is_none() && !is_prompt {
            let why = format!(
                "`{}` is not among the files of a run or logged model that was brought over",
                windlass_net::mask(&version.location)
            );
            self.note(|report| report.leave(format!("files of {what}"), why));
        }
        let source = source.unwrap_or_else(|| version.source.clone());
        let mark = canonical::digest(&(version, &source)).to_string();
        let outcome = if known == Some(&mark) {
            ImportOutcome::There
        } else if self.options.dry_run {
            if known.is_some() { ImportOutcome::Updated } else { ImportOutcome::Imported }
        } else {
            let given = ImportVersion {
                model: model.to_owned(),
                version: version.version,
                run: version.run.clone(),
                source,
                logged_model: logged_model.map(LoggedModelId::new),
                description: version.description.clone(),
                run_link: version.run_link.clone(),
                created_ms: version.created_ms,
                updated_ms: version.updated_ms,
                tags: version.tags.clone(),
                stage: version.stage,
                mark,
            };
            match self.send("version", &given).await? {
                Sent::Answered(answer) => answer.outcome,
                Sent::Unfit(why) => ImportOutcome::LeftOut(why),
            }
        };
        self.note(|report| report.take("versions", what, &outcome));
        Ok(())
    }

    /// Sets aliases as everybody does, so that the gates before them decide.
    async fn aliases(&self, model: &str, aliases: &[(String, u32)], is_new: bool) -> Result<(), MigrateError> {
        if aliases.is_empty() {
            return Ok(());
        }
        let there = if self.options.dry_run && is_new {
            BTreeMap::new()
        } else {
            let path = format!("/api/v1/models/{}", encode(model));
            let detail: ModelDetail = self.target.get(&path).await.map_err(MigrateError::Target)?;
            detail.model.aliases
        };
        for (alias, version) in aliases {
            let what = format!("alias `{alias}` of model `{model}`, version {version}");
            let outcome = match there.get(alias) {
                Some(number) if number == version => ImportOutcome::There,
                Some(number) => ImportOutcome::LeftOut(format!("it points at version {number} here")),
                None if self.options.dry_run => ImportOutcome::Imported,
                None => self.alias(model, alias, *version).await?,
            };
            self.note(|report| report.take("aliases", what, &outcome));
        }
        Ok(())
    }

    async fn alias(&self, model: &str, alias: &str, version: u32) -> Result<ImportOutcome, MigrateError> {
        let path = format!("/api/v1/models/{}/versions/{version}/alias", encode(model));
        let body = serde_json::json!({"alias": alias});
        match self.target.post::<_, serde_json::Value>(&path, &body).await {
            Ok(_) => Ok(ImportOutcome::Imported),
            // A gate refused, or the version was left out.
            Err(ClientError::Refused { status: 400 | 404 | 409, body }) => Ok(ImportOutcome::LeftOut(body.message)),
            Err(error) => Err(MigrateError::Target(error)),
        }
    }
}
