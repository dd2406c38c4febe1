CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
CREATE TABLE experiments (experiment_id INTEGER NOT NULL, name VARCHAR(256) NOT NULL, lifecycle_stage VARCHAR(32),
    creation_time BIGINT, last_update_time BIGINT, workspace VARCHAR(63) DEFAULT 'default' NOT NULL);
CREATE TABLE experiment_tags (key VARCHAR(250) NOT NULL, value TEXT, experiment_id INTEGER NOT NULL);
CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL, name VARCHAR(250), user_id VARCHAR(256), status VARCHAR(9),
    start_time BIGINT, end_time BIGINT, lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200), experiment_id INTEGER);
CREATE TABLE params (key VARCHAR(250) NOT NULL, value VARCHAR(8000) NOT NULL, run_uuid VARCHAR(32) NOT NULL);
CREATE TABLE tags (key VARCHAR(250) NOT NULL, value VARCHAR(8000), run_uuid VARCHAR(32) NOT NULL);
CREATE TABLE metrics (key VARCHAR(250) NOT NULL, value DOUBLE PRECISION NOT NULL, timestamp BIGINT NOT NULL,
    run_uuid VARCHAR(32) NOT NULL, step BIGINT NOT NULL, is_nan BOOLEAN NOT NULL);
CREATE TABLE latest_metrics (key VARCHAR(250) NOT NULL, value DOUBLE PRECISION NOT NULL, timestamp BIGINT,
    step BIGINT NOT NULL, is_nan BOOLEAN NOT NULL, run_uuid VARCHAR(32) NOT NULL);
CREATE TABLE datasets (dataset_uuid VARCHAR(36) NOT NULL, name VARCHAR(500) NOT NULL, digest VARCHAR(36) NOT NULL,
    dataset_source_type VARCHAR(36) NOT NULL, dataset_source TEXT NOT NULL, dataset_schema TEXT, dataset_profile TEXT);
CREATE TABLE inputs (input_uuid VARCHAR(36) NOT NULL, source_type VARCHAR(36) NOT NULL, source_id VARCHAR(36) NOT NULL,
    destination_type VARCHAR(36) NOT NULL, destination_id VARCHAR(36) NOT NULL, step BIGINT DEFAULT 0 NOT NULL);
CREATE TABLE input_tags (input_uuid VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, value VARCHAR(500) NOT NULL);
CREATE TABLE logged_models (model_id VARCHAR(36) NOT NULL, experiment_id INTEGER NOT NULL, name VARCHAR(500) NOT NULL,
    artifact_location VARCHAR(1000) NOT NULL, creation_timestamp_ms BIGINT NOT NULL,
    last_updated_timestamp_ms BIGINT NOT NULL, status INTEGER NOT NULL, lifecycle_stage VARCHAR(32),
    model_type VARCHAR(500), source_run_id VARCHAR(32), status_message VARCHAR(1000));
CREATE TABLE logged_model_metrics (model_id VARCHAR(36) NOT NULL, metric_name VARCHAR(500) NOT NULL,
    metric_timestamp_ms BIGINT NOT NULL, metric_step BIGINT NOT NULL, run_id VARCHAR(32) NOT NULL,
    dataset_name VARCHAR(500), dataset_digest VARCHAR(36));
CREATE TABLE logged_model_params (model_id VARCHAR(36) NOT NULL, param_key VARCHAR(255) NOT NULL, param_value TEXT NOT NULL);
CREATE TABLE logged_model_tags (model_id VARCHAR(36) NOT NULL, tag_key VARCHAR(255) NOT NULL, tag_value TEXT NOT NULL);
CREATE TABLE registered_models (name VARCHAR(256) NOT NULL, creation_time BIGINT, last_updated_time BIGINT,
    description VARCHAR(5000), workspace VARCHAR(63) DEFAULT 'default' NOT NULL);
CREATE TABLE registered_model_tags (key VARCHAR(250) NOT NULL, value VARCHAR(5000), name VARCHAR(256) NOT NULL,
    workspace VARCHAR(63) DEFAULT 'default' NOT NULL);
