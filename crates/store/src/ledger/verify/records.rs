//! Records against what the ledger recorded of them, and content against its digests.

use std::collections::HashSet;

use serde_json::Value;
use windlass_kinds::{Digest, PipelineRunId, record::StepRun};

use super::{
    super::covered::{COVERED, Covered},
    BlobCheck, Hashed, VerifyReport,
    rows::{Key, Rows},
};
use crate::{
    Store, StoreError,
    ledger::LedgerError,
    tx::{Row, args},
};

const PAGE: u32 = 500;

/// Compares every row of every covered table with the newest body about it.
pub(super) async fn check(store: &Store, rows: &Rows, report: &mut VerifyReport) -> Result<(), StoreError> {
    for covered in COVERED {
        let mut seen = HashSet::new();
        let mut offset = 0_u64;
        loop {
            let sql = covered.sql;
            let page = store.read(move |tx| Box::pin(async move { tx.rows(sql, args![PAGE, offset]).await })).await?;
            for row in &page {
                check_row(store, covered, row, rows, &mut seen, report).await?;
            }
            offset += u64::from(PAGE);
            if page.len() < PAGE as usize {
                break;
            }
        }
        if !covered.may_vanish {
            let mut missing: Vec<_> =
                rows.newest.keys().filter(|key| key.0 == covered.table && !seen.contains(*key)).collect();
            missing.sort();
            for (table, project, subject) in missing {
                report.damage(format!("row of {table}, {project}: {subject}"), "it was recorded and is missing");
            }
        }
    }
    Ok(())
}

async fn check_row(
    store: &Store,
    covered: &Covered,
    row: &Row,
    rows: &Rows,
    seen: &mut HashSet<Key>,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    report.records += 1;
    let (project, subject, text) = (row.text(0)?, row.text(1)?, row.text(2)?);
    let name = format!("row of {}, {project}: {subject}", covered.table);
    let key = (covered.table, project, subject);
    let place = rows.newest.get(&key).map(|newest| newest.place);
    seen.insert(key);
    let Some(place) = place else {
        report.damage(name, "the ledger has no entry about it");
        return Ok(());
    };
    let record: Value = match serde_json::from_str(&text) {
        Ok(record) => record,
        Err(error) => {
            report.damage(name, format!("column body is not JSON: {error}"));
            return Ok(());
        }
    };
    // An erased body says nothing; a damaged one was reported with its own row.
    let body_text = store.read(move |tx| Box::pin(async move { tx.ledger_body(place).await })).await?;
    let body: Option<Value> = body_text.as_ref().and_then(|body| serde_json::from_str(body).ok());
    if let (Some(body_text), Some(body)) = (&body_text, &body) {
        // Both are canonical, so the record stands in the body letter by letter.
        let (same, recorded) = match covered.part {
            None => (*body_text == text, Some(body)),
            Some(part) => (body_text.contains(&format!("\"{part}\":{text}")), body.get(part)),
        };
        if !same {
            let field = recorded.and_then(|recorded| first_difference(recorded, &record));
            let field = field.unwrap_or_else(|| "its spelling".to_owned());
            report
                .damage(&name, format!("column body differs from what was recorded at ledger place {place}: {field}"));
        }
    }
    for (pointer, index) in covered.columns.iter().zip(3..) {
        let (found, expected) = (row.text(index)?, record.pointer(pointer).map(plain).unwrap_or_default());
        if found != expected {
            report.damage(&name, format!("column {} is `{found}`, its body says `{expected}`", &pointer[1..]));
        }
    }
    if let Some(steps) = body.as_ref().and_then(|body| body.get("steps")).and_then(Value::as_array) {
        let run = PipelineRunId::new(record.pointer("/id").map(plain).unwrap_or_default());
        check_steps(store, &name, run, steps, report).await?;
    }
    Ok(())
}

/// Compares what was recorded of a run's steps (state, key, outputs) with their rows.
async fn check_steps(
    store: &Store,
    run_name: &str,
    run: PipelineRunId,
    recorded: &[Value],
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let steps: Vec<StepRun> = store
        .read(move |tx| {
            let run = run.clone();
            Box::pin(async move { tx.step_runs(&run).await })
        })
        .await?;
    for recorded in recorded {
        let name = recorded.get("step").map(plain).unwrap_or_default();
        let place = format!("{run_name}, step {name}");
        let Some(step) = steps.iter().find(|step| step.display_name() == name) else {
            report.damage(place, "its row was recorded and is missing");
            continue;
        };
        report.records += 1;
        let found = serde_json::json!({
            "state": step.state,
            "key": step.key.as_ref().map(|key| &key.digest),
            "outputs": step.outputs,
        });
        for field in ["state", "key", "outputs"] {
            if let Some(recorded) = recorded.get(field)
                && Some(recorded) != found.get(field)
            {
                report.damage(&place, format!("{field} differs from what was recorded when the run ended"));
            }
        }
    }
    Ok(())
}

