//! The inbox and the outbox: what arrived and what goes out, each once under its identity.

use windlass_kinds::{
    EventId,
    record::{Action, Event},
};

use crate::{
    StoreError, Tx,
    encode::{json, records},
    tx::args,
};

impl Tx {
    /// Adds the event; `false` where its id is known, answered or not.
    pub async fn inbox_push(&mut self, event: &Event) -> Result<bool, StoreError> {
        let added = self
            .execute(
                "INSERT INTO inbox (id, project, identity, actor, received_at, done, body)
                 VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT (id) DO NOTHING",
                args![
                    event.id.as_str(),
                    &event.project,
                    &event.identity,
                    event.actor.as_str(),
                    event.received_at,
                    json(event)
                ],
            )
            .await?;
        Ok(added > 0)
    }

    /// Returns events that wait for an answer, oldest first.
    pub async fn inbox_pending(&mut self, limit: u32) -> Result<Vec<Event>, StoreError> {
        let rows = self.rows("SELECT body FROM inbox WHERE done = 0 ORDER BY place LIMIT $1", args![limit]).await?;
        records(&rows)
    }

    /// Returns the event, answered or not.
    pub async fn inbox_get(&mut self, id: &EventId) -> Result<Option<Event>, StoreError> {
        self.row("SELECT body FROM inbox WHERE id = $1", args![id.as_str()]).await?.map(|row| row.json(0)).transpose()
    }

    /// Marks the event as answered.
    pub async fn inbox_done(&mut self, id: &EventId) -> Result<(), StoreError> {
        self.execute("UPDATE inbox SET done = 1 WHERE id = $1 AND done = 0", args![id.as_str()]).await?;
        Ok(())
    }

    /// Returns how many events wait for an answer.
    pub async fn inbox_count_pending(&mut self) -> Result<u64, StoreError> {
        self.count("SELECT COUNT(*) FROM inbox WHERE done = 0").await
    }

    /// Adds the action; `false` where its key is known, carried out or not.
    pub async fn outbox_push(&mut self, action: &Action) -> Result<bool, StoreError> {
        let added = self
            .execute(
                "INSERT INTO outbox (idempotency_key, project, done, body) VALUES ($1, $2, 0, $3)
                 ON CONFLICT (idempotency_key) DO NOTHING",
                args![&action.key, &action.project, json(action)],
            )
            .await?;
        Ok(added > 0)
    }

    /// Returns actions that wait to be carried out, oldest first.
    pub async fn outbox_pending(&mut self, limit: u32) -> Result<Vec<Action>, StoreError> {
        let rows = self.rows("SELECT body FROM outbox WHERE done = 0 ORDER BY place LIMIT $1", args![limit]).await?;
        records(&rows)
    }

    /// Marks the action as carried out.
    pub async fn outbox_done(&mut self, key: &str) -> Result<(), StoreError> {
        self.execute("UPDATE outbox SET done = 1 WHERE idempotency_key = $1 AND done = 0", args![key]).await?;
        Ok(())
    }

    /// Returns how many actions wait to be carried out.
    pub async fn outbox_count_pending(&mut self) -> Result<u64, StoreError> {
        self.count("SELECT COUNT(*) FROM outbox WHERE done = 0").await
    }

    async fn count(&mut self, sql: &'static str) -> Result<u64, StoreError> {
        let count = self.row(sql, args![]).await?.map_or(Ok(0), |row| row.int(0))?;
        u64::try_from(count).map_err(|_| StoreError::corrupt(format!("a count of {count}")))
    }
}
