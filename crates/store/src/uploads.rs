//! Uploads in parts: what was begun, and which parts came.
//!
//! A part is content like any other, held as uploads are: what nobody joins is freed once nobody wrote it for long enough.
//! The file that parts make up appears with its last step, whole or not at all.

use windlass_kinds::{Digest, Name};

use crate::{StoreError, Tx, UPLOAD, tx::args};

/// A part that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPart {
    /// Counts from 1.
    pub number: u32,
    /// Its bytes.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
}

impl Tx {
    /// Begins an upload to a path. Those of the project that were begun before `stale_ms` are forgotten.
    pub async fn upload_begin(
        &mut self,
        project: &Name,
        id: &str,
        path: &str,
        now_ms: i64,
        stale_ms: i64,
    ) -> Result<(), StoreError> {
        let stale =
            self.rows("SELECT id FROM upload WHERE project = $1 AND created_ms < $2", args![project, stale_ms]).await?;
        for row in stale {
            self.upload_end(project, &row.text(0)?).await?;
        }
        self.execute(
            "INSERT INTO upload (id, project, path, created_ms) VALUES ($1, $2, $3, $4)",
            args![id, project, path, now_ms],
        )
        .await?;
        Ok(())
    }

    /// Returns where an upload goes: its project and path.
    pub async fn upload_get(&mut self, id: &str) -> Result<Option<(Name, String)>, StoreError> {
        let row = self.row("SELECT project, path FROM upload WHERE id = $1", args![id]).await?;
        row.map(|row| Ok((row.parsed(0)?, row.text(1)?))).transpose()
    }

    /// Notes a part that came, in place of one with the same number; false where there is no such upload any more.
    pub async fn upload_part_put(&mut self, id: &str, part: &UploadPart) -> Result<bool, StoreError> {
        let Some((project, _)) = self.upload_get(id).await? else { return Ok(false) };
        let UploadPart { number, digest, size } = part;
        self.content_refs_add(&project, UPLOAD, std::slice::from_ref(digest)).await?;
        self.execute(
            "INSERT INTO upload_part (upload, number, digest, size) VALUES ($1, $2, $3, $4)
             ON CONFLICT (upload, number) DO UPDATE SET digest = excluded.digest, size = excluded.size",
            args![id, *number, digest, *size],
        )
        .await?;
        Ok(true)
    }

    /// Returns the parts that came, in order.
    pub async fn upload_parts(&mut self, id: &str) -> Result<Vec<UploadPart>, StoreError> {
        let rows = self
            .rows("SELECT number, digest, size FROM upload_part WHERE upload = $1 ORDER BY number", args![id])
            .await?;
        let part = |row: &crate::tx::Row| {
            let size = u64::try_from(row.int(2)?).map_err(|_| StoreError::corrupt("a part of a negative size"))?;
            Ok(UploadPart { number: row.count(0)?, digest: row.parsed(1)?, size })
        };
        rows.iter().map(part).collect()
    }

    /// Forgets an upload; returns false where there was none, which another's call may have ended.
    pub async fn upload_end(&mut self, project: &Name, id: &str) -> Result<bool, StoreError> {
        let gone = self.execute("DELETE FROM upload WHERE id = $1 AND project = $2", args![id, project]).await?;
        if gone > 0 {
            self.execute("DELETE FROM upload_part WHERE upload = $1", args![id]).await?;
        }
        Ok(gone > 0)
    }
}
