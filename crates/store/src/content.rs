//! Who refers to which content: the one table that collection asks.

use windlass_kinds::{Digest, Name};

use crate::{StoreError, Tx, tx::args};

impl Tx {
    /// Notes that `holder` needs `digests`; what is noted already stays.
    pub async fn content_refs_add(
        &mut self,
        project: &Name,
        holder: &str,
        digests: &[Digest],
    ) -> Result<(), StoreError> {
        for digest in digests {
            self.execute(
                "INSERT INTO content_ref (digest, holder, project) VALUES ($1, $2, $3)
                 ON CONFLICT (digest, project, holder) DO NOTHING",
                args![digest, holder, project],
            )
            .await?;
        }
        Ok(())
    }

    /// Forgets all that `holder` needs.
    pub async fn content_refs_drop(&mut self, project: &Name, holder: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM content_ref WHERE project = $1 AND holder = $2", args![project, holder]).await?;
        Ok(())
    }

    /// Returns who needs the content: project and holder.
    pub async fn content_ref_holders(&mut self, digest: &Digest) -> Result<Vec<(Name, String)>, StoreError> {
        let rows = self
            .rows("SELECT project, holder FROM content_ref WHERE digest = $1 ORDER BY project, holder", args![digest])
            .await?;
        rows.iter().map(|row| Ok((row.parsed(0)?, row.text(1)?))).collect()
    }

    /// Returns up to `limit` digests that somebody needs, in order, from behind `after`.
    pub async fn content_ref_digests(&mut self, after: Option<&Digest>, limit: u32) -> Result<Vec<Digest>, StoreError> {
        let after = after.map_or_else(String::new, Digest::to_string);
        let rows = self
            .rows(
                "SELECT DISTINCT digest FROM content_ref WHERE digest > $1 ORDER BY digest LIMIT $2",
                args![after, limit],
            )
            .await?;
        rows.iter().map(|row| row.parsed(0)).collect()
    }
}
