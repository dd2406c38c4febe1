//! The alias that a trigger looks at before it acts.

use windlass_kinds::{
    Name,
    manifest::{ModelAt, TriggerSpec},
};

use crate::{Control, ControlError};

impl Control {
    /// Returns the version that the alias of a trigger's `unless` points at now, if any.
    pub(crate) async fn taken(&self, project: &Name, trigger: &TriggerSpec) -> Result<Option<u32>, ControlError> {
        let Some(reference) = trigger.unless.clone() else { return Ok(None) };
        let alias = match reference.at {
            ModelAt::Alias(alias) => alias,
            // The parser takes none: a fixed version is always there.
            ModelAt::Version(version) => return Ok(Some(version)),
        };
        let (project, model) = (project.clone(), reference.model);
        Ok(self
            .inner
            .store
            .read(move |tx| {
                let (project, model, alias) = (project.clone(), model.clone(), alias.clone());
                Box::pin(async move { tx.alias_get(&project, &model, &alias).await })
            })
            .await?)
    }
}
