//! How much runs at once in an environment, as its manifest says. What the machine takes is a setting of the server.

use std::collections::BTreeMap;

use windlass_kinds::{Kind, Name, manifest::Spec};

use crate::{Control, ControlError};

/// The most attempts at once, by project and environment; those without a limit are left out.
pub(crate) type Limits = BTreeMap<(Name, Name), usize>;

impl Control {
    /// Returns how many attempts an environment takes at once; none where only the machine limits it.
    pub(crate) async fn environment_limit(
        &self,
        project: &Name,
        environment: &Name,
    ) -> Result<Option<usize>, ControlError> {
        let mut kept = self.inner.environments.lock().await;
        let limits = match kept.take() {
            Some(limits) => limits,
            None => self.environment_limits().await?,
        };
        let limit = limits.get(&(project.clone(), environment.clone())).copied();
        *kept = Some(limits);
        Ok(limit)
    }

    async fn environment_limits(&self) -> Result<Limits, ControlError> {
        let environments = self
            .inner
            .store
            .read(|tx| Box::pin(async move { tx.revisions_current(None, Some(Kind::Environment)).await }))
            .await?;
        let limits = environments.into_iter().filter_map(|revision| match revision.manifest.spec {
            Spec::Environment(spec) => {
                let limit = usize::try_from(spec.max_parallel?).unwrap_or(usize::MAX);
                Some(((revision.project, revision.name), limit))
            }
            Spec::Project(_)
            | Spec::JobTemplate(_)
            | Spec::Dataset(_)
            | Spec::Model(_)
            | Spec::Pipeline(_)
            | Spec::Endpoint(_)
            | Spec::Monitor(_) => None,
        });
        Ok(limits.collect())
    }
}
