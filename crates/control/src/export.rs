//! The state in a form that two histories can be compared in.
//!
//! Ids become names, times and attempts that were lost go, and so do the tracking runs and seals of such attempts.
//! Text that a step wrote (an `MLmodel` file, a JSON report) may carry ids and times too: there, known ids are replaced
//! by their names and instants by a word before the digest is taken. Two undisturbed runs of the same manifests over
//! the same data give the same text, and so does one that was killed any number of times.

mod closed_loop;
mod normal;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use windlass_kinds::{
    Digest, Name, RunId, canonical,
    filter::{Lifecycle, Search},
    record::{Attempt, AttemptState, Experiment, LedgerKind, LoggedModel, PipelineRun, Run, RunData, StepRun},
};
use windlass_oci::BlobStore;
use windlass_store::{RunQuery, Store, StoreError, ledger::LedgerQuery};

use self::normal::Names;
use crate::ControlError;

/// A step run with its attempts, oldest first.
type StepHistory = (StepRun, Vec<Attempt>);

/// Everything of one project that the export is made of.
struct Project {
    name: Name,
    runs: Vec<(PipelineRun, Vec<StepHistory>)>,
    experiments: Vec<Experiment>,
    tracking: Vec<(Run, RunData)>,
    logged_models: Vec<LoggedModel>,
}

/// Returns the state, comparable: see the module.
pub async fn export_canonical(store: &Store, blobs: &dyn BlobStore) -> Result<Value, ControlError> {
    let projects = store.read(|tx| Box::pin(async move { tx.projects().await })).await?;
    let mut out = serde_json::Map::new();
    for name in projects {
        let project = read(store, &name).await?;
        let names = names_of(&project);
        let mut value = json!({
            "objects": objects(store, &name).await?,
            "datasets": datasets(store, &name).await?,
            "models": models(store, blobs, &project, &names).await?,
            "ledger": ledger(store, &project, &names).await?,
        });
        value["verdicts"] = closed_loop::verdicts(store, &name, &names).await?;
        value["endpoints"] = closed_loop::endpoints(store, &name).await?;
        value["observations"] = closed_loop::observations(store, &name).await?;
        value["runs"] = runs(blobs, &project, &names).await?;
        value["tracking"] = tracking(store, blobs, &project, &names).await?;
        out.insert(name.to_string(), value);
    }
    Ok(Value::Object(out))
}

async fn read(store: &Store, project: &Name) -> Result<Project, StoreError> {
    let wanted = project.clone();
    store
        .read(move |tx| {
            let project = wanted.clone();
            Box::pin(async move {
                let query = RunQuery { pipeline: None, active_only: false, limit: u32::MAX };
                let mut runs = Vec::new();
                for run in tx.pipeline_runs(&project, &query).await? {
                    let mut steps = Vec::new();
                    for step in tx.step_runs(&run.id).await? {
                        let attempts = tx.attempts_of(&step.id).await?;
                        steps.push((step, attempts));
                    }
                    runs.push((run, steps));
                }
                runs.sort_by_key(|(run, _)| (run.pipeline.clone(), run.number));
                let search = Search { lifecycle: Lifecycle::All, limit: u32::MAX, ..Search::default() };
                let experiments = tx.experiments_search(&project, &search).await?;
                let ids: Vec<_> = experiments.iter().map(|experiment| experiment.id.clone()).collect();
                let tracking = tx.runs_search(&project, &ids, &search).await?;
                let logged_models = tx.logged_models_search(&project, &ids, &search).await?;
                Ok(Project { name: project, runs, experiments, tracking, logged_models })
            })
        })
        .await
}

/// Returns the tracking runs of attempts that do not count: lost, interrupted.
fn uncounted(project: &Project) -> BTreeSet<&RunId> {
    project
        .runs
        .iter()
        .flat_map(|(_, steps)| steps)
        .flat_map(|(_, attempts)| attempts)
        .filter(|attempt| match attempt.state {
            AttemptState::Lost | AttemptState::Interrupted => true,
            // In the crash test steps themselves are killed; what counts in the end is the attempt that stood.
            AttemptState::Failed => killed(attempt),
            AttemptState::Running | AttemptState::Succeeded | AttemptState::Cancelled => false,
        })
        .map(|attempt| &attempt.tracking_run)
        .collect()
}

