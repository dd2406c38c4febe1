-- Indexes of searches.

-- The runs below a run. Ids are short; other texts that somebody puts into that tag are compared by their beginning.
CREATE INDEX run_tag_parent ON run_tag (substr(value, 1, 64)) WHERE key = 'mlflow.parentRunId';
