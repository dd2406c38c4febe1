//! Webhooks, and what is on its way to them.
//!
//! A delivery is added by [`Tx::registry_changed`] in the transaction of the change itself, one for each webhook that
//! listens, and is removed once it was taken or given up. What a secret was sealed with is not known here.

use sqlx::AssertSqlSafe;
use windlass_kinds::{
    Digest, Micros, Name,
    record::{Actor, LedgerKind, RegistryChange, Webhook, WebhookDelivery, WebhookEvent},
};

use crate::{
    StoreError, Tx,
    encode::{canonical_json, from_word, word},
    tx::{Arg, Row, args},
};

/// The columns of a webhook, in the order of [`Tx::webhook_of`].
const COLUMNS: &str = "id, project, name, url, description, active, secret, created_ms, updated_ms";

/// What the ledger keeps of a webhook. A URL may carry a secret, so only its digest enters.
fn fact(webhook: &Webhook, what: &'static str) -> impl serde::Serialize + use<> {
    (
        what,
        webhook.id.clone(),
        webhook.name.clone(),
        Digest::sha256(&webhook.url),
        webhook.events.clone(),
        webhook.active,
    )
}

/// Returns a UUID (version 8, RFC 9562) that follows from a delivery's place, so that it needs no column and no chance.
fn delivery_id(webhook: &str, place: i64, at: Micros) -> String {
    let digest = Digest::sha256(format!("windlass/delivery\n{webhook}\n{place}\n{}", at.0));
    let hex = digest.hex();
    format!("{}-{}-8{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

impl Tx {
    /// Adds a webhook.
    pub async fn webhook_insert(&mut self, webhook: &Webhook, actor: &Actor, now: Micros) -> Result<(), StoreError> {
        // No `..`: a new field needs a column.
        let Webhook { id, project, name, url, description, events, active, secret, created_ms, updated_ms } = webhook;
        self.execute(
            "INSERT INTO webhook (id, project, name, url, description, active, secret, created_ms, updated_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            args![id, project, name, url, description.as_deref(), *active, secret.as_ref(), *created_ms, *updated_ms],
        )
        .await?;
        self.webhook_events_put(webhook, events).await?;
        let subject = format!("webhook {name}");
        self.ledger_append(project, actor, LedgerKind::Registry, &subject, &fact(webhook, "created"), now).await
    }

    async fn webhook_events_put(&mut self, webhook: &Webhook, events: &[WebhookEvent]) -> Result<(), StoreError> {
        for event in events {
            self.execute(
                "INSERT INTO webhook_event (webhook, event, project) VALUES ($1, $2, $3)
                 ON CONFLICT (webhook, event) DO NOTHING",
                args![&webhook.id, word(event), &webhook.project],
            )
            .await?;
        }
        Ok(())
    }

    /// Returns a webhook of a project.
    pub async fn webhook_get(&mut self, project: &Name, id: &str) -> Result<Option<Webhook>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM webhook WHERE id = $1 AND project = $2");
        match self.row(AssertSqlSafe(sql), args![id, project]).await? {
            None => Ok(None),
            Some(row) => Ok(Some(self.webhook_of(&row).await?)),
        }
    }

    /// Returns the webhooks of a project, the newest first.
    pub async fn webhooks(&mut self, project: &Name, offset: u64, limit: u32) -> Result<Vec<Webhook>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM webhook WHERE project = $1 ORDER BY place DESC LIMIT $2 OFFSET $3");
        let mut webhooks = Vec::new();
        for row in self.rows(AssertSqlSafe(sql), args![project, limit, offset]).await? {
            webhooks.push(self.webhook_of(&row).await?);
        }
        Ok(webhooks)
    }

    /// Writes a webhook that is there anew. Where it is no longer active, what was on its way to it is given up.
    pub async fn webhook_update(&mut self, webhook: &Webhook, actor: &Actor, now: Micros) -> Result<(), StoreError> {
        let Webhook { id, project, name, url, description, events, active, secret, created_ms: _, updated_ms } =
            webhook;
        self.execute(
            "UPDATE webhook SET name = $3, url = $4, description = $5, active = $6, secret = $7, updated_ms = $8
             WHERE id = $1 AND project = $2",
            args![id, project, name, url, description.as_deref(), *active, secret.as_ref(), *updated_ms],
        )
        .await?;
        self.execute("DELETE FROM webhook_event WHERE webhook = $1", args![id]).await?;
        self.webhook_events_put(webhook, events).await?;
        if !active {
            self.execute("DELETE FROM webhook_delivery WHERE webhook = $1", args![id]).await?;
        }
        let subject = format!("webhook {name}");
        self.ledger_append(project, actor, LedgerKind::Registry, &subject, &fact(webhook, "changed"), now).await
    }

    /// Removes a webhook with all that is on its way to it.
    pub async fn webhook_delete(&mut self, webhook: &Webhook, actor: &Actor, now: Micros) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM webhook_delivery WHERE webhook = $1",
            "DELETE FROM webhook_event WHERE webhook = $1",
            "DELETE FROM webhook WHERE id = $1",
        ] {
            self.execute(sql, args![&webhook.id]).await?;
        }
        let subject = format!("webhook {}", webhook.name);
        let project = &webhook.project;
        self.ledger_append(project, actor, LedgerKind::Deletion, &subject, &fact(webhook, "deleted"), now).await
    }

    /// Puts a change on its way to every webhook that listens to such.
    pub async fn registry_changed(
        &mut self,
        project: &Name,
        change: &RegistryChange,
        now: Micros,
    ) -> Result<(), StoreError> {
        let Some(event) = change.event() else { return Ok(()) };
        let rows = self
            .rows(
                "SELECT e.webhook FROM webhook_event e JOIN webhook w ON w.id = e.webhook
                 WHERE e.project = $1 AND e.event = $2 AND w.active = 1 ORDER BY w.place",
                args![project, word(&event)],
            )
            .await?;
        for row in rows {
            self.execute(
                "INSERT INTO webhook_delivery (webhook, body, created_at, due_at, tries) VALUES ($1, $2, $3, $3, 0)",
                args![row.text(0)?, canonical_json(change), now],
            )
            .await?;
        }
        Ok(())
    }

    /// Returns up to `limit` deliveries that are due at `now`, each with its webhook, the longest due first; none to the
    /// webhooks in `but`, and none of those at the places in `in_hand`.
    pub async fn webhook_deliveries_due(
        &mut self,
        now: Micros,
        but: &[String],
        in_hand: &[i64],
        limit: u32,
    ) -> Result<Vec<(WebhookDelivery, Webhook)>, StoreError> {
        let mut sql =
            "SELECT place, webhook, body, created_at, tries FROM webhook_delivery WHERE due_at <= $1".to_owned();
        let mut args = args![now];
        for (column, values) in [
            ("webhook", but.iter().map(Arg::from).collect::<Vec<_>>()),
            ("place", in_hand.iter().map(|place| Arg::from(*place)).collect()),
        ] {
            if values.is_empty() {
                continue;
            }
            let places: Vec<String> = (1..=values.len()).map(|place| format!("${}", args.len() + place)).collect();
            sql.push_str(&format!(" AND {column} NOT IN ({})", places.join(", ")));
            args.extend(values);
        }
        sql.push_str(&format!(" ORDER BY due_at, place LIMIT ${}", args.len() + 1));
        args.push(Arg::from(limit));
        let mut due = Vec::new();
        for row in self.rows(AssertSqlSafe(sql), args).await? {
            let (place, webhook, at) = (row.int(0)?, row.text(1)?, row.micros(3)?);
            let sql = format!("SELECT {COLUMNS} FROM webhook WHERE id = $1");
            let Some(found) = self.row(AssertSqlSafe(sql), args![&webhook]).await? else { continue };
            let id = delivery_id(&webhook, place, at);
            let delivery = WebhookDelivery { place, id, webhook, change: row.json(2)?, at, tries: row.count(4)? };
            due.push((delivery, self.webhook_of(&found).await?));
        }
        Ok(due)
    }

    /// Returns when the next delivery is due, if any is on its way.
    pub async fn webhook_deliveries_next(&mut self) -> Result<Option<Micros>, StoreError> {
        let row = self.row("SELECT due_at FROM webhook_delivery ORDER BY due_at, place LIMIT 1", args![]).await?;
        row.map(|row| row.micros(0)).transpose()
    }

    /// Returns whether a delivery was never tried.
    pub async fn webhook_deliveries_untried(&mut self) -> Result<bool, StoreError> {
        let row =
            self.row("SELECT place FROM webhook_delivery WHERE tries = 0 ORDER BY place LIMIT 1", args![]).await?;
        Ok(row.is_some())
    }

    /// Removes a delivery that was taken or given up.
    pub async fn webhook_delivery_done(&mut self, place: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM webhook_delivery WHERE place = $1", args![place]).await?;
        Ok(())
    }

    /// Notes one more try of a delivery, and when the next is due.
    pub async fn webhook_delivery_later(&mut self, place: i64, tries: u32, due: Micros) -> Result<(), StoreError> {
        self.execute("UPDATE webhook_delivery SET tries = $2, due_at = $3 WHERE place = $1", args![place, tries, due])
            .await?;
        Ok(())
    }

    async fn webhook_of(&mut self, row: &Row) -> Result<Webhook, StoreError> {
        let id = row.text(0)?;
        let events = self
            .rows("SELECT event FROM webhook_event WHERE webhook = $1 ORDER BY event", args![&id])
            .await?
            .iter()
            .map(|row| from_word(row.text(0)?))
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Webhook {
            project: row.parsed(1)?,
            name: row.text(2)?,
            url: row.text(3)?,
            description: row.opt_text(4)?,
            events,
            active: row.bool(5)?,
            secret: row.opt_bytes(6)?,
            created_ms: row.int(7)?,
            updated_ms: row.int(8)?,
            id,
        })
    }
}
