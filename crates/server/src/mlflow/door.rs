//! What every handler of the dialect holds: who asks, and the ways to store and content.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use futures_util::future::BoxFuture;
use windlass_kinds::{LoggedModelId, Micros, Name, RunId, record::Run};
use windlass_oci::BlobStore;
use windlass_plan::access::{Operation, allowed};
use windlass_store::{StoreError, Tx};

use super::{
    error::{Error, Result},
    multipart::PartKey,
    webhooks::WebhookCourier,
};
use crate::{AppState, doors, principal::Principal};

/// The caller of a request and the server's state.
pub(super) struct Door {
    pub(super) principal: Principal,
    state: AppState,
}

impl FromRequestParts<AppState> for Door {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let principal = parts.extensions.get::<Principal>().cloned();
        let missing = || Error::of_status(StatusCode::UNAUTHORIZED, "a token is needed");
        Ok(Self { principal: principal.ok_or_else(missing)?, state: state.clone() })
    }
}

impl Door {
    pub(super) fn new(principal: Principal, state: AppState) -> Self {
        Self { principal, state }
    }

    /// Refuses what the caller's role does not allow.
    pub(super) fn may(&self, operation: Operation) -> Result<()> {
        if allowed(self.principal.role, operation) {
            return Ok(());
        }
        Err(Error::forbidden(format!(
            "{} may not do that; ask an admin for a token with a higher role",
            self.principal.actor
        )))
    }

    /// Refuses changes that the code of a step may not make, whatever its role.
    pub(super) fn not_a_step(&self) -> Result<()> {
        match self.principal.attempt {
            None => Ok(()),
            Some(_) => Err(Error::forbidden("the code of a step may only change its own run and register models")),
        }
    }

    /// Refuses a run that the caller may not write to: the code of a step may write to its attempt's runs only.
    pub(super) async fn may_write(&self, run: &RunId) -> Result<()> {
        self.may(Operation::WriteTracking)?;
        let Some(own) = &self.principal.attempt else { return Ok(()) };
        if own.run == *run {
            return Ok(());
        }
        let found: Run = self.run(run).await?;
        if found.attempt.as_ref() == Some(&own.attempt) {
            return Ok(());
        }
        Err(Error::forbidden(format!("run {run} is not of this attempt; the code of a step may only write to its own")))
    }

    /// Refuses a logged model that the caller may not write to.
    pub(super) async fn may_write_model(&self, model: &LoggedModelId) -> Result<()> {
        self.may(Operation::WriteTracking)?;
        if self.principal.attempt.is_none() {
            return Ok(());
        }
        let found = self
            .read((self.project().clone(), model.clone()), |tx, a| {
                Box::pin(async move { tx.logged_model_get(&a.0, &a.1).await })
            })
            .await?;
        match found.and_then(|model| model.source_run) {
            Some(run) => self.may_write(&run).await,
            None => Ok(()),
        }
    }

    /// Returns a run of the caller's project.
    pub(super) async fn run(&self, run: &RunId) -> Result<Run> {
        let args = (self.project().clone(), run.clone());
        self.read_one(args, |tx, a| Box::pin(async move { tx.run_find(&a.0, &a.1).await })).await
    }

    /// Points an alias at a version, if the gate before it lets it.
    pub(super) async fn alias_set(&self, model: &str, version: u32, alias: &str) -> Result<()> {
        let control = &self.state.control;
        Ok(control.alias_set(self.project(), model, version, alias, &self.principal.actor).await?)
    }

    /// Tells whoever serves that an alias may point elsewhere now.
    pub(super) fn registry_moved(&self) {
        self.state.control.registry_moved();
    }

    /// Returns what signs the URLs of parts of large files, where such are taken.
    pub(super) fn part_key(&self) -> Option<&PartKey> {
        self.state.part_key.as_deref()
    }

    /// Returns who knows the way to webhooks.
    pub(super) fn webhooks(&self) -> Result<&WebhookCourier> {
        let missing = || Error::of_status(StatusCode::SERVICE_UNAVAILABLE, "this server was started without webhooks");
        self.state.webhooks.as_deref().ok_or_else(missing)
    }

    /// Has what was put on its way to webhooks looked for at once.
    pub(super) fn webhooks_moved(&self) {
        self.state.control.webhooks_moved();
    }

    /// Returns the project that the caller works in.
    pub(super) fn project(&self) -> &Name {
        &self.principal.project
    }

    /// Returns the instant.
    pub(super) fn now(&self) -> Micros {
        self.state.control.clock().now()
    }

    /// Returns where content is kept.
    pub(super) fn blobs(&self) -> &dyn BlobStore {
        self.state.control.blobs().as_ref()
    }

    /// Runs a write transaction over shared arguments; see [`windlass_store::Store::write`].
    pub(super) async fn write<A, T, F>(&self, args: A, work: F) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx, Arc<A>) -> BoxFuture<'t, std::result::Result<T, StoreError>> + Send + Sync + 'static,
    {
        let args = Arc::new(args);
        let written = self.state.control.store().write(move |tx| work(tx, Arc::clone(&args))).await?;
        self.state.pulse.beat();
        Ok(written)
    }

    /// As [`Door::write`] for a write of a few statements, which this thread makes by itself where nobody waits for it.
    pub(super) async fn write_few<A, T, F>(&self, args: A, work: F) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx, Arc<A>) -> BoxFuture<'t, std::result::Result<T, StoreError>> + Send + Sync + 'static,
    {
        if !doors::is_alone() {
            return self.write(args, work).await;
        }
        let args = Arc::new(args);
        let written = self.state.control.store().write_here(move |tx| work(tx, Arc::clone(&args))).await?;
        self.state.pulse.beat();
        Ok(written)
    }

    /// Runs a read over shared arguments; see [`windlass_store::Store::read`].
    pub(super) async fn read<A, T, F>(&self, args: A, work: F) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx, Arc<A>) -> BoxFuture<'t, std::result::Result<T, StoreError>> + Send + Sync + 'static,
    {
        let args = Arc::new(args);
        Ok(self.state.control.store().read(move |tx| work(tx, Arc::clone(&args))).await?)
    }

    /// Runs a read that is one statement; see [`windlass_store::Store::read_one`].
    pub(super) async fn read_one<A, T, F>(&self, args: A, work: F) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx, Arc<A>) -> BoxFuture<'t, std::result::Result<T, StoreError>> + Send + Sync + 'static,
    {
        let args = Arc::new(args);
        Ok(self.state.control.store().read_one(move |tx| work(tx, Arc::clone(&args))).await?)
    }
}
