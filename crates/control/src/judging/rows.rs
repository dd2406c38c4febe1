//! Where the rows are that a version is scored over, or was trained on.
//!
//! They are artifacts: of the version's own tracking run, or of the run that a tag of the version names. Whoever may
//! write to that run wrote them, so they are other people's bytes and read as such.

use windlass_kinds::{
    Name, RunId,
    manifest::EVALUATION_TAG,
    record::{Artifact, ModelVersion},
};

use crate::{Control, ControlError};

/// What a tag that names an artifact looks like.
const RUNS: &str = "runs:/";

impl Control {
    /// Returns the artifact with a version's evaluation rows, or why there is none, for people.
    pub(super) async fn evaluation_rows(
        &self,
        version: &ModelVersion,
        artifact: &str,
    ) -> Result<Result<Artifact, String>, ControlError> {
        self.rows_of(version, EVALUATION_TAG, artifact).await
    }

    /// Returns the artifact that a tag of the version names, or else the one of its own run.
    pub(crate) async fn rows_of(
        &self,
        version: &ModelVersion,
        tag: &str,
        artifact: &str,
    ) -> Result<Result<Artifact, String>, ControlError> {
        let (run, path) = match named(version, tag, artifact) {
            Ok(place) => place,
            Err(reason) => return Ok(Err(reason)),
        };
        let (project, wanted, below): (Name, RunId, String) = (version.project.clone(), run.clone(), path.clone());
        let found = self
            .inner
            .store
            .read(move |tx| {
                let (project, run, path) = (project.clone(), wanted.clone(), below.clone());
                Box::pin(async move {
                    let Some(run) = tx.run_get(&run).await?.filter(|run| run.project == project) else {
                        return Ok(None);
                    };
                    tx.artifact_get(&project, &format!("{}/{}/artifacts/{path}", run.experiment, run.id)).await
                })
            })
            .await?;
        Ok(found.ok_or_else(|| {
            format!("run {run} has no artifact `{path}`; log it there, or tag the version {tag}=runs:/RUN/PATH")
        }))
    }
}

/// Returns run and path of the artifact.
fn named(version: &ModelVersion, tag: &str, artifact: &str) -> Result<(RunId, String), String> {
    match version.tags.get(tag) {
        Some(text) => text
            .strip_prefix(RUNS)
            .and_then(|rest| rest.split_once('/'))
            .filter(|(run, path)| !run.is_empty() && !path.is_empty())
            .map(|(run, path)| (RunId::new(run), path.to_owned()))
            .ok_or_else(|| format!("tag {tag} is `{text}`; write runs:/RUN/PATH")),
        None => match &version.run {
            Some(run) => Ok((run.clone(), artifact.to_owned())),
            None => Err(format!("no run is known to have made it, and it has no tag {tag}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use windlass_kinds::Micros;

    use super::*;

    fn version(run: Option<&str>, tag: Option<&str>) -> ModelVersion {
        ModelVersion {
            project: "default".parse().unwrap(),
            model: "flights".to_owned(),
            version: 1,
            run: run.map(RunId::new),
            source: String::new(),
            logged_model: None,
            manifest: None,
            size: 0,
            pending: None,
            description: String::new(),
            tags: tag.map(|tag| (EVALUATION_TAG.to_owned(), tag.to_owned())).into_iter().collect::<BTreeMap<_, _>>(),
            run_link: String::new(),
            stage: Default::default(),
            created_at: Micros::default(),
            updated_at: Micros::default(),
        }
    }

    #[test]
    fn the_tag_wins_over_the_run() {
        for (run, tag, expected) in [
            (Some("r1"), None, Ok("r1 rows.parquet")),
            (Some("r1"), Some("runs:/r2/a/b.parquet"), Ok("r2 a/b.parquet")),
            (None, Some("runs:/r2/b.parquet"), Ok("r2 b.parquet")),
            (None, None, Err("no run is known to have made it, and it has no tag windlass.evaluation")),
            (Some("r1"), Some("r2/b"), Err("tag windlass.evaluation is `r2/b`; write runs:/RUN/PATH")),
            (Some("r1"), Some("runs:/r2"), Err("tag windlass.evaluation is `runs:/r2`; write runs:/RUN/PATH")),
        ] {
            let found = named(&version(run, tag), EVALUATION_TAG, "rows.parquet");
            let found = found.map(|(run, path)| format!("{run} {path}"));
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        }
    }
}
