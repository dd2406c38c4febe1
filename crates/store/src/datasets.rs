//! Versions of datasets, and what is remembered of their files.

use std::collections::BTreeMap;

use windlass_kinds::{
    Name,
    record::{DatasetVersion, DatasetVersionState, ObservedFile},
};

use crate::{
    StoreError, Tx,
    encode::{canonical_json, json, records, word},
    tx::args,
};

impl Tx {
    /// Adds a version; a [`StoreError::Conflict`] where its number is taken.
    pub async fn dataset_version_insert(&mut self, version: &DatasetVersion) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO dataset_version (project, dataset, number, state, digest, created_at, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            args![
                &version.project,
                &version.dataset,
                version.number,
                word(&version.state),
                &version.digest,
                version.created_at,
                canonical_json(version)
            ],
        )
        .await?;
        Ok(())
    }

    /// Returns one version.
    pub async fn dataset_version_get(
        &mut self,
        project: &Name,
        dataset: &Name,
        number: u32,
    ) -> Result<Option<DatasetVersion>, StoreError> {
        self.row(
            "SELECT body FROM dataset_version WHERE project = $1 AND dataset = $2 AND number = $3",
            args![project, dataset, number],
        )
        .await?
        .map(|row| row.json(0))
        .transpose()
    }

    /// Returns the newest version, or the newest in `state`.
    pub async fn dataset_version_last(
        &mut self,
        project: &Name,
        dataset: &Name,
        state: Option<DatasetVersionState>,
    ) -> Result<Option<DatasetVersion>, StoreError> {
        let row = match state {
            None => {
                self.row(
                    "SELECT body FROM dataset_version WHERE project = $1 AND dataset = $2 ORDER BY number DESC LIMIT 1",
                    args![project, dataset],
                )
                .await?
            }
            Some(state) => {
                self.row(
                    "SELECT body FROM dataset_version WHERE project = $1 AND dataset = $2 AND state = $3
                     ORDER BY number DESC LIMIT 1",
                    args![project, dataset, word(&state)],
                )
                .await?
            }
        };
        row.map(|row| row.json(0)).transpose()
    }

    /// Returns every version, oldest first.
    pub async fn dataset_versions(
        &mut self,
        project: &Name,
        dataset: &Name,
    ) -> Result<Vec<DatasetVersion>, StoreError> {
        let rows = self
            .rows(
                "SELECT body FROM dataset_version WHERE project = $1 AND dataset = $2 ORDER BY number",
                args![project, dataset],
            )
            .await?;
        records(&rows)
    }

    /// Returns what is remembered of the dataset's files, by path.
    pub async fn observed_files(&mut self, project: &Name, dataset: &Name) -> Result<Vec<ObservedFile>, StoreError> {
        let rows = self
            .rows(
                "SELECT body FROM observed_file WHERE project = $1 AND dataset = $2 ORDER BY path",
                args![project, dataset],
            )
            .await?;
        records(&rows)
    }

    /// Makes `files` what is remembered; only what differs is written.
    pub async fn observed_files_replace(
        &mut self,
        project: &Name,
        dataset: &Name,
        files: &[ObservedFile],
    ) -> Result<(), StoreError> {
        let rows = self
            .rows("SELECT path, body FROM observed_file WHERE project = $1 AND dataset = $2", args![project, dataset])
            .await?;
        let mut known = BTreeMap::new();
        for row in &rows {
            known.insert(row.text(0)?, row.text(1)?);
        }
        for file in files {
            let body = json(file);
            if known.remove(&file.path).as_ref() == Some(&body) {
                continue;
            }
            self.execute(
                "INSERT INTO observed_file (project, dataset, path, body) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (project, dataset, path) DO UPDATE SET body = excluded.body",
                args![project, dataset, &file.path, body],
            )
            .await?;
        }
        for path in known.keys() {
            self.execute(
                "DELETE FROM observed_file WHERE project = $1 AND dataset = $2 AND path = $3",
                args![project, dataset, path],
            )
            .await?;
        }
        Ok(())
    }
}