fn killed(attempt: &Attempt) -> bool {
    attempt.reason.starts_with("killed by signal")
}

/// Maps every id to a name that follows from what it is, not from when it was made.
fn names_of(project: &Project) -> Names {
    let mut names = Names::default();
    let lost = uncounted(project);
    for (run, steps) in &project.runs {
        names.add(run.id.as_str(), run.display_name());
        for (step, attempts) in steps {
            let title = format!("{}/{}", run.display_name(), step.display_name());
            names.add(step.id.as_str(), title.clone());
            let mut counted = 0;
            for attempt in attempts {
                if !lost.contains(&attempt.tracking_run) {
                    counted += 1;
                }
                names.add(attempt.id.as_str(), format!("{title}#{counted}"));
                names.add(attempt.tracking_run.as_str(), format!("{title}#{counted}"));
            }
        }
    }
    for experiment in &project.experiments {
        names.experiment(experiment.id.as_str(), &experiment.name);
    }
    // Logged models are told apart by the run that made them and their order there.
    let mut models: Vec<&LoggedModel> = project.logged_models.iter().collect();
    models.sort_by_key(|model| (model.created_ms, model.id.clone()));
    let mut ordinals: BTreeMap<(String, String), u32> = BTreeMap::new();
    for model in models {
        let run = model.source_run.as_ref().map_or_else(String::new, |run| names.of(run.as_str()));
        let ordinal = ordinals.entry((run.clone(), model.name.clone())).or_default();
        names.add(model.id.as_str(), format!("{run}:{}:{ordinal}", model.name));
        *ordinal += 1;
    }
    names
}

async fn objects(store: &Store, project: &Name) -> Result<Value, StoreError> {
    let wanted = project.clone();
    let revisions = store
        .read(move |tx| {
            let project = wanted.clone();
            Box::pin(async move { tx.revisions_current(Some(&project), None).await })
        })
        .await?;
    Ok(revisions
        .iter()
        .map(|revision| {
            json!({
                "object": format!("{}/{}", revision.kind, revision.name),
                "revision": revision.number,
                "digest": revision.digest,
            })
        })
        .collect())
}

async fn datasets(store: &Store, project: &Name) -> Result<Value, StoreError> {
    let wanted = project.clone();
    let versions = store
        .read(move |tx| {
            let project = wanted.clone();
            Box::pin(async move {
                let mut all = Vec::new();
                for revision in tx.revisions_current(Some(&project), Some(windlass_kinds::Kind::Dataset)).await? {
                    all.extend(tx.dataset_versions(&project, &revision.name).await?);
                }
                Ok(all)
            })
        })
        .await?;
    Ok(versions
        .iter()
        .map(|version| {
            let mut value = serde_json::to_value(version).expect("records serialize to JSON");
            if let Some(fields) = value.as_object_mut() {
                fields.remove("created_at");
                fields.remove("project");
            }
            value
        })
        .collect())
}

async fn runs(blobs: &dyn BlobStore, project: &Project, names: &Names) -> Result<Value, ControlError> {
    let mut out = Vec::new();
    for (run, steps) in &project.runs {
        let mut shown = Vec::new();
        for (step, _) in steps {
            let mut outputs = BTreeMap::new();
            for (name, output) in &step.outputs {
                outputs.insert(name.to_string(), names.tree_digest(blobs, &output.tree).await?);
            }
            shown.push(json!({
                "step": step.display_name(),
                "state": step.state,
                "outputs": outputs,
                "cached_from": step.cached_from.as_ref().map(|id| names.of(id.as_str())),
            }));
        }
        out.push(json!({
            "run": run.display_name(),
            "revision": run.revision,
            "cause": run.cause.text,
            "state": run.state,
            "parameters": run.parameters,
            "datasets": run.datasets,
            "steps": shown,
        }));
    }
    Ok(Value::Array(out))
}

