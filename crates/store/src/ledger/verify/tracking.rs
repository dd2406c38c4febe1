//! Tracking and registry against the ledger: sealed runs, model versions, aliases.
//!
//! These have no body of their own: what they hold is put together again and compared with the newest entry about it.

use std::collections::HashSet;

use serde_json::Value;
use windlass_kinds::{
    Digest, Name, RunId,
    record::{LedgerKind, RunSeal},
};

use super::{
    super::covered::ERASED_TABLE,
    VerifyReport,
    rows::{Key, Newest, Rows},
};
use crate::{
    Store, StoreError, VersionFact,
    collect::ERASED,
    encode::canonical_json,
    tx::{Row, args},
};

const PAGE: u32 = 500;

/// Compares runs, versions and aliases with what was recorded of them.
pub(super) async fn check(store: &Store, rows: &Rows, report: &mut VerifyReport) -> Result<(), StoreError> {
    check_runs(store, rows, report).await?;
    check_versions(store, rows, report).await?;
    check_aliases(store, rows, report).await
}

async fn body(store: &Store, newest: Newest) -> Result<Option<String>, StoreError> {
    store.read(move |tx| Box::pin(async move { tx.ledger_body(newest.place).await })).await
}

fn sorted<'a>(rows: &'a Rows, table: &str) -> Vec<(&'a Key, Newest)> {
    let mut keys: Vec<_> = rows.newest.iter().filter(|(key, _)| key.0 == table).map(|(key, row)| (key, *row)).collect();
    keys.sort_by_key(|(_, row)| row.place);
    keys
}

/// Every run that was sealed must still hold the points, params and artifacts that its newest seal counts.
async fn check_runs(store: &Store, rows: &Rows, report: &mut VerifyReport) -> Result<(), StoreError> {
    for ((_, project, subject), newest) in sorted(rows, "tracking_run") {
        let id = RunId::new(subject.strip_prefix("run ").unwrap_or(subject));
        let name = format!("tracking run {id}, {project}");
        // Written to after it ended: it is sealed anew shortly, which leaves an entry.
        let wanted = id.clone();
        let (stale, found) = store
            .read(move |tx| {
                let id = wanted.clone();
                Box::pin(async move {
                    let row = tx.row("SELECT sealed FROM tracking_run WHERE id = $1", args![id.as_str()]).await?;
                    let stale = row.map_or(Ok(0), |row| row.int(0))? == 2;
                    Ok((stale, tx.run_seal_now(&id).await?))
                })
            })
            .await?;
        report.records += 1;
        let Some(found) = found else {
            if !was_erased(store, rows, project, subject, newest).await? {
                report.damage(name, "it was sealed and is missing");
            }
            continue;
        };
        let recorded = body(store, newest).await?.and_then(|text| serde_json::from_str::<RunSeal>(&text).ok());
        let Some(recorded) = recorded.filter(|_| !stale) else { continue };
        // No `..`: a new part must be compared here or this stops compiling.
        let RunSeal { run: _, status, metric_count, metrics, params, artifacts } = recorded;
        for (part, same) in [
            ("status", status == found.status),
            ("number of metric points", metric_count == found.metric_count),
            ("metric points", metrics == found.metrics),
            ("params", params == found.params),
            ("artifacts", artifacts == found.artifacts),
        ] {
            if !same {
                report.damage(&name, format!("its {part} differ from its seal at ledger place {}", newest.place));
            }
        }
    }
    Ok(())
}

/// Returns whether the ledger says that a run was freed for good after it was sealed.
async fn was_erased(
    store: &Store,
    rows: &Rows,
    project: &str,
    subject: &str,
    seal: Newest,
) -> Result<bool, StoreError> {
    let key = (ERASED_TABLE, project.to_owned(), subject.to_owned());
    let Some(entry) = rows.newest.get(&key).filter(|entry| entry.place > seal.place) else { return Ok(false) };
    let recorded = body(store, *entry).await?.and_then(|text| serde_json::from_str::<(String, Value)>(&text).ok());
    Ok(recorded.is_some_and(|(word, _)| word == ERASED))
}

