//! Seals: what the ledger keeps of a run that ended, so that a changed point, param or artifact can be found.
//!
//! Each digest is over canonical JSON. A point's value enters as the bits of its IEEE 754 form in hexadecimal, because
//! JSON has neither NaN nor infinity.

use serde::Serialize;
use windlass_kinds::{
    Digest, Micros, RunId, canonical,
    record::{Actor, LedgerKind, Run, RunSeal},
};

use super::metric::point_of;
use crate::{StoreError, Tx, tx::args};

/// A metric point as it is hashed; the order of fields is the order of points.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct SealedPoint {
    key: String,
    step: i64,
    timestamp_ms: i64,
    value_bits: String,
    model: Option<String>,
    dataset_name: Option<String>,
    dataset_digest: Option<String>,
}

/// An artifact as it is hashed.
#[derive(Serialize)]
struct SealedArtifact {
    path: String,
    digest: String,
    size: i64,
}

impl Tx {
    /// Returns the seal of what a run holds now; `None` where there is no such run.
    pub async fn run_seal_now(&mut self, id: &RunId) -> Result<Option<RunSeal>, StoreError> {
        match self.run_get(id).await? {
            None => Ok(None),
            Some(run) => Ok(Some(self.seal_of(&run).await?)),
        }
    }

    async fn seal_of(&mut self, run: &Run) -> Result<RunSeal, StoreError> {
        let rows = self
            .rows(
                "SELECT key, step, at_ms, value, nan, model, dataset_name, dataset_digest FROM metric_point
                 WHERE run = $1",
                args![run.id.as_str()],
            )
            .await?;
        let mut points = Vec::with_capacity(rows.len());
        for row in &rows {
            let point = point_of(row, 0)?;
            points.push(SealedPoint {
                key: point.key,
                step: point.step,
                timestamp_ms: point.timestamp_ms,
                value_bits: format!("{:016x}", point.value.to_bits()),
                model: point.model_id.map(|id| id.to_string()),
                dataset_name: point.dataset_name,
                dataset_digest: point.dataset_digest,
            });
        }
        drop(rows);
        points.sort();
        let rows =
            self.rows("SELECT key, value FROM run_param WHERE run = $1 ORDER BY key", args![run.id.as_str()]).await?;
        let params: Vec<(String, String)> =
            rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect::<Result<_, StoreError>>()?;
        let prefix = format!("{}/{}/artifacts", run.experiment, run.id);
        let artifacts: Vec<SealedArtifact> = self
            .artifact_list(&run.project, &prefix)
            .await?
            .into_iter()
            .map(|artifact| SealedArtifact {
                path: artifact.path,
                digest: artifact.digest.to_string(),
                size: i64::try_from(artifact.size).unwrap_or(i64::MAX),
            })
            .collect();
        Ok(RunSeal {
            run: run.id.clone(),
            status: run.status,
            metric_count: points.len() as u64,
            metrics: digest(&points),
            params: digest(&params),
            artifacts: digest(&artifacts),
        })
    }

    /// Writes the seal of a run into the ledger.
    pub(super) async fn run_seal(&mut self, run: &Run, actor: &Actor, now: Micros) -> Result<(), StoreError> {
        let seal = self.seal_of(run).await?;
        let subject = format!("run {}", run.id);
        self.ledger_append(&run.project, actor, LedgerKind::RunSeal, &subject, &seal, now).await?;
        self.execute("UPDATE tracking_run SET sealed = 1 WHERE id = $1", args![run.id.as_str()]).await?;
        Ok(())
    }

    /// Seals again up to `limit` runs that were written to after they ended; returns how many.
    pub async fn runs_reseal(&mut self, limit: u32, now: Micros) -> Result<u32, StoreError> {
        let rows = self
            .rows(
                "SELECT id FROM tracking_run WHERE sealed = 2 AND status IN ('FINISHED', 'FAILED', 'KILLED') LIMIT $1",
                args![limit],
            )
            .await?;
        let mut sealed = 0;
        for row in &rows {
            if let Some(run) = self.run_get(&RunId::new(row.text(0)?)).await? {
                self.run_seal(&run, &Actor::system(), now).await?;
                sealed += 1;
            }
        }
        Ok(sealed)
    }
}

fn digest<T: Serialize>(items: &[T]) -> Digest {
    canonical::digest(items)
}
