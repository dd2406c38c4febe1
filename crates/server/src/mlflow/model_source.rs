//! Where a model version comes from: a run's artifacts, a logged model, or a place elsewhere.

use windlass_kinds::{Digest, LoggedModelId, RunId, record::FileEntry};

use super::{
    artifact_path::{self, Owner},
    door::Door,
    error::{Error, Result},
    show::{model_root, run_root},
};

/// Returns the number of a version.
pub(super) fn number(text: &str) -> Result<u32> {
    text.parse().map_err(|_| Error::invalid(format!("Parameter 'version' must be an integer, got '{text}'.")))
}

/// A source, by its scheme.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `runs:/<run>/<path>`.
    Run(RunId, String),
    /// `models:/<id of a logged model>`.
    Model(LoggedModelId),
    /// `mlflow-artifacts:/<path>`.
    Artifact(String),
    /// A path on somebody's disk.
    Local,
    /// Anything else with a scheme; its bytes are not here.
    Elsewhere,
}

/// Reads a source.
pub(super) fn parse(source: &str) -> Result<Source> {
    let relative = || {
        Error::invalid(format!(
            "Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, \
             objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references \
             present. Please provide an absolute path."
        ))
    };
    let Some((scheme, rest)) = source.split_once(':') else { return Ok(Source::Local) };
    let path = || match rest.strip_prefix('/').map(|rest| rest.trim_end_matches('/')) {
        Some(path) if !path.starts_with('/') => artifact_path::checked(path).map_err(|_| relative()),
        _ => Err(relative()),
    };
    match scheme {
        "runs" => {
            let path = path()?;
            let (run, below) = path.split_once('/').unwrap_or((&path, ""));
            Ok(Source::Run(RunId::new(run), below.to_owned()))
        }
        "models" => Ok(Source::Model(LoggedModelId::new(path()?))),
        "mlflow-artifacts" => Ok(Source::Artifact(path()?)),
        "file" => Ok(Source::Local),
        // A drive letter.
        scheme if scheme.len() < 2 => Ok(Source::Local),
        _ => {
            let plain = artifact_path::checked(rest.trim_start_matches('/').trim_end_matches('/'));
            plain.map(|_| Source::Elsewhere).map_err(|_| relative())
        }
    }
}

fn outside(source: &str, parameter: &str) -> Error {
    Error::invalid(format!(
        "Invalid model version source: '{source}'. The {parameter} request parameter must identify the resource that \
         contains the source."
    ))
}

/// Refuses a source that the run or logged model named beside it does not contain.
pub(super) async fn check(
    door: &Door,
    source: &str,
    run: Option<&RunId>,
    model: Option<&LoggedModelId>,
) -> Result<Source> {
    let parameter = if model.is_some() { "model_id" } else { "run_id" };
    let parsed = parse(source)?;
    let contained = match &parsed {
        Source::Local => {
            return Err(Error::invalid(format!(
                "Invalid model version source: '{source}'. To use a local path as a model version source, the \
                 {parameter} request parameter has to be specified and the local path has to be contained within the \
                 artifact directory of the run specified by the {parameter}."
            )));
        }
        Source::Elsewhere => true,
        Source::Run(id, _) => model.is_none() && run == Some(id),
        Source::Model(id) => {
            if model != Some(id) {
                return Err(outside(source, "model_id"));
            }
            true
        }
        Source::Artifact(path) => match (artifact_path::owner(path), run, model) {
            (Ok(Owner::Run(_, owner)), Some(run), None) => owner == *run,
            (Ok(Owner::Model(_, owner)), _, Some(model)) => owner == *model,
            _ => false,
        },
    };
    if !contained {
        return Err(outside(source, parameter));
    }
    if let Some(run) = run {
        door.run(run).await.map_err(|_| outside(source, "run_id"))?;
    }
    Ok(parsed)
}

/// Returns the folder of artifacts that a source means; `None` where its bytes are not here.
pub(super) async fn root(door: &Door, source: &str) -> Result<Option<String>> {
    match parse(source)? {
        Source::Run(run, below) => {
            let run = door.run(&run).await?;
            let root = run_root(&run.experiment, &run.id);
            Ok(Some(if below.is_empty() { root } else { format!("{root}/{below}") }))
        }
        Source::Model(id) => {
            let found = door
                .read((door.project().clone(), id), |tx, a| {
                    Box::pin(async move { tx.logged_model_get(&a.0, &a.1).await })
                })
                .await?;
            Ok(found.map(|model| model_root(&model.experiment, &model.id)))
        }
        Source::Artifact(path) => Ok(Some(path)),
        Source::Local | Source::Elsewhere => Ok(None),
    }
}

/// What a version consists of.
pub(super) struct Packed {
    pub(super) manifest: Digest,
    pub(super) size: u64,
    /// Everything the manifest needs, itself included.
    pub(super) contents: Vec<Digest>,
}

/// Packs the artifacts below `root` as a model; `None` where there are none.
pub(super) async fn pack(door: &Door, root: &str) -> Result<Option<Packed>> {
    let artifacts = door
        .read((door.project().clone(), root.to_owned()), |tx, a| {
            Box::pin(async move { tx.artifact_list(&a.0, &a.1).await })
        })
        .await?;
    let files: Vec<FileEntry> = artifacts
        .into_iter()
        .filter_map(|artifact| {
            let path = artifact.path.strip_prefix(root)?.strip_prefix('/')?.to_owned();
            Some(FileEntry { path, digest: artifact.digest, size: artifact.size })
        })
        .collect();
    if files.is_empty() {
        return Ok(None);
    }
    let (manifest, size) = windlass_oci::model::package(door.blobs(), &files, Default::default()).await?;
    let contents = windlass_oci::model::contents(door.blobs(), &manifest).await?.into_iter().collect();
    Ok(Some(Packed { manifest, size, contents }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        for (text, expected) in [
            ("runs:/ab/model", Source::Run(RunId::new("ab"), "model".to_owned())),
            ("runs:/ab", Source::Run(RunId::new("ab"), String::new())),
            ("models:/m-1", Source::Model(LoggedModelId::new("m-1"))),
            ("mlflow-artifacts:/1/ab/artifacts/model", Source::Artifact("1/ab/artifacts/model".to_owned())),
            ("/etc/passwd", Source::Local),
            ("file:///etc", Source::Local),
            ("C:/x", Source::Local),
            ("s3://x/y", Source::Elsewhere),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        for bad in
            ["mlflow-artifacts:/x/../y", "mlflow-artifacts:/x/%2e%2e/y", "runs://host/x", "s3:/a/../b", "models:/"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