/// Hashes every blob that something refers to, and every file of the folders among them.
pub(super) async fn check_blobs(
    store: &Store,
    blobs: &BlobCheck,
    report: &mut VerifyReport,
) -> Result<(), LedgerError> {
    let (mut after, mut within) = (None, HashSet::new());
    loop {
        let from = after.clone();
        let page = store
            .read(move |tx| {
                let from = from.clone();
                Box::pin(async move { tx.content_ref_digests(from.as_ref(), PAGE).await })
            })
            .await?;
        for digest in &page {
            report.blobs += 1;
            let (what, files) = look(blobs, digest);
            for file in files {
                // Many folders share files.
                if !within.insert(file.clone()) {
                    continue;
                }
                report.blobs += 1;
                if let (Some(what), _) = look(blobs, &file) {
                    report.damage(format!("content {file}, a file of the folder {digest}"), what);
                }
            }
            let Some(what) = what else { continue };
            let wanted = digest.clone();
            let holders = store
                .read(move |tx| {
                    let wanted = wanted.clone();
                    Box::pin(async move { tx.content_ref_holders(&wanted).await })
                })
                .await?;
            let holders: Vec<_> = holders.into_iter().map(|(project, holder)| format!("{project}: {holder}")).collect();
            report.damage(format!("content {digest}, needed by {}", holders.join(", ")), what);
        }
        if page.len() < PAGE as usize {
            return Ok(());
        }
        after = page.last().cloned();
    }
}

/// Returns what is wrong with a blob, and what else must be there where it is a folder.
fn look(blobs: &BlobCheck, digest: &Digest) -> (Option<String>, Vec<Digest>) {
    match blobs(digest) {
        Ok(Some(Hashed { digest: found, files })) if found == *digest => (None, files),
        Ok(Some(Hashed { digest: found, files: _ })) => {
            (Some(format!("its bytes have the digest {found}")), Vec::new())
        }
        Ok(None) => (Some("it is missing".to_owned()), Vec::new()),
        Err(error) => (Some(format!("it cannot be read: {error}")), Vec::new()),
    }
}

/// Returns a value as a column holds it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(truth) => u8::from(*truth).to_string(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Returns the first field that differs, as a path, with what was recorded and what is there.
fn first_difference(recorded: &Value, found: &Value) -> Option<String> {
    match (recorded, found) {
        (Value::Object(recorded), Value::Object(found)) => recorded
            .keys()
            .chain(found.keys())
            .find(|key| recorded.get(*key) != found.get(*key))
            .map(|key| nested(key, recorded.get(key), found.get(key))),
        (Value::Array(recorded), Value::Array(found)) => (0..recorded.len().max(found.len()))
            .find(|index| recorded.get(*index) != found.get(*index))
            .map(|index| nested(&index.to_string(), recorded.get(index), found.get(index))),
        (recorded, found) if recorded == found => None,
        (recorded, found) => Some(format!(": recorded {}, found {}", clipped(recorded), clipped(found))),
    }
}

fn nested(key: &str, recorded: Option<&Value>, found: Option<&Value>) -> String {
    match (recorded, found) {
        (Some(recorded), Some(found)) => {
            let rest = first_difference(recorded, found).unwrap_or_default();
            if rest.starts_with(':') { format!("{key}{rest}") } else { format!("{key}.{rest}") }
        }
        (Some(recorded), None) => format!("{key}: recorded {}, gone", clipped(recorded)),
        (None, Some(found)) => format!("{key}: not recorded, found {}", clipped(found)),
        (None, None) => key.to_owned(),
    }
}

fn clipped(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::first_difference;

    #[test]
    fn differences_are_named() {
        for (recorded, found, expected) in [
            (json!({"a": {"b": [1, 2]}}), json!({"a": {"b": [1, 3]}}), "a.b.1: recorded 2, found 3"),
            (json!({"a": 1}), json!({}), "a: recorded 1, gone"),
            (json!({}), json!({"a": 1}), "a: not recorded, found 1"),
        ] {
            assert_eq!(first_difference(&recorded, &found).as_deref(), Some(expected));
        }
    }
}
