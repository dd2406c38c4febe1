//! Applying and deleting manifests.
//!
//! Applying never decides: what will change was planned by `plan::diff`; here it is written, all of it or nothing.

use std::{collections::BTreeMap, sync::Arc};

use windlass_kinds::{
    Digest, Kind, Name, ObjectRef,
    manifest::{
        EndpointSpec, InputSource, LabelsSpec, Manifest, ModelRef, MonitorSpec, PipelineSpec, Resolved, Spec,
        TriggerSource, WindowSpec,
    },
    record::{Actor, LedgerKind, PipelineRun, Revision},
};
use windlass_plan::diff::{self, ChangeAction, Plan};
use windlass_store::{StoreError, Tx};

use crate::{Change, Control, ControlError, leading::APPLIED};

/// One manifest with what its paths meant.
pub type Wanted = (Manifest, Resolved);

impl Control {
    /// Returns what applying `wanted` would change.
    pub async fn plan(&self, wanted: &[Wanted]) -> Result<Plan, ControlError> {
        let current = self.current().await?;
        Ok(diff::plan(&current, wanted))
    }

    async fn current(&self) -> Result<Vec<Revision>, ControlError> {
        Ok(self.inner.store.read(|tx| Box::pin(async move { tx.revisions_current(None, None).await })).await?)
    }

    /// Applies manifests: new revisions for those that changed, nothing for the others. With `fingerprint` it refuses
    /// where the state is no longer the one a plan was made from.
    pub async fn apply(
        &self,
        actor: &Actor,
        wanted: Vec<Wanted>,
        fingerprint: Option<Digest>,
    ) -> Result<Plan, ControlError> {
        let now = self.inner.clock.now();
        let (wanted, actor) = (Arc::new(wanted), actor.clone());
        let for_transaction = wanted.clone();
        let plan = self
            .inner
            .store
            .write(move |tx| {
                let (wanted, actor, fingerprint) = (for_transaction.clone(), actor.clone(), fingerprint.clone());
                Box::pin(async move {
                    for (manifest, _) in wanted.iter() {
                        tx.project_ensure(&manifest.project, now).await?;
                        tx.lock_project(&manifest.project).await?;
                    }
                    let current = tx.revisions_current(None, None).await?;
                    let plan = diff::plan(&current, &wanted);
                    if fingerprint.is_some_and(|fingerprint| fingerprint != plan.fingerprint) {
                        return Ok(Err(ControlError::Stale));
                    }
                    // Nothing was written yet: a refusal leaves no trace.
                    for (manifest, _) in wanted.iter() {
                        if let Some(refusal) = changes_published(tx, manifest).await? {
                            return Ok(Err(refusal));
                        }
                    }
                    for ((manifest, resolved), change) in wanted.iter().zip(&plan.changes) {
                        match change.action {
                            ChangeAction::Unchanged | ChangeAction::Delete => continue,
                            ChangeAction::Create | ChangeAction::Update => {}
                        }
                        let (kind, name) = (manifest.kind(), &manifest.name);
                        let last = tx.revision_current(&manifest.project, kind, name).await?;
                        let revision = Revision {
                            project: manifest.project.clone(),
                            kind,
                            name: name.clone(),
                            number: last.map_or(1, |last| last.number + 1),
                            digest: Revision::content_digest(manifest, resolved),
                            manifest: manifest.clone(),
                            resolved: resolved.clone(),
                            deleted: false,
                            actor: actor.clone(),
                            created_at: now,
                        };
                        tx.revision_insert(&revision).await?;
                        let subject = format!("{kind}/{name}@{}", revision.number);
                        tx.ledger_append(&revision.project, &actor, LedgerKind::Revision, &subject, &revision, now)
                            .await?;
                        if let Some(code) = &resolved.code {
                            tx.content_refs_add(&revision.project, &subject, std::slice::from_ref(code)).await?;
                        }
                        if kind == Kind::Dataset {
                            // Other expectations may hold now: every file is judged again.
                            tx.observed_files_replace(&manifest.project, name, &[]).await?;
                        }
                        if let Spec::Model(spec) = &manifest.spec {
                            tx.registered_model_ensure(&revision.project, name.as_str(), &spec.description, now)
                                .await?;
                        }
                    }
                    tx.counter_next(APPLIED).await?;
                    Ok(Ok(plan))
                })
            })
            .await??;
        self.objects_changed().await?;
        Ok(plan)
    }

