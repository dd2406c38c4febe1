//! Endpoints as they are shown: what should be served, what is, and how it is doing.

use windlass_kinds::{
    Kind, Name, ObjectRef,
    manifest::EndpointSpec,
    record::{EndpointRevision, EndpointState},
};

use super::{Found, Live, decide::Desired, endpoint_spec};
use crate::{Control, ControlError, ServerCondition};

/// An endpoint with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointView {
    /// Its name.
    pub endpoint: Name,
    /// What its manifest says.
    pub spec: EndpointSpec,
    /// The revision that answers.
    pub serving: Option<EndpointRevision>,
    /// The newest revision, whatever became of it.
    pub newest: Option<EndpointRevision>,
    /// Why nothing newer is started, where that is not plain.
    pub waiting: Option<String>,
    /// How its model server is doing.
    pub condition: Option<ServerCondition>,
}

impl Control {
    /// Returns the live endpoints of a project, by name.
    pub async fn endpoints(&self, project: &Name) -> Result<Vec<EndpointView>, ControlError> {
        let in_project = project.clone();
        let manifests = self
            .inner
            .store
            .read(move |tx| {
                let project = in_project.clone();
                Box::pin(async move { tx.revisions_current(Some(&project), Some(Kind::Endpoint)).await })
            })
            .await?;
        let specs: Vec<(Name, u32, EndpointSpec)> = manifests
            .iter()
            .filter_map(|revision| Some((revision.name.clone(), revision.number, endpoint_spec(revision)?.clone())))
            .collect();
        let live = specs.iter().map(|(name, revision, spec)| {
            ((project.clone(), name.clone()), Live { revision: *revision, model: spec.model.clone() })
        });
        let found = self.find_endpoints(live.collect()).await?;
        let mut views = Vec::with_capacity(specs.len());
        for (endpoint, _, spec) in specs {
            let Some(found) = found.iter().find(|found| found.project == *project && found.endpoint == endpoint) else {
                continue;
            };
            let Found { desired, revisions, .. } = found;
            let condition = self.deployer().condition(project, &endpoint).await;
            views.push(EndpointView {
                serving: revisions.iter().rev().find(|revision| revision.state == EndpointState::Ready).cloned(),
                newest: revisions.last().cloned(),
                waiting: match desired {
                    Desired::Unclear(why) => Some(why.clone()),
                    Desired::Version(_) | Desired::Gone => None,
                },
                condition,
                endpoint,
                spec,
            });
        }
        Ok(views)
    }

    /// Returns one live endpoint with all its revisions, oldest first.
    pub async fn endpoint(
        &self,
        project: &Name,
        endpoint: &Name,
    ) -> Result<(EndpointView, Vec<EndpointRevision>), ControlError> {
        let views = self.endpoints(project).await?;
        let Some(view) = views.iter().find(|view| view.endpoint == *endpoint).cloned() else {
            let near = views.into_iter().map(|view| view.endpoint.to_string()).collect();
            let what = ObjectRef::new(Kind::Endpoint, endpoint.clone()).to_string();
            return Err(ControlError::NotFound { what, near });
        };
        let (in_project, name) = (project.clone(), endpoint.clone());
        let revisions = self
            .inner
            .store
            .read(move |tx| {
                let (project, endpoint) = (in_project.clone(), name.clone());
                Box::pin(async move { tx.endpoint_revisions(&project, &endpoint).await })
            })
            .await?;
        Ok((view, revisions))
    }
}
