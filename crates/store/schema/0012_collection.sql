-- When a run was deleted softly, so that one may be freed after a while.
ALTER TABLE tracking_run ADD COLUMN deleted_at BIGINT;
CREATE INDEX tracking_run_deleted ON tracking_run (project, id) WHERE deleted = 1;
CREATE INDEX logged_model_deleted ON logged_model (project, id) WHERE deleted = 1;
CREATE INDEX experiment_deleted ON experiment (project, id) WHERE deleted = 1;
