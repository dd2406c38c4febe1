//! The ledger's rows by themselves: columns against their entry, bodies against the digest in it.

use std::collections::HashMap;

use tlog_tiles::{Hash, record_hash};
use windlass_kinds::{
    Digest,
    record::{LedgerEntry, LedgerKind},
};

use super::{
    super::covered::{COVERED, LOOKED_UP},
    VerifyReport,
};
use crate::{
    Store, StoreError,
    tx::{Row, args},
};

const PAGE: u32 = 1000;

/// What later checks need of the rows.
pub(super) struct Rows {
    /// Per index the hash of the row's entry; `None` where the row is missing.
    pub(super) leaves: Vec<Option<Hash>>,
    /// Per covered table, project and subject: the newest row about it.
    pub(super) newest: HashMap<Key, Newest>,
}

/// Table, project, subject.
pub(super) type Key = (&'static str, String, String);

/// The newest row about a subject.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newest {
    pub(super) place: i64,
    pub(super) kind: LedgerKind,
}

impl Rows {
    /// Returns the indices below `size` that no row has.
    pub(super) fn missing_before(&self, size: u64) -> Vec<u64> {
        (0..size)
            .filter(|index| {
                let index = usize::try_from(*index).unwrap_or(usize::MAX);
                self.leaves.get(index).is_none_or(Option::is_none)
            })
            .collect()
    }
}

/// Reads every row.
pub(super) async fn check(store: &Store, report: &mut VerifyReport) -> Result<Rows, StoreError> {
    let mut rows = Rows { leaves: Vec::new(), newest: HashMap::new() };
    let mut after = i64::MIN;
    loop {
        let page = store
            .read(move |tx| {
                Box::pin(async move {
                    tx.rows(
                        "SELECT place, leaf, project, kind, subject, actor, recorded_at, entry, body
                         FROM ledger WHERE place > $1 ORDER BY place LIMIT $2",
                        args![after, PAGE],
                    )
                    .await
                })
            })
            .await?;
        for row in &page {
            after = row.int(0)?;
            check_row(row, after, &mut rows, report)?;
        }
        if page.len() < PAGE as usize {
            return Ok(rows);
        }
    }
}

fn check_row(row: &Row, place: i64, rows: &mut Rows, report: &mut VerifyReport) -> Result<(), StoreError> {
    report.rows += 1;
    let leaf = row.opt_int(1)?;
    let name = match leaf {
        Some(leaf) => format!("row of ledger, place {place}, index {leaf}"),
        None => format!("row of ledger, place {place}"),
    };
    let text = row.text(7)?;
    match leaf.map(usize::try_from) {
        Some(Ok(leaf)) => {
            if rows.leaves.len() <= leaf {
                rows.leaves.resize(leaf + 1, None);
            }
            rows.leaves[leaf] = Some(record_hash(text.as_bytes()));
        }
        Some(Err(_)) => report.damage(&name, "its index is negative"),
        None => report.unpublished += 1,
    }
    let entry: LedgerEntry = match serde_json::from_str(&text) {
        Ok(entry) => entry,
        Err(error) => {
            report.damage(&name, format!("column entry is no entry: {error}"));
            return Ok(());
        }
    };
    let recorded_at = row.int(6)?;
    for (column, found, expected) in [
        ("project", row.text(2)?, entry.project.to_string()),
        ("kind", row.text(3)?, entry.kind.as_str().to_owned()),
        ("subject", row.text(4)?, entry.subject.clone()),
        ("actor", row.text(5)?, entry.actor.to_string()),
        ("recorded_at", recorded_at.to_string(), entry.at.0.to_string()),
    ] {
        if found != expected {
            report.damage(&name, format!("column {column} is `{found}`, its entry says `{expected}`"));
        }
    }
    match row.opt_text(8)? {
        None => report.erased += 1,
        Some(body) if Digest::sha256(&body) != entry.body => {
            report.damage(
                &name,
                format!("the body of {} `{}` is not the one recorded", entry.kind.as_str(), entry.subject),
            );
        }
        Some(_) => {}
    }
    let covered = COVERED.iter().filter(|covered| (covered.about)(&entry.subject));
    let covered = covered.map(|covered| (covered.table, covered.kinds));
    for (table, kinds) in covered.chain(LOOKED_UP.iter().copied()) {
        if kinds.contains(&entry.kind) {
            let key = (table, entry.project.to_string(), entry.subject.clone());
            rows.newest.insert(key, Newest { place, kind: entry.kind });
        }
    }
    Ok(())
}