async fn check_versions(store: &Store, rows: &Rows, report: &mut VerifyReport) -> Result<(), StoreError> {
    let mut seen = HashSet::new();
    let mut offset = 0_u64;
    loop {
        let page = store
            .read(move |tx| {
                Box::pin(async move {
                    tx.rows(
                        "SELECT project, model, version, run, source, logged_model, manifest, size FROM model_version
                         WHERE pending_step IS NULL ORDER BY project, model, version LIMIT $1 OFFSET $2",
                        args![PAGE, offset],
                    )
                    .await
                })
            })
            .await?;
        for row in &page {
            report.records += 1;
            let fact = version_fact(row)?;
            let key = ("model_version", row.text(0)?, format!("model {}@{}", fact.model, fact.version));
            let name = format!("row of model_version, {}: {}", key.1, key.2);
            match rows.newest.get(&key) {
                None => report.damage(name, "the ledger has no entry about it"),
                Some(Newest { kind: LedgerKind::Deletion, place: _ }) => {
                    report.damage(name, "it was recorded as deleted and is there");
                }
                Some(newest) => match body(store, *newest).await? {
                    Some(recorded) if recorded != canonical_json(&fact) => report.damage(
                        name,
                        format!("it differs from what was recorded at ledger place {}: {recorded}", newest.place),
                    ),
                    Some(_) | None => {}
                },
            }
            seen.insert(key);
        }
        offset += u64::from(PAGE);
        if page.len() < PAGE as usize {
            break;
        }
    }
    for (key, newest) in sorted(rows, "model_version") {
        let (_, project, subject) = key;
        let model = subject.rsplit_once('@').map_or(subject.as_str(), |(model, _)| model);
        if newest.kind == LedgerKind::ModelVersion && !seen.contains(key) && !gone_since(rows, project, model, newest) {
            report.damage(format!("row of model_version, {project}: {subject}"), "it was recorded and is missing");
        }
    }
    Ok(())
}

/// Returns whether the model (`model flights`) was renamed or deleted after `newest`.
fn gone_since(rows: &Rows, project: &str, model: &str, newest: Newest) -> bool {
    let key = ("registered_model", project.to_owned(), model.to_owned());
    rows.newest.get(&key).is_some_and(|model| model.place > newest.place)
}

fn version_fact(row: &Row) -> Result<VersionFact, StoreError> {
    let manifest = match row.opt_text(6)? {
        Some(_) => Some(row.parsed::<Digest>(6)?),
        None => None,
    };
    let size = row.int(7)?;
    Ok(VersionFact {
        model: row.text(1)?,
        version: row.count(2)?,
        run: row.opt_text(3)?.map(RunId::new),
        source: row.text(4)?,
        logged_model: row.opt_text(5)?,
        manifest,
        size: u64::try_from(size).map_err(|_| StoreError::corrupt(format!("a model version of {size} bytes")))?,
    })
}

async fn check_aliases(store: &Store, rows: &Rows, report: &mut VerifyReport) -> Result<(), StoreError> {
    let aliases = store
        .read(|tx| {
            Box::pin(async move {
                tx.rows(
                    "SELECT project, model, alias, version FROM model_alias ORDER BY project, model, alias",
                    args![],
                )
                .await
            })
        })
        .await?;
    let mut seen = HashSet::new();
    for row in &aliases {
        report.records += 1;
        let (project, model, version) = (row.parsed::<Name>(0)?, row.text(1)?, row.count(3)?);
        let key = ("model_alias", project.to_string(), format!("model {model} @{}", row.text(2)?));
        let name = format!("row of model_alias, {}: {}", key.1, key.2);
        match rows.newest.get(&key) {
            Some(newest) => {
                let recorded = body(store, *newest).await?.and_then(|text| serde_json::from_str::<Value>(&text).ok());
                if recorded.is_some_and(|recorded| recorded != serde_json::json!(["set", version])) {
                    report.damage(
                        name,
                        format!("it points at version {version}, not as recorded at ledger place {}", newest.place),
                    );
                }
            }
            // A renamed model takes its aliases along.
            None if renamed_to(store, &project, &model).await? => {}
            None => report.damage(name, "the ledger has no entry about it"),
        }
        seen.insert(key);
    }
    for (key, newest) in sorted(rows, "model_alias") {
        let (_, project, subject) = key;
        if seen.contains(key) {
            continue;
        }
        let model = subject.rsplit_once(" @").map_or(subject.as_str(), |(model, _)| model);
        let recorded = body(store, newest).await?.and_then(|text| serde_json::from_str::<(String, Value)>(&text).ok());
        let Some((verb, version)) = recorded else { continue };
        let version_key = ("model_version", project.clone(), format!("{model}@{version}"));
        let version_gone = rows.newest.get(&version_key).is_some_and(|row| row.kind == LedgerKind::Deletion);
        if verb == "set" && !version_gone && !gone_since(rows, project, model, newest) {
            report.damage(format!("row of model_alias, {project}: {subject}"), "it was recorded and is missing");
        }
    }
    Ok(())
}

async fn renamed_to(store: &Store, project: &Name, model: &str) -> Result<bool, StoreError> {
    let (project, body) = (project.clone(), canonical_json(&("renamed", model)));
    let found = store
        .read(move |tx| {
            let (project, body) = (project.clone(), body.clone());
            Box::pin(async move {
                tx.row(
                    "SELECT place FROM ledger WHERE kind = 'registry' AND project = $1 AND body = $2 LIMIT 1",
                    args![&project, body],
                )
                .await
            })
        })
        .await?;
    Ok(found.is_some())
}