CREATE TABLE registered_model_aliases (alias VARCHAR(256) NOT NULL, version INTEGER NOT NULL, name VARCHAR(256) NOT NULL,
    workspace VARCHAR(63) DEFAULT 'default' NOT NULL);
CREATE TABLE model_versions (name VARCHAR(256) NOT NULL, version INTEGER NOT NULL, creation_time BIGINT,
    last_updated_time BIGINT, description VARCHAR(5000), current_stage VARCHAR(20), source VARCHAR(500),
    run_id VARCHAR(32), run_link VARCHAR(500), storage_location VARCHAR(500),
    workspace VARCHAR(63) DEFAULT 'default' NOT NULL);
CREATE TABLE model_version_tags (key VARCHAR(250) NOT NULL, value TEXT, name VARCHAR(256) NOT NULL,
    version INTEGER NOT NULL, workspace VARCHAR(63) DEFAULT 'default' NOT NULL);

INSERT INTO alembic_version VALUES ('dc11669786a5');
INSERT INTO experiments VALUES (0, 'Default', 'active', 1000, 2000, 'default'), (7, 'seven', 'deleted', NULL, NULL, 'default'),
    (8, 'far', 'active', 1, 1, 'other');
INSERT INTO experiment_tags VALUES ('k', 'v', 7), ('a', NULL, 7);
INSERT INTO runs VALUES ('ab', 'one', 'ann', 'FINISHED', 5, 9, 'active', 's3://b/7/ab/artifacts', 7),
    ('cd', NULL, NULL, 'RUNNING', NULL, NULL, 'deleted', NULL, 7);
INSERT INTO params VALUES ('p', '1', 'ab');
INSERT INTO tags VALUES ('mlflow.runName', 'two', 'cd'), ('x', 'y', 'cd');
INSERT INTO metrics VALUES ('m', 1.5, 10, 'ab', 0, FALSE), ('m', 0, 11, 'ab', 1, TRUE), ('l', 1.7976931348623157e308, 3, 'ab', -2, FALSE);
INSERT INTO latest_metrics VALUES ('m', 0, 11, 1, TRUE, 'ab');
INSERT INTO datasets VALUES ('d1', 'rows', 'abc', 'local', '{}', NULL, '{"n": 2}');
INSERT INTO inputs VALUES ('i1', 'DATASET', 'd1', 'RUN', 'ab', 0), ('i2', 'RUN_OUTPUT', 'ab', 'MODEL_OUTPUT', 'm-1', 4),
    ('i3', 'RUN_INPUT', 'ab', 'MODEL_INPUT', 'm-0', 0);
INSERT INTO input_tags VALUES ('i1', 'mlflow.data.context', 'train');
INSERT INTO logged_models VALUES ('m-1', 7, 'net', 's3://b/7/models/m-1/artifacts', 20, 21, 2, 'active', 'kind', 'ab', NULL),
    ('m-9', 7, 'gone', 's3://b/7/models/m-9/artifacts', 20, 21, 2, 'deleted', NULL, NULL, NULL);
INSERT INTO logged_model_metrics VALUES ('m-1', 'm', 10, 0, 'ab', 'rows', 'abc');
INSERT INTO logged_model_params VALUES ('m-1', 'depth', '3');
INSERT INTO logged_model_tags VALUES ('m-1', 'mood', 'good');
INSERT INTO registered_models VALUES ('reg', 30, 31, NULL, 'default'), ('hidden', 30, 31, NULL, 'other');
INSERT INTO registered_model_tags VALUES ('o', 'ann', 'reg', 'default');
INSERT INTO registered_model_aliases VALUES ('best', 2, 'reg', 'default');
INSERT INTO model_versions VALUES ('reg', 2, 40, 41, 'd', 'Production', 'models:/m-1', 'ab', NULL, 's3://b/7/models/m-1/artifacts', 'default'),
    ('reg', 1, 38, 39, NULL, 'Deleted_Internal', '', NULL, NULL, NULL, 'default');
INSERT INTO model_version_tags VALUES ('t', 'u', 'reg', 2, 'default');
