//! Carries out what was decided about endpoints: asks the deployer, and puts its answer into the inbox.

use std::time::Duration;

use windlass_kinds::{
    Kind, Name,
    record::{Action, EndpointState, EventBody},
};
use windlass_store::{StoreError, Tx};

use super::endpoint_spec;
use crate::{Control, ControlError, Deployment, ProbeFailure, dispatch};

/// How often a deployment is tried where the place has trouble; the pauses between double.
const TRIES: u32 = 6;

/// The first pause.
const PAUSE: Duration = Duration::from_secs(1);

/// Has a revision served and answers how that went. One that is not wanted any more is left alone.
pub(crate) async fn serve(control: &Control, action: Action, endpoint: Name, number: u32) {
    let project = action.project.clone();
    let outcome = match deploy(control, &project, &endpoint, number).await {
        Ok(outcome) => outcome,
        Err(error) => {
            control.inner.notice(format!("endpoint {endpoint} waits for the store: {}", crate::chain(&error)));
            return tokio::time::sleep(PAUSE).await;
        }
    };
    // Deleted meanwhile: the wish to stop serving may have come before there was anything to stop.
    if !control.is_live(&project, &endpoint).await {
        control.deployer().remove(&project, &endpoint).await;
    }
    let answer = outcome.map(|outcome| {
        let body = EventBody::Served { endpoint, number, outcome };
        (format!("served/{}", action.key), body)
    });
    dispatch::done(control, action, answer).await;
}

/// Stops serving an endpoint, unless it was applied again meanwhile.
pub(crate) async fn unserve(control: &Control, action: Action, endpoint: Name) {
    if !control.is_live(&action.project, &endpoint).await {
        control.deployer().remove(&action.project, &endpoint).await;
    }
    dispatch::done(control, action, None).await;
}

/// Returns how it went; `None` where nobody wants the revision served, or any more.
async fn deploy(
    control: &Control,
    project: &Name,
    endpoint: &Name,
    number: u32,
) -> Result<Option<Result<(), String>>, ControlError> {
    let mut pause = PAUSE;
    let mut tries = 1;
    loop {
        let Some(deployment) = control.deployment(project, endpoint, number).await? else { return Ok(None) };
        let target = format!("{}/{}", deployment.model, deployment.version);
        match control.deployer().deploy(deployment).await {
            Ok(()) => return Ok(Some(Ok(()))),
            Err(ProbeFailure::NotServable(reason)) => return Ok(Some(Err(reason))),
            Err(ProbeFailure::Unavailable(reason)) if tries == TRIES => return Ok(Some(Err(reason))),
            Err(ProbeFailure::Unavailable(reason)) => {
                let text = format!("endpoint {endpoint} cannot serve {target} yet: {reason}; trying again");
                control.inner.notice(text);
                tokio::time::sleep(pause).await;
                pause *= 2;
                tries += 1;
            }
        }
    }
}

impl Control {
    /// Returns all that a deployer needs to serve a revision; `None` where nobody wants it served.
    async fn deployment(
        &self,
        project: &Name,
        endpoint: &Name,
        number: u32,
    ) -> Result<Option<Deployment>, ControlError> {
        let (in_project, name) = (project.clone(), endpoint.clone());
        let found = self
            .inner
            .store
            .read(move |tx| {
                let (project, endpoint) = (in_project.clone(), name.clone());
                Box::pin(async move {
                    let Some(revision) = tx.endpoint_revision_get(&project, &endpoint, number).await? else {
                        return Ok(None);
                    };
                    let manifest = tx.revision_get(&project, Kind::Endpoint, &endpoint, revision.revision).await?;
                    let last = tx.endpoint_revision_last(&project, &endpoint).await?;
                    // The newest that failed is tried again when the process starts.
                    let wanted = match revision.state {
                        EndpointState::Starting | EndpointState::Ready => true,
                        EndpointState::Failed => last.is_some_and(|last| last.number == revision.number),
                        EndpointState::Retired => false,
                    };
                    let wanted = wanted && is_live(tx, &project, &endpoint).await?;
                    Ok(manifest.filter(|_| wanted).map(|manifest| (revision, manifest)))
                })
            })
            .await?;
        let Some((revision, manifest)) = found else { return Ok(None) };
        let Some(spec) = endpoint_spec(&manifest) else { return Ok(None) };
        Ok(Some(Deployment {
            project: project.clone(),
            endpoint: endpoint.clone(),
            number,
            spec: spec.clone(),
            model: revision.model,
            version: revision.version,
            manifest: revision.manifest,
        }))
    }

    /// Returns whether the endpoint is there, so that something may be served; where the store does not say, yes.
    async fn is_live(&self, project: &Name, endpoint: &Name) -> bool {
        let (in_project, name) = (project.clone(), endpoint.clone());
        let found = self
            .inner
            .store
            .read(move |tx| {
                let (project, endpoint) = (in_project.clone(), name.clone());
                Box::pin(async move { is_live(tx, &project, &endpoint).await })
            })
            .await;
        found.unwrap_or(true)
    }
}

async fn is_live(tx: &mut Tx, project: &Name, endpoint: &Name) -> Result<bool, StoreError> {
    let current = tx.revision_current(project, Kind::Endpoint, endpoint).await?;
    Ok(current.is_some_and(|current| !current.deleted))
}
