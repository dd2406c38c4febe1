//! What drift is measured from: a sketch of the rows that a version was trained on.
//!
//! It is made once, when the version is judged or else when it is first asked for, and kept as content of the version.
//! From then on nobody reads the training rows, which may be gone by then.

use std::path::Path;

use windlass_data::{
    sketch::Sketch,
    table::{TableLimits, read_table},
};
use windlass_kinds::{
    Digest, Name,
    manifest::{DataFormat, TRAINING_TAG},
    record::ModelVersion,
};
use windlass_oci::{BlobError, put_bytes, read_all};

use crate::{Control, ControlError, watch::blocking};

/// The largest sketch that is read, in bytes: one of a table with thousands of columns is smaller.
const SKETCH_CAP: u64 = 256 << 20;

/// A sketch with the digest that it is kept under.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) digest: Digest,
    pub(crate) sketch: Sketch,
}

impl Control {
    /// Returns the sketch of the rows that a version was trained on, or why there is none.
    pub(crate) async fn reference(
        &self,
        project: &Name,
        model: &str,
        version: u32,
    ) -> Result<Result<Reference, String>, ControlError> {
        let (in_project, name) = (project.clone(), model.to_owned());
        let found = self
            .inner
            .store
            .read(move |tx| {
                let (project, name) = (in_project.clone(), name.clone());
                Box::pin(async move { tx.model_version_get(&project, &name, version).await })
            })
            .await?;
        match found {
            Some(found) => self.reference_of(&found).await,
            None => Ok(Err(format!("{model}@{version} is gone"))),
        }
    }

    /// Returns the sketch that is kept with a version; makes and keeps it where there is none yet.
    pub(crate) async fn reference_of(&self, version: &ModelVersion) -> Result<Result<Reference, String>, ControlError> {
        let wanted = version.clone();
        let kept = self
            .inner
            .store
            .read(move |tx| {
                let version = wanted.clone();
                Box::pin(async move { tx.model_reference(&version).await })
            })
            .await?;
        if let Some(digest) = kept {
            return match read_all(self.inner.blobs.as_ref(), &digest, SKETCH_CAP).await {
                Ok(bytes) => Ok(Sketch::from_json(&bytes)
                    .map(|sketch| Reference { digest, sketch })
                    .map_err(|error| crate::chain(&error))),
                Err(error @ (BlobError::NotFound { .. } | BlobError::TooLarge { .. })) => {
                    Ok(Err(format!("the sketch of its training rows: {}", crate::chain(&error))))
                }
                Err(error) => Err(error.into()),
            };
        }
        let (path, rows) = match self.training_rows(version).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        let sketch = match blocking(move || sketch(&path, &rows)).await {
            Ok(sketch) => sketch,
            Err(reason) => return Ok(Err(reason)),
        };
        let digest = put_bytes(self.inner.blobs.as_ref(), &sketch.to_json()).await?;
        let (version, made) = (version.clone(), digest.clone());
        let kept = self
            .inner
            .store
            .write(move |tx| {
                let (version, digest) = (version.clone(), made.clone());
                Box::pin(async move { tx.model_reference_keep(&version, &digest).await })
            })
            .await?;
        // Two at once make the same of the same rows.
        Ok(Ok(Reference { digest: kept.unwrap_or(digest), sketch }))
    }

    /// Returns where a version's training rows lie, or why they do not.
    async fn training_rows(
        &self,
        version: &ModelVersion,
    ) -> Result<Result<(std::path::PathBuf, Digest), String>, ControlError> {
        let ModelVersion { project, model, .. } = version;
        let spec = self.model_spec(project, model).await?;
        let training = spec.and_then(|spec| spec.evaluation).and_then(|evaluation| evaluation.training);
        let Some(artifact) = training.or_else(|| version.tags.get(TRAINING_TAG).map(|_| String::new())) else {
            return Ok(Err(format!(
                "Model/{model} does not say what its versions were trained on (spec.evaluation.training)"
            )));
        };
        let artifact = match self.rows_of(version, TRAINING_TAG, &artifact).await? {
            Ok(artifact) => artifact,
            Err(reason) => return Ok(Err(reason)),
        };
        let path = self.inner.blobs.local_path(&artifact.digest);
        Ok(path
            .map(|path| (path, artifact.digest))
            .ok_or_else(|| "the training rows are not on this machine".to_owned()))
    }
}

fn sketch(path: &Path, digest: &Digest) -> Result<Sketch, String> {
    let table = read_table(path, Some(DataFormat::Parquet), None, &TableLimits::default());
    let table = table.map_err(|error| format!("the training rows ({digest}): {}", crate::chain(&error)))?;
    Ok(Sketch::of(&table))
}
