//! The inbox and the outbox: what arrived and what goes out, each once under its identity.
//!
//! Rows that are done stay for a while, since they are what makes a repetition have no effect. How old a row is follows
//! from marks: a mark tells how far both queues had come at a time. So no row carries a time for it and no index is kept
//! for it on the way of every event.

use std::time::Duration;

use windlass_kinds::{
    EventId, Micros,
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

    /// Marks how far both queues have come by `now`; nothing where that was marked within `span` before.
    pub async fn queues_mark(&mut self, now: Micros, span: Duration) -> Result<(), StoreError> {
        let row = self.row("SELECT COALESCE(MAX(marked_at), 0) FROM queue_mark", args![]).await?;
        let last = row.map_or(Ok(0), |row| row.int(0))?;
        if last > 0 && now.since(Micros(last)) < span {
            return Ok(());
        }
        self.execute(
            "INSERT INTO queue_mark (marked_at, inbox, outbox)
             SELECT $1, (SELECT COALESCE(MAX(place), 0) FROM inbox), (SELECT COALESCE(MAX(place), 0) FROM outbox)",
            args![now],
        )
        .await?;
        Ok(())
    }

    /// Removes rows of both queues that are done and came before the last mark up to `before`, at most `limit` of each, the
    /// oldest first. Returns how many went: fewer than `limit` means that no more are to go.
    pub async fn queues_prune(&mut self, before: Micros, limit: u32) -> Result<u64, StoreError> {
        let mark = self
            .row(
                "SELECT marked_at, inbox, outbox FROM queue_mark WHERE marked_at <= $1 ORDER BY marked_at DESC LIMIT 1",
                args![before],
            )
            .await?;
        let Some(mark) = mark else { return Ok(0) };
        let inbox = self
            .execute(
                "DELETE FROM inbox WHERE place IN
                     (SELECT place FROM inbox WHERE place <= $1 AND done = 1 ORDER BY place LIMIT $2)",
                args![mark.int(1)?, limit],
            )
            .await?;
        let outbox = self
            .execute(
                "DELETE FROM outbox WHERE place IN
                     (SELECT place FROM outbox WHERE place <= $1 AND done = 1 ORDER BY place LIMIT $2)",
                args![mark.int(2)?, limit],
            )
            .await?;
        let gone = inbox.max(outbox);
        if gone < u64::from(limit) {
            self.execute("DELETE FROM queue_mark WHERE marked_at < $1", args![mark.int(0)?]).await?;
        }
        Ok(gone)
    }

    async fn count(&mut self, sql: &'static str) -> Result<u64, StoreError> {
        let count = self.row(sql, args![]).await?.map_or(Ok(0), |row| row.int(0))?;
        u64::try_from(count).map_err(|_| StoreError::corrupt(format!("a count of {count}")))
    }
}