    /// Deletes an object; refused while another live object names it. History and data stay.
    pub async fn delete(&self, actor: &Actor, project: &Name, object: &ObjectRef) -> Result<Revision, ControlError> {
        let now = self.inner.clock.now();
        let (actor, project, object) = (actor.clone(), project.clone(), object.clone());
        let revision = self
            .inner
            .store
            .write(move |tx| {
                let (actor, project, object) = (actor.clone(), project.clone(), object.clone());
                Box::pin(async move {
                    tx.lock_project(&project).await?;
                    // Who uses it is asked here: a moment before, its users may not have been applied yet.
                    let current = tx.revisions_current(None, None).await?;
                    let mut users = users_of(&current, &project, &object);
                    if users.is_empty() {
                        users = active_runs_of(tx.pipeline_runs_active().await?, &project, &object);
                    }
                    if !users.is_empty() {
                        return Ok(Err(ControlError::InUse { object: object.to_string(), users }));
                    }
                    let last = tx.revision_current(&project, object.kind, &object.name).await?;
                    let Some(last) = last.filter(|last| !last.deleted) else {
                        return Ok(Err(not_found(&current, &project, &object)));
                    };
                    let revision = Revision {
                        number: last.number + 1,
                        deleted: true,
                        actor: actor.clone(),
                        created_at: now,
                        ..last
                    };
                    tx.revision_insert(&revision).await?;
                    let subject = format!("{object}@{}", revision.number);
                    tx.ledger_append(&project, &actor, LedgerKind::Deletion, &subject, &revision, now).await?;
                    tx.counter_next(APPLIED).await?;
                    Ok(Ok(revision))
                })
            })
            .await??;
        self.objects_changed().await?;
        Ok(revision)
    }

