//! What the loop's drawing is made from: the newest records of a project, read in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use windlass_kinds::{
    Kind, Name, PipelineRunId,
    manifest::Spec,
    record::{
        DatasetVersion, EndpointRevision, ModelVersion, Observation, PipelineRun, RegisteredModel, Revision, Verdict,
    },
};
use windlass_store::{RunQuery, StoreError, Tx};

/// How many runs are looked at, and how many versions of a dataset or model, revisions of an endpoint, windows of a
/// monitor.
const NEWEST: usize = 200;

/// The records of a project's loop, each list oldest first.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Facts {
    /// The manifests that hold now.
    pub(in super::super) objects: Vec<Revision>,
    /// The versions of all datasets.
    pub(in super::super) data: Vec<DatasetVersion>,
    /// The pipeline runs.
    pub(in super::super) runs: Vec<PipelineRun>,
    /// The registered models.
    pub(in super::super) models: Vec<RegisteredModel>,
    /// The versions of all models.
    pub(in super::super) versions: Vec<ModelVersion>,
    /// Which pipeline run made a version, by model and number.
    pub(in super::super) made_by: BTreeMap<(String, u32), PipelineRunId>,
    /// The verdicts over them.
    pub(in super::super) verdicts: Vec<Verdict>,
    /// Who served when.
    pub(in super::super) served: Vec<EndpointRevision>,
    /// What the monitors saw.
    pub(in super::super) observations: Vec<Observation>,
}

impl Facts {
    /// Returns the names of a kind's objects that hold now.
    pub(in super::super) fn named(&self, kind: Kind) -> impl Iterator<Item = &Revision> {
        self.objects.iter().filter(move |revision| revision.kind == kind)
    }

    /// Returns what a pipeline says now.
    pub(in super::super) fn spec(&self, kind: Kind, name: &str) -> Option<&Spec> {
        self.named(kind).find(|revision| revision.name.as_str() == name).map(|revision| &revision.manifest.spec)
    }

    /// Returns the newest verdict over a version.
    pub(in super::super) fn verdict(&self, model: &str, version: u32) -> Option<&Verdict> {
        self.verdicts.iter().rev().find(|verdict| verdict.model == model && verdict.version == version)
    }

    /// Returns what a version scored over its own evaluation rows, as its newest verdict has it.
    pub(in super::super) fn scores(&self, model: &str, version: u32) -> Option<&BTreeMap<String, f64>> {
        self.verdict(model, version).map(|verdict| &verdict.evidence.measures)
    }
}

/// Reads the newest records of a project.
pub(in super::super) async fn read(tx: &mut Tx, project: &Name) -> Result<Facts, StoreError> {
    let mut facts = Facts { objects: tx.revisions_current(Some(project), None).await?, ..Facts::default() };
    let names = |facts: &Facts, kind: Kind| -> Vec<Name> { facts.named(kind).map(|one| one.name.clone()).collect() };
    for dataset in names(&facts, Kind::Dataset) {
        facts.data.extend(newest(tx.dataset_versions(project, &dataset).await?));
    }
    let limit = u32::try_from(NEWEST).unwrap_or(u32::MAX);
    facts.runs = tx.pipeline_runs(project, &RunQuery { limit, ..RunQuery::default() }).await?;
    facts.models = tx.registered_models(project).await?;
    for model in facts.models.clone() {
        let versions = newest(tx.model_versions_of(project, &model.name).await?);
        for version in &versions {
            let Some(run) = &version.run else { continue };
            if let Some(attempt) = tx.attempt_of_tracking_run(run).await? {
                facts.made_by.insert((model.name.clone(), version.version), attempt.run);
            }
        }
        facts.versions.extend(versions);
        facts.verdicts.extend(tx.verdicts_of(project, &model.name).await?);
    }
    for endpoint in names(&facts, Kind::Endpoint) {
        facts.served.extend(newest(tx.endpoint_revisions(project, &endpoint).await?));
    }
    for monitor in names(&facts, Kind::Monitor) {
        facts.observations.extend(tx.observations_of(project, &monitor, limit).await?);
    }
    facts.data.sort_by_key(|version| (version.created_at, version.number));
    facts.runs.sort_by_key(|run| (run.created_at, run.number));
    facts.versions.sort_by_key(|version| (version.created_at, version.version));
    facts.verdicts.sort_by_key(|verdict| (verdict.judged_at, verdict.version));
    facts.served.sort_by_key(|revision| (revision.created_at, revision.number));
    facts.observations.sort_by_key(|observation| (observation.observed_at, observation.sequence));
    // A version whose making was seen to fail or is not over yet is not one people can use.
    facts.versions.retain(|version| version.pending.is_none());
    let known: BTreeSet<PipelineRunId> = facts.runs.iter().map(|run| run.id.clone()).collect();
    facts.made_by.retain(|_, run| known.contains(run));
    Ok(facts)
}

fn newest<T>(mut records: Vec<T>) -> Vec<T> {
    records.split_off(records.len().saturating_sub(NEWEST))
}
