-- Indexes of searches.

-- The runs below a run. Ids are short; other texts that somebody puts into that tag are compared by their beginning.
CREATE INDEX run_tag_parent ON run_tag (substr(value, 1, 64)) WHERE key = 'mlflow.parentRunId';

-- Runs by time, over all experiments of a project; with what tells whether a run is of one that is asked for.
CREATE INDEX tracking_run_by_time ON tracking_run (project, start_ms, deleted, experiment, id);

-- Last values of metrics by value, for filters that few runs pass.
CREATE INDEX metric_latest_by_value ON metric_latest (key, value, run);
