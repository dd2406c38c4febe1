//! Labels that were sent for rows of endpoints, and the windows that monitors measured over rows.
//!
//! Nothing is overwritten: a correction is a further turn of its row, and the highest turn holds. Sending the same again
//! changes nothing, however often. Labels are taken in by hundreds, because a sending may have many thousands.

use std::{collections::HashMap, fmt::Write as _};

use sqlx::AssertSqlSafe;
use windlass_kinds::{
    Digest, Micros, Name,
    record::{Actor, Label, LabelTotals, LabelUpload, LedgerKind, Observation, WindowSlice},
};

use crate::{
    StoreError, Tx,
    encode::canonical_json,
    tx::{Arg, Row, args},
};

/// How many labels one statement takes; their arguments stay well below what both databases take in one.
const AT_ONCE: usize = 200;

/// A label as it was sent, with its place among all of its endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct SentLabel {
    /// The sending.
    pub upload: u32,
    /// Its place in the sending.
    pub place: u32,
    /// The row.
    pub row_id: String,
    /// What was said of it; none takes back.
    pub value: Option<f64>,
}

/// A window that a monitor measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredWindow {
    /// Counts from 1 within the monitor.
    pub position: u32,
    /// How many rows it has.
    pub rows: u64,
    /// Where it ends, if it is one of time.
    pub ends: Option<Micros>,
    /// The names of its rows, as content; none where it has no row.
    pub members: Option<Digest>,
}

/// What the newest turn of a row says.
#[derive(Clone, Copy)]
struct Newest {
    turn: u32,
    value: Option<f64>,
}

impl Tx {
    /// Takes labels in, in their order. Rows that are said once more as they are known change nothing; where all are,
    /// nothing is written but their count.
    pub async fn labels_add(
        &mut self,
        project: &Name,
        endpoint: &Name,
        labels: &[Label],
        digest: &Digest,
        actor: &Actor,
        now: Micros,
    ) -> Result<LabelUpload, StoreError> {
        let totals = self.label_totals(project, endpoint).await?;
        let number = u32::try_from(totals.uploads).unwrap_or(u32::MAX).saturating_add(1);
        let mut upload = LabelUpload {
            project: project.clone(),
            endpoint: endpoint.clone(),
            number,
            digest: digest.clone(),
            accepted: 0,
            unchanged: 0,
            corrected: 0,
            received_at: now,
        };
        let mut place = 0;
        for some in labels.chunks(AT_ONCE) {
            let mut known = self.labels_newest(project, endpoint, some).await?;
            let mut added: Vec<(&Label, u32, u32)> = Vec::new();
            for label in some {
                let turn = match known.get(label.row_id.as_str()) {
                    Some(newest) if newest.value == label.value => {
                        upload.unchanged += 1;
                        continue;
                    }
                    Some(newest) => {
                        upload.corrected += 1;
                        newest.turn + 1
                    }
                    None => {
                        upload.accepted += 1;
                        1
                    }
                };
                known.insert(label.row_id.clone(), Newest { turn, value: label.value });
                added.push((label, turn, place));
                place += 1;
            }
            self.labels_insert(project, endpoint, number, &added).await?;
        }
        let changes = upload.accepted + upload.corrected > 0;
        if changes {
            self.execute(
                "INSERT INTO label_upload (project, endpoint, number, received_at, body) VALUES ($1, $2, $3, $4, $5)",
                args![project, endpoint, number, now, canonical_json(&upload)],
            )
            .await?;
            let subject = format!("labels {endpoint}/{number}");
            self.ledger_append(project, actor, LedgerKind::Labels, &subject, &upload, now).await?;
        }
        self.execute(
            "INSERT INTO label_total (project, endpoint, uploads, known, unchanged, corrected)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (project, endpoint) DO UPDATE SET uploads = excluded.uploads, known = excluded.known,
                 unchanged = excluded.unchanged, corrected = excluded.corrected",
            args![
                project,
                endpoint,
                totals.uploads + u64::from(changes),
                totals.rows + upload.accepted,
                totals.unchanged + upload.unchanged,
                totals.corrected + upload.corrected
            ],
        )
        .await?;
        Ok(upload)
    }

    /// Returns what was said last of some rows.
    async fn labels_newest(
        &mut self,
        project: &Name,
        endpoint: &Name,
        labels: &[Label],
    ) -> Result<HashMap<String, Newest>, StoreError> {
        let mut sql =
            "SELECT row_id, turn, value FROM label WHERE project = $1 AND endpoint = $2 AND row_id IN (".to_owned();
        let mut args = args![project, endpoint];
        for (index, label) in labels.iter().enumerate() {
            put(&mut sql, index, &[args.len() + 1]);
            args.push(Arg::from(&label.row_id));
        }
        sql.push_str(") ORDER BY row_id, turn");
        let mut newest = HashMap::new();
        for row in self.rows(AssertSqlSafe(sql), args).await? {
            newest.insert(row.text(0)?, Newest { turn: row.count(1)?, value: row.opt_real(2)? });
        }
        Ok(newest)
    }

