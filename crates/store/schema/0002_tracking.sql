-- Tracking and the model registry. Times named *_ms are milliseconds since the epoch, as tracking clients count; those
-- named *_at are microseconds, as everywhere else. Run ids and ids of logged models are unique over all projects.

CREATE TABLE experiment (
    project TEXT NOT NULL,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    deleted BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (project, id),
    UNIQUE (project, name)
);

CREATE TABLE experiment_tag (
    project TEXT NOT NULL,
    experiment BIGINT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (project, experiment, key)
);

-- sealed: 0 = open, 1 = the ledger holds a seal of what is here, 2 = reopened or written to since it was sealed.
CREATE TABLE tracking_run (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    experiment BIGINT NOT NULL,
    name TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    status TEXT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT,
    deleted BIGINT NOT NULL,
    attempt TEXT,
    sealed BIGINT NOT NULL
);
CREATE INDEX tracking_run_by_experiment ON tracking_run (project, experiment, deleted, start_ms);
CREATE INDEX tracking_run_by_attempt ON tracking_run (attempt) WHERE attempt IS NOT NULL;
CREATE INDEX tracking_run_stale ON tracking_run (id) WHERE sealed = 2;

CREATE TABLE run_tag (
    run TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
);
CREATE INDEX run_tag_by_key ON run_tag (key, run);

CREATE TABLE run_param (
    run TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
);
CREATE INDEX run_param_by_key ON run_param (key, run);

-- Points are only ever added. SQLite keeps NaN as NULL, so a NaN has value 0 and its flag set; the same point twice is
-- one point. Both tables are one tree each (WITHOUT ROWID): every page that a point touches is written to the log.
CREATE TABLE metric_point (
    run TEXT NOT NULL,
    key TEXT NOT NULL,
    step BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    nan BIGINT NOT NULL,
    model TEXT,
    dataset_name TEXT,
    dataset_digest TEXT,
    PRIMARY KEY (run, key, step, at_ms, value, nan)
) WITHOUT ROWID;
CREATE INDEX metric_point_by_model ON metric_point (model, key) WHERE model IS NOT NULL;

CREATE TABLE metric_latest (
    run TEXT NOT NULL,
    key TEXT NOT NULL,
    step BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    nan BIGINT NOT NULL,
    model TEXT,
    dataset_name TEXT,
    dataset_digest TEXT,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;

CREATE TABLE run_dataset (
    run TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    context TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, name, digest, context)
);

CREATE TABLE run_model (
    run TEXT NOT NULL,
    role TEXT NOT NULL,
    model TEXT NOT NULL,
    step BIGINT NOT NULL,
    PRIMARY KEY (run, role, model, step)
);

CREATE TABLE artifact (
    project TEXT NOT NULL,
    path TEXT NOT NULL,
    digest TEXT NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (project, path)
);

CREATE TABLE logged_model (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    experiment BIGINT NOT NULL,
    name TEXT NOT NULL,
    source_run TEXT,
    model_type TEXT NOT NULL,
    status TEXT NOT NULL,
    status_message TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    deleted BIGINT NOT NULL
);
CREATE INDEX logged_model_by_experiment ON logged_model (project, experiment, deleted, created_ms);
CREATE INDEX logged_model_by_run ON logged_model (source_run) WHERE source_run IS NOT NULL;

CREATE TABLE logged_model_tag (
    model TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model, key)
);

CREATE TABLE logged_model_param (
    model TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model, key)
);

CREATE TABLE registered_model (
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (project, name)
);

CREATE TABLE registered_model_tag (
    project TEXT NOT NULL,
    model TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (project, model, key)
);

-- The last number given to a version of a model. Outlives the model, so that a number never means two versions.
CREATE TABLE model_number (
    project TEXT NOT NULL,
    model TEXT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (project, model)
);

CREATE TABLE model_version (
    project TEXT NOT NULL,
    model TEXT NOT NULL,
    version BIGINT NOT NULL,
    run TEXT,
    source TEXT NOT NULL,
    logged_model TEXT,
    manifest TEXT,
    size BIGINT NOT NULL,
    pending_step TEXT,
    pending_ordinal BIGINT,
    attempt TEXT,
    actor TEXT NOT NULL,
    description TEXT NOT NULL,
    run_link TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (project, model, version)
);
CREATE INDEX model_version_by_run ON model_version (run) WHERE run IS NOT NULL;
CREATE UNIQUE INDEX model_version_pending ON model_version (pending_step, model, pending_ordinal) WHERE pending_step IS NOT NULL;

CREATE TABLE model_version_tag (
    project TEXT NOT NULL,
    model TEXT NOT NULL,
    version BIGINT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (project, model, version, key)
);

CREATE TABLE model_alias (
    project TEXT NOT NULL,
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (project, model, alias)
);
CREATE INDEX model_alias_by_version ON model_alias (project, model, version);
