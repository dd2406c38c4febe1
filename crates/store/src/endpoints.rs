//! The revisions of endpoints: which version of a model was served when.
//!
//! A revision's row is brought up to date as its state changes; what each change was stands in the ledger. The body of
//! a row is the record in canonical form, which the ledger digests.

use windlass_kinds::{
    Name,
    record::{EndpointRevision, EndpointState},
};

use crate::{
    StoreError, Tx,
    encode::{canonical_json, records, word},
    tx::args,
};

impl Tx {
    /// Adds the revision, or brings it up to date.
    pub async fn endpoint_revision_save(&mut self, revision: &EndpointRevision) -> Result<(), StoreError> {
        let open = matches!(revision.state, EndpointState::Starting | EndpointState::Ready);
        self.execute(
            "INSERT INTO endpoint_revision (project, endpoint, number, state, open, model, version, created_at, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (project, endpoint, number)
             DO UPDATE SET state = excluded.state, open = excluded.open, body = excluded.body",
            args![
                &revision.project,
                &revision.endpoint,
                revision.number,
                word(&revision.state),
                open,
                &revision.model,
                revision.version,
                revision.created_at,
                canonical_json(revision)
            ],
        )
        .await?;
        Ok(())
    }

    /// Returns one revision.
    pub async fn endpoint_revision_get(
        &mut self,
        project: &Name,
        endpoint: &Name,
        number: u32,
    ) -> Result<Option<EndpointRevision>, StoreError> {
        self.row(
            "SELECT body FROM endpoint_revision WHERE project = $1 AND endpoint = $2 AND number = $3",
            args![project, endpoint, number],
        )
        .await?
        .map(|row| row.json(0))
        .transpose()
    }

    /// Returns the endpoint's newest revision, whatever became of it.
    pub async fn endpoint_revision_last(
        &mut self,
        project: &Name,
        endpoint: &Name,
    ) -> Result<Option<EndpointRevision>, StoreError> {
        self.row(
            "SELECT body FROM endpoint_revision WHERE project = $1 AND endpoint = $2 ORDER BY number DESC LIMIT 1",
            args![project, endpoint],
        )
        .await?
        .map(|row| row.json(0))
        .transpose()
    }

    /// Returns every revision of the endpoint, oldest first.
    pub async fn endpoint_revisions(
        &mut self,
        project: &Name,
        endpoint: &Name,
    ) -> Result<Vec<EndpointRevision>, StoreError> {
        let rows = self
            .rows(
                "SELECT body FROM endpoint_revision WHERE project = $1 AND endpoint = $2 ORDER BY number",
                args![project, endpoint],
            )
            .await?;
        records(&rows)
    }

    /// Returns the revisions of all endpoints that start or answer, by project, endpoint and number.
    pub async fn endpoint_revisions_open(&mut self) -> Result<Vec<EndpointRevision>, StoreError> {
        let rows = self
            .rows("SELECT body FROM endpoint_revision WHERE open = 1 ORDER BY project, endpoint, number", args![])
            .await?;
        records(&rows)
    }
}
