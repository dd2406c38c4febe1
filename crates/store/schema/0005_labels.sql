-- Labels that were sent for what an endpoint predicted, every one kept, and the windows that monitors measured over
-- rows. All of it only ever grows.

CREATE TABLE label_upload (
    project TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    number BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, endpoint, number)
);

-- What was said of a row: turn 1 first, the highest turn holds. A value of NULL takes back. `place` counts within the
-- upload.
CREATE TABLE label (
    project TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    row_id TEXT NOT NULL,
    turn BIGINT NOT NULL,
    upload BIGINT NOT NULL,
    place BIGINT NOT NULL,
    value DOUBLE PRECISION,
    at BIGINT,
    PRIMARY KEY (project, endpoint, row_id, turn)
);
CREATE UNIQUE INDEX label_in_order ON label (project, endpoint, upload, place);

CREATE TABLE label_total (
    project TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    uploads BIGINT NOT NULL,
    known BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    corrected BIGINT NOT NULL,
    PRIMARY KEY (project, endpoint)
);

CREATE TABLE monitor_window (
    project TEXT NOT NULL,
    monitor TEXT NOT NULL,
    position BIGINT NOT NULL,
    counted BIGINT NOT NULL,
    ends BIGINT,
    members TEXT,
    PRIMARY KEY (project, monitor, position)
);

-- The sketch of the rows that a version was trained on, as content; made once.
ALTER TABLE model_version ADD COLUMN reference TEXT;