    pub(crate) async fn objects_changed(&self) -> Result<(), ControlError> {
        *self.inner.pipelines.lock().await = None;
        *self.inner.environments.lock().await = None;
        self.inner.endpoints.applied().await;
        self.inner.looking.applied().await;
        self.watch_datasets().await?;
        self.inner.activity.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.inner.idle.store(false, std::sync::atomic::Ordering::SeqCst);
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Tells whoever shows progress something in words.
    pub fn notice(&self, text: String) {
        let _ = self.inner.changes.send(Change::Notice(text));
    }
}

/// Returns an error that names what is close to an object that is not there.
pub(crate) fn not_found(current: &[Revision], project: &Name, object: &ObjectRef) -> ControlError {
    let near = current
        .iter()
        .filter(|revision| revision.project == *project && revision.kind == object.kind)
        .map(|revision| revision.name.to_string())
        .collect();
    ControlError::NotFound { what: object.to_string(), near }
}

/// Returns which of the runs that are not over use an object.
fn active_runs_of(runs: Vec<PipelineRun>, project: &Name, object: &ObjectRef) -> Vec<String> {
    runs.into_iter()
        .filter(|run| run.project == *project)
        .filter(|run| match object.kind {
            Kind::Pipeline => run.pipeline == object.name,
            Kind::Dataset => run.datasets.contains_key(&object.name),
            Kind::Project
            | Kind::Environment
            | Kind::JobTemplate
            | Kind::Model
            | Kind::Index
            | Kind::Endpoint
            | Kind::Monitor
            | Kind::Policy => false,
        })
        .map(|run| format!("run {}", run.display_name()))
        .collect()
}

/// Refuses a template that changes a version that was ever published, deleted since or not.
async fn changes_published(tx: &mut Tx, manifest: &Manifest) -> Result<Option<ControlError>, StoreError> {
    let Spec::JobTemplate(spec) = &manifest.spec else { return Ok(None) };
    let history = tx.revision_history(&manifest.project, manifest.kind(), &manifest.name).await?;
    let changed = history.iter().any(|revision| match &revision.manifest.spec {
        Spec::JobTemplate(published) => published.version == spec.version && published.defaults != spec.defaults,
        Spec::Project(_)
        | Spec::Environment(_)
        | Spec::Dataset(_)
        | Spec::Model(_)
        | Spec::Pipeline(_)
        | Spec::Endpoint(_)
        | Spec::Monitor(_) => false,
    });
    Ok(changed.then(|| {
        ControlError::Refused(format!(
            "version {} of {} is published, and never changes; number the changed template anew",
            spec.version,
            manifest.object()
        ))
    }))
}

/// Returns the live objects that name `object`, sorted.
pub fn users_of(current: &[Revision], project: &Name, object: &ObjectRef) -> Vec<String> {
    let mut users: Vec<String> = current
        .iter()
        .filter(|revision| match object.kind {
            Kind::Project => revision.project == object.name && revision.kind != Kind::Project,
            _ => revision.project == *project,
        })
        .filter(|revision| match (&revision.manifest.spec, object.kind) {
            (_, Kind::Project) => true,
            (spec, _) => names(spec).contains(object),
        })
        .map(|revision| format!("{}/{}", revision.kind, revision.name))
        .collect();
    users.sort();
    users
}

/// Returns the objects that a manifest names.
fn names(spec: &Spec) -> Vec<ObjectRef> {
    match spec {
        Spec::Pipeline(spec) => pipeline_names(spec),
        Spec::Endpoint(spec) => endpoint_names(spec),
        Spec::Monitor(spec) => monitor_names(spec),
        Spec::Project(_) | Spec::Environment(_) | Spec::JobTemplate(_) | Spec::Dataset(_) | Spec::Model(_) => {
            Vec::new()
        }
    }
}

fn endpoint_names(spec: &EndpointSpec) -> Vec<ObjectRef> {
    let labels = spec.labels.iter().filter_map(LabelsSpec::dataset);
    let labels = labels.map(|dataset| ObjectRef::new(Kind::Dataset, dataset.clone()));
    model_name(&spec.model).into_iter().chain(labels).collect()
}

fn monitor_names(spec: &MonitorSpec) -> Vec<ObjectRef> {
    let dataset = match &spec.window {
        WindowSpec::Version(dataset) => Some(ObjectRef::new(Kind::Dataset, dataset.clone())),
        WindowSpec::Rows(_) | WindowSpec::Time { .. } | WindowSpec::Every(_) => None,
    };
    [ObjectRef::new(Kind::Endpoint, spec.endpoint.clone())].into_iter().chain(dataset).collect()
}

/// Returns the manifest of a model; models of other names have none.
fn model_name(reference: &ModelRef) -> Option<ObjectRef> {
    Some(ObjectRef::new(Kind::Model, reference.model.parse().ok()?))
}

fn pipeline_names(spec: &PipelineSpec) -> Vec<ObjectRef> {
    let mut named: BTreeMap<(Kind, Name), ()> = BTreeMap::new();
    let mut add = |kind, name: &Name| {
        named.insert((kind, name.clone()), ());
    };
    add(Kind::Environment, &spec.environment);
    for trigger in &spec.triggers {
        match &trigger.source {
            TriggerSource::Dataset(name) => add(Kind::Dataset, name),
            TriggerSource::Monitor(name) => add(Kind::Monitor, name),
            TriggerSource::Idle { .. } | TriggerSource::Cron { .. } => {}
        }
        if let Some(model) = trigger.unless.as_ref().and_then(model_name) {
            add(Kind::Model, &model.name);
        }
    }
    for step in &spec.steps {
        for input in step.inputs.values() {
            if let InputSource::Dataset(name) = input {
                add(Kind::Dataset, name);
            }
        }
        step.writes.iter().for_each(|name| add(Kind::Dataset, name));
        step.outputs.values().filter_map(|output| output.model.as_ref()).for_each(|name| add(Kind::Model, name));
        step.template.iter().for_each(|template| add(Kind::JobTemplate, &template.name));
    }
    named.into_keys().map(|(kind, name)| ObjectRef::new(kind, name)).collect()
}
