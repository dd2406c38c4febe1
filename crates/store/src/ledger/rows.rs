//! The rows of the ledger: appended with the change, listed for people.

use serde::Serialize;
use sqlx::AssertSqlSafe;
use windlass_kinds::{
    Digest, Micros, Name,
    record::{Actor, LedgerEntry, LedgerKind},
};

use crate::{
    StoreError, Tx,
    encode::canonical_json,
    tx::{Row, args},
};

/// The longest subject, in bytes: an entry must fit a bundle, whose entries have at most 65,535.
const SUBJECT_MAX: usize = 16 * 1024;

/// Which ledger rows to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerQuery {
    /// Those of one project alone.
    pub project: Option<Name>,
    /// Those of one kind alone.
    pub kind: Option<LedgerKind>,
    /// Those about one subject alone: `Dataset/arrivals@3`.
    pub subject: Option<String>,
    /// Those after this [`LedgerRow::place`] alone.
    pub after: i64,
    /// How many at most.
    pub limit: u32,
}

impl Default for LedgerQuery {
    fn default() -> Self {
        Self { project: None, kind: None, subject: None, after: 0, limit: 100 }
    }
}

/// One row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Grows with every row; what [`LedgerQuery::after`] goes on from.
    pub place: i64,
    /// The leaf's index in the tree, once it has one.
    pub index: Option<u64>,
    /// The entry.
    pub entry: LedgerEntry,
}

impl Tx {
    /// Records a fact about `subject`, whose body is kept beside the entry.
    pub async fn ledger_append<T: Serialize + Sync + ?Sized>(
        &mut self,
        project: &Name,
        actor: &Actor,
        kind: LedgerKind,
        subject: &str,
        body: &T,
        now: Micros,
    ) -> Result<(), StoreError> {
        if subject.len() > SUBJECT_MAX {
            return Err(StoreError::Invalid { what: format!("a name of {} bytes; use a shorter one", subject.len()) });
        }
        let body = canonical_json(body);
        let entry = LedgerEntry {
            at: now,
            project: project.clone(),
            actor: actor.clone(),
            kind,
            subject: subject.to_owned(),
            body: Digest::sha256(&body),
        };
        self.execute(
            "INSERT INTO ledger (project, kind, subject, actor, recorded_at, entry, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            args![project, kind.as_str(), subject, actor.as_str(), now, canonical_json(&entry), body],
        )
        .await?;
        Ok(())
    }

    /// Lists rows in the order they were written.
    pub async fn ledger_list(&mut self, query: &LedgerQuery) -> Result<Vec<LedgerRow>, StoreError> {
        self.ledger_rows(query, i64::MAX, "ASC").await
    }

    /// Lists rows before a [`LedgerRow::place`], the newest first.
    pub async fn ledger_newest(&mut self, query: &LedgerQuery, before: i64) -> Result<Vec<LedgerRow>, StoreError> {
        self.ledger_rows(query, before, "DESC").await
    }

    async fn ledger_rows(
        &mut self,
        query: &LedgerQuery,
        before: i64,
        order: &str,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let LedgerQuery { project, kind, subject, after, limit } = query;
        let mut sql = "SELECT place, leaf, entry FROM ledger WHERE place > $1 AND place < $3".to_owned();
        let mut args = args![*after, *limit, before];
        // Only what was asked for, so that each question finds its index.
        for (column, value) in [
            ("project", project.as_ref().map(Name::as_str)),
            ("kind", kind.map(LedgerKind::as_str)),
            ("subject", subject.as_deref()),
        ] {
            if let Some(value) = value {
                args.push(value.into());
                sql.push_str(&format!(" AND {column} = ${}", args.len()));
            }
        }
        sql.push_str(&format!(" ORDER BY place {order} LIMIT $2"));
        let rows = self.rows(AssertSqlSafe(sql), args).await?;
        rows.iter().map(ledger_row).collect()
    }

    /// Returns the canonical body of the row at `place`; `None` where there is no such row or its body was erased.
    pub async fn ledger_body(&mut self, place: i64) -> Result<Option<String>, StoreError> {
        let row = self.row("SELECT body FROM ledger WHERE place = $1", args![place]).await?;
        row.map_or(Ok(None), |row| row.opt_text(0))
    }
}

fn ledger_row(row: &Row) -> Result<LedgerRow, StoreError> {
    let index = row.opt_int(1)?.map(u64::try_from).transpose();
    let index = index.map_err(|_| StoreError::corrupt("a ledger row with a negative index"))?;
    Ok(LedgerRow { place: row.int(0)?, index, entry: row.json(2)? })
}
