-- Datasets to evaluate with, parts of large uploads, and stages of model versions. Times named *_ms are milliseconds.

CREATE TABLE evaluation_dataset (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    schema_json TEXT,
    profile_json TEXT,
    digest TEXT NOT NULL,
    created_by TEXT,
    updated_by TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX evaluation_dataset_by_project ON evaluation_dataset (project, created_ms, id);
CREATE INDEX evaluation_dataset_by_name ON evaluation_dataset (project, name, id);
CREATE INDEX evaluation_dataset_by_update ON evaluation_dataset (project, updated_ms, id);

CREATE TABLE evaluation_dataset_tag (
    dataset TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (dataset, key)
);

CREATE TABLE evaluation_dataset_experiment (
    dataset TEXT NOT NULL,
    experiment BIGINT NOT NULL,
    project TEXT NOT NULL,
    place BIGINT NOT NULL,
    PRIMARY KEY (dataset, experiment)
);
CREATE INDEX evaluation_dataset_experiment_by_experiment
    ON evaluation_dataset_experiment (project, experiment, dataset);

-- `inputs` is the digest of the record's inputs: one record for each.
CREATE TABLE evaluation_record (
    dataset TEXT NOT NULL,
    id TEXT NOT NULL,
    inputs TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (dataset, inputs)
);
CREATE UNIQUE INDEX evaluation_record_in_order ON evaluation_record (dataset, created_ms, id);
CREATE INDEX evaluation_record_by_id ON evaluation_record (dataset, id);

CREATE TABLE upload (
    id TEXT NOT NULL PRIMARY KEY,
    project TEXT NOT NULL,
    path TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX upload_by_age ON upload (project, created_ms);

CREATE TABLE upload_part (
    upload TEXT NOT NULL,
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (upload, number)
);

ALTER TABLE model_version ADD COLUMN stage TEXT NOT NULL DEFAULT 'None';
CREATE INDEX model_version_by_stage ON model_version (project, model, stage);
