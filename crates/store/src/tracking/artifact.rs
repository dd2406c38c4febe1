//! Artifacts: paths to digests. The bytes are content; each path is a reference to them.
//!
//! Paths are checked by the caller: relative, `/`, no `..`.

use windlass_kinds::{
    Micros, Name,
    record::{Actor, Artifact, LedgerKind},
};

use super::{Refusal, Subject};
use crate::{
    StoreError, Tx,
    tx::{Row, args},
};

fn artifact_of(row: &Row) -> Result<Artifact, StoreError> {
    let size = row.int(2)?;
    let size = u64::try_from(size).map_err(|_| StoreError::corrupt(format!("an artifact of {size} bytes")))?;
    Ok(Artifact { path: row.text(0)?, digest: row.parsed(1)?, size })
}

/// Returns what refers to the content of the artifact at `path`.
pub fn holder(path: &str) -> String {
    format!("artifact/{path}")
}

impl Tx {
    /// Sets what lies at a path. Its bytes are in the content store already.
    pub async fn artifact_put(&mut self, artifact: &Artifact, project: &Name) -> Result<(), StoreError> {
        let holder = holder(&artifact.path);
        self.content_refs_drop(project, &holder).await?;
        self.execute(
            "INSERT INTO artifact (project, path, digest, size) VALUES ($1, $2, $3, $4)
             ON CONFLICT (project, path) DO UPDATE SET digest = excluded.digest, size = excluded.size",
            args![project, &artifact.path, &artifact.digest, artifact.size],
        )
        .await?;
        self.content_refs_add(project, &holder, std::slice::from_ref(&artifact.digest)).await
    }

    /// Returns what lies at a path.
    pub async fn artifact_get(&mut self, project: &Name, path: &str) -> Result<Option<Artifact>, StoreError> {
        let row = self
            .row("SELECT path, digest, size FROM artifact WHERE project = $1 AND path = $2", args![project, path])
            .await?;
        row.map(|row| artifact_of(&row)).transpose()
    }

    /// Returns everything below the folder `prefix` (all depths), sorted by path; an empty prefix means all.
    pub async fn artifact_list(&mut self, project: &Name, prefix: &str) -> Result<Vec<Artifact>, StoreError> {
        let (start, end) = range(prefix);
        let rows = self
            .rows(
                "SELECT path, digest, size FROM artifact WHERE project = $1 AND path >= $2 AND path < $3 ORDER BY path",
                args![project, start, end],
            )
            .await?;
        rows.iter().map(artifact_of).collect()
    }

    /// Removes what lies at a path, or everything below it; returns how many files went.
    pub async fn artifact_delete(&mut self, project: &Name, path: &str) -> Result<u64, StoreError> {
        let mut gone = self.artifact_list(project, path).await?;
        gone.extend(self.artifact_get(project, path).await?);
        for artifact in &gone {
            self.execute("DELETE FROM artifact WHERE project = $1 AND path = $2", args![project, &artifact.path])
                .await?;
            self.content_refs_drop(project, &holder(&artifact.path)).await?;
        }
        Ok(gone.len() as u64)
    }

    /// As [`Tx::artifact_delete`] at somebody's request: recorded, and refused where nothing lies there.
    pub async fn artifact_remove(
        &mut self,
        project: &Name,
        path: &str,
        actor: &Actor,
        now: Micros,
    ) -> Result<(), StoreError> {
        let files = self.artifact_delete(project, path).await?;
        if files == 0 {
            return Err(Refusal::Missing(Subject::Artifact(path.to_owned())).into());
        }
        let subject = format!("artifact {path}");
        self.ledger_append(project, actor, LedgerKind::Deletion, &subject, &("deleted", files), now).await
    }
}

/// Returns the half-open range of paths below a folder. Text is compared by bytes, and `0` follows `/`.
fn range(prefix: &str) -> (String, String) {
    match prefix {
        "" => (String::new(), "\u{10ffff}".to_owned()),
        prefix => (format!("{prefix}/"), format!("{prefix}0")),
    }
}
