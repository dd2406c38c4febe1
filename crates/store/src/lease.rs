//! Who decides: a lease that one of the servers over a database holds for a while, and the fence that goes with it.
//!
//! Each change of hands counts the epoch up. Whoever decides does so under the [`Fence`] of its epoch: the transaction
//! reads the epoch and locks it against a change of hands until it ends. So the next holder sees all that was decided
//! before it, and a holder of before that wakes up late commits nothing. Time is the database's own, so that no clock of a
//! server matters. What holders do with the lease is not known here.

use std::time::Duration;

use windlass_kinds::Micros;

use crate::{StoreError, Tx, tx::args};

/// The name of the one lease there is.
const NAME: &str = "control";

/// Proof of having held the lease at some time; [`Tx::fence`] says whether it still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    epoch: i64,
}

/// Who holds the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// The holder's name, chosen by itself.
    pub holder: String,
    /// Where it can be reached.
    pub address: String,
    /// How often the lease changed hands, this time included.
    pub epoch: u64,
    /// When it took the lease, by the database's clock.
    pub since: Micros,
    /// Whether the lease is still good; one that ended has no taker yet.
    pub is_current: bool,
}

impl Tx {
    /// Takes the lease for `term` from now where it is free: never taken, let go, run out, or held by this very `holder`,
    /// of whom there is only one at a time. `None` where another holds it.
    pub async fn lease_take(
        &mut self,
        holder: &str,
        address: &str,
        term: Duration,
    ) -> Result<Option<Fence>, StoreError> {
        let now = self.database_now().await?;
        let before = self.leader_at(now).await?;
        let epoch = match before {
            Some(leader) if leader.is_current && leader.holder != holder => return Ok(None),
            Some(leader) => i64::try_from(leader.epoch).unwrap_or(i64::MAX) + 1,
            None => 1,
        };
        // Waits for decisions of the holder before, which lock the row.
        self.execute(
            "INSERT INTO leadership (name, epoch, holder, address, since) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder,
                 address = excluded.address, since = excluded.since",
            args![NAME, epoch, holder, address, now],
        )
        .await?;
        self.execute(
            "INSERT INTO heartbeat (name, epoch, expires_at) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, expires_at = excluded.expires_at",
            args![NAME, epoch, now.plus(term)],
        )
        .await?;
        Ok(Some(Fence { epoch }))
    }

    /// Holds the lease for another `term` from now; [`StoreError::Fenced`] where it changed hands. One that ran out and has
    /// no taker goes on.
    pub async fn lease_renew(&mut self, fence: Fence, term: Duration) -> Result<(), StoreError> {
        let until = self.database_now().await?.plus(term);
        let renewed = self
            .execute(
                "UPDATE heartbeat SET expires_at = $3 WHERE name = $1 AND epoch = $2",
                args![NAME, fence.epoch, until],
            )
            .await?;
        if renewed == 0 { Err(StoreError::Fenced) } else { Ok(()) }
    }

    /// Lets the lease go, so that the next one need not wait; nothing where it changed hands.
    pub async fn lease_release(&mut self, fence: Fence) -> Result<(), StoreError> {
        self.execute("UPDATE heartbeat SET expires_at = 0 WHERE name = $1 AND epoch = $2", args![NAME, fence.epoch])
            .await?;
        Ok(())
    }

    /// Demands that the lease did not change hands since `fence`, and that it does not until this transaction ends.
    pub async fn fence(&mut self, fence: Fence) -> Result<(), StoreError> {
        let sql = match self.is_postgres() {
            true => "SELECT epoch FROM leadership WHERE name = $1 FOR SHARE",
            // SQLite has one writer at a time.
            false => "SELECT epoch FROM leadership WHERE name = $1",
        };
        let epoch = self.row(sql, args![NAME]).await?.map(|row| row.int(0)).transpose()?;
        if epoch == Some(fence.epoch) { Ok(()) } else { Err(StoreError::Fenced) }
    }

    /// Returns who holds the lease or held it last; `None` where nobody ever did.
    pub async fn leader(&mut self) -> Result<Option<Leader>, StoreError> {
        let now = self.database_now().await?;
        self.leader_at(now).await
    }

    async fn leader_at(&mut self, now: Micros) -> Result<Option<Leader>, StoreError> {
        let row = self
            .row(
                "SELECT leadership.holder, leadership.address, leadership.epoch, leadership.since, heartbeat.expires_at
                 FROM leadership JOIN heartbeat ON heartbeat.name = leadership.name WHERE leadership.name = $1",
                args![NAME],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let epoch = row.int(2)?;
        Ok(Some(Leader {
            holder: row.text(0)?,
            address: row.text(1)?,
            epoch: u64::try_from(epoch).map_err(|_| StoreError::corrupt(format!("an epoch of {epoch}")))?,
            since: Micros(row.int(3)?),
            is_current: row.int(4)? > now.0,
        }))
    }

    /// Returns what the database's clock says.
    async fn database_now(&mut self) -> Result<Micros, StoreError> {
        let sql = match self.is_postgres() {
            true => "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
            false => "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
        };
        Ok(Micros(self.row(sql, args![]).await?.map_or(Ok(0), |row| row.int(0))?))
    }
}
