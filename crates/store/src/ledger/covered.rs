//! Which record rows the ledger covers: what a row must still say, and where that was recorded.
//!
//! A new table of records with a `body` is one more line in [`COVERED`]; tables without one (runs, model versions,
//! aliases) are compared in `verify::tracking`.

use windlass_kinds::{Kind, record::LedgerKind};

/// A table whose rows the ledger covers.
pub(super) struct Covered {
    /// The table, for people.
    pub(super) table: &'static str,
    /// The kinds of entry that record such a row; the newest one about the row's subject counts.
    pub(super) kinds: &'static [LedgerKind],
    /// Whether a subject is about such a row: kinds such as deletions are shared.
    pub(super) about: fn(&str) -> bool,
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
        about: |subject| subject.split_once('/').is_some_and(|(kind, _)| kind.parse::<Kind>().is_ok()),
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
        about: |_| true,
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
        about: |_| true,
        sql: "SELECT project, 'run ' || pipeline || '-' || CAST(number AS TEXT), body,
                     id, state, cause_event, CAST(created_at AS TEXT)
              FROM pipeline_run WHERE active = 0 ORDER BY project, pipeline, number LIMIT $1 OFFSET $2",
        part: Some("run"),
        columns: &["/id", "/state", "/cause/event", "/created_at"],
        // A run that somebody retries is active again, and recorded again when it ends.
        may_vanish: true,
    },
    Covered {
        table: "endpoint_revision",
        kinds: &[LedgerKind::EndpointRevision],
        about: |_| true,
        // One that only starts has nothing recorded about it yet.
        sql: "SELECT project, 'endpoint ' || endpoint || '/' || CAST(number AS TEXT), body,
                     state, model, CAST(version AS TEXT), CAST(created_at AS TEXT)
              FROM endpoint_revision WHERE state <> 'starting'
              ORDER BY project, endpoint, number LIMIT $1 OFFSET $2",
        part: None,
        columns: &["/state", "/model", "/version", "/created_at"],
        may_vanish: false,
    },
    Covered {
        table: "verdict",
        kinds: &[LedgerKind::Verdict],
        about: |_| true,
        sql: "SELECT project, 'verdict ' || model || '@' || CAST(version AS TEXT) || ' ' || alias || ' '
                     || CAST(number AS TEXT), body, model, CAST(version AS TEXT), alias, CAST(passed AS TEXT),
                     CAST(judged_at AS TEXT)
              FROM verdict ORDER BY project, model, version, alias, number LIMIT $1 OFFSET $2",
        part: None,
        columns: &["/model", "/version", "/alias", "/passed", "/judged_at"],
        may_vanish: false,
    },
    Covered {
        table: "observation",
        kinds: &[LedgerKind::Observation],
        about: |_| true,
        // What crossed no threshold is not recorded.
        sql: "SELECT project, 'monitor ' || monitor || ' ' || CAST(sequence AS TEXT), body, monitor,
                     CAST(observed_at AS TEXT)
              FROM observation WHERE breached = 1 ORDER BY project, monitor, sequence LIMIT $1 OFFSET $2",
        part: None,
        columns: &["/monitor", "/observed_at"],
        may_vanish: false,
    },
    Covered {
        table: "label_upload",
        kinds: &[LedgerKind::Labels],
        about: |_| true,
        sql: "SELECT project, 'labels ' || endpoint || '/' || CAST(number AS TEXT), body, endpoint,
                     CAST(received_at AS TEXT)
              FROM label_upload ORDER BY project, endpoint, number LIMIT $1 OFFSET $2",
        part: None,
        columns: &["/endpoint", "/received_at"],
        may_vanish: false,
    },
];

/// Stands for the table of whatever was freed for good.
pub(super) const ERASED_TABLE: &str = "erased";

/// What the newest entries of some kinds about a subject are looked up under: a table, and the kinds.
pub(super) const LOOKED_UP: &[(&str, &[LedgerKind])] = &[
    ("tracking_run", &[LedgerKind::RunSeal]),
    // What was deleted, and some time later freed for good.
    (ERASED_TABLE, &[LedgerKind::Deletion]),
    ("model_version", &[LedgerKind::ModelVersion, LedgerKind::Deletion]),
    ("model_alias", &[LedgerKind::Alias]),
    // A model's name: made, renamed away, deleted with all its versions.
    ("registered_model", &[LedgerKind::Registry, LedgerKind::Deletion]),
];