async fn tracking(
    store: &Store,
    blobs: &dyn BlobStore,
    project: &Project,
    names: &Names,
) -> Result<Value, ControlError> {
    let lost = uncounted(project);
    let mut out = Vec::new();
    for (run, data) in project.tracking.iter().filter(|(run, _)| !lost.contains(&run.id)) {
        let (in_project, wanted, keys) =
            (project.name.clone(), run.clone(), data.metrics.iter().map(|point| point.key.clone()).collect::<Vec<_>>());
        let (metrics, artifacts) = store
            .read(move |tx| {
                let (project, run, keys) = (in_project.clone(), wanted.clone(), keys.clone());
                Box::pin(async move {
                    let mut metrics = BTreeMap::new();
                    for key in keys {
                        let points = tx.metric_history(&project, &run.id, &key, 0, u32::MAX).await?;
                        let mut points: Vec<(i64, String)> =
                            points.iter().map(|point| (point.step, point.value.to_string())).collect();
                        points.sort();
                        metrics.insert(key, points);
                    }
                    let root = format!("{}/{}/artifacts", run.experiment, run.id);
                    Ok((metrics, tx.artifact_list(&project, &root).await?))
                })
            })
            .await?;
        let mut files = BTreeMap::new();
        for artifact in artifacts {
            files.insert(names.text(&artifact.path), names.digest(blobs, &artifact.digest, artifact.size).await?);
        }
        let tags: BTreeMap<&String, String> = data
            .tags
            .iter()
            .filter(|(key, _)| key != "windlass.attempt" && key != "mlflow.log-model.history")
            .map(|(key, value)| (key, names.text(value)))
            .collect();
        let params: BTreeMap<&String, String> =
            data.params.iter().map(|(key, value)| (key, names.text(value))).collect();
        out.push(json!({
            "run": names.of(run.id.as_str()),
            "experiment": names.of_experiment(run.experiment.as_str()),
            "name": run.name,
            "status": run.status.as_str(),
            "metrics": metrics,
            "params": params,
            "tags": tags,
            "artifacts": files,
        }));
    }
    out.sort_by_key(|value| value.to_string());
    Ok(Value::Array(out))
}

async fn models(store: &Store, blobs: &dyn BlobStore, project: &Project, names: &Names) -> Result<Value, ControlError> {
    let wanted = project.name.clone();
    let models = store
        .read(move |tx| {
            let project = wanted.clone();
            Box::pin(async move {
                let mut all = Vec::new();
                for model in tx.registered_models(&project).await? {
                    let versions = tx.model_versions_of(&project, &model.name).await?;
                    all.push((model, versions));
                }
                Ok(all)
            })
        })
        .await?;
    let mut out = Vec::new();
    for (model, versions) in models {
        let mut shown = Vec::new();
        for version in versions.iter().filter(|version| version.pending.is_none()) {
            let mut files = BTreeMap::new();
            if let Some(manifest) = &version.manifest {
                for file in windlass_oci::model::files(blobs, manifest).await? {
                    files.insert(names.text(&file.path), names.digest(blobs, &file.digest, file.size).await?);
                }
            }
            let tags: BTreeMap<&String, String> =
                version.tags.iter().map(|(key, value)| (key, names.text(value))).collect();
            shown.push(json!({
                "version": version.version,
                "run": version.run.as_ref().map(|run| names.of(run.as_str())),
                "source": names.text(&version.source),
                "tags": tags,
                "files": files,
            }));
        }
        out.push(json!({
            "model": model.name,
            "description": model.description,
            "aliases": model.aliases,
            "versions": shown,
        }));
    }
    Ok(Value::Array(out))
}

/// Returns what the ledger says happened, sorted: kinds and subjects, without the seals of attempts that were lost.
async fn ledger(store: &Store, project: &Project, names: &Names) -> Result<Value, StoreError> {
    let wanted = project.name.clone();
    let rows = store
        .read(move |tx| {
            let query = LedgerQuery { project: Some(wanted.clone()), limit: u32::MAX, ..LedgerQuery::default() };
            Box::pin(async move { tx.ledger_list(&query).await })
        })
        .await?;
    let lost: BTreeSet<String> = uncounted(project).into_iter().map(|run| format!("run {run}")).collect();
    let mut lines: Vec<String> = rows
        .iter()
        .filter(|row| !lost.contains(&row.entry.subject))
        // How often an endpoint was started is the process's matter; who answered stands by itself.
        .filter(|row| row.entry.kind != LedgerKind::EndpointRevision)
        .map(|row| format!("{} {} by {}", row.entry.kind.as_str(), names.text(&row.entry.subject), row.entry.actor))
        .collect();
    lines.sort();
    Ok(json!(lines))
}

/// Returns the digest of a value, for shortening.
fn value_digest(value: &impl serde::Serialize) -> Digest {
    canonical::digest(value)
}
