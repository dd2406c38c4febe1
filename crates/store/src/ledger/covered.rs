//! Which record rows the ledger covers: what a row must still say, and where that was recorded.
//!
//! A new covered table is one more line in [`COVERED`].

use windlass_kinds::record::LedgerKind;

/// A table whose rows the ledger covers.
pub(super) struct Covered {
    /// The table, for people.
    pub(super) table: &'static str,
    /// The kinds of entry that record such a row; the newest one about the row's subject counts.
    pub(super) kinds: &'static [LedgerKind],
    /// Selects project, subject, the record's JSON and then, as text, the columns of `columns`, in a fixed order, for
    /// `LIMIT $1 OFFSET $2`.
    pub(super) sql: &'static str,
    /// The field of the entry's body that is the record; `None`: the body is the record.
    pub(super) part: Option<&'static str>,
    /// Where the further columns stand in the record, as JSON pointers.
    pub(super) columns: &'static [&'static str],
    /// Whether rows of the table may be gone although they were recorded.
    pub(super) may_vanish: bool,
}

/// Every covered table.
pub(super) const COVERED: &[Covered] = &[
    Covered {
        table: "revision",
        kinds: &[LedgerKind::Revision, LedgerKind::Deletion],
        sql: "SELECT project, kind || '/' || name || '@' || CAST(number AS TEXT), body,
                     digest, CAST(deleted AS TEXT), actor, CAST(created_at AS TEXT)
              FROM revision ORDER BY project, kind, name, number LIMIT $1 OFFSET $2",
        part: None,
        columns: &["/digest", "/deleted", "/actor", "/created_at"],
        may_vanish: false,
    },
    Covered {
        table: "dataset_version",
        kinds: &[LedgerKind::DatasetVersion],
        sql: "SELECT project, 'Dataset/' || dataset || '@' || CAST(number AS TEXT), body,
                     state, digest, CAST(created_at AS TEXT)
              FROM dataset_version ORDER BY project, dataset, number LIMIT $1 OFFSET $2",
        part: None,
        columns: &["/state", "/digest", "/created_at"],
        may_vanish: false,
    },
    Covered {
        table: "pipeline_run",
        kinds: &[LedgerKind::RunEnded],
        sql: "SELECT project, 'run ' || pipeline || '-' || CAST(number AS TEXT), body,
                     id, state, cause_event, CAST(created_at AS TEXT)
              FROM pipeline_run WHERE active = 0 ORDER BY project, pipeline, number LIMIT $1 OFFSET $2",
        part: Some("run"),
        columns: &["/id", "/state", "/cause/event", "/created_at"],
        // A run that somebody retries is active again, and recorded again when it ends.
        may_vanish: true,
    },
];