    async fn labels_insert(
        &mut self,
        project: &Name,
        endpoint: &Name,
        upload: u32,
        labels: &[(&Label, u32, u32)],
    ) -> Result<(), StoreError> {
        if labels.is_empty() {
            return Ok(());
        }
        let mut sql =
            "INSERT INTO label (project, endpoint, upload, row_id, turn, place, value, at) VALUES ".to_owned();
        let mut args = args![project, endpoint, upload];
        for (index, (Label { row_id, value, at }, turn, place)) in labels.iter().enumerate() {
            let next = args.len() + 1;
            sql.push_str(if index == 0 { "($1, $2, $3" } else { ", ($1, $2, $3" });
            // The first place stands behind three others, so that each has its comma.
            put(&mut sql, 1, &[next, next + 1, next + 2, next + 3, next + 4]);
            sql.push(')');
            args.extend(args![row_id, *turn, *place, *value, *at]);
        }
        self.execute(AssertSqlSafe(sql), args).await?;
        Ok(())
    }

    /// Returns what is known of an endpoint's labels in all.
    pub async fn label_totals(&mut self, project: &Name, endpoint: &Name) -> Result<LabelTotals, StoreError> {
        let row = self
            .row(
                "SELECT uploads, known, unchanged, corrected FROM label_total WHERE project = $1 AND endpoint = $2",
                args![project, endpoint],
            )
            .await?;
        let Some(row) = row else { return Ok(LabelTotals::default()) };
        Ok(LabelTotals {
            uploads: u64::from(row.count(0)?),
            rows: u64::from(row.count(1)?),
            unchanged: u64::from(row.count(2)?),
            corrected: u64::from(row.count(3)?),
        })
    }

    /// Returns the newest sendings of an endpoint, the newest first.
    pub async fn label_uploads(
        &mut self,
        project: &Name,
        endpoint: &Name,
        limit: u32,
    ) -> Result<Vec<LabelUpload>, StoreError> {
        let rows = self
            .rows(
                "SELECT body FROM label_upload WHERE project = $1 AND endpoint = $2 ORDER BY number DESC LIMIT $3",
                args![project, endpoint, limit],
            )
            .await?;
        crate::encode::records(&rows)
    }

    /// Returns up to `limit` labels of an endpoint from behind a sending's place, in the order in which they came,
    /// corrections among them.
    pub async fn labels_after(
        &mut self,
        project: &Name,
        endpoint: &Name,
        after: Option<(u32, u32)>,
        limit: u32,
    ) -> Result<Vec<SentLabel>, StoreError> {
        let (upload, place) = after.map_or((-1, -1), |(upload, place)| (i64::from(upload), i64::from(place)));
        let rows = self
            .rows(
                "SELECT upload, place, row_id, value FROM label
                 WHERE project = $1 AND endpoint = $2 AND (upload, place) > ($3, $4)
                 ORDER BY upload, place LIMIT $5",
                args![project, endpoint, upload, place, limit],
            )
            .await?;
        let label = |row: &Row| {
            Ok(SentLabel { upload: row.count(0)?, place: row.count(1)?, row_id: row.text(2)?, value: row.opt_real(3)? })
        };
        rows.iter().map(label).collect()
    }

    /// Returns everything that was said of a row, oldest first.
    pub async fn label_history(
        &mut self,
        project: &Name,
        endpoint: &Name,
        row_id: &str,
    ) -> Result<Vec<SentLabel>, StoreError> {
        let rows = self
            .rows(
                "SELECT upload, place, value FROM label WHERE project = $1 AND endpoint = $2 AND row_id = $3
                 ORDER BY turn",
                args![project, endpoint, row_id],
            )
            .await?;
        let label = |row: &Row| {
            let (upload, place, value) = (row.count(0)?, row.count(1)?, row.opt_real(2)?);
            Ok(SentLabel { upload, place, row_id: row_id.to_owned(), value })
        };
        rows.iter().map(label).collect()
    }

    /// Notes which rows an observation measured, where it is of a window of rows or of their time. The content with their
    /// names is kept from then on.
    pub(crate) async fn monitor_window_insert(&mut self, observation: &Observation) -> Result<(), StoreError> {
        let Observation { project, monitor, rows, basis, .. } = observation;
        let Some(WindowSlice { position, members, ends }) = &basis.slice else { return Ok(()) };
        self.execute(
            "INSERT INTO monitor_window (project, monitor, position, counted, ends, members)
             VALUES ($1, $2, $3, $4, $5, $6)",
            args![project, monitor, *position, *rows, *ends, members.as_ref().map(Digest::to_string)],
        )
        .await?;
        let holder = format!("window/{monitor}/{position}");
        self.content_refs_add(project, &holder, members.as_slice()).await
    }

    /// Returns every window that a monitor measured over rows, in order.
    pub async fn monitor_windows(&mut self, project: &Name, monitor: &Name) -> Result<Vec<MeasuredWindow>, StoreError> {
        let rows = self
            .rows(
                "SELECT position, counted, ends, members FROM monitor_window WHERE project = $1 AND monitor = $2
                 ORDER BY position",
                args![project, monitor],
            )
            .await?;
        let window = |row: &Row| {
            Ok(MeasuredWindow {
                position: row.count(0)?,
                rows: u64::try_from(row.int(1)?).unwrap_or_default(),
                ends: row.opt_int(2)?.map(Micros),
                members: row.opt_text(3)?.map(|text| text.parse()).transpose().map_err(|_| {
                    StoreError::corrupt(format!("the members of a window of monitor {monitor} are no digest"))
                })?,
            })
        };
        rows.iter().map(window).collect()
    }
}

/// Writes the places of arguments by their numbers; `index` tells whether something stands before them.
fn put(sql: &mut String, index: usize, places: &[usize]) {
    for (offset, place) in places.iter().enumerate() {
        let comma = if index + offset > 0 { ", " } else { "" };
        // Writing to a string does not fail.
        let _ = write!(sql, "{comma}${place}");
    }
}
