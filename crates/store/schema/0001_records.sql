-- Objects, data, execution, queues, ledger, references, access.
-- Records keep their JSON in `body`; the columns beside it are what queries need. Rows of tables with a `place` are
-- numbered as they come, so that order never depends on a clock.

CREATE TABLE project (
    name TEXT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
);

CREATE TABLE revision (
    project TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    deleted BIGINT NOT NULL,
    newest BIGINT NOT NULL,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, kind, name, number)
);
CREATE UNIQUE INDEX revision_newest ON revision (project, kind, name) WHERE newest = 1;

CREATE TABLE dataset_version (
    project TEXT NOT NULL,
    dataset TEXT NOT NULL,
    number BIGINT NOT NULL,
    state TEXT NOT NULL,
    digest TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, dataset, number)
);
CREATE INDEX dataset_version_state ON dataset_version (project, dataset, state, number);

CREATE TABLE observed_file (
    project TEXT NOT NULL,
    dataset TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, dataset, path)
);

CREATE TABLE pipeline_run (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    number BIGINT NOT NULL,
    state TEXT NOT NULL,
    active BIGINT NOT NULL,
    cause_event TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (project, pipeline, number)
);
CREATE INDEX pipeline_run_active ON pipeline_run (place) WHERE active = 1;
CREATE INDEX pipeline_run_project ON pipeline_run (project, place);
CREATE INDEX pipeline_run_pipeline ON pipeline_run (project, pipeline, place);

CREATE TABLE step_run (
    id TEXT NOT NULL PRIMARY KEY,
    run TEXT NOT NULL REFERENCES pipeline_run (id),
    project TEXT NOT NULL,
    step TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX step_run_run ON step_run (run, ordinal);

CREATE TABLE attempt (
    id TEXT NOT NULL PRIMARY KEY,
    step_run TEXT NOT NULL REFERENCES step_run (id),
    run TEXT NOT NULL,
    project TEXT NOT NULL,
    number BIGINT NOT NULL,
    state TEXT NOT NULL,
    running BIGINT NOT NULL,
    tracking_run TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (step_run, number)
);
CREATE INDEX attempt_running ON attempt (started_at, id) WHERE running = 1;
CREATE INDEX attempt_tracking_run ON attempt (tracking_run);

CREATE TABLE cache_entry (
    project TEXT NOT NULL,
    key_digest TEXT NOT NULL,
    step_run TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, key_digest)
);

CREATE TABLE trigger_state (
    project TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    name TEXT NOT NULL,
    held BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, pipeline, name)
);
CREATE INDEX trigger_state_held ON trigger_state (project, pipeline, name) WHERE held = 1;

-- `id` follows from (project, identity): the idempotency key of whatever arrives.
CREATE TABLE inbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    identity TEXT NOT NULL,
    actor TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    done BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX inbox_pending ON inbox (place) WHERE done = 0;

CREATE TABLE outbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    idempotency_key TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    done BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX outbox_pending ON outbox (place) WHERE done = 0;

-- `entry` is the canonical text that is hashed into the tree; `body` the canonical body it names, NULL once erased.
-- `leaf` is the index in the tree, NULL until the sequencer assigned it.
CREATE TABLE ledger (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    leaf BIGINT UNIQUE,
    project TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    actor TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    entry TEXT NOT NULL,
    body TEXT
);
CREATE INDEX ledger_unsequenced ON ledger (place) WHERE leaf IS NULL;
CREATE INDEX ledger_project ON ledger (project, place);
CREATE INDEX ledger_kind ON ledger (kind, place);
CREATE INDEX ledger_subject ON ledger (subject, place);

CREATE TABLE content_ref (
    digest TEXT NOT NULL,
    holder TEXT NOT NULL,
    project TEXT NOT NULL,
    PRIMARY KEY (digest, project, holder)
);
CREATE INDEX content_ref_holder ON content_ref (project, holder);

CREATE TABLE token (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    project TEXT,
    role TEXT NOT NULL,
    secret_hash BLOB NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT
);

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    content TEXT NOT NULL
);

CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    amount BIGINT NOT NULL
);
