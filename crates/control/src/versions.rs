//! Model versions that a pipeline's declared outputs register.
//!
//! A step may register versions itself, with the MLflow client; those are provisional until the step commits. Where it
//! declared a model output and registered nothing for that model, the output (an MLflow model folder) is packed and
//! registered here, in the commit that ends the step.

use std::collections::BTreeMap;

use windlass_kinds::{
    Name,
    manifest::OutputSpec,
    record::{Artifact, FileEntry, ModelVersion, PendingVersion, StepRun, Tree},
};
use windlass_oci::{BlobError, model, read_all};

use crate::{
    Control, ControlError,
    active::Active,
    commit::{Commit, DeclaredVersion},
};

/// The largest tree blob we read: a million files at 200 bytes each.
const TREE_CAP: u64 = 256 << 20;

impl Control {
    /// Adds versions for the declared model outputs of a step that succeeded.
    pub(crate) async fn declare_versions(
        &self,
        commit: &mut Commit,
        moved: &Active,
        step: &StepRun,
    ) -> Result<(), ControlError> {
        let Some(spec) = moved.spec.steps.iter().find(|spec| spec.name == step.step) else { return Ok(()) };
        let declared: Vec<(&Name, &Name)> =
            spec.outputs.iter().filter_map(|(name, OutputSpec { model, .. })| Some((name, model.as_ref()?))).collect();
        for (output, model) in declared {
            let Some(kept) = step.outputs.get(output) else { continue };
            let run = &moved.state.run;
            let attempt = commit.attempts.iter().find(|attempt| Some(&attempt.id) == step.attempt.as_ref());
            if let Some(attempt) = attempt {
                // What an earlier attempt registered goes away with this one's commit and does not count.
                let (project, named, attempt) = (run.project.clone(), model.to_string(), attempt.id.clone());
                let registered = self
                    .inner
                    .store
                    .read(move |tx| {
                        let (project, model, attempt) = (project.clone(), named.clone(), attempt.clone());
                        Box::pin(async move { tx.model_versions_registered(&project, &model, &attempt).await })
                    })
                    .await?;
                if registered > 0 {
                    continue;
                }
            }
            // Two outputs may be versions of the same model.
            let ordinal = commit.versions.iter().filter(|other| other.version.model == model.as_str()).count();
            let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
            let tracking_run = attempt.map(|attempt| attempt.tracking_run.clone());
            let bytes = read_all(self.inner.blobs.as_ref(), &kept.tree, TREE_CAP).await?;
            let tree: Tree = serde_json::from_slice(&bytes)
                .map_err(|_| ControlError::Content(BlobError::Corrupt { digest: kept.tree.clone() }))?;
            let files: Vec<FileEntry> = tree
                .files
                .iter()
                .map(|file| FileEntry { path: file.path.clone(), digest: file.digest.clone(), size: file.size })
                .collect();
            let (manifest, size) = model::package(self.inner.blobs.as_ref(), &files, BTreeMap::new()).await?;
            let mut references: Vec<_> =
                model::contents(self.inner.blobs.as_ref(), &manifest).await?.into_iter().collect();
            references.push(manifest.clone());
            let run_text = tracking_run.as_ref().map_or("", |run| run.as_str());
            commit.versions.push(DeclaredVersion {
                version: ModelVersion {
                    project: run.project.clone(),
                    model: model.to_string(),
                    version: 0,
                    run: tracking_run.clone(),
                    source: format!("mlflow-artifacts:/{{experiment}}/{run_text}/artifacts/{output}"),
                    logged_model: None,
                    manifest: Some(manifest),
                    size,
                    pending: Some(PendingVersion { step_run: step.id.clone(), ordinal }),
                    description: String::new(),
                    tags: BTreeMap::new(),
                    run_link: String::new(),
                    stage: Default::default(),
                    created_at: commit.now,
                    updated_at: commit.now,
                },
                experiment: run.pipeline.to_string(),
                artifacts: files
                    .into_iter()
                    .map(|file| Artifact {
                        path: format!("{output}/{}", file.path),
                        digest: file.digest,
                        size: file.size,
                    })
                    .collect(),
                references,
            });
        }
        Ok(())
    }
}
